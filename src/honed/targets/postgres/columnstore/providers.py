"""Columnar forms that a cold partition can take: an access method of the server, else Parquet."""

from collections.abc import Mapping
from typing import Protocol

from honed.core.step import Step
from honed.targets.postgres.archives.engine import is_installed
from honed.targets.postgres.archives.files import folder_of
from honed.targets.postgres.columnstore.partitions import (
    Moment,
    Partition,
    unarchivable,
)
from honed.targets.postgres.columnstore.steps import archive_steps, method_steps
from honed.targets.postgres.target import PostgresTarget

#: The access method of citus columnar and of hydra.
_METHOD = "columnar"
#: Before, ALTER TABLE cannot change the access method.
_VERSION_15 = 150000
#: A rewrite of more locks everybody out for more than a minute or two.
_MOST_REWRITTEN_BYTES = 10 * 10**9


class Provider(Protocol):
    """One columnar form."""

    @property
    def name(self) -> str:
        """Stored with every claim."""

    def obstacle(self, partition: Partition) -> str:
        """Return why a cold partition cannot take this form; empty: it can."""

    def steps(self, partition: Partition) -> list[Step]:
        """Return the steps that give it this form."""


class ColumnarMethod:
    """An access method of the server: the partition stays where it is, and can be read."""

    name = "method"

    def __init__(self, target: PostgresTarget) -> None:
        self._sampled = target.lab.shares()

    def obstacle(self, partition: Partition) -> str:
        """Return why not: only a heap of a size that is rewritten soon, and that can be tried."""
        if partition.size_bytes > _MOST_REWRITTEN_BYTES:
            return "rewriting it would lock out its readers for too long"
        return partition.obstacle() or _unproven(partition, self._sampled)

    def steps(self, partition: Partition) -> list[Step]:
        """Return the step that rewrites it."""
        return method_steps(partition, _METHOD)


class ParquetArchive:
    """Parquet files outside the server: nobody may read the partition there any more."""

    name = "parquet"

    def __init__(self, target: PostgresTarget, moment: Moment) -> None:
        self._target = target
        self._moment = moment
        self._sampled = target.lab.shares()

    def obstacle(self, partition: Partition) -> str:
        """Return why not: what does not survive, or what is not installed."""
        if not is_installed():
            return "DuckDB is not installed here (pip install 'honed[columnar]')"
        if folder := self._occupied(partition):
            return f"{folder} holds the archive of another table of this name: move it elsewhere"
        return unarchivable(self._target, partition, self._moment) or _unproven(
            partition, self._sampled
        )

    def _occupied(self, partition: Partition) -> str:
        """Return the folder that its archive would need, where there is something already."""
        name = folder_of(self._target.name, partition.schema, partition.name)
        folder = self._target.settings.archives / name
        return str(folder) if folder.exists() else ""

    def steps(self, partition: Partition) -> list[Step]:
        """Return the steps that archive and detach it."""
        return archive_steps(partition, self._target.name)


def choose_provider(target: PostgresTarget, moment: Moment) -> Provider:
    """Return the narrowest form that can be tried: an access method of the server, else Parquet."""
    if moment.has_columnar and not untried_method(target, moment):
        return ColumnarMethod(target)
    return ParquetArchive(target, moment)


def untried_method(target: PostgresTarget, moment: Moment) -> str:
    """Return why the server's access method is not used; empty: it is, or there is none."""
    if not moment.has_columnar:
        return ""
    if moment.server_version < _VERSION_15:
        return "before PostgreSQL 15 no table can change its access method"
    extension = moment.columnar_extension
    if extension and not target.lab.has_extension(extension):
        return f"honed's private server lacks {extension}, so that nothing can be tried there"
    return ""


def _unproven(partition: Partition, sampled: Mapping[str, float]) -> str:
    if partition.qualified_name in sampled:
        return "only a sample of it is copied (copy_limit_mb), so that it cannot be proven"
    return ""
