"""A unit of code as 256 numbers, near to those of units that are nearly the same."""

import ast
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float32]

DIMENSIONS: Final = 256


def vector(nodes: Sequence[ast.AST], own: set[str]) -> Vector:
    """Return the features of a unit, hashed with signs and of length 1.

    Features are the types of nodes (single, and two and three in the order of the text), edges of
    the tree, names that are called or read as attributes, and how names are defined and used.
    Counts weigh by 1 + ln (Manning, Raghavan and Schuetze 2008, 6.4.1); signs keep collisions from
    adding up (Weinberger et al. 2009, section 2).
    """
    numbers = np.zeros(DIMENSIONS)
    counted = Counter(_features(nodes, own))
    for feature, count in counted.items():
        place, sign = _place(feature)
        numbers[place] += sign * (1 + np.log(count))
    length = float(np.linalg.norm(numbers))
    return (numbers / length if length else numbers).astype(np.float32)


@lru_cache(maxsize=65536)
def _place(feature: str) -> tuple[int, int]:
    # Python's own hash of a text is another one in every process.
    number = int.from_bytes(
        hashlib.blake2b(feature.encode("utf-8", "replace"), digest_size=4).digest()
    )
    return number % DIMENSIONS, 1 if number // DIMENSIONS % 2 else -1


def _features(nodes: Sequence[ast.AST], own: set[str]) -> Iterator[str]:
    walked = list(_in_order(nodes))
    kinds = [_kind(node) for node, _ in walked]
    yield from kinds
    yield from (f"{a} {b}" for a, b in pairwise(kinds))
    yield from (f"{a} {b} {c}" for a, b, c in zip(kinds, kinds[1:], kinds[2:], strict=False))
    yield from (f"{_kind(above)}>{_kind(node)}" for node, above in walked if above is not None)
    for node, _ in walked:
        if isinstance(node, ast.Attribute):
            yield f".{node.attr}"
        elif isinstance(node, ast.Name) and node.id not in own:
            yield f"@{node.id}"
    yield from _uses(walked, own)


def _uses(walked: Iterable[tuple[ast.AST, ast.AST | None]], own: set[str]) -> Iterator[str]:
    defined: dict[str, str] = {}
    for node, above in walked:
        where = type(above).__name__
        if isinstance(node, ast.arg):
            defined[node.arg] = "argument"
        elif isinstance(node, ast.Name) and node.id in own:
            if isinstance(node.ctx, ast.Store):
                defined[node.id] = where
            else:
                yield f"{defined.get(node.id, 'outside')}~{where}"


def _kind(node: ast.AST) -> str:
    match node:
        case ast.BinOp() | ast.UnaryOp() | ast.BoolOp() | ast.AugAssign():
            return f"{type(node).__name__}:{type(node.op).__name__}"
        case ast.Compare():
            return f"Compare:{type(node.ops[0]).__name__}"
        case ast.Constant():
            return f"Constant:{type(node.value).__name__}"
    return type(node).__name__


#: What only says how something else is meant.
_SILENT = (ast.expr_context, ast.operator, ast.cmpop, ast.boolop, ast.unaryop)


def _in_order(nodes: Sequence[ast.AST]) -> Iterator[tuple[ast.AST, ast.AST | None]]:
    waiting: list[tuple[ast.AST, ast.AST | None]] = [(node, None) for node in reversed(nodes)]
    while waiting:
        node, above = waiting.pop()
        yield node, above
        children = [each for each in ast.iter_child_nodes(node) if not isinstance(each, _SILENT)]
        waiting.extend((each, node) for each in reversed(children))
