"""Code that never runs: what stands behind the end of a block, and functions that nothing names."""

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Final

from honed.repair.refactor.linters import Unused, unused
from honed.repair.refactor.package import Module, Package, is_dynamic
from honed.repair.refactor.refactor import Proof, Refactor, refactored, removed
from honed.repair.source import Function
from honed.repair.suite import Edit

_ENDS: Final = (ast.Return, ast.Raise, ast.Break, ast.Continue)
_CERTAIN_PERCENT: Final = 100


def without_dead_code(package: Package) -> list[Refactor]:
    """Return one change for each piece of code that never runs.

    * ``unreachable``: statements behind ``return``, ``raise``, ``break`` or ``continue`` of which
      vulture is certain, unless they make the function a generator or bind a name that the rest
      of it mentions.
    * ``unused_function``: a private function at the top of a module whose name no other word of
      any file is, and of which vulture thinks the same; it is never certain of functions.

    Raises:
        MissingExtra: vulture is not installed.
    """
    said = unused((module.path, module.text) for module in package.modules.values())
    found: list[Refactor | None] = []
    for module in package.modules.values():
        here = [each for each in said if each.path == module.path]
        found += _unreachable(module, here)
        found += _unnamed(package, module, here)
    return [each for each in found if each is not None]


def _unreachable(module: Module, said: Sequence[Unused]) -> Iterator[Refactor | None]:
    lines = {
        each.line
        for each in said
        if each.sort == "unreachable_code" and each.confidence_percent >= _CERTAIN_PERCENT
    }
    for function in ast.walk(module.tree) if lines else ():
        if not isinstance(function, Function) or is_dynamic(function):
            continue
        for rest in _behind_ends(module, function):
            if rest[0].lineno in lines and _is_without_effect(function, rest):
                yield _cut(module, rest)


def _behind_ends(module: Module, function: Function) -> Iterator[list[ast.stmt]]:
    for node in ast.walk(function):
        if isinstance(node, _ENDS) and module.source.function(node) is function:
            block = module.source.block(node)
            rest = block[block.index(node) + 1 :]
            if rest:
                yield rest


def _is_without_effect(function: Function, rest: Sequence[ast.stmt]) -> bool:
    """Whether a function means the same without statements that never run."""
    inside = [node for each in rest for node in ast.walk(each)]
    if any(
        isinstance(each, ast.Yield | ast.YieldFrom | ast.Global | ast.Nonlocal) for each in inside
    ):
        return False
    ids = {id(each) for each in inside}
    outside = {
        name for each in ast.walk(function) if id(each) not in ids for name in _mentioned(each)
    }
    # A name that is bound anywhere in a function is its own everywhere.
    return outside.isdisjoint(name for each in inside for name in _mentioned(each) if _binds(each))


def _binds(node: ast.AST) -> bool:
    return not (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load))


def _mentioned(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Name():
            yield node.id
        case ast.Global() | ast.Nonlocal():
            yield from node.names
        case ast.Import() | ast.ImportFrom():
            yield from (each.asname or each.name.split(".")[0] for each in node.names)
        case ast.MatchMapping():
            yield node.rest or ""
        case ast.arg():
            yield node.arg
        case ast.alias():
            return
        case _:
            name = getattr(node, "name", None)
            if isinstance(name, str):
                yield name


def _cut(module: Module, rest: Sequence[ast.stmt]) -> Refactor | None:
    source = module.source
    if not all(source.has_own_lines(each) for each in (rest[0], rest[-1])):
        return None
    edit = Edit(source.lines_of(rest[0])[0], source.lines_of(rest[-1])[1], "")
    reason = f"line {rest[0].lineno}: nothing gets here"
    return refactored("unreachable", reason, Proof.ANALYSED, [(module, [edit])])


def _unnamed(package: Package, module: Module, said: Sequence[Unused]) -> Iterator[Refactor | None]:
    names = {each.name for each in said if each.sort == "function"}
    for node in module.tree.body:
        if not isinstance(node, Function) or node.name not in names:
            continue
        if _is_private(node) and _is_nowhere_else(package, module, node):
            reason = f"nothing names {node.name}"
            edits = [removed(module, node)]
            yield refactored("unused_function", reason, Proof.UNNAMED, [(module, edits)])


def _is_private(node: Function) -> bool:
    defaults = (*node.args.defaults, *node.args.kw_defaults)
    is_dunder = node.name.startswith("__") and node.name.endswith("__")
    return (
        node.name.startswith("_")
        and not is_dunder
        and not node.decorator_list
        # They are evaluated when the function is defined.
        and all(each is None or isinstance(each, ast.Constant) for each in defaults)
    )


def _is_nowhere_else(package: Package, module: Module, node: Function) -> bool:
    own = re.findall(r"\w+", module.source.of(node)).count(node.name)
    stem = PurePosixPath(module.path).stem
    return (
        package.words[node.name] == own
        and node.name not in package.mentioned
        and module.bound.get(node.name) == 1
        and not module.is_dynamic
        and module.source.has_own_lines(node)
        and not any(each.is_dynamic and stem in each.words for each in package.modules.values())
        and len(package.modules) == len(package.files)
    )
