"""Guidance: what makes one plan, item by item, in the words that one extension understands."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from honed.targets.postgres.plan_pins.shapes import serial

#: What ``plans.joined`` calls the node above the plans of several examples.
_EXAMPLES = "Examples"
SCANS = frozenset({"Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan", "Tid Scan"})
JOINS = frozenset({"Nested Loop", "Hash Join", "Merge Join"})
_APPENDS = frozenset({"Append", "Merge Append"})
#: They are planned by themselves.
_SUBPLANS = frozenset({"InitPlan", "SubPlan"})
#: The planner calls the partitions of ``event`` ``event_1``, ``event_2`` ...
_NUMBER = re.compile(r"_\d+$")
#: What would end, or begin, a comment in which it may stand.
_COMMENT = re.compile(r"/\*|\*/")

#: A relation as it is written, or two that are joined: outer, inner. Empty: there is none.
Tree: TypeAlias = "str | tuple[Tree, Tree]"
Node: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Guidance:
    """What makes one plan, by how much it says; each in the order of the plan."""

    scans: tuple[str, ...]
    joins: tuple[str, ...]
    orders: tuple[str, ...]


class Language(Protocol):
    """The words of one extension. A level is the name of what is planned as a query of its own."""

    def relation(self, alias: str, level: str) -> str:
        """Return how a relation is written."""

    def scan(self, node: Node, name: str) -> str:
        """Return how the relation ``name`` is read by ``node``, one of ``SCANS``."""

    def partitions(self, parent: str, children: Sequence[Node], level: str) -> Sequence[str]:
        """Return how the partitions of the table with the alias ``parent`` are read."""

    def join(self, node: Node, outer: Tree, inner: Tree) -> str:
        """Return how ``node``, one of ``JOINS`` with its two children, joins."""

    def order(self, tree: Tree) -> str:
        """Return the order of all joins of one level."""


def plans_of(plan: Mapping[str, Any]) -> list[Node]:
    """Return the top node of a plan; of one that ``plans.joined`` made those of each example."""
    top: Node = plan.get("Plan", plan)
    return [each for each in top["Plans"] if each] if top["Node Type"] == _EXAMPLES else [top]


def read_guidance(node: Node, language: Language) -> Guidance:
    """Return what makes the plan below ``node``. Parallel workers do not count."""
    return _Reader(language).read(serial(node))


def choices(good: Guidance, bad: Sequence[Guidance]) -> Iterator[str]:
    """Yield what may make the plan of ``good`` of one of ``bad``, the least first.

    One scan that is another, all of them; join methods likewise; both; then the order of the joins,
    and last everything. What every plan of ``bad`` has already is only in the last.
    """
    known = [{*each.scans, *each.joins, *each.orders} for each in bad]
    same = set.intersection(*known) if known else set[str]()
    scans, joins, orders = (
        [each for each in part if each not in same]
        for part in (good.scans, good.joins, good.orders)
    )
    sets = [
        *([each] for each in scans),
        scans,
        *([each] for each in joins),
        joins,
        [*scans, *joins],
        orders,
        [*scans, *orders],
        [*good.joins, *good.orders],
        [*good.scans, *good.joins, *good.orders],
    ]
    texts = (" ".join(each) for each in sets if each)
    yield from (each for each in dict.fromkeys(texts) if not _COMMENT.search(each))


def leaves(tree: Tree) -> list[str]:
    """Return the relations of ``tree``, in its order."""
    return [tree] if isinstance(tree, str) else [name for part in tree for name in leaves(part)]


@dataclass(slots=True)
class _Reader:
    """Collects the guidance of one plan; keys, so that each item is there once."""

    language: Language
    level: str = ""
    scans: dict[str, None] = field(default_factory=dict)
    joins: dict[str, None] = field(default_factory=dict)
    orders: dict[str, None] = field(default_factory=dict)

    def read(self, node: Node) -> Guidance:
        self._level(node, "")
        return Guidance(tuple(self.scans), tuple(self.joins), tuple(self.orders))

    def _level(self, node: Node, name: str) -> None:
        """Read what was planned as a query of its own: it has an order of its own."""
        above, self.level = self.level, name
        tree = self._tree(node)
        if isinstance(tree, tuple):
            self.orders[self.language.order(tree)] = None
        self.level = above

    def _tree(self, node: Node) -> Tree:
        """Return which relations are joined below ``node``, and in which order."""
        children = self._children(node)
        sort = node["Node Type"]
        if "Alias" in node:
            return self._relation(node, children)
        if sort in _APPENDS and (parent := _parent(children)):
            self.scans.update(dict.fromkeys(self.language.partitions(parent, children, self.level)))
            return self.language.relation(parent, self.level)
        if sort in JOINS:
            outer, inner = (self._tree(each) for each in children)
            if not outer or not inner:
                return outer or inner
            self.joins[self.language.join({**node, "Plans": children}, outer, inner)] = None
            return outer, inner
        if len(children) == 1:
            return self._tree(children[0])
        for each in children:
            self._level(each, self.level)
        return ""

    def _children(self, node: Node) -> list[Node]:
        """Return what ``node`` reads, after reading its subplans."""
        children: Sequence[Node] = node.get("Plans", ())
        for each in children:
            if each.get("Parent Relationship") in _SUBPLANS:
                # "InitPlan expr_1", "SubPlan exists_1", "CTE recent"
                self._level(each, each.get("Subplan Name", "").partition(" ")[2])
        return [each for each in children if each.get("Parent Relationship") not in _SUBPLANS]

    def _relation(self, node: Node, children: Sequence[Node]) -> str:
        name = self.language.relation(node["Alias"], self.level)
        if node["Node Type"] in SCANS:
            self.scans[self.language.scan(node, name)] = None
        else:  # a subquery, a function: what it reads is joined by itself
            for each in children:
                self._level(each, node["Alias"])
        return name


def _parent(children: Sequence[Node]) -> str:
    """Return the alias of the table whose partitions are read; empty: these are none."""
    if not all(each["Node Type"] in SCANS for each in children):
        return ""
    names = {_NUMBER.sub("", each["Alias"]) for each in children}
    return names.pop() if len(names) == 1 else ""
