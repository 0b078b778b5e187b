"""What patterns have in common: the most special pattern that two of them are cases of.

Least general generalisation of terms (Plotkin, "A Note on Inductive Generalization", 1970), as
Getafix uses it for edits (Bader, Scott, Pradel and Chandra, "Getafix: Learning to Fix Bugs
Automatically", OOPSLA 2019, section 4).
"""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Final

from honed.repair.mining.pattern import Pattern, is_free, meaning, pattern_of, read_pattern

#: Of patterns of one sort so many are compared, each with each.
_MOST_COMPARED: Final = 120


def generalised(found: Mapping[str, frozenset[int]]) -> Iterator[tuple[str, frozenset[int]]]:
    """Yield patterns that more changes are cases of than of those that they are made of.

    Args:
        found: by the text of a pattern the changes that it was read from, the newest pattern
            first: of each sort the newest 120 are compared.

    Yields:
        the text of a new pattern, and the changes that are cases of it.
    """
    sorts: dict[type, dict[str, Pattern]] = defaultdict(dict)
    for text in found:
        pattern = read_pattern(text)
        if pattern is not None:
            sort = sorts[type(pattern.before)]
            if len(sort) < _MOST_COMPARED:
                sort[text] = pattern
    for sort in sorts.values():
        yield from _generalised(sort, found)


def _generalised(
    sort: Mapping[str, Pattern], found: Mapping[str, frozenset[int]]
) -> Iterator[tuple[str, frozenset[int]]]:
    common = {
        each.text: each
        for one, other in combinations(sort.values(), 2)
        if (each := in_common(one, other)) is not None
    }
    for text, pattern in common.items():
        cases = [each for each, special in sort.items() if pattern.reaches(special)]
        changes = frozenset[int]().union(*(found[each] for each in cases))
        if all(found[each] < changes for each in cases):
            yield text, changes


def in_common(one: Pattern, other: Pattern) -> Pattern | None:
    """Return the most special pattern that both are cases of; None: there is none."""
    numbers: dict[tuple[str, str], str] = {}
    try:
        before = _common(one.before, other.before, numbers)
        known = len(numbers)
        after = _common(one.after, other.after, numbers)
    except _NothingInCommonError:
        return None
    return pattern_of(before, after) if len(numbers) == known else None


class _NothingInCommonError(Exception):
    """Two nodes differ, and no number may stand for them."""


def _common(one: ast.AST, other: ast.AST, numbers: dict[tuple[str, str], str]) -> ast.AST:
    """Return what two nodes have in common: where they differ, the number of the two.

    Raises:
        _NothingInCommonError: no number may stand for them.
    """
    is_number = any(isinstance(each, ast.Name) and each.id[0] == "$" for each in (one, other))
    if type(one) is type(other) and not is_number:
        known = dict(numbers)
        try:
            return _same(one, other, numbers)
        except _NothingInCommonError:
            numbers.clear()
            numbers.update(known)
    if not is_free(one) or not is_free(other):
        raise _NothingInCommonError
    number = numbers.setdefault((meaning(one), meaning(other)), f"${len(numbers)}")
    return ast.Name(number, getattr(one, "ctx", ast.Load()))


def _same(one: ast.AST, other: ast.AST, numbers: dict[tuple[str, str], str]) -> ast.AST:
    def part(here: object, there: object) -> object:
        if isinstance(here, list) and isinstance(there, list) and len(here) == len(there):
            return [part(*pair) for pair in zip(here, there, strict=True)]
        if isinstance(here, ast.AST) and isinstance(there, ast.AST):
            if isinstance(here, ast.expr_context):
                return here
            return _common(here, there, numbers)
        if type(here) is not type(there) or here != there:
            raise _NothingInCommonError
        return here

    parts = {name: part(value, getattr(other, name)) for name, value in ast.iter_fields(one)}
    return ast.copy_location(type(one)(**parts), one)
