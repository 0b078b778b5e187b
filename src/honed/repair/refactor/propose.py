"""All changes that keep what code does, the surest first."""

import ast
import math
from collections.abc import Iterable
from typing import Final

from honed.core.change import FileChange
from honed.repair.refactor.dead import without_dead_code
from honed.repair.refactor.extract import shared_code
from honed.repair.refactor.loops import faster_loops
from honed.repair.refactor.merge import merged_copies
from honed.repair.refactor.package import Package
from honed.repair.refactor.refactor import Proof, Refactor
from honed.repair.refactor.tidy import tidied
from honed.repair.source import parsed

_STRENGTHS: Final = list(Proof)


def simpler(package: Package) -> list[Refactor]:
    """Return every change after which there is less to read, each alone on the files as they are.

    Raises:
        MissingExtra: ruff or vulture is not installed.
        RepairFailed: ruff failed, or took too long.
    """
    found = [*merged_copies(package), *shared_code(package)]
    found += [*without_dead_code(package), *tidied(package)]
    return sorted(
        (each for each in found if shrinkage(each.files) < 0),
        key=lambda each: (_STRENGTHS.index(each.proof), shrinkage(each.files), each.files[0].path),
    )


def faster(package: Package) -> list[Refactor]:
    """Return every change of a loop that may make it faster, each alone on the files as they are.

    Whether one does only measuring tells.
    """
    found = [change for module in package.modules.values() for change in faster_loops(module)]
    return sorted(found, key=lambda each: each.files[0].path)


def shrinkage(files: Iterable[FileChange]) -> float:
    """Return the natural logarithm of how large files are after a change over what they were.

    Their size is that of their syntax trees in nodes, all files together: comments, blank lines and
    how lines are broken do not count, so neither does moving code or folding lines.
    """
    sizes = [(_nodes(each.before), _nodes(each.after)) for each in files]
    before, after = (sum(side) for side in zip(*sizes, strict=True))
    return math.log(max(after, 1) / max(before, 1))


def _nodes(text: str | None) -> int:
    tree = parsed(text or "")
    return sum(1 for _ in ast.walk(tree)) if tree else 0
