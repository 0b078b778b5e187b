"""Queries and their plans, as a search for indexes sees them."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from honed.core.canonical import Json

#: What EXPLAIN guesses; two plans that differ in nothing else do the same.
_GUESSES = frozenset({"Startup Cost", "Total Cost", "Plan Rows", "Plan Width"})


@dataclass(frozen=True, slots=True)
class Query:
    """One executable example of one statement."""

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


def plan_key(plan: Mapping[str, Any]) -> str:
    """Return a digest that is equal for plans that do the same, whatever the planner guesses.

    It is for comparing within one process: a search takes it ten thousand times, for which the
    digest that signatures need takes ten times as long.
    """
    words = json.dumps(_without_guesses(plan.get("Plan", plan)), sort_keys=True)
    return hashlib.sha256(words.encode()).hexdigest()


def _without_guesses(node: Mapping[str, Any]) -> dict[str, Json]:
    kept = {key: value for key, value in node.items() if key not in _GUESSES and key != "Plans"}
    return {**kept, "Plans": [_without_guesses(child) for child in node.get("Plans", ())]}
