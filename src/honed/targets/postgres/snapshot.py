"""One reading of a target: every counter, every new text and what is running now."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from honed.storage.db import Connection
from honed.targets.postgres.connection import CATALOG_QUERIES, in_schema
from honed.targets.postgres.counters import STATEMENT_COUNTERS, TABLE_COUNTERS, Reading
from honed.targets.postgres.server import read_server

#: A statement's identifier and its user's.
Key: TypeAlias = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Seen:
    """One client's statement as it was seen running, or as the last one that it ran."""

    statement_id: str
    text: str
    is_cut: bool
    is_running: bool
    running_ms: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that one reading of a target says."""

    statements_reset_at: datetime | None
    tables_reset_at: datetime | None
    #: Seconds that the counters have counted.
    age_s: float
    statements: Mapping[Key, Reading]
    tables: Mapping[str, Reading]
    seen: tuple[Seen, ...]
    #: Normalised texts of the statements that honed did not know.
    texts: Mapping[str, str]


def read_snapshot(connection: Connection, known: frozenset[str]) -> Snapshot:
    """Return one reading of the target.

    Args:
        connection: to the target, read only.

        known: statements whose texts are not needed.

    Raises:
        MissingExtension: pg_stat_statements cannot be read.
        MissingPrivilege: the role sees its own statements only.
    """
    server = read_server(connection)
    own = {"own_role": server.own_role}
    # Before the counters: a reset in between is then noticed at the next reading at the latest.
    resets = connection.execute(in_schema("read_resets", server.schema), {}).fetchone() or {}
    rows = connection.execute(
        in_schema("read_statements", server.schema, stats_since=server.stats_since), own
    )
    statements = statement_readings(rows)
    unknown = sorted({int(key[0]) for key in statements if key[0] not in known})
    texts = connection.execute(
        in_schema("read_texts", server.schema), {"statement_ids": unknown}
    ).fetchall()
    tables = connection.execute(CATALOG_QUERIES["read_table_writes"], {})
    return Snapshot(
        **resets,
        statements=statements,
        tables=table_readings(tables),
        seen=read_seen(connection, server.own_role),
        texts={row["statement_id"]: row["text"] for row in texts},
    )


def read_seen(connection: Connection, own_role: int | None) -> tuple[Seen, ...]:
    """Return what clients run now, or ran last; the statements of ``own_role`` are left out."""
    rows = connection.execute(CATALOG_QUERIES["read_activity"], {"own_role": own_role})
    return tuple(Seen(**row) for row in rows)


def statement_readings(rows: Iterable[Mapping[str, Any]]) -> dict[Key, Reading]:
    """Return the readings of rows of pg_stat_statements, or of the store, by statement and user."""
    return {
        (row["statement_id"], row["user_id"]): Reading(
            {name: _number(row[name]) for name in STATEMENT_COUNTERS if row[name] is not None},
            row["stats_since"].isoformat() if row["stats_since"] else "",
        )
        for row in rows
    }


def table_readings(rows: Iterable[Mapping[str, Any]]) -> dict[str, Reading]:
    """Return the readings of rows of table counters, by qualified name."""
    return {
        row["table_name"]: Reading({name: row[name] for name in TABLE_COUNTERS}) for row in rows
    }


def _number(value: Any) -> float:  # noqa: ANN401 - what the driver returns for a number
    # Bytes of write-ahead log are numeric: a Decimal.
    return value if isinstance(value, (int, float)) else int(value)
