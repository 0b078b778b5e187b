"""What-if: the words for asking what a statement would cost if only some indexes existed."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from honed.core.canonical import Json


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


class WhatIf(Protocol):
    """Plans statements as if of some candidates only a part existed: built ones or imagined."""

    def show(self, names: Collection[str]) -> None:
        """Make exactly ``names`` of the candidates visible to the planner."""

    def explain(self, sql: str) -> Mapping[str, Json]:
        """Return the plan of ``sql``.

        Raises:
            EvaluatorFailed: it cannot be planned.
            StatementCut: planning took too long.
        """


def plan(what_if: WhatIf, sql: str, *, with_indexes: Collection[str] = ()) -> Estimate:
    """Return what ``sql`` would cost if of all candidates only ``with_indexes`` existed.

    Raises:
        EvaluatorFailed: it cannot be planned.
        StatementCut: planning took too long.
    """
    what_if.show(with_indexes)
    return estimate_of(what_if.explain(sql))


def estimate_of(plan: Mapping[str, Any]) -> Estimate:
    """Return what ``plan``, as ``EXPLAIN (FORMAT JSON)`` returns it, says of its statement."""
    return Estimate(float(plan["Plan"]["Total Cost"]), frozenset(_indexes(plan["Plan"])))


def _indexes(node: Mapping[str, Any]) -> Iterator[str]:
    if "Index Name" in node:
        yield node["Index Name"]
    for child in node.get("Plans", ()):
        yield from _indexes(child)
