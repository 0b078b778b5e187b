"""Put new code into functions that live already, so that everyone who holds them sees it."""

import ast
import gc
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

Definition = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass
class Change:
    """A candidate for one file, compiled."""

    path: str
    text: bytes
    #: New code of functions by qualified name and number among those of that name.
    code: dict[tuple[str, int], CodeType]
    #: Whether something beside bodies of functions changed: then the module has to be made anew.
    is_whole: bool


class Functions:
    """The living functions of the files of a folder, found once, before any fork."""

    def __init__(self, root: str) -> None:
        self._by_file: dict[str, dict[tuple[str, int], list[FunctionType]]] = {}
        found: dict[str, dict[tuple[str, int], list[FunctionType]]] = defaultdict(dict)
        for each in gc.get_objects():
            if isinstance(each, FunctionType) and each.__code__.co_filename.startswith(root):
                code = each.__code__
                where = (code.co_qualname, code.co_firstlineno)
                found[code.co_filename].setdefault(where, []).append(each)
        for path, functions in found.items():
            self._by_file[path] = _numbered(functions)

    def named(self, path: str, qualname: str) -> FunctionType | None:
        """Return the first function of that name in a file, or what the name stands for there."""
        defined = self._by_file.get(path, {}).get((qualname, 0), ())
        return next(iter(defined), None) or _bound(path, qualname)

    def put(self, changes: Sequence[Change]) -> list[tuple[FunctionType, CodeType]] | None:
        """Give functions their new code, and return the old; None where it does not fit them."""
        replaced: list[tuple[FunctionType, CodeType]] = []
        for change in changes:
            living = self._by_file.get(change.path, {})
            for key, code in change.code.items():
                for function in living.get(key, ()):
                    if function.__code__.co_freevars != code.co_freevars:
                        self.restore(replaced)
                        return None
                    replaced.append((function, function.__code__))
                    function.__code__ = code
        return replaced

    @staticmethod
    def restore(replaced: Sequence[tuple[FunctionType, CodeType]]) -> None:
        """Give functions their old code."""
        for function, code in replaced:
            function.__code__ = code


def _bound(path: str, qualname: str) -> FunctionType | None:
    """Return the function that a name of a file's module stands for, where it is another's."""
    for module in list(sys.modules.values()):
        if getattr(module, "__file__", None) == path:
            found: Any = module
            for part in qualname.split("."):
                found = getattr(found, part, None)
            return found if isinstance(found, FunctionType) else None
    return None


def _numbered(functions: dict[tuple[str, int], Any]) -> dict[tuple[str, int], Any]:
    """Replace the line of each key by its number among those of its name: lines may move."""
    numbered = {}
    counts: dict[str, int] = defaultdict(int)
    for (name, _line), each in sorted(functions.items(), key=lambda item: item[0]):
        numbered[name, counts[name]] = each
        counts[name] += 1
    return numbered


class Files:
    """The text and tree of files as they are on disk."""

    def __init__(self) -> None:
        self._read: dict[str, tuple[bytes, ast.Module]] = {}

    def changed(self, path: str, edits: Sequence[tuple[int, int, str]]) -> Change:
        """Return ``path`` with slices of its bytes replaced.

        Raises:
            SyntaxError: the result is not Python.
            ValueError: likewise.
        """
        text, tree = self._of(path)
        new = text
        for start, end, by in sorted(edits, reverse=True):
            new = new[:start] + by.encode() + new[end:]
        spans = list(_spans(text, tree))
        touched = {_owner(spans, start, end) for start, end, _ in edits}
        bodies = all(_is_in_body(text, tree, start, end) for start, end, _ in edits)
        if not bodies or None in touched:
            compile(new, path, "exec", dont_inherit=True)
            return Change(path, new, {}, is_whole=True)
        code: dict[tuple[str, int], CodeType] = {}
        for begin, end in sorted(each for each in touched if each):
            grown = sum(len(by.encode()) - (e - s) for s, e, by in edits if begin <= s and e <= end)
            before = sum(len(by.encode()) - (e - s) for s, e, by in edits if e <= begin)
            part = new[begin + before : end + before + grown]
            above = new[: begin + before].count(b"\n")
            module = compile(b"\n" * above + part, path, "exec", dont_inherit=True)
            code.update(_functions(module))
        return Change(path, new, code, is_whole=False)

    def _of(self, path: str) -> tuple[bytes, ast.Module]:
        if path not in self._read:
            text = Path(path).read_bytes()
            self._read[path] = text, ast.parse(text)
        return self._read[path]


def _offsets(text: bytes) -> list[int]:
    offsets = [0]
    for line in text.splitlines(keepends=True):
        offsets.append(offsets[-1] + len(line))
    return offsets


def _spans(text: bytes, tree: ast.Module) -> Iterator[tuple[int, int]]:
    """Yield where each top-level function or class begins and ends, whole lines."""
    offsets = _offsets(text)
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            yield offsets[first - 1], offsets[min(node.end_lineno or first, len(offsets) - 1)]


def _owner(spans: list[tuple[int, int]], start: int, end: int) -> tuple[int, int] | None:
    return next((span for span in spans if span[0] <= start and end <= span[1]), None)


def _is_in_body(text: bytes, tree: ast.Module, start: int, end: int) -> bool:
    offsets = _offsets(text)
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            first, last = node.body[0], node.body[-1]
            begin = offsets[first.lineno - 1]
            until = offsets[min(last.end_lineno or 1, len(offsets) - 1)]
            on_own_line = first.lineno > node.lineno
            if on_own_line and begin <= start and end <= until:
                return True
    return False


def _functions(module: CodeType) -> dict[tuple[str, int], CodeType]:
    found: dict[tuple[str, int], Any] = {}
    waiting = [module]
    while waiting:
        for each in waiting.pop().co_consts:
            if isinstance(each, CodeType):
                found[each.co_qualname, each.co_firstlineno] = each
                waiting.append(each)
    return _numbered(found)
