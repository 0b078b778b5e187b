"""What an annotation says about a value whose sort was lost on the way: lists of Sentry's SDK."""

import ast
from typing import Final

from honed.repair.reproduce.classes import last_name

#: Sorts of many, as they are annotated, by what has to stand around a list to get one.
MANY: Final = {
    "tuple": "tuple",
    "Tuple": "tuple",
    "set": "set",
    "Set": "set",
    "AbstractSet": "set",
    "MutableSet": "set",
    "frozenset": "frozenset",
    "FrozenSet": "frozenset",
    "deque": "deque",
}
_WRAPPERS: Final = frozenset({"Optional", "Annotated", "Final", "ClassVar", "Required"})


def plain(shape: ast.expr | None) -> ast.expr | None:
    """Return an annotation without what says nothing about a value: ``None``, quotes, wrappers."""
    if isinstance(shape, ast.Constant) and isinstance(shape.value, str):
        try:
            return plain(ast.parse(shape.value, mode="eval").body)
        except (SyntaxError, ValueError, RecursionError):
            return None
    if isinstance(shape, ast.BinOp) and isinstance(shape.op, ast.BitOr):
        is_none = isinstance(shape.left, ast.Constant) and shape.left.value is None
        return plain(shape.right if is_none else shape.left)
    if isinstance(shape, ast.Subscript) and last_name(shape) in _WRAPPERS:
        return plain(_inner(shape)[0])
    return shape


def sort(shape: ast.expr | None) -> str:
    """Return the last name of what an annotation says that a value is; empty: it says nothing."""
    found = plain(shape)
    return last_name(found) if found is not None else ""


def of_member(shape: ast.expr | None, place: int) -> ast.expr | None:
    """Return the annotation of one member of many."""
    inner = _inner(plain(shape))
    if sort(shape) in {"tuple", "Tuple"} and len(inner) > place and not _is_open(inner):
        return inner[place]
    return inner[0] if inner else None


def of_pair(shape: ast.expr | None) -> tuple[ast.expr | None, ast.expr | None]:
    """Return the annotations of the keys and the values of a mapping."""
    inner = _inner(plain(shape))
    if len(inner) == 1:
        return inner[0], None
    return (inner[0], inner[1]) if inner else (None, None)


def _inner(shape: ast.expr | None) -> list[ast.expr]:
    if not isinstance(shape, ast.Subscript):
        return []
    return list(shape.slice.elts) if isinstance(shape.slice, ast.Tuple) else [shape.slice]


def _is_open(inner: list[ast.expr]) -> bool:
    """Return whether it is ``tuple[int, ...]``."""
    last = inner[-1]
    return isinstance(last, ast.Constant) and last.value is ...
