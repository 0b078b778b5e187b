"""Plans: asking a target how it would run a statement, and telling two plans apart."""

from collections.abc import Mapping
from typing import Any

from honed.core.canonical import Json


def plan_hash(plan: Mapping[str, Any]) -> str:
    """Return a digest of a plan's shape: nodes, relations, indexes, join types and their order.

    Costs, row estimates, conditions and constants do not count.

    Args:
        plan: what ``PostgresTarget.explain`` or ``Clone.explain`` returned, or one node of it.
    """
    raise NotImplementedError


def nodes(plan: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return every node of a plan, top first, depth first."""
    raise NotImplementedError


__all__ = ["Json", "nodes", "plan_hash"]
