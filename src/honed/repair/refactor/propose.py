"""All changes that keep what code does, the surest first."""

from typing import Final

from honed.repair.refactor.dead import without_dead_code
from honed.repair.refactor.extract import shared_code
from honed.repair.refactor.loops import faster_loops
from honed.repair.refactor.merge import merged_copies
from honed.repair.refactor.package import Package
from honed.repair.refactor.refactor import Proof, Refactor
from honed.repair.refactor.tidy import tidied

_STRENGTHS: Final = list(Proof)


def refactors(package: Package) -> list[Refactor]:
    """Return every change that can be made, each alone on the files as they are.

    Raises:
        MissingExtra: ruff or vulture is not installed.
        RepairFailed: ruff failed, or took too long.
    """
    loops = [change for module in package.modules.values() for change in faster_loops(module)]
    found = [*merged_copies(package), *shared_code(package), *loops]
    found += [*without_dead_code(package), *tidied(package)]
    return sorted(found, key=lambda each: (_STRENGTHS.index(each.proof), each.files[0].path))
