"""Fixtures of pytest that tests of a repository may ask for by name."""

import ast
from typing import Final

from honed.repair.reproduce.classes import Classes, last_name

#: Those that a test in ``tests/`` sees.
_PLACES: Final = ("conftest.py", "tests/conftest.py")


def fixtures_of(classes: Classes) -> frozenset[str]:
    """Return the names of the fixtures that the repository defines for its tests in ``tests/``.

    Those of plug-ins and of Python packages around are not known.
    """
    return frozenset(
        _name(each, decorator)
        for path in _PLACES
        if path in classes.paths and (tree := classes.tree(path)) is not None
        for each in tree.body
        if isinstance(each, ast.FunctionDef)
        for decorator in each.decorator_list
        if last_name(decorator) == "fixture"
    )


def _name(function: ast.FunctionDef, decorator: ast.expr) -> str:
    said = decorator.keywords if isinstance(decorator, ast.Call) else []
    for each in said:
        if each.arg == "name" and isinstance(each.value, ast.Constant):
            return str(each.value.value)
    return function.name
