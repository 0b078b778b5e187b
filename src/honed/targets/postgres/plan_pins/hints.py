"""Hints: a plan in the words that pg_hint_plan understands.

The words are those of its manual (Hint list): scan methods name a relation by its alias and the
indexes to read it by, join methods name the relations that are joined, and Leading gives the order
as nested pairs, outer side first.
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

#: Begins a comment that holds hints.
MARK = "/*+"

_SCANS = {
    "Seq Scan": "SeqScan",
    "Index Scan": "IndexScan",
    "Index Only Scan": "IndexOnlyScan",
    "Bitmap Heap Scan": "BitmapScan",
    "Tid Scan": "TidScan",
}
_JOINS = {"Nested Loop": "NestLoop", "Hash Join": "HashJoin", "Merge Join": "MergeJoin"}
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def hints_of(plan: Mapping[str, Any]) -> list[Guidance]:
    """Return the hints of a plan; of one for several examples those of each.

    Parallel workers do not count. Partitions are hinted by their parent, without indexes.

    Args:
        plan: of one statement, or what ``plans.joined`` made of several.
    """
    return [read_guidance(each, _Hints()) for each in plans_of(plan)]


def hinted(statement: str, hints: str) -> str:
    """Return ``statement`` with ``hints`` before it, where there are any."""
    return f"{MARK} {hints} */ {statement}" if hints else statement


class _Hints:
    """The words of hints; implements ``Language``."""

    def relation(self, alias: str, level: str) -> str:
        """Return the alias; whatever level it is of."""
        del level
        return _quoted(alias)

    def scan(self, node: Node, name: str) -> str:
        """Return the method with the relation and its indexes."""
        names = (name, *map(_quoted, sorted(set(_indexes(node)))))
        return f"{_SCANS[node['Node Type']]}({' '.join(names)})"

    def partitions(self, parent: str, children: Sequence[Node], level: str) -> Sequence[str]:
        """Return the one method by which all partitions are read; none: there are several."""
        methods = {each["Node Type"] for each in children}
        if len(methods) > 1:
            return []
        return [f"{_SCANS[methods.pop()]}({self.relation(parent, level)})"]

    def join(self, node: Node, outer: Tree, inner: Tree) -> str:
        """Return the method with all relations that it joins, in any order."""
        names = " ".join(sorted((*leaves(outer), *leaves(inner))))
        return f"{_JOINS[node['Node Type']]}({names})"

    def order(self, tree: Tree) -> str:
        """Return the order as nested pairs."""
        return f"Leading({_nested(tree)})"


def _indexes(node: Node) -> Iterator[str]:
    if "Index Name" in node:
        yield node["Index Name"]
    for each in node.get("Plans", ()):
        if each["Node Type"].startswith("Bitmap"):
            yield from _indexes(each)


def _nested(tree: Tree) -> str:
    return tree if isinstance(tree, str) else f"({' '.join(map(_nested, tree))})"


def _quoted(name: str) -> str:
    """Return ``name`` as a hint takes it: as the catalog has it, in quotes where it is odd."""
    doubled = name.replace('"', '""')
    return name if _PLAIN.fullmatch(name) else f'"{doubled}"'
