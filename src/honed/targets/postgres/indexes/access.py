"""What a plan asks of each of its tables: how rows are found, in which order, and what is read."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from honed.targets.postgres.indexes.conditions import (
    Comparison,
    Condition,
    Predicate,
    columns_of,
    parse,
    read_condition,
    read_key,
)
from honed.targets.postgres.indexes.definition import Key

Node = Mapping[str, Any]
Column = tuple[str, str]

#: Where the nodes of a plan keep conditions.
_CONDITIONS = (
    "Filter",
    "Index Cond",
    "Recheck Cond",
    "Hash Cond",
    "Merge Cond",
    "Join Filter",
    "One-Time Filter",
    "Order By",
)
#: Where they keep lists of expressions whose order matters.
_ORDERS = ("Sort Key", "Group Key", "Presorted Key")


@dataclass(frozen=True, slots=True)
class Access:
    """What one statement asks of one of its relations."""

    schema: str
    table: str
    #: Comparisons with constants and parameters.
    local: tuple[Predicate, ...]
    #: Columns that rows of other relations give values for, with those relations' aliases.
    joins: tuple[tuple[str, frozenset[str]], ...]
    #: Orders that rows are wanted in, as the leading keys that are the relation's own.
    orders: tuple[tuple[Key, ...], ...]
    #: Conditions that hold whatever the parameters are, as SQL: what a partial index may have.
    fixed: tuple[str, ...]
    #: Columns that the statement reads of it.
    needed: frozenset[str]
    #: Share of the plan's cost that goes into reading it, 0 to 1; a guess if it is read in loops.
    share: float = 0.0

    def without_constants(self) -> "Access":
        """Return it without expressions that contain a constant, for where those are guessed.

        An index on ``substring(phone, 1, 1)`` does not serve ``substring(phone, 1, 2)``.
        """
        return replace(self, local=tuple(p for p in self.local if not p.key.has_constant))


@dataclass(slots=True)
class _Reading:
    """One plan while it is read."""

    relations: dict[str, tuple[str, str]]
    shares: dict[str, float]
    conditions: list[Condition] = field(default_factory=list)
    orders: list[tuple[str, tuple[Key, ...]]] = field(default_factory=list)
    needed: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    outputs: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))


def read_accesses(plan: Node) -> list[Access]:
    """Return what ``plan`` asks of its relations, one value for each relation it reads.

    Args:
        plan: what ``EXPLAIN (FORMAT JSON, VERBOSE)`` returns for one statement, or its root node.
    """
    root = plan.get("Plan", plan)
    nodes = list(walk(root))
    reading = _Reading(_relations(nodes), _shares(root))
    for node in nodes:
        _read_node(node, reading)
    classes = _equal_columns(reading.conditions)
    return [_access(alias, reading, classes) for alias in reading.relations]


def walk(node: Node) -> Iterator[Node]:
    """Yield ``node`` and every node below it, parents first."""
    yield node
    for child in node.get("Plans", ()):
        yield from walk(child)


def _relations(nodes: Sequence[Node]) -> dict[str, tuple[str, str]]:
    return {
        node["Alias"]: (node.get("Schema", "public"), node["Relation Name"])
        for node in nodes
        if "Relation Name" in node and "Alias" in node
    }


def _shares(root: Node) -> dict[str, float]:
    """Return by alias which share of the plan's cost its scans take."""
    costs: defaultdict[str, float] = defaultdict(float)
    _add_costs(root, 1.0, costs)
    total = max(float(root.get("Total Cost", 0.0)), 1e-9)
    return {alias: min(1.0, cost / total) for alias, cost in costs.items()}


def _add_costs(node: Node, loops: float, costs: defaultdict[str, float]) -> None:
    if "Relation Name" in node and "Alias" in node:
        costs[node["Alias"]] += float(node.get("Total Cost", 0.0)) * loops
    children = node.get("Plans", ())
    outer_rows = next(
        (c["Plan Rows"] for c in children if c.get("Parent Relationship") == "Outer"), 1.0
    )
    for child in children:
        relationship = child.get("Parent Relationship")
        times = 1.0
        if relationship == "Inner" and node["Node Type"] == "Nested Loop":
            times = max(1.0, float(outer_rows))
        elif relationship == "SubPlan":
            times = max(1.0, float(node.get("Plan Rows", 1.0)))
        _add_costs(child, loops * times, costs)


def _read_node(node: Node, reading: _Reading) -> None:
    is_scan = node.get("Alias") in reading.relations
    for label in _CONDITIONS:
        if label in node:
            _read_condition(str(node[label]), reading)
    for label in _ORDERS:
        _read_order(node.get(label, ()), reading)
    # A scan may put out whole rows just because that is cheaper than choosing columns; what is
    # above it names those that are read.
    is_top = node.get("Parent Relationship") in {None, "SubPlan", "InitPlan"}
    sink = reading.outputs if is_scan and not is_top else reading.needed
    for text in node.get("Output", ()):
        for alias, column in _columns(text, reading):
            sink[alias].add(column)


def _read_condition(text: str, reading: _Reading) -> None:
    condition = read_condition(text, reading.relations)
    reading.conditions.append(condition)
    for alias, column in condition.columns:
        reading.needed[alias].add(column)


def _read_order(texts: Sequence[str], reading: _Reading) -> None:
    keys = [read_key(text, reading.relations) for text in texts]
    for text in texts:
        for alias, column in _columns(text, reading):
            reading.needed[alias].add(column)
    if not keys or keys[0] is None:
        return
    alias = keys[0][0]
    run: list[Key] = []
    for found in keys:
        if found is None or found[0] != alias:
            break
        run.append(found[1])
    reading.orders.append((alias, tuple(run)))


def _columns(text: str, reading: _Reading) -> frozenset[Column]:
    tree = parse(text, reading.relations)
    return frozenset() if tree is None else columns_of(tree, reading.relations)


def _equal_columns(conditions: Sequence[Condition]) -> dict[Column, frozenset[Column]]:
    """Return for each compared column all columns that the plan makes equal to it."""
    classes: dict[Column, set[Column]] = {}
    for condition in conditions:
        for left, right in condition.equalities:
            merged = classes.get(left, {left}) | classes.get(right, {right})
            for column in merged:
                classes[column] = merged
    return {column: frozenset(members) for column, members in classes.items()}


def _access(alias: str, reading: _Reading, classes: Mapping[Column, frozenset[Column]]) -> Access:
    schema, table = reading.relations[alias]
    found = [p for c in reading.conditions for p in c.predicates if p.alias == alias]
    partners: defaultdict[str, set[str]] = defaultdict(set)
    for (owner, column), equal in classes.items():
        if owner == alias:
            partners[column] |= {other for other, _ in equal} - {alias}
    for p in found:
        if p.partner and p.comparison is Comparison.EQUAL and not p.key.is_expression:
            partners[p.key.text].add(p.partner)
    fixed = {text for c in reading.conditions for owner, text in c.fixed if owner == alias}
    return Access(
        schema,
        table,
        local=tuple(dict.fromkeys(p for p in found if not p.partner)),
        joins=tuple((column, frozenset(partners[column])) for column in sorted(partners)),
        orders=tuple(dict.fromkeys(keys for owner, keys in reading.orders if owner == alias)),
        fixed=tuple(sorted(fixed)),
        needed=frozenset(reading.needed[alias] or reading.outputs[alias]),
        share=reading.shares.get(alias, 0.0),
    )
