"""What of a repository failing tests run: its files, its functions, and the tests' own texts."""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from honed.core.gate import Side, TestRun

_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)
#: A frame in pytest's short traceback.
_FRAME: Final = re.compile(r"^(\S+\.py):(\d+): in ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Function:
    """A function of a file."""

    path: str
    #: With its classes: ``Cart.total``.
    name: str
    #: From its decorators on, from 1.
    first: int
    last: int
    #: Where its body begins: lines before it also run when it is only defined.
    body: int


@dataclass(frozen=True, slots=True)
class Sighted:
    """What a run of failing tests went through."""

    #: Texts of files that run, those first in which the tests go wrong or most functions run.
    files: Mapping[str, str]
    #: Functions that run, those first in which the tests go wrong.
    functions: tuple[Function, ...]

    def text(self, function: Function) -> str:
        """Return a function's text."""
        lines = self.files[function.path].splitlines(keepends=True)
        return "".join(lines[function.first - 1 : function.last])


def sighted(side: Side, run: TestRun) -> Sighted:
    """Return what ``run`` went through; it was asked for the lines that ran."""
    texts = {
        path: text
        for path in run.lines
        if path.endswith(".py") and (text := side.read(path)) is not None
    }
    ran = [
        each
        for path, text in sorted(texts.items())
        for each in functions(path, text)
        if any(each.body <= line <= each.last for line in run.lines[path])
    ]
    # The innermost frame is the last one.
    frames = [
        (path, int(line))
        for message in run.messages.values()
        for path, line in reversed(_FRAME.findall(message))
    ]
    ordered = sorted(ran, key=lambda each: (_place(each, frames), each.path, each.first))
    paths = dict.fromkeys([path for path, _ in frames if path in texts])
    counts = {path: sum(each.path == path for each in ran) for path in texts}
    rest = sorted(texts, key=lambda path: (-counts[path], path))
    return Sighted({path: texts[path] for path in (*paths, *rest)}, tuple(ordered))


def functions(path: str, text: str) -> tuple[Function, ...]:
    """Return the functions of a file, each before those within it; none where it is no Python."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return ()
    return tuple(_below(path, tree.body, ""))


def texts_of_tests(side: Side, tests: Sequence[str]) -> Iterator[str]:
    """Yield the text of each test that is named, once."""
    for test in dict.fromkeys(each.partition("[")[0] for each in tests):
        path, _, name = test.partition("::")
        text = side.read(path) or ""
        lines = text.splitlines(keepends=True)
        for each in functions(path, text):
            if each.name == name.replace("::", "."):
                yield "".join(lines[each.first - 1 : each.last])


def _below(path: str, body: Sequence[ast.stmt], within: str) -> Iterator[Function]:
    for node in body:
        if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            name = f"{within}{node.name}"
            if isinstance(node, _FUNCTIONS):
                first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
                last = node.end_lineno or node.lineno
                yield Function(path, name, first, last, node.body[0].lineno)
            yield from _below(path, node.body, f"{name}.")


def _place(function: Function, frames: Sequence[tuple[str, int]]) -> int:
    """Return where among the frames a function is; behind all: in none."""
    places = (
        number
        for number, (path, line) in enumerate(frames)
        if path == function.path and function.first <= line <= function.last
    )
    return next(places, len(frames))
