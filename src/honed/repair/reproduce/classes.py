"""What a repository defines: its modules by path, its classes by the names that values tell."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from honed.core.gate import Side
from honed.repair.reproduce.refusal import NotRebuilt

_SOURCE_FOLDER: Final = "src"
_TEST: Final = re.compile(r"(?:^|/)(?:tests?/|test_[^/]*$|conftest\.py$)")
_RECORD_DECORATORS: Final = frozenset({"dataclass", "define", "frozen", "mutable", "attrs", "s"})
_RECORD_BASES: Final = frozenset({"NamedTuple", "BaseModel", "Struct"})
_TUPLES: Final = frozenset({"NamedTuple", "namedtuple"})


@dataclass(frozen=True)
class Known:
    """A class of the repository; of one made by ``namedtuple`` there is no definition."""

    module: str
    qualified: str
    definition: ast.ClassDef | None

    @cached_property
    def bases(self) -> frozenset[str]:
        """The last names of what it is made from."""
        if self.definition is None:
            return _TUPLES
        return frozenset(last_name(base) for base in self.definition.bases)

    @property
    def is_enum(self) -> bool:
        """Whether it is an enumeration."""
        return any(base.endswith(("Enum", "Flag")) for base in self.bases)

    @property
    def is_tuple(self) -> bool:
        """Whether it is a tuple with names."""
        return bool(self.bases & _TUPLES)

    @property
    def is_record(self) -> bool:
        """Whether its constructor only takes what it holds: a dataclass, a tuple with names ..."""
        decorators = self.definition.decorator_list if self.definition else []
        names = {last_name(each) for each in decorators}
        return bool(names & _RECORD_DECORATORS or self.bases & (_RECORD_BASES | _TUPLES))

    @cached_property
    def fields(self) -> dict[str, ast.expr]:
        """What its class body annotates, by name."""
        body = self.definition.body if self.definition else []
        return {
            each.target.id: each.annotation
            for each in body
            if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
        }

    @property
    def members(self) -> frozenset[str]:
        """What its class body assigns: of an enumeration its members."""
        body = self.definition.body if self.definition else []
        return frozenset(
            target.id
            for each in body
            if isinstance(each, ast.Assign)
            for target in each.targets
            if isinstance(target, ast.Name)
        )

    @property
    def constructor(self) -> ast.FunctionDef | None:
        """Its own ``__init__``."""
        body = self.definition.body if self.definition else []
        own = (each for each in body if isinstance(each, ast.FunctionDef))
        return next((each for each in own if each.name == "__init__"), None)

    @property
    def needs_nothing(self) -> bool:
        """Whether it may well be made without any argument."""
        if self.constructor is None:
            return not self.is_record and not self.is_enum
        taken = self.constructor.args
        positional = [*taken.posonlyargs, *taken.args][1:]
        return len(positional) <= len(taken.defaults) and None not in taken.kw_defaults


class Classes:
    """The Python of one side of a repository, read as it is asked for."""

    def __init__(self, side: Side) -> None:
        """Read nothing yet."""
        self._side = side
        self.paths = frozenset(side.paths())
        self._trees: dict[str, ast.Module | None] = {}
        self._texts: dict[str, str] = {}

    def tree(self, path: str) -> ast.Module | None:
        """Return a file as syntax; None: it cannot be read as such."""
        if path not in self._trees:
            try:
                self._trees[path] = ast.parse(self.text(path))
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                self._trees[path] = None
        return self._trees[path]

    def text(self, path: str) -> str:
        """Return a file's text; empty: it has none."""
        if path not in self._texts:
            self._texts[path] = self._side.read(path) or ""
        return self._texts[path]

    def module(self, path: str, told: str = "") -> str:
        """Return what the module of a file is imported as.

        Args:
            path: from the root of the repository.

            told: what it was called where it was captured; that counts where it fits.
        """
        parts = path.removesuffix(".py").split("/")
        if parts[-1] == "__init__":
            parts.pop()
        names = told.split(".")
        if told and parts[-len(names) :] == names:
            return told
        at = len(parts) - 1
        while at > 0 and "/".join([*parts[:at], "__init__.py"]) in self.paths:
            at -= 1
        if at == len(parts) - 1:
            at = 1 if parts[0] == _SOURCE_FOLDER and len(parts) > 1 else 0
        return ".".join(parts[at:])

    def find(self, name: str, near: str = "") -> Known:
        """Return the class that is called so.

        Args:
            name: its last name, its qualified name, or that with the module before.

            near: the path of the file where it was seen; of several it is the one known there.

        Raises:
            NotRebuilt: there is none, or one cannot tell which.
        """
        found = {(each.module, each.qualified): each for each in self._named(name)}
        if len(found) > 1:
            seen = self._seen(near)
            found = {key: each for key, each in found.items() if key in seen} or found
        if len(found) != 1:
            much = "no class" if not found else "more than one class"
            msg = f"{name} is {much} of the repository"
            raise NotRebuilt(msg)
        return next(iter(found.values()))

    def _named(self, name: str) -> Iterator[Known]:
        last = name.rpartition(".")[2]
        if not last.isidentifier():
            return
        word = re.compile(rf"^\s*(?:class {last}\b|{last}\s*=.*namedtuple\()", re.MULTILINE)
        for path in self.sources:
            if word.search(self.text(path)) and (tree := self.tree(path)):
                module = self.module(path)
                for known in _defined(tree, module, last):
                    if f".{module}.{known.qualified}".endswith(f".{name}"):
                        yield known

    def _seen(self, path: str) -> set[tuple[str, str]]:
        """Return the classes that a module defines or imports, by module and name."""
        tree = self.tree(path) if path else None
        if tree is None:
            return set()
        module = self.module(path)
        package = module if path.endswith("/__init__.py") else module.rpartition(".")[0]
        seen = {(module, each.name) for each in tree.body if isinstance(each, ast.ClassDef)}
        for each in ast.walk(tree):
            if isinstance(each, ast.ImportFrom):
                parts = package.split(".")
                start = parts[: len(parts) - each.level + 1] if each.level else []
                source = ".".join([*start, *([each.module] if each.module else [])])
                seen |= {(source, alias.name) for alias in each.names}
        return seen

    @cached_property
    def sources(self) -> list[str]:
        """Paths of its files of Python that are no tests."""
        return sorted(
            path for path in self.paths if path.endswith(".py") and not _TEST.search(path)
        )


def last_name(node: ast.expr) -> str:
    """Return the last name of ``a.b``, ``a.b[c]`` or ``a.b(...)``; empty: it is something else."""
    if isinstance(node, ast.Call):
        return last_name(node.func)
    if isinstance(node, ast.Subscript):
        return last_name(node.value)
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _defined(tree: ast.Module, module: str, name: str) -> Iterator[Known]:
    """Yield the classes of that last name that can be reached from outside."""
    for each in tree.body:
        if (
            isinstance(each, ast.Assign)
            and last_name(each.value) == "namedtuple"
            and isinstance(each.targets[0], ast.Name)
            and each.targets[0].id == name
        ):
            yield Known(module, name, None)
    waiting: list[tuple[str, ast.stmt]] = [("", each) for each in tree.body]
    while waiting:
        outer, each = waiting.pop()
        if isinstance(each, ast.ClassDef):
            if each.name == name:
                yield Known(module, f"{outer}{name}", each)
            waiting += [(f"{outer}{each.name}.", inner) for inner in each.body]
