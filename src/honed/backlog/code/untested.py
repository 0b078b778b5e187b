"""Modules that no test imports, and those of them that no test reaches at all."""

import ast
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Final

from honed.backlog.code.repository import Module, Repository
from honed.backlog.code.trouble import Trouble
from honed.backlog.draft import Facts
from honed.backlog.ticket import Category

#: A module with fewer lines has little to test.
_LEAST_LINES: Final = 20
_TEST_PLAN: Final = (
    "1. Write the test\n2. See that it fails when the module is wrong\n3. Scan again"
)


def reached(repository: Repository) -> frozenset[str]:
    """Return the paths of the modules that tests import, or that these import, and so on."""
    by_name = {name: module for module in repository.modules for name in module.names}
    waiting = [module for module in repository.modules if module.is_test]
    seen: dict[str, Module] = {}
    while waiting:
        module = waiting.pop()
        if module.path in seen:
            continue
        seen[module.path] = module
        waiting += [by_name[name] for name in imports(module) if name in by_name]
    return frozenset(seen)


def untested(repository: Repository, reached_paths: frozenset[str]) -> list[Trouble]:
    """Return one trouble for each folder with modules that no test imports itself.

    Those that no test reaches through others either are named first. What is imported by a name
    that is only made at run time is not seen.
    """
    tests = [module for module in repository.modules if module.is_test]
    imported = {name for module in tests for name in imports(module)}
    folders: dict[str, list[Module]] = {}
    for module in repository.modules:
        if _has_something_to_test(module) and imported.isdisjoint(module.names):
            folders.setdefault(str(PurePosixPath(module.path).parent), []).append(module)
    return [_trouble(folder, alone, reached_paths) for folder, alone in sorted(folders.items())]


def imports(module: Module) -> Iterator[str]:
    """Yield every module that a module may import, wherever it does; names twice if twice.

    ``from a.b import c`` may import ``a.b.c``, and imports ``a.b`` and ``a``.
    """
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _with_parents(alias.name)
        elif isinstance(node, ast.ImportFrom):
            base = _base(module, node)
            yield from _with_parents(base)
            yield from (f"{base}.{alias.name}" if base else alias.name for alias in node.names)


def _base(module: Module, node: ast.ImportFrom) -> str:
    """Return from what is imported, with the dots of a relative import resolved."""
    if not node.level:
        return node.module or ""
    is_package = module.path.endswith("__init__.py")
    parts = module.name.split(".")
    up = node.level - 1 if is_package else node.level
    return ".".join([*parts[: len(parts) - up], *([node.module] if node.module else [])])


def _with_parents(name: str) -> Iterator[str]:
    parts = name.split(".")
    return (".".join(parts[:length]) for length in range(1, len(parts) + 1) if name)


def _has_something_to_test(module: Module) -> bool:
    is_code = not module.is_test and not module.path.endswith("__init__.py")
    return is_code and module.lines >= _LEAST_LINES and any(module.functions())


def _trouble(folder: str, alone: Sequence[Module], reached_paths: frozenset[str]) -> Trouble:
    indirectly = [module for module in alone if module.path in reached_paths]
    never = [module for module in alone if module.path not in reached_paths]
    names = [PurePosixPath(module.path).name for module in (*never, *indirectly)]
    return Trouble(
        sort="untested",
        place=f"{folder}/",
        title=f"no test imports {len(names)} of the modules in {folder}: {', '.join(names)}",
        description=f"{len(never)} of them are reached by no test, {len(indirectly)} only through"
        " other modules: what they do is pinned by no test of their own.",
        solution="Write a test for each that does more than hand things on.",
        test_plan=_TEST_PLAN,
        files=(),
        evidence={
            "not_reached": [module.path for module in never],
            "only_through_others": [module.path for module in indirectly],
        },
        facts=Facts(
            category=Category.TEST,
            lines=sum(module.lines for module in alone),
            is_tested=not never,
        ),
    )
