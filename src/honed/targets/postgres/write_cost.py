"""The price that readers do not see: what a row costs to insert and to update on a clone."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from honed.storage.db import Connection
from honed.targets.postgres.clone import Clone
from honed.targets.postgres.metering import CpuMeter
from honed.targets.postgres.production import quoted
from honed.targets.postgres.shadow import OWNER, QUERIES

#: The least CPU of so many tries counts: whatever disturbs a try makes it dearer.
_TRIES = 2
#: Pages are drawn so that about this many times the rows asked for are met.
_DRAWN = 2.0
#: Without triggers and checks of foreign keys: they are the same with any index.
_QUIET = "SET LOCAL session_replication_role = replica"
#: Rows are found by their place, so that finding them costs the same with any index.
_BY_PLACE = (
    "SET LOCAL enable_hashjoin = off",
    "SET LOCAL enable_mergejoin = off",
    "SET LOCAL enable_seqscan = off",
    "SET LOCAL jit = off",
)

_DRAW = sql.SQL("""
CREATE TEMPORARY TABLE {drawn} ON COMMIT DROP AS
SELECT ctid AS honed_place, {values}
  FROM {table} TABLESAMPLE SYSTEM ({percent}) REPEATABLE ({seed})
WINDOW honed_all AS (ORDER BY ctid)
 LIMIT {rows}
""")
_DELETE = sql.SQL("DELETE FROM {table} t USING {drawn} d WHERE t.ctid = d.honed_place")
_INSERT = sql.SQL(
    "INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM {drawn}"
)
_UPDATE = sql.SQL("UPDATE {table} t SET {changes} FROM {drawn} d WHERE t.ctid = d.honed_place")
_EXPLAIN = sql.SQL("EXPLAIN (ANALYZE, WAL, TIMING OFF, COSTS OFF, FORMAT JSON) {}")
_COUNT = sql.SQL("SELECT count(*) AS found FROM {}")
# A value from another row: the value that a column has already would be no change to an index.
_OTHER_VALUE = sql.SQL(
    "coalesce(lead({column}, {distance}) OVER honed_all, lag({column}, {distance}) OVER honed_all"
    ", {column}) AS {column}"
)


@dataclass(frozen=True, slots=True)
class WriteCost:
    """What writing one row of a table costs, indexes included, triggers and foreign keys not."""

    #: Backend CPU, microseconds a row; 0 for updates of a table where no column can be updated.
    insert_us: float
    update_us: float
    #: Write-ahead log, bytes a row, without images of full pages.
    insert_wal_bytes: float
    update_wal_bytes: float
    #: Rows that were inserted.
    rows: int


def write_cost(
    clone: Clone, table: str, *, update_columns: Sequence[str] = (), rows: int = 5000
) -> WriteCost | None:
    """Return what writing a row of ``table`` costs on ``clone``; None where there are no rows.

    Rows of the table are deleted and inserted again; others get values from each other. All of it
    is rolled back. Compare only costs of clones of one copy: dead rows stay behind.

    Args:
        clone: where.

        table: qualified name of a plain table, quoted where it must be.

        update_columns: columns that production's updates set; empty: those in no index, or if
            there are none, those in no unique index. Columns of unique indexes are left out.

        rows: rows to write.

    Raises:
        EvaluatorFailed: the rows cannot be written again (a check that says no).
        DiskFull: there is no room.
    """
    with clone.shadow.errors(f"writing to {table}"):
        session = clone.session(OWNER)
        columns = session.execute(QUERIES["describe_columns"], {"table": table}).fetchall()
        if not columns or columns[0]["row_count"] == 0:
            return None
        writes = _Writes(session, table, columns, _updated(columns, update_columns))
        tries = [item for _ in range(_TRIES) if (item := writes.measure(rows))]
    return min(tries, key=lambda item: item.insert_us + item.update_us, default=None)


def _updated(columns: Sequence[dict[str, Any]], wanted: Sequence[str]) -> list[str]:
    free = [item for item in columns if not item["is_unique"]]
    if wanted:
        return [item["name"] for item in free if item["name"] in wanted]
    return [item["name"] for item in free if not item["is_indexed"]] or [
        item["name"] for item in free
    ]


class _Writes:
    """Writes to one table in a transaction that is rolled back."""

    def __init__(
        self,
        session: Connection,
        table: str,
        columns: Sequence[dict[str, Any]],
        updated: Sequence[str],
    ) -> None:
        self._session = session
        self._table = quoted(table)
        self._columns = [str(item["name"]) for item in columns]
        self._updated = updated
        self._row_count = float(columns[0]["row_count"])
        self._meter = CpuMeter(session.info.backend_pid)

    def measure(self, rows: int) -> WriteCost | None:
        with self._session.transaction(force_rollback=True):
            self._prepare()
            insert = self._insert(rows)
            update = self._update(rows) if insert and self._updated else None
        if insert is None:
            return None
        return WriteCost(
            insert_us=insert[1],
            update_us=update[1] if update else 0.0,
            insert_wal_bytes=insert[2],
            update_wal_bytes=update[2] if update else 0.0,
            rows=insert[0],
        )

    def _prepare(self) -> None:
        # Before PostgreSQL 15 only a superuser may; triggers are measured too, then.
        with (
            contextlib.suppress(psycopg.errors.InsufficientPrivilege),
            self._session.transaction(),
        ):
            self._session.execute(_QUIET)
        for statement in _BY_PLACE:
            self._session.execute(statement)

    def _insert(self, rows: int) -> tuple[int, float, float] | None:
        drawn = sql.Identifier("honed_inserted")
        columns = sql.SQL(", ").join(map(sql.Identifier, self._columns))
        found = self._draw(drawn, columns, rows, seed=1)
        if not found:
            return None
        self._session.execute(_DELETE.format(table=self._table, drawn=drawn))
        statement = _INSERT.format(table=self._table, columns=columns, drawn=drawn)
        return (found, *self._metered(statement, found))

    def _update(self, rows: int) -> tuple[int, float, float] | None:
        drawn = sql.Identifier("honed_updated")
        distance = sql.Literal(max(1, rows // 2))
        values = sql.SQL(", ").join(
            _OTHER_VALUE.format(column=sql.Identifier(name), distance=distance)
            for name in self._updated
        )
        found = self._draw(drawn, values, rows, seed=2)
        if not found:
            return None
        changes = sql.SQL(", ").join(
            sql.SQL("{0} = d.{0}").format(sql.Identifier(name)) for name in self._updated
        )
        statement = _UPDATE.format(table=self._table, changes=changes, drawn=drawn)
        return (found, *self._metered(statement, found))

    def _draw(self, drawn: sql.Identifier, values: sql.Composed, rows: int, *, seed: int) -> int:
        share = 100 * _DRAWN * rows / max(self._row_count, 1.0)
        for percent in (min(100.0, share), 100.0):
            self._session.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(drawn))
            self._session.execute(
                _DRAW.format(
                    drawn=drawn,
                    values=values,
                    table=self._table,
                    percent=sql.Literal(percent),
                    seed=sql.Literal(seed),
                    rows=sql.Literal(rows),
                )
            )
            found = self._session.execute(_COUNT.format(drawn)).fetchall()[0]["found"]
            # Most pages of a sampled table are holes: then all pages are looked at.
            if found >= rows // 2:
                break
        return int(found)

    def _metered(self, statement: sql.Composed, rows: int) -> tuple[float, float]:
        """Return CPU microseconds and bytes of write-ahead log, a row."""
        started = self._meter.read_s()
        plan = self._session.execute(_EXPLAIN.format(statement)).fetchall()[0]["QUERY PLAN"]
        seconds = self._meter.read_s() - started
        return 1e6 * seconds / rows, plan[0]["Plan"].get("WAL Bytes", 0) / rows
