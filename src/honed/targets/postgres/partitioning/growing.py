"""Growing tables that ranges would suit: large, appended to, and asked by what they grow along."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from psycopg import sql
from sqlglot import exp

from honed.errors import StatementCut
from honed.targets.postgres.partitioning.ranges import Key, Position, Range, Width, following
from honed.targets.postgres.partitioning.tables import QUERIES
from honed.targets.postgres.target import PostgresTarget
from honed.targets.postgres.texts import StatementText
from honed.targets.postgres.workload import Workload, WorkloadStatement

#: How well the order of the rows must follow the key; 1 is exactly.
_LEAST_CORRELATION = 0.9
#: Of the rows written, so many are inserted at least.
_LEAST_INSERTED = 0.95
#: Rows later than this must not be there: the first partition would refuse more of them.
_LATEST = timedelta(days=1)
#: New partitions reach so much further than the table has come.
LEAD = timedelta(days=7)
#: The first of them begins no sooner than this. From the promise on the table refuses rows beyond;
#: whatever stops honed half-way, there must be time for a person to end that.
_CUT_LEAD = timedelta(days=30)
#: The history of a table is to fill about so many partitions ...
_PARTITIONS = 16
#: ... of one of these widths, the widest first of which there are enough.
_WIDTHS = (
    Width(months=1),
    Width(distance=timedelta(days=7)),
    Width(distance=timedelta(days=1)),
)
_MONDAY = datetime(2001, 1, 1)  # noqa: DTZ001 - of any time zone

_EXTREMES = sql.SQL(
    "SELECT min({column})::text AS least, max({column})::text AS largest FROM {table}"
)


@dataclass(frozen=True, slots=True)
class Growing:
    """A table that could be partitioned by ranges."""

    schema: str
    name: str
    #: ``schema.name``, each part quoted where it must be.
    qualified_name: str
    key: Key
    heap_bytes: int
    #: Storage options: ``fillfactor=90``.
    options: tuple[str, ...]
    #: Columns that a row is written with: all but generated ones.
    columns: tuple[str, ...]
    #: The first value, the last, and how far it has come: of times that is now.
    least: Position
    largest: Position
    reached: Position
    width: Width
    #: Where the first new partition begins.
    cut: Position
    #: Statements that compare the key with something.
    readers: tuple[WorkloadStatement, ...]
    #: Why it cannot be converted; empty: it can.
    obstacles: tuple[str, ...]

    @property
    def identifier(self) -> sql.Identifier:
        """Its name in a statement."""
        return sql.Identifier(self.schema, self.name)


def find_growing(target: PostgresTarget) -> list[Growing]:
    """Return the tables of ``target`` that ranges would suit, with what stands in the way."""
    least = target.settings.partition_min_mb * 1024 * 1024
    rows = target.query(
        QUERIES["list_growing"], {"least_bytes": least, "least_correlation": _LEAST_CORRELATION}
    )
    workload = target.workload() if rows else None
    found = []
    for _, group in groupby(rows, key=lambda row: row["qualified_name"]):
        candidates = list(group)
        if workload is None or not _is_appended_to(candidates[0]["qualified_name"], workload):
            continue
        best = max(candidates, key=lambda row: _weight(_readers(row, workload)))
        readers = _readers(best, workload)
        growing = _growing(target, best, readers, workload) if readers else None
        if growing is not None:
            found.append(growing)
    return found


def _is_appended_to(table: str, workload: Workload) -> bool:
    mix = workload.writes.get(table)
    if mix is None or not mix.inserted:
        return False
    written = mix.inserted + mix.updated + mix.deleted
    return mix.inserted / written >= _LEAST_INSERTED


def _readers(row: Mapping[str, Any], workload: Workload) -> tuple[WorkloadStatement, ...]:
    table = {(row["schema"], row["name"])}
    return tuple(
        each
        for each in workload.replayable
        for text in [StatementText.parse(each.text)]
        if text.names_any(table) and _compares(text, row["key_column"])
    )


def _compares(text: StatementText, column: str) -> bool:
    if text.tree is None:
        return False
    comparisons = text.tree.find_all(exp.GT, exp.GTE, exp.LT, exp.LTE, exp.EQ, exp.Between, exp.In)
    return any(found.name == column for each in comparisons for found in each.find_all(exp.Column))


def _weight(statements: Collection[WorkloadStatement]) -> float:
    return sum(each.weight for each in statements)


def _growing(
    target: PostgresTarget,
    row: Mapping[str, Any],
    readers: tuple[WorkloadStatement, ...],
    workload: Workload,
) -> Growing | None:
    """Return the table; None where its values cannot be told, or too few partitions would be."""
    key = Key(row["key_column"], row["key_type"], row["zone"])
    least, largest = _extremes(target, row, key)
    if least is None or largest is None:
        return None
    reached = datetime.fromisoformat(row["now"]) if key.is_time else largest
    width = _width(least, reached)
    if width is None:
        return None
    return Growing(
        schema=row["schema"],
        name=row["name"],
        qualified_name=row["qualified_name"],
        key=key,
        heap_bytes=row["heap_bytes"],
        options=tuple(row["options"]),
        columns=tuple(row["columns"]),
        least=least,
        largest=largest,
        reached=reached,
        width=width,
        cut=_cut(reached, width, _weekly(row["qualified_name"], workload)),
        readers=readers,
        obstacles=tuple(_obstacles(target, row, workload, largest, reached)),
    )


def _extremes(
    target: PostgresTarget, row: Mapping[str, Any], key: Key
) -> tuple[Position | None, Position | None]:
    texts = row["least"], row["largest"]
    if row["leads_with_key"]:
        query = _EXTREMES.format(
            column=sql.Identifier(key.column), table=sql.Identifier(row["schema"], row["name"])
        )
        try:
            (found,) = target.query(query.as_string(None))
        except StatementCut:
            return None, None
        texts = found["least"], found["largest"]
    least, largest = (key.parse(text) if text is not None else None for text in texts)
    return least, largest


def _width(least: Position, reached: Position) -> Width | None:
    if isinstance(least, int) and isinstance(reached, int):
        return _round_width((reached - least) // _PARTITIONS)
    enough = _PARTITIONS // 2
    for width in _WIDTHS:
        ranges = following(least, width)
        if any(each.upper > reached for _, each in zip(range(enough), ranges, strict=False)):  # type: ignore[operator]  # likewise
            continue
        return width
    return None


def _round_width(distance: int) -> Width | None:
    """Return the next width that people read easily: 1, 2 or 5 with zeros."""
    if distance < 1:
        return None
    power = 10 ** (len(str(distance)) - 1)
    return Width(distance=next(n * power for n in (1, 2, 5, 10) if n * power >= distance))


def _weekly(table: str, workload: Workload) -> int:
    """Return the rows that arrive in a week, as far as production's history tells."""
    if workload.start is None or workload.end is None or workload.end <= workload.start:
        return 0
    return round(workload.writes[table].inserted * (LEAD / (workload.end - workload.start)))


def _cut(reached: Position, width: Width, weekly: int) -> Position:
    if isinstance(reached, int):
        distance = width.distance
        assert isinstance(distance, int)  # noqa: S101 - of numbers
        # Never more than two widths away: a burst in production's history is no rate.
        soon = reached + min(max(weekly, distance // 2), 2 * distance)
        return (soon // distance + 1) * distance
    begin = _MONDAY if not width.months else _MONDAY.replace(year=reached.year - 1)
    soonest = reached + _CUT_LEAD
    if isinstance(width.distance, timedelta) and width.distance:
        begin = _MONDAY + (soonest - _MONDAY) // width.distance * width.distance
    return next(each.upper for each in following(begin, width) if each.upper > soonest)  # type: ignore[operator]  # times


def _obstacles(
    target: PostgresTarget,
    row: Mapping[str, Any],
    workload: Workload,
    largest: Position,
    reached: Position,
) -> Iterator[str]:
    names = {"table": row["qualified_name"], "key_column": row["key_column"]}
    yield from (each["why"] for each in target.query(QUERIES["find_conversion_obstacles"], names))
    if isinstance(largest, datetime) and largest > reached + _LATEST:  # type: ignore[operator]  # both of one key
        yield f"it holds rows of the future: up to {largest}"
    only = re.compile(
        rf'\bONLY\s+\(?\s*("?{row["schema"]}"?\.)?"?{re.escape(row["name"])}\b', re.IGNORECASE
    )
    if any(only.search(each.text) for each in workload.statements):
        yield "a statement asks for ONLY its own rows, and would find none"


def past_ranges(growing: Growing) -> Sequence[Range]:
    """Return the ranges up to the cut that a table converted long ago would have, oldest first.

    At most half as many again as ``_PARTITIONS``; what is older stays in the first partition.
    """
    width = growing.width
    if width.months:
        begin = growing.cut
        assert isinstance(begin, datetime)  # noqa: S101 - months are of times
        begin = begin.replace(year=begin.year - 2)
    else:
        count = (growing.cut - growing.least) // width.distance  # type: ignore[operator]  # both of one key
        begin = growing.cut - count * width.distance  # type: ignore[operator]  # likewise
    ranges = []
    for each in following(begin, width):
        if each.lower >= growing.cut:  # type: ignore[operator]  # likewise
            break
        if each.lower > growing.least:  # type: ignore[operator]  # likewise
            ranges.append(each)
    return ranges[-_PARTITIONS * 3 // 2 :]
