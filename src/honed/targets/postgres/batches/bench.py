"""What a row costs that arrives in batches of some size, measured on a clone."""

from collections.abc import Sequence
from typing import Any

from psycopg import sql

from honed.errors import EvaluatorFailed
from honed.targets.postgres.batches.writers import QUERIES
from honed.targets.postgres.clone import Clone
from honed.targets.postgres.metering import CpuMeter
from honed.targets.postgres.production import quoted
from honed.targets.postgres.shadow import OWNER
from honed.targets.postgres.shadow import QUERIES as LAB_QUERIES

#: Rows of one measurement, if the batch is not larger.
ROWS = 1000
#: Characters of the rows of one measurement: it all lies in memory.
_MOST_TEXT = 64 * 1024 * 1024

# Taking rows away is not measured; neither who refers to them nor triggers shall notice.
_QUIET = "SET session_replication_role = replica"
_LOUD = "SET session_replication_role = origin"
# What a developer's trigger does may reach outside of the clone. Foreign keys are still checked.
_NO_TRIGGERS = sql.SQL("ALTER TABLE {} DISABLE TRIGGER USER")
# As in production each commit hands the log to the operating system. The lab does not wait for the
# disk, which would be no CPU of the backend anyway.
_DURABLE = "SET synchronous_commit = on"
_TAKE = sql.SQL(
    "DELETE FROM {table} WHERE ctid = ANY (ARRAY(SELECT ctid FROM {table} LIMIT {rows}))"
    " RETURNING '(' || concat_ws(', ', {values}) || ')' AS written"
)
_VALUE = sql.SQL("quote_nullable({})")
_INSERT = sql.SQL("INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE VALUES ")


class BatchBench:
    """Writes rows of one table of a clone again and again, in batches of given sizes.

    Each measurement takes rows out and sends the same rows again as INSERTs of many values, each by
    itself a transaction, with the table's indexes and foreign keys, but not its triggers, which are
    switched off on the clone. Not guaranteed: that a driver's parameters cost what constants cost.

    Args:
        clone: where; its owner can write.

        table: qualified name, quoted where it must be.

    Raises:
        EvaluatorFailed: there is no such plain table.
    """

    def __init__(self, clone: Clone, table: str) -> None:
        self._clone, self._table = clone, table
        with clone.shadow.errors(f"reading {table}"):
            session = clone.session(OWNER)
            columns = session.execute(LAB_QUERIES["describe_columns"], {"table": table}).fetchall()
            if not columns:
                msg = f"{table} is no plain table of the copy"
                raise EvaluatorFailed(msg)
            session.execute(_NO_TRIGGERS.format(quoted(table)))
            query = sql.SQL(QUERIES["read_width"]).format(table=quoted(table))
            (row,) = session.execute(query).fetchall()
        self._columns = [str(each["name"]) for each in columns]
        self._most_rows = int(_MOST_TEXT / max(1.0, row["width"]))

    def cost(self, size: int, *, rows: int = ROWS) -> float | None:
        """Return CPU microseconds of a row in batches of ``size``; None: too few rows are there.

        Args:
            size: rows of a batch.

            rows: of one measurement, at least; rounded up to whole batches.

        Raises:
            EvaluatorFailed: the rows cannot be written again; the clone is then of no more use.
            DiskFull: there is no room.
        """
        wanted = -(-max(size, rows) // size) * size
        if wanted > self._most_rows:
            return None
        with self._clone.shadow.errors(f"writing to {self._table}"):
            written = self._take(wanted)
            # A small table has fewer rows: then there are fewer batches, but whole ones.
            whole = len(written) // size * size
            batches = [written[start : start + size] for start in range(0, whole, size)]
            self._send(written[whole:])
            return self._metered(batches) if batches else None

    def _take(self, rows: int) -> list[str]:
        values = sql.SQL(", ").join(_VALUE.format(sql.Identifier(each)) for each in self._columns)
        session = self._clone.session(OWNER)
        session.execute(_QUIET)
        take = _TAKE.format(table=quoted(self._table), rows=sql.Literal(rows), values=values)
        written = [str(row["written"]) for row in session.execute(take)]
        session.execute(_LOUD)
        session.execute(_DURABLE)
        return written

    def _send(self, rows: Sequence[str]) -> None:
        if rows:
            self._metered([rows])

    def _metered(self, batches: Sequence[Sequence[str]]) -> float:
        columns = sql.SQL(", ").join(map(sql.Identifier, self._columns))
        insert = _INSERT.format(table=quoted(self._table), columns=columns).as_string(None)
        session: Any = self._clone.session(OWNER)
        meter = CpuMeter(session.info.backend_pid)
        statements = [(insert + ", ".join(batch)).encode() for batch in batches]
        started = meter.read_s()
        for statement in statements:
            session.execute(statement)
        return 1e6 * (meter.read_s() - started) / sum(map(len, batches))
