"""Where a repository asks its database the same query again and again: the loops around it."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from honed.core.query_text import without_values
from honed.repair.refactor.package import Module, Package
from honed.repair.source import Function

_LOOPS: Final = (
    ast.For, ast.AsyncFor, ast.While,
    ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp,
)  # fmt: skip
#: Places of values, however a driver writes them.
_PLACE: Final = re.compile(r"%s|%\(\w+\)s|\$\d+|(?<![:\w]):\w+")


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop in which a query is asked."""

    path: str
    #: Of the loop.
    line: int
    #: The function around it, by its own name; empty: it stands in no function.
    function: str
    #: The function that it calls and that asks; empty: it asks by itself.
    through: str = ""


def loops_around(package: Package, query: str) -> list[Loop]:
    """Return the loops in which a query is asked, by themselves or by a function that they call.

    The text of the query has to be a constant of the sources: what is put together when it runs, or
    by an object-relational mapper, is not found. A function is known by its name alone, so a loop
    may call another one of that name.

    Args:
        package: the sources.

        query: without its values, as ``core.query_text.without_values`` leaves it.
    """
    wanted = _form(query)
    modules = package.modules.values()
    askings = [(module, node) for module in modules for node in _askings(module, wanted)]
    found = {loop for module, node in askings if (loop := _around(module, node)) is not None}
    alone = [(module, node) for module, node in askings if _around(module, node) is None]
    functions = (module.source.function(node) for module, node in alone)
    for name in {each.name for each in functions if each is not None}:
        found |= set(_loops_through(package, name))
    return sorted(found, key=lambda each: (each.path, each.line, each.through))


def askings_in(package: Package, loop: Loop, query: str) -> list[tuple[ast.AST, ast.AST]]:
    """Return where a loop itself asks a query: what holds its text, and the loop around that."""
    module = package.modules[loop.path]
    around = [(node, innermost(module, node)) for node in _askings(module, _form(query))]
    return [
        (node, found)
        for node, found in around
        if found is not None and _loop(module, found, loop.through) == loop
    ]


def _loops_through(package: Package, name: str) -> Iterator[Loop]:
    """Yield the loops that call a function."""
    for module in package.modules.values():
        for node in _calls(module, name) if name in module.words else ():
            loop = _around(module, node, through=name)
            if loop is not None:
                yield loop


def _form(query: str) -> str:
    return _PLACE.sub("?", without_values(query, "postgresql")).rstrip("; ").casefold()


def _askings(module: Module, wanted: str) -> Iterator[ast.AST]:
    """Yield where a query stands, or the name of a constant of the module that holds it."""
    names: set[str] = set()
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            continue
        if _form(node.value) != wanted:
            continue
        above = module.source.parents.get(node)
        if isinstance(above, ast.Assign | ast.AnnAssign) and above in module.tree.body:
            targets = above.targets if isinstance(above, ast.Assign) else [above.target]
            names |= {each.id for each in targets if isinstance(each, ast.Name)}
        else:
            yield node
    for node in ast.walk(module.tree) if names else ():
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in names:
            yield node


def _calls(module: Module, name: str) -> Iterator[ast.AST]:
    for node in ast.walk(module.tree):
        match node:
            case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called)):
                if called == name:
                    yield node


def _around(module: Module, node: ast.AST, through: str = "") -> Loop | None:
    found = innermost(module, node)
    return None if found is None else _loop(module, found, through)


def _loop(module: Module, node: ast.AST, through: str) -> Loop:
    function = module.source.function(node)
    return Loop(module.path, _line(node), function.name if function else "", through)


def innermost(module: Module, node: ast.AST) -> ast.AST | None:
    """Return the innermost loop around a node that runs it again and again; None: there is none."""
    below, above = node, module.source.parents.get(node)
    while above is not None and not isinstance(above, Function):
        if isinstance(above, _LOOPS) and _is_repeated(above, below):
            return above
        below, above = above, module.source.parents.get(above)
    return None


def _is_repeated(loop: ast.AST, below: ast.AST) -> bool:
    match loop:
        case ast.For() | ast.AsyncFor():
            # What it goes through is asked for once, and what stands behind it runs once.
            return any(each is below for each in loop.body)
        case ast.While():
            return below is loop.test or any(each is below for each in loop.body)
        case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
            return below is not loop.generators[0]
    return False


def _line(node: ast.AST) -> int:
    return int(getattr(node, "lineno", 0))
