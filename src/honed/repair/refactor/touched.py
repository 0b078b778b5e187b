"""Which functions a change is about, and the change as edits of bytes."""

import ast
import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from honed.core.change import FileChange
from honed.repair.source import Function, parsed
from honed.repair.suite import Edit

#: Such functions do nothing when they are called.
ASYNCHRONOUS: Final = "it is asynchronous"


@dataclass(frozen=True, slots=True)
class Touched:
    """A function that a change is about, as it was before."""

    #: From the repository's root.
    path: str
    #: Qualified, as Python has it: ``Cart.total``.
    name: str
    #: Why it cannot be called with inputs of honed's own; empty: it can.
    obstacle: str


@dataclass(frozen=True, slots=True)
class Span:
    """A function and its lines, decorators included."""

    name: str
    first: int
    last: int
    #: Why it cannot be called with inputs of honed's own; empty: it can.
    obstacle: str


def spans(tree: ast.AST) -> list[Span]:
    """Return the functions and methods of a module with their lines, in the order of the text."""
    found = []
    for name, node, obstacle in _functions(tree, "", ""):
        first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
        found.append(Span(name, first, node.end_lineno or first, obstacle))
    return found


def touched_functions(files: Iterable[FileChange]) -> list[Touched]:
    """Return the functions and methods of the files before that have a line other than after."""
    found = []
    for file in files:
        back = FileChange(file.path, file.after, file.before)
        before, after = _spans(file.path, file.before), _spans(file.path, file.after)
        names = {each.name for each in before if _holds(each, back.touched)}
        names |= {each.name for each in after if _holds(each, file.touched)}
        found += [Touched(file.path, e.name, e.obstacle) for e in before if e.name in names]
    return found


def edits(file: FileChange) -> list[Edit]:
    """Return what makes the file after of the file before, in offsets of bytes; whole lines."""
    before, after = _lines(file.before), _lines(file.after)
    offsets = [0]
    for line in before:
        offsets.append(offsets[-1] + len(line.encode()))
    matcher = difflib.SequenceMatcher(a=before, b=after, autojunk=False)
    return [
        Edit(offsets[first], offsets[last], "".join(after[begin:end]))
        for what, first, last, begin, end in matcher.get_opcodes()
        if what != "equal"
    ]


def _spans(path: str, text: str | None) -> list[Span]:
    tree = parsed(text or "") if path.endswith(".py") else None
    return spans(tree) if tree else []


def _holds(span: Span, lines: Iterable[int]) -> bool:
    return any(span.first <= line <= span.last for line in lines)


def _lines(text: str | None) -> list[str]:
    # As Python counts lines: str.splitlines also ends them at form feeds and the like.
    parts = (text or "").split("\n")
    return [*(f"{part}\n" for part in parts[:-1]), *filter(None, parts[-1:])]


def _functions(node: ast.AST, prefix: str, within: str) -> Iterator[tuple[str, Function, str]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function):
            name = f"{prefix}{child.name}"
            yield name, child, within or _obstacle(child, is_method=bool(prefix))
            yield from _functions(child, f"{name}.<locals>.", "it stands within a function")
        elif isinstance(child, ast.ClassDef):
            yield from _functions(child, f"{prefix}{child.name}.", within)
        else:
            yield from _functions(child, prefix, within)


def _obstacle(node: Function, *, is_method: bool) -> str:
    static = any(isinstance(e, ast.Name) and e.id == "staticmethod" for e in node.decorator_list)
    if isinstance(node, ast.AsyncFunctionDef):
        return ASYNCHRONOUS
    if is_method and not static:
        return "it is a method of objects that only tests can make"
    if node.args.vararg or node.args.kwarg or node.args.kwonlyargs:
        return "its arguments have names that a call must say, or any number"
    if node.decorator_list and not static:
        return "it is decorated"
    return ""
