"""What a repository writes: how often it has an expression of a shape."""

import ast
import stat
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from honed.space.clones.forms import ShapeForm, digest

_SORTS: Final = (ast.Call, ast.BinOp, ast.Compare, ast.BoolOp, ast.Subscript, ast.UnaryOp)
_INSTALLED: Final = ("site-packages", "node_modules")
_MOST_FILES: Final = 300
_LARGEST_BYTES: Final = 200_000
#: Nobody writes longer files.
_LONGEST_BYTES: Final = 4 << 20


def shapes(tree: ast.AST) -> Counter[str]:
    """Return the shapes of all expressions of a tree, with how often each stands there.

    Names are folded but for those that are called; constants are folded to their sort.
    """
    return Counter(_shape(node) for node in ast.walk(tree) if isinstance(node, _SORTS))


def _shape(expression: ast.expr) -> str:
    called = {each.func for each in ast.walk(expression) if isinstance(each, ast.Call)}
    names = (
        each.id
        for each in ast.walk(expression)
        if isinstance(each, ast.Name) and each not in called
    )
    return digest(ShapeForm(names).of([expression]))


def ingredients(paths: Iterable[Path]) -> Mapping[str, int]:
    """Return the shapes of the expressions of files with how often they stand there.

    Large files, those beyond 300 and those that are not Python are left out.
    """
    found: Counter[str] = Counter()
    for path in sorted(paths)[:_MOST_FILES]:
        try:
            if path.stat().st_size <= _LARGEST_BYTES:
                found.update(shapes(ast.parse(path.read_bytes())))
        except (OSError, SyntaxError, ValueError, RecursionError):
            continue
    return found


def modules(root: Path) -> list[Path]:
    """Return the modules below a folder, without hidden folders and what is installed there.

    Links, pipes and files that are too long to be written by people are none.
    """
    return [
        path
        for path in sorted(root.rglob("*.py"))
        if not any(
            part.startswith(".") or part in _INSTALLED for part in path.relative_to(root).parts
        )
        and stat.S_ISREG((status := path.lstat()).st_mode)
        and status.st_size <= _LONGEST_BYTES
    ]
