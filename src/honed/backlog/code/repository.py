"""The modules of a repository as text and tree; nothing of it is run."""

import ast
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from honed.backlog.code.trouble import Deadline
from honed.errors import SourceFailed
from honed.repair.refactor.files import files_below

#: Largest module that is read, and most of them: a repository shall not take all memory.
_LARGEST_BYTES: Final = 1_000_000
_MOST_MODULES: Final = 5_000
_TEST_FOLDERS: Final = frozenset({"test", "tests", "testing"})
_SOURCE_FOLDERS: Final = frozenset({"src", "lib"})

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Module:
    """One module of a repository."""

    #: From the repository's folder, with slashes.
    path: str
    #: As which it may be imported: by its package, by its path, by its path below ``src``.
    names: tuple[str, ...]
    text: str
    tree: ast.Module
    is_test: bool

    @property
    def name(self) -> str:
        """What a person calls it."""
        return self.names[0]

    @property
    def lines(self) -> int:
        """How many lines it has."""
        return self.text.count("\n") + 1

    def functions(self) -> Iterator[tuple[str, Function]]:
        """Yield every function and method with its qualified name; none within another."""
        yield from _functions(self.tree, "")


@dataclass(frozen=True, slots=True)
class Repository:
    """A folder of Python modules."""

    folder: Path
    modules: tuple[Module, ...]
    #: Files that are no Python of this version, or too large.
    skipped: tuple[str, ...]

    @property
    def name(self) -> str:
        """What a person calls it."""
        return self.folder.name


def read_repository(folder: Path, deadline: Deadline) -> Repository:
    """Return the modules below ``folder``, without hidden, made and foreign folders, nor links.

    Raises:
        SourceFailed: it is no folder, or there was not enough time.
    """
    if not folder.is_dir():
        msg = f"{folder} is no folder"
        raise SourceFailed(msg, hint="set code_path to the folder of a repository")
    whole = folder.resolve()
    paths = sorted(path for path in files_below(whole) if path.suffix == ".py")
    packages = {path.parent for path in paths if path.name == "__init__.py"}
    modules, skipped = [], [_relative(path, whole) for path in paths[_MOST_MODULES:]]
    for path in paths[:_MOST_MODULES]:
        deadline.left_s()
        module = _read(path, whole, packages)
        if module is None:
            skipped.append(_relative(path, whole))
        else:
            modules.append(module)
    return Repository(whole, tuple(modules), tuple(skipped))


def _read(path: Path, folder: Path, packages: set[Path]) -> Module | None:
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            return None
        text = path.read_text(encoding="utf-8")
        with warnings.catch_warnings():
            # What it warns of is not ours to say.
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    relative = PurePosixPath(_relative(path, folder))
    names = dict.fromkeys([_package_name(path, packages), *_path_names(relative)])
    return Module(str(relative), tuple(names), text, tree, _is_test(relative))


def _package_name(path: Path, packages: set[Path]) -> str:
    """Return the dotted name of a module from the outermost folder with an ``__init__``."""
    parts = [] if path.stem == "__init__" else [path.stem]
    parent = path.parent
    while parent in packages:
        parts.insert(0, parent.name)
        parent = parent.parent
    return ".".join(parts) or path.stem


def _path_names(path: PurePosixPath) -> list[str]:
    parts = [*path.parts[:-1], *([] if path.stem == "__init__" else [path.stem])]
    below = parts[1:] if parts and parts[0] in _SOURCE_FOLDERS else parts
    return [".".join(each) for each in (parts, below) if each]


def _is_test(path: PurePosixPath) -> bool:
    return (
        path.stem.startswith("test_")
        or path.stem.endswith("_test")
        or path.stem == "conftest"
        or not _TEST_FOLDERS.isdisjoint(path.parts[:-1])
    )


def _relative(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function):
            yield f"{prefix}{child.name}", child
        elif isinstance(child, ast.ClassDef):
            yield from _functions(child, f"{prefix}{child.name}.")
        elif not isinstance(child, ast.expr):
            yield from _functions(child, prefix)
