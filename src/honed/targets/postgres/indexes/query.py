"""Queries and their plans, as a search for indexes sees them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """One executable example of one statement; equal to itself only."""

    #: The statement's id.
    statement_id: str
    sql: str
    #: Its weight in the objective; the weights of all queries add up to 1.
    weight: float
    #: What one call costs in production, seconds; 0: not known.
    production_s: float = 0.0
    #: Whether its constants are guessed: production asks with others.
    is_guessed: bool = False


@dataclass(frozen=True, slots=True)
class Planned:
    """One plan of one query."""

    #: Equal for plans that do the same.
    key: str
    #: The planner's cost.
    cost: float
    #: Names of the indexes that it uses, candidates or not.
    used: frozenset[str]
    #: The visible candidates that it was found with.
    visible: frozenset[str]
    tree: Mapping[str, Any] = field(repr=False)
