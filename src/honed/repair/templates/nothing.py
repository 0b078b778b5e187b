"""Nothing: what stands for None, what is caught, what a name is before it is set."""

import ast
import builtins
from collections.abc import Iterator
from typing import Final

from honed.repair.templates.insertions import before, is_documentation
from honed.repair.templates.template import Drafts, Site, template
from honed.repair.templates.values import is_read

_EMPTY: Final = {"str": '""', "dict": "{}", "list": "[]"}
_TYPES: Final = {"str": str, "dict": dict, "list": list}
#: What builtin functions take, where it is one sort of thing.
_OF_MANY: Final = frozenset(
    ["all", "any", "enumerate", "len", "list", "max", "min", "reversed", "set", "sorted", "sum"]
)
_OF_NUMBERS: Final = frozenset({"abs", "divmod", "float", "int", "round"})
#: By how an annotation begins, what a name is before anything is known.
_FIRST: Final = {
    "str": '""',
    "int": "0",
    "float": "0.0",
    "bool": "False",
    "list": "[]",
    "dict": "{}",
    "set": "set()",
    "tuple": "()",
}
_ADDING: Final = ("append", "extend", "insert", "update", "add", "sort", "reverse")
_MUTATING: Final = frozenset({*_ADDING, "remove", "pop", "clear", "discard", "popitem"})


@template(ast.Name, ast.Attribute, ast.Subscript, ast.Call)
def or_empty(site: Site, node: ast.expr) -> Drafts:
    """Take something empty where there is None."""
    if is_read(node) and site.may_be(node, "NoneType"):
        for text, weight in _fitting(site, node):
            yield site.replace(node, f"{site.of(node)} or {text}", weight)


def _fitting(site: Site, node: ast.expr) -> Iterator[tuple[str, float]]:
    """Yield what is empty and fits where an expression stands."""
    parent = site.parent(node)
    match parent:
        case ast.Attribute(attr=name) if isinstance(site.parent(parent), ast.Call):
            yield from ((_EMPTY[sort], 1.0) for sort, each in _TYPES.items() if hasattr(each, name))
        case ast.Call(func=ast.Name(id=name)) if node is not parent.func:
            if name in _OF_MANY:
                yield "[]", 1.0
            elif name in _OF_NUMBERS:
                yield "0", 1.0
            else:
                yield from ((text, 0.4) for text in ('""', "0", "[]"))
        case ast.BinOp(left=left, right=right):
            types = site.types_of(right if node is left else left)
            empty = {"int": "0", "float": "0", "str": '""', "list": "[]"}
            yield from ((empty[each], 1.0) for each in sorted(types & set(empty)))
            if not types:
                yield from (("0", 0.6), ('""', 0.6))
        case ast.For() | ast.comprehension() if node is parent.iter:
            yield "[]", 1.0
        case _:
            return


@template(ast.Try)
def handled_exception(site: Site, node: ast.Try) -> Drafts:
    """Handle what failing tests end with: beside what is handled, or in place of it."""
    for handler in node.handlers:
        kind = handler.type
        if kind is None:
            continue
        handled = [site.of(each) for each in (kind.elts if isinstance(kind, ast.Tuple) else [kind])]
        start, end = site.source.start(kind), site.source.end(kind)
        for name in sorted(filter(_is_exception, site.pool.raised - set(handled))):
            yield site.edit(start, end, f"({', '.join([*handled, name])})")
            if len(handled) == 1:
                yield site.edit(start, end, name, 0.4)


def _is_exception(name: str) -> bool:
    kind = getattr(builtins, name, None)
    is_one = isinstance(kind, type) and issubclass(kind, Exception)
    return is_one and name not in ("AssertionError", "Exception")


@template(ast.stmt)
def first_assignment(site: Site, node: ast.stmt) -> Drafts:
    """Set a name, which only some ways through a block set, before that block."""
    function = site.source.function(node)
    if function is None or isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return
    own = list(site.source.own_nodes(node))
    read = dict.fromkeys(
        each.id for each in own if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load)
    )
    arguments = {each.arg for each in ast.walk(function.args) if isinstance(each, ast.arg)}
    for name in read:
        above = _setting(site, node, name)
        if above is not None and name not in arguments:
            for text, weight in _first(function if _is_returned(node, name) else None):
                yield before(site, above, f"{name} = {text}", weight)


def _setting(site: Site, node: ast.stmt, name: str) -> ast.stmt | None:
    """Return the first statement of a block before another one that may set a name inside."""
    block = site.source.block(node)
    for each in block:
        if each is node:
            return None
        sets = (inner for inner in ast.walk(each) if isinstance(inner, ast.Name))
        if any(inner.id == name and isinstance(inner.ctx, ast.Store) for inner in sets):
            is_block = isinstance(each, (ast.For, ast.While, ast.If, ast.Try, ast.With))
            return each if is_block and site.source.has_own_lines(each) else None
    return None


def _is_returned(node: ast.stmt, name: str) -> bool:
    return (
        isinstance(node, ast.Return) and isinstance(node.value, ast.Name) and node.value.id == name
    )


def _first(function: ast.FunctionDef | ast.AsyncFunctionDef | None) -> Iterator[tuple[str, float]]:
    """Yield what a name may be before anything is known, as its function promises it."""
    said = ast.unparse(function.returns) if function and function.returns else ""
    promised = {text for sort, text in _FIRST.items() if said.split("[")[0].split(" ")[0] == sort}
    promised |= {"None"} if "None" in said or said.startswith("Optional") else set()
    for text in ("None", *_FIRST.values()):
        yield text, 1.0 if text in promised else 0.5 if not said else 0.2


@template(ast.Expr, ast.Assign, ast.AugAssign, ast.Delete)
def copy_argument(site: Site, node: ast.stmt) -> Drafts:
    """Change a copy of an argument, and not what the caller, or the next call, holds."""
    function = site.source.function(node)
    name = _mutated(node)
    if function is None or name not in {
        each.arg for each in ast.walk(function.args) if isinstance(each, ast.arg)
    }:
        return
    first = next((each for each in function.body if not is_documentation(each)), node)
    sorts = sorted(site.types.get(name, frozenset()) & {"list", "dict", "set"})
    for text in [f"{sort}({name})" for sort in sorts] or [f"{name}.copy()"]:
        if site.source.has_own_lines(first):
            yield before(site, first, f"{name} = {text}")


def _mutated(node: ast.stmt) -> str:
    """Return the name whose value a statement changes in place; empty where there is none."""
    match node:
        case ast.Expr(ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method))):
            return name if method in _MUTATING else ""
        case ast.Assign(targets=[ast.Subscript(value=ast.Name(id=name)), *_]):
            return name
        case ast.AugAssign(target=ast.Subscript(value=ast.Name(id=name))):
            return name
        case ast.Delete(targets=[ast.Subscript(value=ast.Name(id=name)), *_]):
            return name
        case _:
            return ""
