"""Shapes: what of a plan must come back for it to be the same plan again."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from honed.targets.postgres.plans import nodes, plan_hash

#: What ``plans.joined`` calls the node above the plans of several examples.
_EXAMPLES = "Examples"
_GATHERS = frozenset({"Gather", "Gather Merge"})
_PARALLEL = frozenset({"Parallel Aware", "Partial Mode", "Plans"})


def shapes(plan: Mapping[str, Any]) -> frozenset[str]:
    """Return the digests of a plan, one for each example; parallel workers do not count.

    The lab plans for one backend, production perhaps for several: below a Gather the same nodes
    read the same tables in the same order.

    Args:
        plan: of one statement, or what ``plans.joined`` made of several.
    """
    top: Mapping[str, Any] = plan.get("Plan", plan)
    each: Sequence[Mapping[str, Any]] = [top]
    if top.get("Node Type") == _EXAMPLES:
        each = top["Plans"]
    return frozenset(plan_hash(serial(node)) for node in each if node)


def serial(node: Mapping[str, Any]) -> dict[str, Any]:
    """Return the plan below ``node`` as one backend would carry it out."""
    children = [serial(child) for child in node.get("Plans", ())]
    is_parallel = node.get("Node Type") in _GATHERS or node.get("Partial Mode") == "Finalize"
    if is_parallel and children:
        relationship = "Parent Relationship"
        first = {name: value for name, value in children[0].items() if name != relationship}
        return {**first, **{name: node[name] for name in node if name == relationship}}
    own = {name: value for name, value in node.items() if name not in _PARALLEL}
    return {**own, "Plans": children}


def methods(plan: Mapping[str, Any]) -> frozenset[str]:
    """Return the types of the nodes of a plan: ``Nested Loop``, ``Index Scan``."""
    return frozenset(_types(plan))


def relations(plan: Mapping[str, Any]) -> frozenset[tuple[str, str]]:
    """Return schema and name of each table that a plan reads."""
    return frozenset(
        (node["Schema"], node["Relation Name"])
        for node in nodes(plan)
        if "Relation Name" in node and "Schema" in node
    )


def _types(plan: Mapping[str, Any]) -> Iterator[str]:
    for node in nodes(plan):
        if node.get("Node Type", _EXAMPLES) != _EXAMPLES:
            yield node["Node Type"]
