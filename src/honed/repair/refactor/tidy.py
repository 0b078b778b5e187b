"""What ruff calls safe, from a fixed list of rules, where no other file objects."""

import ast
import sys
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from honed.core.change import FileChange
from honed.repair.refactor.copies import everything_imported, is_harmless, roots
from honed.repair.refactor.linters import fixed, flagged
from honed.repair.refactor.package import Module, Package, read_module
from honed.repair.refactor.refactor import Proof, Refactor

#: Imports and names of caught exceptions that nothing uses.
UNUSED: Final = ("F401", "F841")
#: f-strings without a value, semicolons, ``not a in b``, ``not a is b``, ``pass`` beside something,
#: ``return`` at the end, parentheses around parentheses.
SUPERFLUOUS: Final = ("F541", "E703", "E713", "E714", "PIE790", "PLR1711", "UP034")
#: Modules of the standard library that are imported for what they do to the process.
_EFFECTS: Final = frozenset({"antigravity", "readline", "rlcompleter", "this"})
#: What these import they offer, to others or to pytest.
_OFFERING: Final = frozenset({"__init__.py", "conftest.py"})


def tidied(package: Package) -> list[Refactor]:
    """Return for each file at most one change without unused imports, and one without clutter.

    An import stays where another file may take the name from here, where names are read
    dynamically, and where importing may be for an effect: only the standard library, and modules
    of the package that do nothing but define, are no longer imported at all.

    Raises:
        MissingExtra: ruff is not installed.
        RepairFailed: it failed, or took too long.
    """
    texts = {path: module.text for path, module in package.modules.items()}
    # Most files are tidy, and a process for each takes longer than one for all.
    said = flagged(texts, (*UNUSED, *SUPERFLUOUS)) if texts else frozenset()
    untidy = (module for path, module in package.modules.items() if path in said)
    return [change for module in untidy for change in _tidied(package, module)]


def _tidied(package: Package, module: Module) -> Iterator[Refactor]:
    after = _read(module, UNUSED)
    if after is not None and _is_unneeded(package, module, after):
        yield _change(module, after, "unused_names", "ruff: nothing uses what is imported here")
    after = _read(module, SUPERFLUOUS)
    if after is not None:
        yield _change(module, after, "clutter", "ruff: what says nothing is left out")


def _read(module: Module, rules: tuple[str, ...]) -> Module | None:
    after = fixed(module.path, module.text, rules)
    return None if after == module.text else read_module(module.path, after)


def _change(module: Module, after: Module, rule: str, reason: str) -> Refactor:
    file = FileChange(module.path, module.text, after.text)
    return Refactor(rule, reason, Proof.LINTER, (file,))


def _is_unneeded(package: Package, module: Module, after: Module) -> bool:
    gone = module.bound.keys() - after.bound.keys()
    lost = everything_imported(package, module) - everything_imported(package, after)
    return (
        PurePosixPath(module.path).name not in _OFFERING
        and not module.is_dynamic
        and roots(module) - roots(after) - _own_roots(package) <= sys.stdlib_module_names - _EFFECTS
        and all(path in package.modules and is_harmless(package.modules[path]) for path in lost)
        and not any(_takes(other, module, gone) for other in package.modules.values())
        and len(package.modules) == len(package.files)
    )


def _own_roots(package: Package) -> set[str]:
    return {".", *(package.name(path).split(".")[0] for path in package.files)} - {""}


def _takes(other: Module, module: Module, names: set[str]) -> bool:
    """Whether another file may read names of a module."""
    stem = PurePosixPath(module.path).stem
    if other is module or stem not in other.words:
        return False
    for node in ast.walk(other.tree):
        match node:
            case ast.Attribute() if node.attr in names:
                return True
            case ast.ImportFrom():
                if any(each.name in names or each.name == "*" for each in node.names):
                    return True
            case ast.Constant(value=str() as text):
                if any(f"{stem}.{name}" in text for name in names):
                    return True
    return False
