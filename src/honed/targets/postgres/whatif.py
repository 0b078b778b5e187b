"""What-if: the words for asking what a statement would cost if only some indexes existed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol


class Buildable(Protocol):
    """An index that can be built: a name and one CREATE INDEX statement, not CONCURRENTLY."""

    @property
    def name(self) -> str:
        """The name of the index, without schema."""

    @property
    def build_sql(self) -> str:
        """The CREATE INDEX statement that builds it under that name, not CONCURRENTLY."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the planner says of one statement."""

    #: Total cost in the planner's units.
    cost: float
    #: Names of every index in the plan, candidates or not.
    indexes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Built:
    """A candidate that exists on a clone."""

    name: str
    #: Bytes on disk; on a sampled clone scaled up to production's number of rows.
    size_bytes: int
    #: Seconds that the build took.
    build_s: float


def estimate_of(plan: Mapping[str, Any]) -> Estimate:
    """Return what ``plan``, as ``EXPLAIN (FORMAT JSON)`` returns it, says of its statement."""
    return Estimate(float(plan["Plan"]["Total Cost"]), frozenset(_indexes(plan["Plan"])))


def _indexes(node: Mapping[str, Any]) -> Iterator[str]:
    if "Index Name" in node:
        yield node["Index Name"]
    for child in node.get("Plans", ()):
        yield from _indexes(child)
