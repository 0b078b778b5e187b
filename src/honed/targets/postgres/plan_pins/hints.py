"""Hints: a plan in the words that pg_hint_plan understands.

The words are those of its manual (Hint list): scan methods name a relation by its alias and the
indexes to read it by, join methods name the relations that are joined, and Leading gives the order
as nested pairs, outer side first.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from honed.targets.postgres.plan_pins.shapes import serial

#: Begins a comment that holds hints.
MARK = "/*+"

#: What ``plans.joined`` calls the node above the plans of several examples.
_EXAMPLES = "Examples"
_SCANS = {
    "Seq Scan": "SeqScan",
    "Index Scan": "IndexScan",
    "Index Only Scan": "IndexOnlyScan",
    "Bitmap Heap Scan": "BitmapScan",
    "Tid Scan": "TidScan",
}
_JOINS = {"Nested Loop": "NestLoop", "Hash Join": "HashJoin", "Merge Join": "MergeJoin"}
_APPENDS = frozenset({"Append", "Merge Append"})
#: They are planned by themselves.
_SUBPLANS = frozenset({"InitPlan", "SubPlan"})
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: The planner calls the partitions of ``event`` ``event_1``, ``event_2`` ...
_NUMBER = re.compile(r"_\d+$")
#: What would end, or begin, the comment in which hints are tried.
_COMMENT = re.compile(r"/\*|\*/")

#: A relation by its alias, or two that are joined: outer, inner. Empty: there is none.
_Tree: TypeAlias = "str | tuple[_Tree, _Tree]"


@dataclass(frozen=True, slots=True)
class Hints:
    """What makes one plan, by how much it says; each in the order of the plan."""

    scans: tuple[str, ...]
    joins: tuple[str, ...]
    orders: tuple[str, ...]


def hints_of(plan: Mapping[str, Any]) -> list[Hints]:
    """Return the hints of a plan; of one for several examples those of each.

    Parallel workers do not count. Partitions are hinted by their parent, without indexes.

    Args:
        plan: of one statement, or what ``plans.joined`` made of several.
    """
    top: Mapping[str, Any] = plan.get("Plan", plan)
    each: Sequence[Mapping[str, Any]] = [top]
    if top.get("Node Type") == _EXAMPLES:
        each = top["Plans"]
    return [_Reader().read(serial(node)) for node in each if node]


def choices(good: Hints, bad: Sequence[Hints]) -> Iterator[str]:
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


def hinted(statement: str, hints: str) -> str:
    """Return ``statement`` with ``hints`` before it, where there are any."""
    return f"{MARK} {hints} */ {statement}" if hints else statement


@dataclass(slots=True)
class _Reader:
    """Collects the hints of one plan; keys, so that each is there once."""

    scans: dict[str, None] = field(default_factory=dict)
    joins: dict[str, None] = field(default_factory=dict)
    orders: dict[str, None] = field(default_factory=dict)

    def read(self, node: Mapping[str, Any]) -> Hints:
        self._level(node)
        return Hints(tuple(self.scans), tuple(self.joins), tuple(self.orders))

    def _level(self, node: Mapping[str, Any]) -> None:
        """Read what was planned as a query of its own: it has an order of its own."""
        tree = self._tree(node)
        if isinstance(tree, tuple):
            self.orders[f"Leading({_nested(tree)})"] = None

    def _tree(self, node: Mapping[str, Any]) -> _Tree:
        """Return which relations are joined below ``node``, and in which order."""
        children = self._children(node)
        sort = node["Node Type"]
        if "Alias" in node:
            return self._relation(node, children)
        if sort in _APPENDS and (parent := _parent(children)):
            if len(methods := {each["Node Type"] for each in children}) == 1:
                self.scans[f"{_SCANS[methods.pop()]}({_quoted(parent)})"] = None
            return parent
        if sort in _JOINS:
            outer, inner = (self._tree(each) for each in children)
            if not outer or not inner:
                return outer or inner
            names = " ".join(sorted(map(_quoted, (*_leaves(outer), *_leaves(inner)))))
            self.joins[f"{_JOINS[sort]}({names})"] = None
            return outer, inner
        if len(children) == 1:
            return self._tree(children[0])
        for each in children:
            self._level(each)
        return ""

    def _children(self, node: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """Return what ``node`` reads, after reading its subplans."""
        children: Sequence[Mapping[str, Any]] = node.get("Plans", ())
        for each in children:
            if each.get("Parent Relationship") in _SUBPLANS:
                self._level(each)
        return [each for each in children if each.get("Parent Relationship") not in _SUBPLANS]

    def _relation(self, node: Mapping[str, Any], children: Sequence[Mapping[str, Any]]) -> str:
        alias: str = node["Alias"]
        method = _SCANS.get(node["Node Type"])
        if method is None:  # a subquery, a function: what it reads is joined by itself
            for each in children:
                self._level(each)
        else:
            names = map(_quoted, (alias, *sorted(set(_indexes(node)))))
            self.scans[f"{method}({' '.join(names)})"] = None
        return alias


def _parent(children: Sequence[Mapping[str, Any]]) -> str:
    """Return the alias of the table whose partitions are read; empty: these are none."""
    if not all(each["Node Type"] in _SCANS for each in children):
        return ""
    names = {_NUMBER.sub("", each["Alias"]) for each in children}
    return names.pop() if len(names) == 1 else ""


def _indexes(node: Mapping[str, Any]) -> Iterator[str]:
    if "Index Name" in node:
        yield node["Index Name"]
    for each in node.get("Plans", ()):
        if each["Node Type"].startswith("Bitmap"):
            yield from _indexes(each)


def _leaves(tree: _Tree) -> list[str]:
    return [tree] if isinstance(tree, str) else [name for part in tree for name in _leaves(part)]


def _nested(tree: _Tree) -> str:
    return _quoted(tree) if isinstance(tree, str) else f"({' '.join(map(_nested, tree))})"


def _quoted(name: str) -> str:
    """Return ``name`` as a hint takes it: as the catalog has it, in quotes where it is odd."""
    doubled = name.replace('"', '""')
    return name if _PLAIN.fullmatch(name) else f'"{doubled}"'
