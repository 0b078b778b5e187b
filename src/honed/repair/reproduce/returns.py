"""What a function promises to return, as conditions on what a call returned.

A call that has to return, and may return anything, is repaired by returning anything. What the
function itself says of its result is the least that a test may ask of it.
"""

import ast
from collections.abc import Sequence
from typing import Final

from honed.repair.reproduce.classes import last_name

#: Sorts that are told apart without any import, by how they are annotated.
_SORTS: Final = {
    "int": "int",
    # A whole number is a float as well (PEP 484, "The numeric tower").
    "float": "(int, float)",
    "complex": "(int, float, complex)",
    **{name: name for name in ("str", "bool", "bytes", "list", "dict", "set", "frozenset")},
    "List": "list",
    "Dict": "dict",
    "Set": "set",
    "FrozenSet": "frozenset",
}
_TUPLES: Final = frozenset({"tuple", "Tuple"})
#: Decorators that leave a function's result as it is.
_TRANSPARENT: Final = frozenset(
    {"staticmethod", "classmethod", "property", "cached_property", "cache", "lru_cache", "override"}
)


def promised(function: ast.FunctionDef | ast.AsyncFunctionDef, name: str) -> list[str]:
    """Return conditions that hold of ``name``, which a call returned; empty: nothing is promised.

    Only what is certain: an annotation of built-in types alone, of a function whose decorators do
    not change what it returns.
    """
    decorators = {last_name(each) for each in function.decorator_list}
    if function.returns is None or not decorators <= _TRANSPARENT:
        return []
    shape = _unquoted(function.returns)
    if shape is None or _is_of_none(shape):
        return []
    return _conditions(shape, name)


def _unquoted(shape: ast.expr) -> ast.expr | None:
    if isinstance(shape, ast.Constant) and isinstance(shape.value, str):
        try:
            return ast.parse(shape.value, mode="eval").body
        except (SyntaxError, ValueError, RecursionError):
            return None
    return shape


def _is_of_none(shape: ast.expr) -> bool:
    """Return whether an annotation allows None, or more than one sort."""
    is_none = isinstance(shape, ast.Constant) and shape.value is None
    return is_none or isinstance(shape, ast.BinOp) or last_name(shape) in {"Optional", "Union"}


def _conditions(shape: ast.expr, name: str) -> list[str]:
    sort = last_name(shape)
    if sort in _SORTS:
        return [f"isinstance({name}, {_SORTS[sort]})"]
    if sort not in _TUPLES:
        return []
    members = _members(shape)
    found = [f"isinstance({name}, tuple)"]
    if not members:
        return found
    found.append(f"len({name}) == {len(members)}")
    for place, each in enumerate(members):
        if not _is_of_none(each):
            found += _conditions(each, f"{name}[{place}]")
    return found


def _members(shape: ast.expr) -> Sequence[ast.expr]:
    """Return what a tuple of a fixed length holds; empty: its length is not told."""
    if not isinstance(shape, ast.Subscript) or not isinstance(shape.slice, ast.Tuple):
        return ()
    inner = shape.slice.elts
    is_open = any(isinstance(each, ast.Constant) and each.value is ... for each in inner)
    return () if is_open else inner
