"""Advice: a plan in the words that pg_plan_advice understands, which comes with PostgreSQL 19.

The words are those of its manual (F.32, Advice Tags). The server writes the advice of a plan by
itself (``EXPLAIN (PLAN_ADVICE)``), and that is taken where it was written down. Of a plan of which
only the tree is known, it is made from the tree: less surely, because the tree does not tell which
relation is meant where one level has an alias twice, or a subquery was pulled up.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from honed.targets.postgres.plan_pins.guidance import (
    Guidance,
    Node,
    Tree,
    leaves,
    plans_of,
    read_guidance,
)
from honed.targets.postgres.plans import ADVICE

_SCANS = {
    "Seq Scan": "SEQ_SCAN",
    "Index Scan": "INDEX_SCAN",
    "Index Only Scan": "INDEX_ONLY_SCAN",
    "Bitmap Heap Scan": "BITMAP_HEAP_SCAN",
    "Tid Scan": "TID_SCAN",
}
#: By the type of the node, and of what is on its inner side.
_JOINS = {
    ("Nested Loop", "Materialize"): "NESTED_LOOP_MATERIALIZE",
    ("Nested Loop", "Memoize"): "NESTED_LOOP_MEMOIZE",
    ("Nested Loop", ""): "NESTED_LOOP_PLAIN",
    ("Merge Join", "Materialize"): "MERGE_JOIN_MATERIALIZE",
    ("Merge Join", ""): "MERGE_JOIN_PLAIN",
    ("Hash Join", ""): "HASH_JOIN",
}
#: Each is followed by relation and index in turn.
_BY_INDEX = frozenset({"INDEX_SCAN", "INDEX_ONLY_SCAN"})
#: Nobody is told how many workers to take: the lab has none.
_PARALLEL = frozenset({"GATHER", "GATHER_MERGE", "NO_GATHER"})
#: Means only what it says as a whole.
_ORDER = "JOIN_ORDER"
_PARTITIONS = "PARTITIONWISE"
_ENDS = {"(": ")", "{": "}"}
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
#: A bracket, or a relation with everything that belongs to its name.
_TOKEN = re.compile(r'[(){}]|(?:"(?:[^"]|"")*"|[^\s(){}"])+')


def advice_of(plan: Mapping[str, Any]) -> list[Guidance]:
    """Return the advice of a plan; of one for several examples that of each.

    Args:
        plan: of one statement, or what ``plans.joined`` made of several; the server's own advice
            stands in ``plans.ADVICE``.
    """
    given = {ADVICE: plan[ADVICE]} if ADVICE in plan else {}
    each = [{**node, **given} for node in plans_of(plan)]
    return [
        parsed(node[ADVICE]) if ADVICE in node else read_guidance(node, _Advice()) for node in each
    ]


def parsed(text: str) -> Guidance:
    """Return the single items of advice that the server has written."""
    scans, joins, orders = list[str](), list[str](), list[str]()
    for tag, elements in _tagged(text):
        if tag in _PARALLEL:
            continue
        if tag == _ORDER:
            orders.append(f"{tag}({' '.join(elements)})")
            continue
        kept = scans if tag.endswith("_SCAN") else orders if tag == _PARTITIONS else joins
        width = 2 if tag in _BY_INDEX else 1
        for at in range(0, len(elements), width):
            kept.append(f"{tag}({' '.join(elements[at : at + width])})")
    return Guidance(tuple(scans), tuple(joins), tuple(orders))


def _tagged(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each tag with its elements: relations, or lists of relations as they are written."""
    tokens = iter(_TOKEN.findall(text))
    for tag in tokens:
        next(tokens, "")  # the bracket that begins the list
        yield tag.upper(), list(_elements(tokens))


def _elements(tokens: Iterator[str]) -> Iterator[str]:
    """Yield what stands before the bracket that ends this list."""
    for token in tokens:
        if token in _ENDS.values():
            return
        yield f"{token}{' '.join(_elements(tokens))}{_ENDS[token]}" if token in _ENDS else token


class _Advice:
    """The words of advice, from a tree; implements ``Language``."""

    def relation(self, alias: str, level: str) -> str:
        """Return the alias, with the name of its level where it is not the statement itself."""
        return _quoted(alias) + _at(level)

    def scan(self, node: Node, name: str) -> str:
        """Return the method with the relation, and with its index where that is said."""
        tag = _SCANS[node["Node Type"]]
        if tag not in _BY_INDEX:
            return f"{tag}({name})"
        return f"{tag}({name} {_qualified(node, 'Index Name')})"

    def partitions(self, parent: str, children: Sequence[Node], level: str) -> Sequence[str]:
        """Return the method of each partition: it is written with its table's alias."""
        return [
            self.scan(each, f"{_quoted(parent)}/{_qualified(each, 'Relation Name')}{_at(level)}")
            for each in children
        ]

    def join(self, node: Node, outer: Tree, inner: Tree) -> str:
        """Return the method with what is on its inner side."""
        del outer
        sort, within = node["Node Type"], node["Plans"][1]["Node Type"]
        tag = _JOINS.get((sort, within)) or _JOINS[sort, ""]
        names = leaves(inner)
        return f"{tag}({names[0]})" if len(names) == 1 else f"{tag}(({' '.join(names)}))"

    def order(self, tree: Tree) -> str:
        """Return the order: what is joined on an inner side is in brackets."""
        return f"{_ORDER}({' '.join(_in_order(tree))})"


def _in_order(tree: Tree) -> list[str]:
    if isinstance(tree, str):
        return [tree]
    outer, inner = tree
    last = inner if isinstance(inner, str) else f"({' '.join(_in_order(inner))})"
    return [*_in_order(outer), last]


def _at(level: str) -> str:
    return f"@{_quoted(level)}" if level else ""


def _qualified(node: Node, name: str) -> str:
    """Return a name of ``node`` with its schema; an index is in that of its table."""
    return f"{_quoted(node['Schema'])}.{_quoted(node[name])}"


def _quoted(name: str) -> str:
    """Return ``name`` as advice takes it: folded to lower case unless it is in quotes."""
    doubled = name.replace('"', '""')
    return name if _PLAIN.fullmatch(name) else f'"{doubled}"'
