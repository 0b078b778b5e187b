"""In what two pieces of code differ: how much of them is the same, and which constants are not."""

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from honed.space.clones.atoms import Atom
from honed.space.clones.forms import ExactForm, Function, skeleton, without_docstring

#: What does not decide what code does.
_SILENT = frozenset({"ctx", "kind", "type_comment", "annotation", "returns", "type_params"})
_BLOCKS = frozenset({"body", "orelse", "finalbody", "handlers", "cases"})


@dataclass(frozen=True, slots=True)
class Parameter:
    """Constants that differ between copies, and change together."""

    #: One for each copy, in their order.
    values: tuple[object, ...]
    #: Where it stands: for each place the node of every copy.
    places: tuple[tuple[ast.Constant, ...], ...]


def statements(atom: Atom) -> list[str]:
    """Return each statement of a unit without what it contains, in order, own names alike."""
    return [
        "\n".join(skeleton([_head(node)], set(atom.own)))
        for first in atom.nodes
        for node in _in_order(first)
    ]


def sameness(one: Sequence[str], other: Sequence[str]) -> float:
    """Return the share of the statements that both trees have in the same order, 0 to 1.

    Twice the matching ones through all of them, as the longest matching runs are found.
    """
    if len(other) < len(one):
        one, other = other, one
    return SequenceMatcher(a=one, b=other, autojunk=False).ratio()


def parameters(copies: Sequence[Sequence[ast.AST]]) -> tuple[Parameter, ...] | None:
    """Return what differs between copies apart from the names that they bind.

    Constants that differ in the same way in several places are one parameter.

    Args:
        copies: the nodes of each, as in `Atom.nodes`.

    Returns:
        The parameters in the order of the text; None where copies differ in more than constants
        and own names, or where one name of a copy stands for two of another.
    """
    first, *others = copies
    own = [_bound(each) for each in copies]
    pairs = [(_Pairing(own[0], own[n + 1]), each) for n, each in enumerate(others)]
    if any(len(each) != len(first) for each in others):
        return None
    columns = [pairing.constants(first, each) for pairing, each in pairs]
    if any(column is None for column in columns):
        return None
    rows = zip(*(column or [] for column in columns), strict=True)
    return _grouped((row[0][0], *(pair[1] for pair in row)) for row in rows)


def _grouped(places: Iterable[tuple[ast.Constant, ...]]) -> tuple[Parameter, ...]:
    grouped: dict[tuple[str, ...], list[tuple[ast.Constant, ...]]] = {}
    for place in places:
        key = tuple(ExactForm().constant(each.value) for each in place)
        if len(set(key)) > 1:
            grouped.setdefault(key, []).append(place)
    return tuple(
        Parameter(tuple(each.value for each in found[0]), tuple(found))
        for found in grouped.values()
    )


class _Pairing:
    """Two trees walked together, with a name of one for each name of the other."""

    def __init__(self, own: set[str], other_own: set[str]) -> None:
        self._own, self._other_own = own, other_own
        self._there: dict[str, str] = {}
        self._back: dict[str, str] = {}

    def constants(
        self, ones: Sequence[ast.AST], others: Sequence[ast.AST]
    ) -> list[tuple[ast.Constant, ast.Constant]] | None:
        """Return the constants of both, pair by pair; None where the trees are not the same."""
        found: list[tuple[ast.Constant, ast.Constant]] = []
        waiting: list[tuple[object, object]] = []
        waiting.extend(zip(reversed(ones), reversed(others), strict=True))
        names = {(id(a), id(b)) for a, b in waiting}
        while waiting:
            one, other = waiting.pop()
            if isinstance(one, ast.Constant) and isinstance(other, ast.Constant):
                found.append((one, other))
            elif isinstance(one, ast.AST) and isinstance(other, ast.AST):
                if type(one) is not type(other):
                    return None
                below = self._below(one, other, is_unit=(id(one), id(other)) in names)
                if below is None:
                    return None
                waiting.extend(reversed(below))
            elif one != other:
                return None
        return found

    def _below(
        self, one: ast.AST, other: ast.AST, *, is_unit: bool
    ) -> list[tuple[object, object]] | None:
        below: list[tuple[object, object]] = []
        for name in one._fields:
            if name in _SILENT or (is_unit and name == "name"):
                continue
            a, b = _listed(one, name), _listed(other, name)
            if len(a) != len(b):
                return None
            for x, y in zip(a, b, strict=True):
                if isinstance(x, str) and isinstance(y, str):
                    is_bound = not isinstance(one, ast.alias | ast.keyword | ast.Attribute)
                    if not (self._is_same(x, y) if is_bound else x == y):
                        return None
                else:
                    below.append((x, y))
        return below

    def _is_same(self, one: str, other: str) -> bool:
        if one not in self._own and other not in self._other_own:
            return one == other
        return (
            one in self._own
            and other in self._other_own
            and self._there.setdefault(one, other) == other
            and self._back.setdefault(other, one) == one
        )


def _listed(node: ast.AST, name: str) -> list[object]:
    value = getattr(node, name, None)
    values: list[Any] = value if isinstance(value, list) else [value]
    if name == "body" and isinstance(node, Function | ast.ClassDef):
        return list(without_docstring(values))
    return values


def _bound(nodes: Sequence[ast.AST]) -> set[str]:
    found: set[str] = set()
    for node in (each for unit in nodes for each in ast.walk(unit)):
        if isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            found.add(node.name)
    foreign = (
        name
        for unit in nodes
        for node in ast.walk(unit)
        if isinstance(node, ast.Global | ast.Nonlocal)
        for name in node.names
    )
    return found.difference(foreign)


def _in_order(node: ast.AST) -> Iterator[ast.AST]:
    waiting = [node]
    while waiting:
        each = waiting.pop()
        if isinstance(each, ast.stmt | ast.ExceptHandler | ast.match_case):
            yield each
        inside = [
            child
            for name in ("body", "handlers", "cases", "orelse", "finalbody")
            for child in _listed(each, name)
            if isinstance(child, ast.AST)
        ]
        waiting.extend(reversed(inside))


def _head(node: ast.AST) -> ast.AST:
    """Return a statement as a tree without its blocks; nothing of the original is changed."""
    fields = {
        name: [] if name in _BLOCKS and isinstance(value, list) else value
        for name, value in ast.iter_fields(node)
        if not (name == "name" and isinstance(node, Function | ast.ClassDef))
    }
    return type(node)(**fields)
