"""What reading a table costs on a clone: all of it, one column, and one row."""

from collections.abc import Mapping
from statistics import median

from psycopg import sql

from honed.core.canonical import Json
from honed.targets.postgres.archives.transfer import QUERIES as COLUMN_QUERIES
from honed.targets.postgres.clone import Clone
from honed.targets.postgres.columnstore.partitions import QUERIES
from honed.targets.postgres.composed import text_of
from honed.targets.postgres.metering import MeteredSession
from honed.targets.postgres.production import quoted

#: CPU seconds after which a read is cut; what was cut is told as that long.
_CUT_S = 30.0
#: Runs of each read after one that only warms.
_RUNS = 3

# Counted, so that each value is taken out of its row, which a mere scan of rows spares itself.
_COUNT = sql.SQL("SELECT {counts} FROM ONLY {table}")
_ROW = sql.SQL("SELECT * FROM ONLY {table} WHERE {condition}")
# A row from the middle: where a scan would begin is no place to look for one. A key may have nulls
# if it is not the primary one; ROW, because a value of several parts is one also if a part is null.
_SOME_KEY = sql.SQL(
    "SELECT ARRAY[{values}] AS values FROM ONLY {table} WHERE ROW({columns}) IS NOT NULL"
    " OFFSET (SELECT count(*) / 2 FROM ONLY {table} WHERE ROW({columns}) IS NOT NULL) LIMIT 1"
)
_COUNTED = sql.SQL("count({column})")
_AS_LITERAL = sql.SQL("quote_literal({column})")
_EQUALS = sql.SQL("{column} = {value}")


def find_reads(clone: Clone, table: str) -> dict[str, str]:
    """Return statements that read ``table``, by name; of one row only where a key finds one.

    Args:
        clone: has the table.

        table: qualified name, quoted where it must be.
    """
    names = {"table": quoted(table)}
    counts = [
        _COUNTED.format(column=sql.Identifier(row["name"]))
        for row in clone.query(COLUMN_QUERIES["list_columns"], {"table": table})
    ]
    reads = {
        "all_columns": text_of(_COUNT.format(**names, counts=sql.SQL(", ").join(counts))),
        "one_column": text_of(_COUNT.format(**names, counts=counts[0])),
    }
    for row in clone.query(QUERIES["find_key"], {"table": table}):
        columns = [sql.Identifier(each) for each in row["columns"]]
        values = sql.SQL(", ").join(_AS_LITERAL.format(column=each) for each in columns)
        some_key = _SOME_KEY.format(**names, values=values, columns=sql.SQL(", ").join(columns))
        for found in clone.query(text_of(some_key)):
            condition = sql.SQL(" AND ").join(
                _EQUALS.format(column=column, value=quoted(value))
                for column, value in zip(columns, found["values"], strict=True)
            )
            reads["one_row"] = text_of(_ROW.format(**names, condition=condition))
    return reads


def time_reads(clone: Clone, reads: Mapping[str, str]) -> dict[str, float]:
    """Return the CPU seconds of each of ``reads``, the median of some warm runs.

    Raises:
        EvaluatorFailed: one failed.
    """
    if not reads:
        return {}
    with MeteredSession(clone, cut_s=_CUT_S) as session:
        return {name: _time(session, statement) for name, statement in reads.items()}


def told_reads(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, Json]:
    """Return what the record shall say: milliseconds of CPU of each read before and after."""
    told: dict[str, Json] = {
        name: {"before": 1000 * before[name], "after": 1000 * after[name]} for name in before
    }
    return {"read_cpu_ms": told} if told else {}


def _time(session: MeteredSession, statement: str) -> float:
    return median([session.run(statement).cost_s for _ in range(_RUNS + 1)][1:])
