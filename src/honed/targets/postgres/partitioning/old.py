"""Detaching partitions beyond the retention that a person configured: which, and the steps."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from psycopg import sql

from honed.core.canonical import digest
from honed.core.step import Step
from honed.targets.postgres.partitioning.ahead import block
from honed.targets.postgres.partitioning.ranges import Position
from honed.targets.postgres.partitioning.tables import Partition, PartitionedTable, reached
from honed.targets.postgres.production import quoted
from honed.targets.postgres.target import PostgresTarget

#: Partitions that one claim detaches, oldest first; the next cycle takes the next.
_MOST_PARTITIONS = 12
#: A larger default partition is not scanned: nobody could read or write it meanwhile.
_MOST_DEFAULT_BYTES = 64 * 1024 * 1024
#: It may have grown since, and the undo looks through it all the same, but not beyond this.
_MOST_GROWN_BYTES = 1024 * 1024 * 1024

_CUTOFF = (
    "SELECT to_char(localtimestamp - CAST(%(retention)s AS interval), 'YYYY-MM-DD HH24:MI:SS')"
    " AS cutoff"
)

_ADD = sql.SQL("ALTER TABLE {part} ADD CONSTRAINT {check} CHECK ({condition}) NOT VALID")
_DROP = sql.SQL("ALTER TABLE {part} DROP CONSTRAINT {check}")
_VALIDATE = sql.SQL("ALTER TABLE {part} VALIDATE CONSTRAINT {check}")
_IS_THERE = sql.SQL(
    "SELECT CASE WHEN EXISTS (SELECT FROM pg_constraint WHERE conrelid = to_regclass({part})"
    " AND conname = {check}) THEN 'done' ELSE 'absent' END"
)
_IS_VALID = sql.SQL(
    "SELECT CASE WHEN EXISTS (SELECT FROM pg_constraint WHERE conrelid = to_regclass({part})"
    " AND conname = {check} AND convalidated) THEN 'done' ELSE 'absent' END"
)
_DETACH = sql.SQL("ALTER TABLE {table} DETACH PARTITION {part}")
_CONCURRENTLY = sql.SQL("ALTER TABLE {table} DETACH PARTITION {part} CONCURRENTLY")
_ATTACH = sql.SQL("ALTER TABLE {table} ATTACH PARTITION {part} {bound}")
# What a detaching that was cut off has begun can only be finished.
_FINISH = sql.SQL("""
BEGIN
    IF EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass({part_name})
               AND inhparent = to_regclass({table_name}) AND inhdetachpending) THEN
        ALTER TABLE {table} DETACH PARTITION {part} FINALIZE;
    END IF;
END""")
# Late rows of its range have come into the default partition; it cannot be attached beside them.
# The columns are asked for when it runs: somebody may have added some since.
_MOVE_LATE = sql.SQL("""
DECLARE
    rest regclass := nullif(partdefid, 0)::regclass FROM pg_partitioned_table
        WHERE partrelid = {table_name}::regclass;
    columns text := string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
        WHERE attrelid = {part_name}::regclass AND attnum > 0 AND NOT attisdropped
          AND attgenerated = '';
BEGIN
    IF rest IS NULL THEN
        RETURN;
    END IF;
    IF pg_relation_size(rest) > {most} THEN
        RAISE EXCEPTION 'the default partition % is so large that looking through it locks out'
            , rest;
    END IF;
    LOCK TABLE ONLY {table} IN SHARE UPDATE EXCLUSIVE MODE;
    EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', rest);
    EXECUTE format('WITH moved AS (DELETE FROM %s WHERE %s RETURNING %s) INSERT INTO %s (%s)'
                   ' OVERRIDING SYSTEM VALUE SELECT %s FROM moved', rest, {condition_text}, columns
                 , {part_name}::regclass, columns, columns);
END""")
_IS_DETACHED = sql.SQL(
    "SELECT CASE (SELECT inhdetachpending FROM pg_inherits"
    " WHERE inhrelid = to_regclass({part_name}) AND inhparent = to_regclass({table_name}))"
    " WHEN true THEN 'partial' WHEN false THEN 'absent'"
    " ELSE CASE WHEN to_regclass({part_name}) IS NULL THEN 'absent' ELSE 'done' END END"
)


@dataclass(frozen=True, slots=True)
class Outdated:
    """A table with partitions that are beyond its retention."""

    table: PartitionedTable
    #: As it was configured.
    retention: str
    #: What ends here, or before, is beyond it.
    cutoff: Position | None
    #: Oldest first.
    partitions: tuple[Partition, ...]
    #: Why none is detached; empty: they can be.
    obstacle: str = ""

    @property
    def share(self) -> float:
        """Share of the table's bytes that lies in them."""
        whole = sum(each.heap_bytes for each in self.table.partitions)
        return sum(each.heap_bytes for each in self.partitions) / max(1, whole)


def find_outdated(
    target: PostgresTarget, tables: Collection[PartitionedTable]
) -> Iterator[Outdated]:
    """Yield the tables of ``tables`` that have partitions beyond the retention configured."""
    configured = target.settings.partition_retention
    for table in tables:
        retention = configured.get(f"{target.name}.{table.schema}.{table.name}")
        if retention is None:
            continue
        if table.key.is_time == retention.isdigit():
            wrong = f"its retention, {retention}, does not suit a key of type {table.key.type}"
            yield Outdated(table, retention, None, (), wrong)
            continue
        cutoff = _cutoff(target, table, retention)
        found = _beyond(table, cutoff) if cutoff is not None else []
        if found:
            yield Outdated(table, retention, cutoff, tuple(found), _obstacle(table, found))


def _cutoff(target: PostgresTarget, table: PartitionedTable, retention: str) -> Position | None:
    if table.key.is_time:
        (row,) = target.query(_CUTOFF, {"retention": retention})
        return datetime.fromisoformat(row["cutoff"])
    now = reached(target, table)
    return now - int(retention) if isinstance(now, int) else None


def _beyond(table: PartitionedTable, cutoff: Position) -> list[Partition]:
    ended = [
        (each.end, each)
        for each in table.partitions
        if each.end is not None and each.end <= cutoff  # type: ignore[operator]  # both of one key
    ]
    # The last one stays whatever its age: a table of which everything is old is no longer written.
    newest = table.ranged[-1][1] if table.ranged else None
    return [each for _, each in sorted(ended, key=lambda item: item[0]) if each is not newest][
        :_MOST_PARTITIONS
    ]


def _obstacle(table: PartitionedTable, found: Collection[Partition]) -> str:
    if table.is_referenced:
        return "a foreign key refers to it, and so perhaps to rows that would go"
    if table.is_published:
        return "it is published, and its subscribers would not hear of what is detached"
    if any(each.sort != "r" for each in found):
        return "one of them is no plain table, but partitioned itself or on another server"
    default = table.default
    if default is not None and default.heap_bytes > _MOST_DEFAULT_BYTES:
        return f"the default partition {default.name} is so large that attaching again locks out"
    return ""


def detaching_steps(outdated: Outdated) -> list[Step]:
    """Return the steps that detach each partition, oldest first."""
    return [step for part in outdated.partitions for step in _steps_of(outdated.table, part)]


def _steps_of(table: PartitionedTable, part: Partition) -> list[Step]:
    """Return the steps for one partition: a check that says its bounds, and the detaching.

    With the check it can be attached again without being read through, which is the undo.
    """
    check = f"honed_bounds_{digest([part.qualified_name, part.bound])[:10]}"
    names: Mapping[str, sql.Composable] = {
        "part": part.identifier,
        "check": sql.Identifier(check),
        "table": table.identifier,
        "condition": quoted(part.condition),
        "condition_text": sql.Literal(part.condition),
        "most": sql.Literal(_MOST_GROWN_BYTES),
        "bound": quoted(part.bound),
        "part_name": sql.Literal(part.identifier.as_string(None)),
        "table_name": sql.Literal(table.identifier.as_string(None)),
    }
    asked = {"part": names["part_name"], "check": sql.Literal(check)}
    is_concurrent = table.default is None
    detach = _CONCURRENTLY if is_concurrent else _DETACH
    return [
        Step(
            f"say the bounds of {part.name} in a check of its own",
            do=(_text(_ADD, names),),
            undo=(_text(_DROP, names),),
            inspect=_text(_IS_THERE, asked),
        ),
        Step(
            f"look through {part.name} once, so that the check counts",
            do=(_text(_VALIDATE, names),),
            inspect=_text(_IS_VALID, asked),
        ),
        Step(
            f"detach {part.name} from {table.qualified_name}; it stays as a table of its own",
            do=(_text(detach, names),),
            undo=(
                block(_FINISH.format(**names)).as_string(None),
                block(_MOVE_LATE.format(**names)).as_string(None),
                _text(_ATTACH, names),
            ),
            inspect=_text(_IS_DETACHED, names),
            in_transaction=not is_concurrent,
            # FINALIZE and ATTACH lock out: they give up after a while, and try again.
            undo_in_transaction=True,
        ),
    ]


def _text(statement: sql.SQL, names: Mapping[str, sql.Composable]) -> str:
    return statement.format(**names).as_string(None)
