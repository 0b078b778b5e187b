"""Columnar forms that a cold partition can take: an access method of the server, else Parquet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from honed.core.step import Step
from honed.targets.postgres.archives.engine import is_installed
from honed.targets.postgres.archives.files import folder_of
from honed.targets.postgres.columnstore.method import method_obstacle, method_steps
from honed.targets.postgres.columnstore.partitions import (
    Moment,
    Partition,
    unarchivable,
)
from honed.targets.postgres.columnstore.steps import archive_steps
from honed.targets.postgres.lab import lacking
from honed.targets.postgres.target import PostgresTarget

#: Before, ALTER TABLE cannot change the access method.
_VERSION_15 = 150000


class Provider(Protocol):
    """One columnar form."""

    @property
    def name(self) -> str:
        """Stored with every claim."""

    def obstacle(self, partition: Partition) -> str:
        """Return why a cold partition cannot take this form; empty: it can."""

    def claim(self, partition: Partition) -> str:
        """Return what is claimed of it, and what nobody may do any more."""

    def steps(self, partition: Partition) -> list[Step]:
        """Return the steps that give it this form."""


class ColumnarMethod:
    """An access method of the server: the partition stays where it is, and can be read."""

    name = "method"

    def __init__(self, sampled: Mapping[str, float]) -> None:
        self._sampled = sampled

    def obstacle(self, partition: Partition) -> str:
        """Return why not: what columns cannot keep, or what cannot be tried."""
        return method_obstacle(partition) or _unproven(partition, self._sampled)

    def claim(self, partition: Partition) -> str:
        """Return what is claimed."""
        return (
            f"the rows of {_sized(partition)} take less in columns and can be read as before;"
            " UPDATE, DELETE and locks of rows that reach them fail from then on"
        )

    def steps(self, partition: Partition) -> list[Step]:
        """Return the steps that rewrite it."""
        return method_steps(partition)


class ParquetArchive:
    """Parquet files outside the server: nobody may read the partition there any more."""

    name = "parquet"

    def __init__(
        self, target: PostgresTarget, moment: Moment, sampled: Mapping[str, float]
    ) -> None:
        self._target = target
        self._moment = moment
        self._sampled = sampled

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

    def claim(self, partition: Partition) -> str:
        """Return what is claimed."""
        return (
            f"the rows of {_sized(partition)} take less in columns, and no statement needs them"
            " where they are"
        )

    def steps(self, partition: Partition) -> list[Step]:
        """Return the steps that archive and detach it."""
        return archive_steps(partition, self._target.name)


@dataclass(frozen=True, slots=True)
class Choice:
    """The narrowest form that a cold partition can take."""

    #: None: it can take none.
    provider: Provider | None
    #: Why not the forms before it, by name.
    left_out: Mapping[str, str]

    @property
    def obstacle(self) -> str:
        """Why it can take no form; empty: it can."""
        return "" if self.provider else "; ".join(dict.fromkeys(self.left_out.values()))


def find_providers(target: PostgresTarget, moment: Moment) -> list[Provider]:
    """Return the forms that can be tried, the narrowest first."""
    sampled = target.lab.shares()
    archive = ParquetArchive(target, moment, sampled)
    if moment.has_columnar and not untried_method(target, moment):
        return [ColumnarMethod(sampled), archive]
    return [archive]


def choose_provider(providers: Sequence[Provider], partition: Partition) -> Choice:
    """Return which of ``providers`` a partition can take first, and why not those before."""
    left_out: dict[str, str] = {}
    for provider in providers:
        reason = provider.obstacle(partition)
        if not reason:
            return Choice(provider, left_out)
        left_out[provider.name] = reason
    return Choice(None, left_out)


def untried_method(target: PostgresTarget, moment: Moment) -> str:
    """Return why the server's access method is not used; empty: it is, or there is none."""
    if not moment.has_columnar:
        return ""
    if moment.server_version < _VERSION_15:
        return "before PostgreSQL 15 no table can change its access method"
    extension = moment.columnar_extension
    if extension and not target.lab.has_extension(extension):
        return lacking(extension)
    return ""


def _sized(partition: Partition) -> str:
    return f"{partition.qualified_name} ({partition.size_bytes / 1e6:.1f} MB)"


def _unproven(partition: Partition, sampled: Mapping[str, float]) -> str:
    if partition.qualified_name in sampled:
        return "only a sample of it is copied (copy_limit_mb), so that it cannot be proven"
    return ""
