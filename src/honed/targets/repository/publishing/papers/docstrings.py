"""Docstrings that state the default of a parameter: they state the one that a change gives it."""

import ast
import re
from collections.abc import Iterator
from typing import Final

from honed.core.change import FileChange
from honed.repair.source import Function, Source, applied
from honed.repair.suite import Edit

#: How a docstring says what a default is, up to its value.
_SAYS: Final = r"(?i:\bdefault(?:s|ing)?(?:\s+(?:to|is|value|of))*\s*[:=]?\s*[`'\"]*)"


def with_true_defaults(file: FileChange) -> FileChange:
    """Return a change of a file after which its docstrings state the defaults that it changed.

    A docstring is changed where it states the old default once, and only one parameter of its
    function had that; else the change is returned as it is.
    """
    if not file.path.endswith(".py") or not file.before or not file.after:
        return file
    try:
        before = Source(file.path, file.before.encode())
        after = Source(file.path, file.after.encode())
    except (SyntaxError, ValueError, RecursionError):
        return file
    old = dict(_functions(before.tree, ""))
    edits = [
        edit
        for name, node in _functions(after.tree, "")
        if name in old
        for edit in _edits(old[name], node, after)
    ]
    if not edits:
        return file
    return FileChange(file.path, file.before, applied(after.text, edits).decode())


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield f"{prefix}{child.name}", child
        name = getattr(child, "name", "") if isinstance(child, ast.ClassDef) else ""
        if name:
            yield from _functions(child, f"{prefix}{name}.")


def _edits(old: Function, new: Function, source: Source) -> Iterator[Edit]:
    """Yield what makes the docstring of a function state its new defaults."""
    was, now = _defaults(old), _defaults(new)
    stated = new.body[0].value if isinstance(new.body[0], ast.Expr) else None
    if not isinstance(stated, ast.Constant) or not isinstance(stated.value, str):
        return
    start, text = source.start(stated), source.of(stated)
    for name, value in was.items():
        other = now.get(name, value)
        if other == value or list(was.values()).count(value) > 1:
            continue
        found = list(re.finditer(rf"({_SAYS})({re.escape(value)})(?![.+-]?\w)", text))
        if len(found) == 1:
            begin = start + len(text[: found[0].start(2)].encode())
            yield Edit(begin, begin + len(value.encode()), other)


def _defaults(node: Function) -> dict[str, str]:
    """Return the defaults of a function by parameter, as a docstring would write them."""
    arguments = node.args
    every = [*arguments.posonlyargs, *arguments.args]
    given = every[len(every) - len(arguments.defaults) :]
    pairs = [*zip(given, arguments.defaults, strict=True)]
    pairs += [
        (each, default)
        for each, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if default is not None
    ]
    return {each.arg: text for each, default in pairs if (text := _written(default))}


def _written(default: ast.expr) -> str:
    """Return a plain value as a docstring writes it, without quotes; empty: it is none."""
    try:
        value = ast.literal_eval(default)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return ""
    text = value if isinstance(value, str) else ast.unparse(default)
    return text if re.fullmatch(r"[\w.+ -]{1,60}", text) else ""
