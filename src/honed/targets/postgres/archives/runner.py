"""The runner of steps that archive: each act is a verb and what it is about, as JSON.

``export``, ``remove``, ``empty`` and ``load`` are acts; ``archived`` and ``emptied`` are questions.
Each act happens whole or is seen as partial: an archive appears by one renaming, rows go and come
in one transaction each.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

from honed.core.canonical import Json, canonical_json
from honed.core.step import StepState
from honed.errors import ArchiveDamaged, MissingExtra, StepFailed
from honed.targets.postgres.archives.files import (
    Archive,
    is_there,
    partial_of,
    publish,
    remove,
    remove_partial,
    set_aside,
)
from honed.targets.postgres.archives.transfer import (
    prove_equal,
    restore_rows,
    write_archive,
)

#: ``Step.runner`` of these steps.
ARCHIVE = "archive"

_COUNT = sql.SQL("SELECT count(*) FROM ONLY {} /* honed */")
_LOCK = sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE")
_PUBLICATIONS = (
    "SELECT string_agg(DISTINCT pubname, ', ') FROM pg_catalog.pg_publication_tables"
    " WHERE schemaname = %s AND tablename = %s /* honed */"
)
_TRUNCATE = sql.SQL("TRUNCATE {}")


def act(verb: str, **about: Json) -> str:
    """Return an act or a question of this runner, as a step holds it."""
    return f"{verb} {canonical_json(about).decode()}"


@dataclass(frozen=True, slots=True)
class Archivist:
    """Carries out the acts on one database and the archives of one folder."""

    #: Archives that are read.
    root: Path
    memory_mb: int
    #: Where archives are written and removed; None: the same. A clone has its own.
    scratch: Path | None = None

    def run(self, connection: psycopg.Connection[Any], text: str) -> None:
        """Carry out one act.

        Args:
            connection: in autocommit mode, as the owner of the table.

            text: what ``act`` wrote.

        Raises:
            StepFailed: it cannot be done; what was there before is still there.
        """
        verb, about = _parts(text)
        acts: Mapping[str, Callable[..., None]] = {
            "export": self._export,
            "remove": self._remove,
            "empty": self._empty,
            "load": self._load,
        }
        if verb not in acts:
            msg = f"the archive knows no act {verb}"
            raise StepFailed(msg)
        with _words():
            acts[verb](connection, about)

    def inspect(self, connection: psycopg.Connection[Any], text: str) -> StepState:
        """Return the answer to one question.

        Raises:
            StepFailed: it cannot be told.
        """
        verb, about = _parts(text)
        if verb == "archived":
            folder = self._written(about)
            if is_there(folder) and not self._is_of_another(about):
                return StepState.DONE
            # A folder without a manifest was renamed by nobody of ours.
            is_begun = folder.exists() and not is_there(folder)
            is_partial = is_begun or partial_of(folder).exists()
            return StepState.PARTIAL if is_partial else StepState.ABSENT
        if verb == "emptied":
            rows = _rows(connection, about)
            if not rows:
                return StepState.DONE
            return StepState.ABSENT if rows >= about["rows"] else StepState.PARTIAL
        msg = f"the archive knows no question {verb}"
        raise StepFailed(msg)

    def facts(self, text: str) -> dict[str, Json]:
        """Return what the record shall say of an act that has happened; of most: nothing."""
        verb, about = _parts(text)
        if verb != "export" or not is_there(self._written(about)) or self._is_of_another(about):
            return {}
        archive = Archive.open(self._written(about))
        return {
            "archive": about["folder"],
            "archive_sha256": archive.sha256,
            "archived_rows": archive.manifest.proof.rows,
            "archived_bytes": archive.manifest.size_bytes,
        }

    def _written(self, about: Mapping[str, Any]) -> Path:
        return (self.scratch or self.root) / str(about["folder"])

    def _is_of_another(self, about: Mapping[str, Any]) -> bool:
        """Return whether the folder holds what another claim archived, of a table of this name.

        What cannot be read is nobody else's: looking at it again tells that it is damaged.
        """
        try:
            archive = Archive.open(self._written(about))
        except ArchiveDamaged:
            return False
        claim: str = about.get("claim", "")
        return archive.manifest.claim != claim

    def _proven(self, about: Mapping[str, Any]) -> Archive:
        """Return the archive that the step names, after looking at every file again."""
        archive = Archive.open(self.root / about["folder"])
        archive.verify(about["sha256"])
        return archive

    def _export(self, connection: psycopg.Connection[Any], about: Mapping[str, Any]) -> None:
        folder = self._written(about)
        if folder.exists():
            msg = f"there is something in {folder} already"
            raise StepFailed(msg)
        partial = partial_of(folder)
        remove(folder)
        for each in (folder.parent.parent, folder.parent, partial):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
        names = {
            "target": about["folder"].partition("/")[0],
            "schema": about["schema"],
            "table": about["table"],
            "parent": tuple(about["parent"]),
            "bound": about["bound"],
            "claim": about.get("claim", ""),
        }
        manifest = write_archive(
            connection, _table(about), partial, about=names, memory_mb=self.memory_mb
        )
        publish(partial, folder, manifest)

    def _remove(self, connection: psycopg.Connection[Any], about: Mapping[str, Any]) -> None:
        """Remove an archive, unless it is another's or holds the only copy of its rows."""
        folder = self._written(about)
        if self._is_of_another(about):
            remove_partial(folder)
            return
        if not is_there(folder):
            remove(folder)
            return
        archive = Archive.open(folder)
        if _rows(connection, about) < archive.manifest.proof.rows:
            msg = f"{folder} holds rows that {_table(about).as_string(None)} lacks: it stays"
            raise StepFailed(msg)
        try:
            prove_equal(connection, _table(about), archive)
        except StepFailed:
            set_aside(archive)
        else:
            remove(folder)

    def _empty(self, connection: psycopg.Connection[Any], about: Mapping[str, Any]) -> None:
        archive = self._proven(about)
        with connection.transaction():
            connection.execute(_LOCK.format(_table(about)))
            _refuse_published(connection, about)
            # Of this very moment, while nobody else can write.
            prove_equal(connection, _table(about), archive)
            connection.execute(_TRUNCATE.format(_table(about)))

    def _load(self, connection: psycopg.Connection[Any], about: Mapping[str, Any]) -> None:
        archive = self._proven(about)
        with connection.transaction():
            connection.execute(_LOCK.format(_table(about)))
            restore_rows(connection, _table(about), archive, self.memory_mb)


@contextmanager
def _words() -> Iterator[None]:
    """Say as a failed step what files and DuckDB have to say."""
    try:
        yield
    except (ArchiveDamaged, MissingExtra) as error:
        raise StepFailed(str(error), hint=error.hint) from error
    except OSError as error:
        msg = f"the archive cannot be written or read: {error}"
        raise StepFailed(msg) from error


def _parts(text: str) -> tuple[str, Mapping[str, Any]]:
    verb, _, about = text.partition(" ")
    return verb, json.loads(about)


def _table(about: Mapping[str, Any]) -> sql.Identifier:
    return sql.Identifier(about["schema"], about["table"])


def _refuse_published(connection: psycopg.Connection[Any], about: Mapping[str, Any]) -> None:
    """Return if nobody subscribes to the table: they would be told to empty theirs."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        row = cursor.execute(_PUBLICATIONS, (about["schema"], about["table"])).fetchone()
    if row and row[0]:
        name = _table(about).as_string(None)
        msg = f"{name} is published ({row[0]}): subscribers would lose its rows, too"
        raise StepFailed(msg)


def _rows(connection: psycopg.Connection[Any], about: Mapping[str, Any]) -> int:
    """Return how many rows the table has; 0: none, or there is no such table."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        try:
            row = cursor.execute(_COUNT.format(_table(about))).fetchone()
        except psycopg.errors.UndefinedTable:
            return 0
    return int(row[0]) if row else 0
