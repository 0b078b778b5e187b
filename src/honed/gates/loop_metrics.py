"""A change adds no circle of imports and no loop without a way out.

## What it does

It looks whether modules import each other in a circle that was none before, and for ``while``
loops in touched lines that nothing can leave.

## Why it helps

Both pass every test until the day on which they do not.

## Risk and rollback

It only reads.

## How it is measured

By the modules of the repository that each file imports at its top level.
"""

import ast
from collections.abc import Iterator, Mapping
from typing import ClassVar

from honed.core.change import CodeChange, FileChange
from honed.core.gate import Gate, GateResult, Judge, Side, Thresholds


class LoopMetrics(Gate):
    """See the module's docstring."""

    name: ClassVar[str] = "loop_metrics"
    order: ClassVar[int] = 35
    is_always: ClassVar[bool] = False

    def check(self, change: CodeChange, judge: Judge, thresholds: Thresholds) -> GateResult:
        """Return whether there is no new circle and no endless loop."""
        del thresholds
        for file in change.python_files():
            for line in _endless(file):
                return self.fails(
                    f"{file.path}: nothing leaves the loop in line {line}",
                    path=file.path,
                    line=line,
                )
        new = _in_circles(judge.patched) - _in_circles(judge.base)
        if new:
            return self.fails(
                f"{', '.join(sorted(new))} newly import each other", circle=sorted(new)
            )
        return self.passes("no new circle of imports, no loop without a way out")


def _endless(file: FileChange) -> Iterator[int]:
    for node in ast.walk(ast.parse(file.after or "")):
        if not isinstance(node, ast.While) or node.lineno not in file.touched:
            continue
        is_always = isinstance(node.test, ast.Constant) and bool(node.test.value)
        if is_always and not any(map(_leaves, ast.walk(node))):
            yield node.lineno


def _leaves(node: ast.AST) -> bool:
    return isinstance(
        node, ast.Break | ast.Return | ast.Raise | ast.Yield | ast.YieldFrom | ast.Await
    )


def _in_circles(side: Side) -> frozenset[str]:
    """Return the modules that can be reached from themselves."""
    imports = _imports(side)
    return frozenset(name for name in imports if name in _reached(imports, name))


def _reached(imports: Mapping[str, frozenset[str]], start: str) -> frozenset[str]:
    found: set[str] = set()
    waiting = list(imports[start])
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += imports.get(name, ())
    return frozenset(found)


def _imports(side: Side) -> dict[str, frozenset[str]]:
    """Return by module's name which modules of the repository it imports when it is imported."""
    names = {_module(path): path for path in side.paths() if path.endswith(".py")}
    found: dict[str, frozenset[str]] = {}
    for name, path in names.items():
        try:
            tree = ast.parse(side.read(path) or "")
        except SyntaxError:
            continue
        is_package = path.endswith("/__init__.py")
        found[name] = frozenset(_named(tree, name, is_package=is_package)) & names.keys() - {name}
    return found


def _module(path: str) -> str:
    parts = path.removesuffix(".py").removesuffix("/__init__").split("/")
    return ".".join(parts[1:] if parts[0] == "src" else parts)


def _named(tree: ast.Module, name: str, *, is_package: bool) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = name.split(".")
            up = node.level - is_package
            above = parts[: len(parts) - up] if node.level else []
            package = ".".join([*above, *filter(None, [node.module])])
            for alias in node.names:
                yield from (package, f"{package}.{alias.name}")
