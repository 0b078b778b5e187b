"""Production as the lab reads it: one snapshot, as the observing role, and nothing else."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import IsolationLevel, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import dict_row

from honed.config import Settings
from honed.core.canonical import digest
from honed.errors import MissingPrivilege, TargetUnavailable
from honed.storage.db import CONNECT_TIMEOUT_S, Connection
from honed.storage.queries import load_queries
from honed.targets.postgres.complaint import complaint_of

QUERIES = load_queries(__package__, "lab.sql")


@dataclass(frozen=True, slots=True)
class Relation:
    """One table, materialised view or index of production, with what the planner knows of it."""

    #: Qualified, each part quoted where it must be.
    name: str
    #: Qualified name of an index's table; empty for others.
    of_table: str
    #: ``pg_class.relkind``: r, m or i.
    sort: str
    #: Pages, rows and all-visible pages when it was last analysed or vacuumed; rows -1: never.
    pages: int
    row_count: float
    all_visible: int
    #: Pages and bytes of the file now, without free space map and the like.
    blocks: int
    file_bytes: int
    #: Bytes with indexes and TOAST; 0 for what is not a table.
    size_bytes: int
    #: Whether row security hides rows from the observing role.
    hides_rows: bool
    #: False for a materialised view that was never refreshed.
    is_filled: bool
    #: Columns that hold data, without generated ones.
    columns: tuple[str, ...]
    #: Access method.
    method: str = "heap"

    @property
    def expected_rows(self) -> float:
        """Rows that production's planner reckons with: the last known density, today's pages."""
        if self.row_count < 0 or not self.pages:
            return self.row_count
        return self.row_count / self.pages * self.blocks


@dataclass(frozen=True, slots=True)
class Activity:
    """How much one table was written, and when it was analysed."""

    writes: int
    live_rows: int
    #: With a digest of what the planner knows since then; empty: it knows nothing.
    analysed_at: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One moment of production, held open by a transaction that only reads."""

    connection: Connection
    #: Under this name other connections see the same moment.
    name: str

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Return the rows of the named query of ``lab.sql``."""
        with reading():
            return self.connection.execute(QUERIES[query], {}).fetchall()

    def relations(self) -> list[Relation]:
        """Return tables, materialised views and indexes in the order in which they were made."""
        return [
            Relation(**{**row, "columns": tuple(row["columns"])})
            for row in self.rows("list_relations")
        ]

    def activity(self) -> dict[str, Activity]:
        """Return how each table was written, by qualified name."""
        return {row.pop("name"): Activity(**row) for row in self.rows("list_activity")}

    def fingerprint(self) -> str:
        """Return a digest of the schema; data, statistics and settings do not count."""
        return digest(self.rows("digest_schema")[0]["digest"])

    def planner_settings(self) -> dict[str, str]:
        """Return the settings that move plans and are not as the server came."""
        return {row["name"]: row["setting"] for row in self.rows("list_planner_settings")}


class Production:
    """Where production is, and how the lab may read it.

    Args:
        url: as the observing role, with a password if it needs one.

        settings: time limits of this process.

        search_path: the one that production's application uses; empty: the role's own.
    """

    def __init__(self, url: str, settings: Settings, *, search_path: str = "") -> None:
        self._settings = settings
        self._search_path = search_path
        try:
            self._where: dict[str, Any] = dict(conninfo_to_dict(url))
        except psycopg.ProgrammingError:
            # The driver's words would repeat the URL, and with it a password.
            msg = "this is not a URL of PostgreSQL"
            raise TargetUnavailable(msg) from None
        self._where.setdefault("connect_timeout", str(CONNECT_TIMEOUT_S))

    @property
    def source(self) -> str:
        """Host, port and database, without user and password."""
        host = self._where.get("host") or self._where.get("service") or "localhost"
        return f"{host}:{self._where.get('port') or 5432}/{self._where.get('dbname') or ''}"

    @property
    def lock_timeout_ms(self) -> int:
        """Longest wait for a lock of production."""
        return round(self._settings.lock_timeout_s * 1000)

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """Hand out one moment of production.

        Raises:
            TargetUnavailable: production does not answer.
        """
        with self.connect() as connection:
            with reading():
                row = connection.execute(QUERIES["export_snapshot"], {}).fetchone()
            yield Snapshot(connection, row["snapshot"] if row else "")

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Hand out a connection whose transactions only read.

        Raises:
            TargetUnavailable: production does not answer.
        """
        with reading():
            connection = psycopg.connect(
                **{**self._where, "options": self._options(), "application_name": "honed lab"},
                row_factory=dict_row,
                prepare_threshold=None,
            )
        try:
            connection.isolation_level = IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            yield connection
        finally:
            connection.close()

    def arguments(self) -> tuple[str, dict[str, str]]:
        """Return the conninfo and the environment for PostgreSQL's own programs.

        The password is in the environment only: everybody may see a program's arguments.
        """
        where = {name: value for name, value in self._where.items() if value is not None}
        environment = {**os.environ, "PGOPTIONS": self._options(), "LC_ALL": "C"}
        where.pop("options", None)
        if password := where.pop("password", None):
            environment["PGPASSWORD"] = str(password)
        return make_conninfo(**where), environment

    def _options(self) -> str:
        limits = {
            "default_transaction_read_only": "on",
            "lock_timeout": str(self.lock_timeout_ms),
            "statement_timeout": f"{self._settings.build_timeout_s * 1000:.0f}",
            "idle_in_transaction_session_timeout": "0",
        }
        if self._search_path:
            # Spaces within a value are escaped: libpq splits options at spaces.
            limits["search_path"] = self._search_path.replace("\\", r"\\").replace(" ", r"\ ")
        given = str(self._where.get("options") or "")
        return " ".join([given, *(f"-c {name}={value}" for name, value in limits.items())]).strip()


def quoted(text: str) -> sql.SQL:
    """Return a name or definition that a server has quoted already, as part of a statement."""
    return sql.SQL(text)


@contextmanager
def reading() -> Iterator[None]:
    """Say what an error means that production sent, or that it sent no more.

    Raises:
        MissingPrivilege: the observing role may not read something.
        TargetUnavailable: everything else.
    """
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        raise MissingPrivilege(complaint_of(error)) from error
    except psycopg.errors.LockNotAvailable as error:
        msg = f"a table of the target stayed locked: {complaint_of(error)}"
        raise TargetUnavailable(
            msg, hint="try again when the schema is not being changed"
        ) from error
    except psycopg.Error as error:
        raise TargetUnavailable(complaint_of(error)) from error


def shares(relations: Sequence[Relation], limit_bytes: int) -> Mapping[str, float]:
    """Return which share of each table's rows to copy so that all together stay within the limit.

    Small tables are copied whole; all others are cut to the same size, which is as large as the
    limit allows. Tables that are copied whole are left out.
    """
    sizes = {item.name: item.size_bytes for item in relations if item.sort == "r"}
    if sum(sizes.values()) <= limit_bytes:
        return {}
    room, left = float(limit_bytes), len(sizes)
    for size in sorted(sizes.values()):
        if size > room / left:
            break
        room, left = room - size, left - 1
    cap = room / left
    return {name: cap / size for name, size in sizes.items() if size > cap}
