"""A file of Python as bytes with positions, edited by slices and never unparsed."""

import ast
import builtins
import contextlib
import warnings
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import pairwise

from honed.repair.suite import Edit

Function = ast.FunctionDef | ast.AsyncFunctionDef
#: Parts of a tree that say nothing of what runs.
_SILENT = frozenset({"annotation", "returns", "decorator_list", "type_comment", "type_params"})
#: Where functions, classes, imports, arguments, handlers and patterns say what they bind.
_BINDING = ("name", "asname", "arg", "rest")
_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")


class Source:
    """One file.

    Raises:
        SyntaxError: it is not Python.
    """

    def __init__(self, path: str, text: bytes) -> None:
        self.path = path
        self.text = text
        self.tree = ast.parse(text)
        self._offsets = [0]
        for line in text.split(b"\n"):
            self._offsets.append(self._offsets[-1] + len(line) + 1)
        self.parents: dict[ast.AST, ast.AST] = {
            child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)
        }

    @cached_property
    def top_levels(self) -> list[tuple[int, int]]:
        """Where each top-level statement begins and ends, decorators included."""
        return [
            (self._offsets[self.first_line(node) - 1], self.end(node)) for node in self.tree.body
        ]

    @cached_property
    def unbound(self) -> frozenset[str]:
        """Names that are read and that nothing binds: not the file, wherever, and not Python."""
        read, bound = set[str](), {*dir(builtins), "__file__", "__path__"}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Name):
                (read if isinstance(node.ctx, ast.Load) else bound).add(node.id)
            elif isinstance(node, (ast.Global, ast.Nonlocal)):
                bound.update(node.names)
            elif not isinstance(node, ast.keyword):
                names = (getattr(node, each, None) for each in _BINDING)
                bound.update(each.partition(".")[0] for each in names if isinstance(each, str))
        return frozenset() if "*" in bound else frozenset(read - bound)

    def start(self, node: ast.AST) -> int:
        """Return the offset of a node's first byte."""
        line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
        return int(self._offsets[line - 1] + column)

    def end(self, node: ast.AST) -> int:
        """Return the offset behind a node's last byte."""
        line, column = getattr(node, "end_lineno", 1), getattr(node, "end_col_offset", 0)
        return int(self._offsets[line - 1] + column)

    def of(self, node: ast.AST) -> str:
        """Return a node's own text."""
        return self.text[self.start(node) : self.end(node)].decode()

    def between(self, start: int, end: int) -> str:
        """Return the text of a slice."""
        return self.text[start:end].decode()

    @staticmethod
    def first_line(node: ast.stmt) -> int:
        """Return the number of a statement's first line, decorators included."""
        decorators = getattr(node, "decorator_list", [])
        return int(min([node.lineno, *(each.lineno for each in decorators)]))

    def line_start(self, line: int) -> int:
        """Return the offset of a line's first byte; lines count from 1."""
        return self._offsets[line - 1]

    def lines_of(self, node: ast.stmt) -> tuple[int, int]:
        """Return the slice of a statement's whole lines, with the last line's end."""
        end = self._offsets[node.end_lineno or node.lineno]
        return self._offsets[self.first_line(node) - 1], min(end, len(self.text))

    def has_own_lines(self, node: ast.stmt) -> bool:
        """Whether no other statement stands on a statement's lines."""
        start, end = self.lines_of(node)
        before = self.text[start : self.start(node)] if not self._is_decorated(node) else b""
        after = self.text[self.end(node) : end].strip()
        return not before.strip() and (not after or after.startswith(b"#"))

    @staticmethod
    def _is_decorated(node: ast.stmt) -> bool:
        return bool(getattr(node, "decorator_list", []))

    def indent(self, node: ast.stmt) -> str:
        """Return the blanks before a statement."""
        start = self._offsets[node.lineno - 1]
        line = self.text[start : start + node.col_offset].decode()
        return line if not line.strip() else " " * (len(line) - len(line.lstrip()))

    def ends(self) -> str:
        """Return what ends a line here."""
        return "\r\n" if b"\r\n" in self.text else "\n"

    def function(self, node: ast.AST) -> Function | None:
        """Return the innermost function around a node."""
        above = self.parents.get(node)
        while above is not None and not isinstance(above, Function):
            above = self.parents.get(above)
        return above

    def statement(self, node: ast.AST) -> ast.stmt | None:
        """Return the statement that a node is or belongs to."""
        above: ast.AST | None = node
        while above is not None and not isinstance(above, ast.stmt):
            above = self.parents.get(above)
        return above

    def block(self, node: ast.stmt) -> list[ast.stmt]:
        """Return the statements among which a statement stands."""
        parent = self.parents.get(node, self.tree)
        for name in _BLOCKS:
            block = getattr(parent, name, None)
            if isinstance(block, list) and any(each is node for each in block):
                return block
        return [node]

    def own_nodes(self, statement: ast.stmt) -> Iterator[ast.AST]:
        """Yield a statement and its expressions, without the statements inside it."""
        yield statement
        waiting: list[ast.AST] = [statement]
        while waiting:
            node = waiting.pop(0)
            for name, value in ast.iter_fields(node):
                if name in _SILENT or (node is statement and name in _BLOCKS):
                    continue
                for child in value if isinstance(value, list) else [value]:
                    if not isinstance(child, ast.AST) or isinstance(child, ast.stmt):
                        continue
                    inner = self._inside(child) if isinstance(child, ast.JoinedStr) else [child]
                    yield from inner
                    waiting += inner

    def _inside(self, text: ast.JoinedStr) -> list[ast.AST]:
        """Return the expressions of an f-string that stand where they say.

        Before Python 3.12 their positions are not to be trusted.
        """
        inner = (each.value for each in text.values if isinstance(each, ast.FormattedValue))
        return [each for each in inner if self._is_there(each)]

    def _is_there(self, node: ast.expr) -> bool:
        with contextlib.suppress(UnicodeDecodeError):
            there = parsed(self.of(node), mode="eval")
            return isinstance(there, ast.Expression) and ast.dump(there.body) == ast.dump(node)
        return False

    def statements(self) -> Iterator[ast.stmt]:
        """Yield the statements of all functions, and those of the module and of classes."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.stmt):
                yield node


def applied(text: bytes, edits: Iterable[Edit]) -> bytes:
    """Return ``text`` with slices replaced; edits do not overlap."""
    for edit in sorted(edits, reverse=True):
        text = text[: edit.start] + edit.text.encode() + text[edit.end :]
    return text


def parsed(text: str | bytes, mode: str = "exec") -> ast.AST | None:
    """Return the tree of a text without warnings; None where it is no Python."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(text, mode=mode)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def do_overlap(edits: Sequence[Edit]) -> bool:
    """Whether two edits touch the same bytes, or insert at the same place."""
    ordered = sorted(edits)
    return any(
        b.start < a.end or (a.start, a.end) == (b.start, b.end) for a, b in pairwise(ordered)
    )
