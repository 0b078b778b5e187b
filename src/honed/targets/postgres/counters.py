"""Counters that only grow: what they grew by between two readings, whatever happened to them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

Counters: TypeAlias = Mapping[str, float]

#: What one row of pg_stat_statements counts; the names are honed's own.
STATEMENT_COUNTERS = (
    "calls",
    "exec_ms",
    "exec_ms_squares",
    "row_count",
    "shared_blocks",
    "blocks_read",
    "temp_blocks",
    "wal_bytes",
)
TABLE_COUNTERS = ("inserted", "updated", "hot_updated", "deleted")

#: Computed from a mean and a deviation, so it may go down by a rounding error.
_ROUNDED = "exec_ms_squares"


@dataclass(frozen=True, slots=True)
class Reading:
    """One cumulative reading of one row of counters."""

    values: Counters
    #: Since when they count, as the server says; empty where it does not say.
    since: str = ""


def growth(before: Reading | None, now: Reading, *, was_reset: bool = False) -> dict[str, float]:
    """Return what the counters of one row grew by; never less than nothing.

    A row that began again (a reset, a crash, an eviction and a return) counts from zero: what it
    counted between the last reading and that moment is lost, so growth is then a lower bound.

    Not guaranteed: before PostgreSQL 17 a row that began again and already passed its last reading
    is not recognised, and its growth too is then a lower bound.

    Args:
        before: the last reading; None: the row was not there.

        now: this reading.

        was_reset: whether the server says that all its counters began again in between.
    """
    if before is None or was_reset or _began_again(before, now):
        return dict(now.values)
    # What the last reading did not count yet has not grown.
    grown = {
        name: max(0.0, value - before.values.get(name, value)) for name, value in now.values.items()
    }
    if _ROUNDED in grown and grown["calls"]:
        # The sum of squares is at least that of equal calls.
        grown[_ROUNDED] = max(grown[_ROUNDED], grown["exec_ms"] ** 2 / grown["calls"])
    return grown


def add(first: Counters, second: Counters) -> dict[str, float]:
    """Return the sum of two growths, name by name."""
    return {name: first.get(name, 0) + second.get(name, 0) for name in {**first, **second}}


def _began_again(before: Reading, now: Reading) -> bool:
    if before.since and now.since and before.since != now.since:
        return True
    return any(
        value < before.values.get(name, value)
        for name, value in now.values.items()
        if name != _ROUNDED
    )
