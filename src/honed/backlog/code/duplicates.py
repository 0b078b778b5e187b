"""Functions that do the same under other names, found by the shape of their trees."""

import ast
import hashlib
from collections.abc import Iterator
from typing import Final

from honed.backlog.code.repository import Function, Module, Repository
from honed.backlog.code.trouble import Deadline, Trouble
from honed.backlog.draft import Facts
from honed.core.counted import counted

#: Smaller functions are alike without being copies.
_LEAST_NODES: Final = 60
_LEAST_LINES: Final = 6
#: Parts of a tree that say nothing of what it does.
_SILENT: Final = frozenset({"annotation", "ctx", "decorator_list", "returns", "type_comment"})


def duplicates(repository: Repository, deadline: Deadline) -> list[Trouble]:
    """Return one trouble for each set of functions that are equal but for their own names.

    Names that a function gives itself (arguments, variables) are folded to their order, constants
    to their type; what it calls and the attributes it reads must be the same. Tests are left out.

    Raises:
        SourceFailed: there was not enough time.
    """
    alike: dict[str, list[tuple[Module, str, Function]]] = {}
    for module in repository.modules:
        deadline.left_s()
        if module.is_test:
            continue
        for name, function in module.functions():
            shape = fold(function)
            if shape:
                alike.setdefault(shape, []).append((module, name, function))
    return [_trouble(copies) for copies in alike.values() if len(copies) > 1]


def fold(function: Function) -> str:
    """Return the hash of what a function does, equal for copies; empty if it is small."""
    if (function.end_lineno or 0) - function.lineno + 1 < _LEAST_LINES:
        return ""
    try:
        parts = list(_parts(function, _own_names(function)))
    except RecursionError:
        return ""
    if len(parts) < _LEAST_NODES:
        return ""
    return hashlib.sha256("\n".join(parts).encode("utf-8", "replace")).hexdigest()


def _own_names(function: Function) -> dict[str, str]:
    """Return for each name that the function gives itself the one that all copies share."""
    own: dict[str, str] = {}
    for node in ast.walk(function):
        name = ""
        if isinstance(node, ast.arg):
            name = node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            name = node.id
        elif isinstance(node, ast.ExceptHandler):
            name = node.name or ""
        if name:
            own.setdefault(name, f"${len(own)}")
    return own


def _parts(node: ast.AST, own: dict[str, str], *, is_whole: bool = True) -> Iterator[str]:
    """Yield a tree node by node, in the order of the text, with its own names folded."""
    if isinstance(node, ast.Constant):
        yield type(node.value).__name__
        return
    yield type(node).__name__
    for name, value in ast.iter_fields(node):
        if name in _SILENT or (is_whole and name == "name"):
            continue
        yield name
        values = value if isinstance(value, list) else [value]
        if is_whole and name == "body":
            values = _without_docstring(values)
        for each in values:
            if isinstance(each, ast.AST):
                yield from _parts(each, own, is_whole=False)
            elif each is not None:
                yield own.get(each, each) if isinstance(each, str) else repr(each)


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0]
    is_text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return body[1:] if is_text else body


def _trouble(copies: list[tuple[Module, str, Function]]) -> Trouble:
    places = sorted(f"{module.path}:{name}" for module, name, _ in copies)
    function = copies[0][2]
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    return Trouble(
        sort="duplicate",
        place=places[0],
        title=f"{len(copies)} functions do the same: {', '.join(places)}",
        description=f"{counted(lines, 'line is', 'lines are')} there {len(copies)} times;"
        " a fault in one is in all.",
        solution="Keep one of them, and let the others call it.",
        test_plan="1. Let a test pin what each does now\n2. Keep one\n3. See that the tests pass",
        files=tuple(sorted({module.path for module, _, _ in copies})),
        evidence={"functions": places, "lines": lines},
        facts=Facts(lines=lines * len(copies)),
    )
