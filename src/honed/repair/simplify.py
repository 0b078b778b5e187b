"""Detours taken out of a tree: ``x[0:]``, ``n + 0``, ``n * 1``, ``a or False``, ``not not a``."""

import ast
from collections.abc import Callable, Mapping
from typing import Any, Final

_IDEMPOTENT: Final = frozenset({"abs", "bool", "int", "list", "set", "sorted", "str", "tuple"})
#: By operator the constants that change nothing on the left, and those on the right.
_NEUTRAL: Final[Mapping[type[ast.operator], tuple[tuple[Any, ...], tuple[Any, ...]]]] = {
    ast.Add: ((0, "", b""), (0, "", b"")),
    ast.Sub: ((), (0,)),
    ast.Mult: ((1,), (1,)),
    ast.Div: ((), (1,)),
    ast.FloorDiv: ((), (1,)),
    ast.Pow: ((), (1,)),
    ast.BitOr: ((0,), (0,)),
    ast.BitXor: ((0,), (0,)),
    ast.LShift: ((), (0,)),
    ast.RShift: ((), (0,)),
}
_OPPOSITE: Final[Mapping[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}


def simplified(tree: ast.AST) -> ast.AST:
    """Return a tree, changed in place, without what adds nothing to what it computes.

    It is for comparing and not for running: that ``x[:]`` is a copy and that ``n / 1`` is a float
    is not looked at.
    """
    result: ast.AST = _Simplifier().visit(tree)
    return result


def size(tree: ast.AST) -> int:
    """Return how many nodes a tree has."""
    return sum(1 for _ in ast.walk(tree))


class _Simplifier(ast.NodeTransformer):
    """From the leaves upwards."""

    def visit(self, node: ast.AST) -> Any:  # noqa: ANN401 - as the base class
        """Return what stands in the place of a node."""
        node = self.generic_visit(node)
        rule = _RULES.get(type(node))
        return rule(node) if rule else node


def _combined(node: ast.BinOp) -> ast.expr:
    before, behind = _NEUTRAL.get(type(node.op), ((), ()))
    if _is_one_of(node.right, behind) or (isinstance(node.op, ast.Add) and _is_empty(node.right)):
        return node.left
    if _is_one_of(node.left, before) or (isinstance(node.op, ast.Add) and _is_empty(node.left)):
        return node.right
    return _in_one_step(node)


def _in_one_step(node: ast.BinOp) -> ast.expr:
    """Return ``n`` for ``n + 1 - 1``, and ``n + 3`` for ``n + 1 + 2``."""
    inner, last = node.left, _step(node)
    first = _step(inner) if isinstance(inner, ast.BinOp) else None
    if last is None or first is None or not isinstance(inner, ast.BinOp):
        return node
    whole = first + last
    if whole == 0:
        return inner.left
    sign = ast.Add() if whole > 0 else ast.Sub()
    return ast.BinOp(inner.left, sign, ast.Constant(abs(whole)))


def _step(node: ast.BinOp) -> int | None:
    value = node.right.value if isinstance(node.right, ast.Constant) else None
    if type(value) is not int or not isinstance(node.op, (ast.Add, ast.Sub)):
        return None
    return value if isinstance(node.op, ast.Add) else -value


def _is_one_of(node: ast.expr | None, values: tuple[Any, ...]) -> bool:
    value = node.value if isinstance(node, ast.Constant) else None
    return any(type(each) is type(value) and each == value for each in values)


def _is_empty(node: ast.expr) -> bool:
    return isinstance(node, (ast.List, ast.Tuple)) and not node.elts


def _signed(node: ast.UnaryOp) -> ast.expr:
    inner = node.operand
    if isinstance(inner, ast.UnaryOp) and type(inner.op) is type(node.op):
        return inner.operand
    if isinstance(node.op, ast.Not) and isinstance(inner, ast.Compare) and len(inner.ops) == 1:
        opposite = _OPPOSITE.get(type(inner.ops[0]))
        return ast.Compare(inner.left, [opposite()], inner.comparators) if opposite else node
    return node


def _all_of(node: ast.BoolOp) -> ast.expr:
    idle = isinstance(node.op, ast.And)
    kept: dict[str, ast.expr] = {}
    for each in node.values:
        is_same = isinstance(each, ast.BoolOp) and type(each.op) is type(node.op)
        for part in each.values if is_same and isinstance(each, ast.BoolOp) else [each]:
            if not _is_one_of(part, (idle,)):
                kept.setdefault(ast.dump(part), part)
    values = [*kept.values()]
    if len(values) > 1:
        return ast.BoolOp(node.op, values)
    return values[0] if values else ast.Constant(idle)


def _chosen(node: ast.IfExp) -> ast.expr:
    if isinstance(node.test, ast.Constant):
        return node.body if node.test.value else node.orelse
    return node.body if ast.dump(node.body) == ast.dump(node.orelse) else node


def _part(node: ast.Subscript) -> ast.expr:
    bounds = node.slice
    if not isinstance(bounds, ast.Slice) or not isinstance(node.ctx, ast.Load):
        return node
    is_forward = bounds.step is None or _is_one_of(bounds.step, (1,))
    whole = ast.dump(ast.Call(ast.Name("len", ast.Load()), [node.value], []))
    if not is_forward:
        return node
    lower = None if _is_one_of(bounds.lower, (0,)) else bounds.lower
    is_to_end = bounds.upper is None or ast.dump(bounds.upper) == whole
    if lower is None and is_to_end:
        return node.value
    upper = None if is_to_end else bounds.upper
    return ast.Subscript(node.value, ast.Slice(lower, upper, None), node.ctx)


def _called(node: ast.Call) -> ast.expr:
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    if node.keywords or not node.args:
        return node
    if name in ("min", "max") and len(node.args) > 1:
        different = [*{ast.dump(each): each for each in node.args}.values()]
        return different[0] if len(different) == 1 else ast.Call(node.func, different, [])
    if name in _IDEMPOTENT and len(node.args) == 1:
        inner = node.args[0]
        is_same = isinstance(inner, ast.Call) and getattr(inner.func, "id", "") == name
        return inner if is_same else node
    return _counted(node) if name == "range" else node


def _counted(node: ast.Call) -> ast.expr:
    arguments = node.args
    if arguments[2:] and _is_one_of(arguments[-1], (1,)):
        arguments = arguments[:2]
    if arguments[1:] and not arguments[2:] and _is_one_of(arguments[0], (0,)):
        arguments = arguments[1:]
    return ast.Call(node.func, arguments, [])


def _assigned(node: ast.Assign) -> ast.stmt:
    read = [ast.dump(each).replace("Store()", "Load()") for each in node.targets]
    return ast.Pass() if read == [ast.dump(node.value)] else node


def _stepped(node: ast.AugAssign) -> ast.stmt:
    _, behind = _NEUTRAL.get(type(node.op), ((), ()))
    return ast.Pass() if _is_one_of(node.value, behind) or _is_empty(node.value) else node


def _branched(node: ast.If) -> ast.stmt | list[ast.stmt]:
    if isinstance(node.test, ast.Constant):
        return (node.body if node.test.value else node.orelse) or ast.Pass()
    return node


_RULES: Final[Mapping[type[ast.AST], Callable[[Any], Any]]] = {
    ast.BinOp: _combined,
    ast.UnaryOp: _signed,
    ast.BoolOp: _all_of,
    ast.IfExp: _chosen,
    ast.Subscript: _part,
    ast.Call: _called,
    ast.Assign: _assigned,
    ast.AugAssign: _stepped,
    ast.If: _branched,
}
