"""The files that are refactored together, read once, and what of them nobody can foresee."""

import ast
import re
import warnings
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import PurePosixPath
from typing import Final

from honed.repair.source import Source
from honed.space.clones.atoms import Atom, read_atoms

#: What reaches names that are not written where they are used.
_DYNAMIC: Final = frozenset(
    {"globals", "locals", "vars", "eval", "exec", "compile", "__import__", "setattr", "delattr"}
)
_DYNAMIC_MODULES: Final = frozenset({"importlib", "inspect", "pkgutil", "runpy"})
_DYNAMIC_ATTRIBUTES: Final = frozenset({"__dict__", "__globals__", "__code__", "modules"})
#: Deeper trees are left alone: walking them would end at Python's own limit.
_DEEPEST: Final = 100
_CODING: Final = re.compile(r"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_WORD: Final = re.compile(r"\w+")


class Module:
    """One file that can be read."""

    def __init__(self, path: str, text: str, source: Source) -> None:
        self.path = path
        self.text = text
        self.source = source

    @property
    def tree(self) -> ast.Module:
        """Its tree; not to be changed."""
        return self.source.tree

    @cached_property
    def words(self) -> frozenset[str]:
        """Every word in it, those of comments and texts too."""
        return frozenset(_WORD.findall(self.text))

    @cached_property
    def bound(self) -> Mapping[str, int]:
        """How often each name is bound at the top of the module, or as a global below."""
        found: dict[str, int] = {}
        for name in _bound(self.tree):
            found[name] = found.get(name, 0) + 1
        return found

    @cached_property
    def bound_anywhere(self) -> frozenset[str]:
        """Every name that is bound in any scope of the module."""
        found = set(self.bound)
        for node in ast.walk(self.tree):
            match node:
                case ast.Name(ctx=ast.Store() | ast.Del()):
                    found.add(node.id)
                case ast.arg():
                    found.add(node.arg)
                case ast.Import() | ast.ImportFrom():
                    found.update(each.asname or each.name.split(".")[0] for each in node.names)
                case ast.MatchMapping():
                    found.add(node.rest or "")
            found.add(getattr(node, "name", None) or "")
        return frozenset(found)

    @cached_property
    def has_star(self) -> bool:
        """Whether it imports names that are not written in it."""
        return any(
            isinstance(node, ast.ImportFrom) and node.names[0].name == "*"
            for node in ast.walk(self.tree)
        )

    @cached_property
    def is_dynamic(self) -> bool:
        """Whether names may be read or bound by what only running it tells."""
        return is_dynamic(self.tree)

    def fresh(self, name: str) -> str:
        """Return a name like the given one that no word of the module is."""
        number, found = 1, name
        while found in self.words:
            number += 1
            found = f"{name}_{number}"
        return found


class Package:
    """Files of one repository, by path from its root.

    Args:
        files: path and text of all its files of Python; what is not among them is not seen.

        mentioned: words of its other files: what they name is in use.
    """

    def __init__(self, files: Mapping[str, str], mentioned: frozenset[str] = frozenset()) -> None:
        self.files = files
        self.mentioned = mentioned
        read = (read_module(path, text) for path, text in sorted(files.items()))
        self.modules = {module.path: module for module in read if module is not None}

    @cached_property
    def functions(self) -> list[Atom]:
        """The functions with at least 5 statements, outside of classes and dynamic modules."""
        return [
            atom
            for module in self.modules.values()
            if not module.is_dynamic
            for atom in read_atoms(module.path, module.text)
            if atom.kind == "function"
        ]

    @cached_property
    def words(self) -> Mapping[str, int]:
        """In how many places of all files each word stands, files that cannot be read too."""
        found: dict[str, int] = {}
        for text in self.files.values():
            for word in _WORD.findall(text):
                found[word] = found.get(word, 0) + 1
        return found

    def name(self, path: str) -> str:
        """Return as what a file is imported; empty if it is in no package."""
        pure = PurePosixPath(path)
        parts = [] if pure.stem == "__init__" else [pure.stem]
        parent = pure.parent
        while f"{parent}/__init__.py" in self.files and parent.name:
            parts.insert(0, parent.name)
            parent = parent.parent
        return ".".join(parts) if len(parts) > 1 or pure.stem == "__init__" else ""


def read_module(path: str, text: str) -> Module | None:
    """Return a file; None where it is no Python, or written so that slices could miss."""
    if _has_unclear_positions(text):
        return None
    try:
        with warnings.catch_warnings():
            # What Python warns of in somebody's code is not ours to say.
            warnings.simplefilter("ignore")
            source = Source(path, text.encode())
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return None if _is_too_deep(source.tree) else Module(path, text, source)


def is_dynamic(tree: ast.AST) -> bool:
    """Whether code may reach names that are not written in it."""
    return any(_reaches_anything(node) for node in ast.walk(tree))


def _reaches_anything(node: ast.AST) -> bool:  # noqa: PLR0911 - one for each way
    match node:
        case ast.Name():
            return node.id in _DYNAMIC
        case ast.Attribute():
            return node.attr in _DYNAMIC_ATTRIBUTES
        case ast.Call(func=ast.Name(id="getattr"), args=[_, name, *_]):
            return not isinstance(name, ast.Constant)
        case ast.Import():
            return any(each.name.split(".")[0] in _DYNAMIC_MODULES for each in node.names)
        case ast.ImportFrom():
            is_star = any(each.name == "*" for each in node.names)
            return is_star or (node.module or "").split(".")[0] in _DYNAMIC_MODULES
        case ast.FunctionDef():
            return node.name in ("__getattr__", "__dir__")
    return False


def _has_unclear_positions(text: str) -> bool:
    # Python counts lines that end in a bare carriage return, and columns without the mark.
    if text.startswith("\ufeff") or "\r" in text.replace("\r\n", ""):
        return True
    said = (_CODING.match(line) for line in text.split("\n", 2)[:2])
    return any(each and each[1].lower() not in ("utf-8", "utf8") for each in said)


def _is_too_deep(tree: ast.AST) -> bool:
    level: list[ast.AST] = [tree]
    for _ in range(_DEEPEST):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return False
    return True


def _bound(tree: ast.Module) -> Iterator[str]:
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name
                yield from _globals(node)
                continue
            case ast.Name(ctx=ast.Store() | ast.Del()):
                yield node.id
            case ast.Import() | ast.ImportFrom():
                yield from (each.asname or each.name.split(".")[0] for each in node.names)
            case ast.ExceptHandler() | ast.MatchAs() | ast.MatchStar() if node.name:
                yield node.name
            case ast.MatchMapping() if node.rest:
                yield node.rest
        waiting.extend(ast.iter_child_nodes(node))


def _globals(node: ast.AST) -> Iterator[str]:
    for each in ast.walk(node):
        if isinstance(each, ast.Global):
            yield from each.names
