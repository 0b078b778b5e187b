"""Detaching partitions beyond the retention that a person configured: which, and the steps."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

from honed.core.step import Step
from honed.targets.postgres.detaching import Detachment
from honed.targets.postgres.partitioning.ranges import Position
from honed.targets.postgres.partitioning.tables import Partition, PartitionedTable, reached
from honed.targets.postgres.target import PostgresTarget

#: Partitions that one claim detaches, oldest first; the next cycle takes the next.
_MOST_PARTITIONS = 12
#: A larger default partition is not scanned: nobody could read or write it meanwhile.
_MOST_DEFAULT_BYTES = 64 * 1024 * 1024

_CUTOFF = (
    "SELECT to_char(localtimestamp - CAST(%(retention)s AS interval), 'YYYY-MM-DD HH24:MI:SS')"
    " AS cutoff"
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
    table = outdated.table
    return [
        step
        for part in outdated.partitions
        for step in Detachment(
            table=(table.schema, table.name),
            part=(part.schema, part.name),
            bound=part.bound,
            condition=part.condition,
            has_default=table.default is not None,
        ).steps()
    ]
