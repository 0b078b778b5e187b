"""From a file before and after a change to patterns of its small edits."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

from honed.repair.mining.pattern import (
    STATEMENTS,
    Pattern,
    fields,
    is_free,
    is_known,
    is_specific,
    meaning,
    pattern_of,
    read_pattern,
)
from honed.repair.mining.words import NAMES
from honed.repair.source import parsed

_WITH_BLOCKS: Final = (ast.ExceptHandler, ast.match_case, ast.withitem)
#: Parts that tell types alone.
_TYPES: Final = frozenset({"annotation", "returns"})


def mined(before: str | bytes, after: str | bytes) -> tuple[Pattern, ...]:
    """Return the pattern of each edit of one expression or simple statement, as special as it is.

    Names, attributes and literals that are not of Python's own are numbers in it. An edit that
    brings such a one from elsewhere is not general, and has none.
    """
    old, new = parsed(before), parsed(after)
    if not isinstance(old, ast.Module) or not isinstance(new, ast.Module):
        return ()
    try:
        found = [_smallest(*each) for each in _changed(old.body, new.body)]
        # What cannot be read again, word for word, is never kept.
        known = {each.text: each for each in found if each and read_pattern(each.text)}
    except RecursionError:
        return ()
    return tuple(known.values())


def _changed(old: list[ast.stmt], new: list[ast.stmt]) -> Iterator[tuple[ast.AST, ast.AST]]:
    """Yield simple statements, and heads of others, of which one stands in the place of another."""
    texts = [[meaning(each) for each in side] for side in (old, new)]
    matcher = SequenceMatcher(a=texts[0], b=texts[1], autojunk=False)
    for what, first, last, begin, end in matcher.get_opcodes():
        if what == "replace" and last - first == end - begin:
            for one, other in zip(old[first:last], new[begin:end], strict=True):
                yield from _changed_in(one, other)


def _changed_in(one: ast.AST, other: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
    if isinstance(one, STATEMENTS) and isinstance(other, STATEMENTS):
        yield one, other
    elif type(one) is type(other):
        for name, value in fields(one):
            there = getattr(other, name, None)
            if isinstance(value, list) and isinstance(there, list):
                yield from _changed_block(value, there)
            elif name not in _TYPES and isinstance(value, ast.expr) and isinstance(there, ast.expr):
                yield value, there


def _changed_block(old: list[ast.AST], new: list[ast.AST]) -> Iterator[tuple[ast.AST, ast.AST]]:
    """Yield what differs in statements, or in handlers, cases and managers."""
    everything = (*old, *new)
    if all(isinstance(each, ast.stmt) for each in everything):
        yield from _changed(old, new)  # type: ignore[arg-type]  # they are statements
    elif len(old) == len(new) and all(isinstance(each, _WITH_BLOCKS) for each in everything):
        for one, other in zip(old, new, strict=True):
            yield from _changed_in(one, other)


def _smallest(one: ast.AST, other: ast.AST) -> Pattern | None:
    """Return the pattern of the smallest parts that hold all that differs, and tell enough."""
    parts = [(one, other)]
    while inner := _only_difference(*parts[-1]):
        parts.append(inner)
    places = [
        place
        for place, around in zip(parts, [(None, None), *parts], strict=False)
        if is_specific(place[0]) and not _is_called(place[0], around[0])
    ]
    found = (_lifted(*each) for each in reversed(places))
    return next((each for each in found if each is not None), None)


def _is_called(node: ast.AST, around: ast.AST | None) -> bool:
    return isinstance(around, ast.Call) and around.func is node


def _only_difference(one: ast.AST, other: ast.AST) -> tuple[ast.AST, ast.AST] | None:
    """Return the parts of two nodes that differ, where they are two; else None."""
    if type(one) is not type(other):
        return None
    found: list[tuple[object, object]] = []
    for name, value in fields(one):
        found += _differences(value, getattr(other, name, None))
    if len(found) != 1:
        return None
    ((here, there),) = found
    is_deeper = isinstance(here, ast.AST) and isinstance(there, ast.AST) and any(fields(here))
    return (here, there) if is_deeper else None  # type: ignore[return-value]  # both are nodes


def _differences(one: object, other: object) -> list[tuple[object, object]]:
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [each for pair in zip(one, other, strict=True) for each in _differences(*pair)]
    if isinstance(one, ast.AST) and isinstance(other, ast.AST):
        return [] if meaning(one) == meaning(other) else [(one, other)]
    return [] if type(one) is type(other) and one == other else [(one, other)]


class _NotGeneralError(Exception):
    """Something is no part of a pattern, and no number may stand for it."""


def _lifted(one: ast.AST, other: ast.AST) -> Pattern | None:
    """Return the pattern of two nodes; None: it would not be general."""
    numbers: dict[str, str] = {}
    try:
        before = _Lift(numbers, is_new=True).of(one)
        return pattern_of(before, _Lift(numbers, is_new=False).of(other))
    except _NotGeneralError:
        return None


@dataclass(frozen=True, slots=True)
class _Lift:
    """Copies nodes, with numbers in the place of what is not of Python's own."""

    #: By what is written the number that stands for it.
    numbers: dict[str, str]
    #: Whether there may be more of them.
    is_new: bool

    def of(self, node: ast.AST, around: ast.AST | None = None) -> ast.AST:
        """Return the copy of a node.

        Raises:
            _NotGeneralError: no number may stand for it.
        """
        if is_known(node) and not _is_part_of_data(node, around):
            known = dict(self.numbers)
            try:
                parts = {name: self._part(each, node) for name, each in ast.iter_fields(node)}
                return ast.copy_location(type(node)(**parts), node)
            except _NotGeneralError:
                self.numbers.clear()
                self.numbers.update(known)
        key = meaning(node)
        if not is_free(node) or (key not in self.numbers and not self.is_new):
            raise _NotGeneralError
        number = self.numbers.setdefault(key, f"${len(self.numbers)}")
        return ast.Name(number, getattr(node, "ctx", ast.Load()))

    def _part(self, value: object, around: ast.AST) -> object:
        if isinstance(value, list):
            return [self._part(each, around) for each in value]
        return self.of(value, around) if isinstance(value, ast.AST) else value


def _is_part_of_data(node: ast.AST, around: ast.AST | None) -> bool:
    """Whether an attribute is read that is no module's: it may have the name of a method."""
    if not isinstance(node, ast.Attribute) or _is_called(node, around):
        return False
    return not (isinstance(node.value, ast.Name) and node.value.id in NAMES)
