"""Where a new file of tests of a module belongs."""

import re
from collections.abc import Collection, Sequence
from pathlib import PurePosixPath
from typing import Final

_TEST: Final = re.compile(r"(^|/)(test_[^/]*|[^/]*_test)\.py$")
_FOLDER: Final = "tests"
_MOST: Final = 9


def place_of_tests(path: str, paths: Collection[str], tests: Sequence[str]) -> str:
    """Return the path of a new file with tests of the module at ``path``; empty: there is none.

    It lies where other tests are: in a folder that is called as the module's, else in the one
    nearest to the root. No other file has its name, which pytest would take for the same module.

    Args:
        path: of the module, from the root.

        paths: every file's path from the root.

        tests: pytest's arguments that name all tests; what is not within them is never run.
    """
    folders = {str(PurePosixPath(each).parent) for each in paths if _TEST.search(each)}
    folders = {each for each in folders or {_FOLDER} if not tests or _is_within(each, tests)}
    if not folders:
        return ""
    own = PurePosixPath(path).parent.name
    folder = min(folders, key=lambda each: (PurePosixPath(each).name != own, each.count("/"), each))
    names = {PurePosixPath(each).name for each in paths}
    for name in _names(path):
        if name not in names:
            return name if folder == "." else f"{folder}/{name}"
    return ""


def _is_within(folder: str, tests: Sequence[str]) -> bool:
    return any(PurePosixPath(folder).is_relative_to(PurePosixPath(each)) for each in tests)


def _names(path: str) -> list[str]:
    place = PurePosixPath(path)
    stem = place.parent.name if place.stem == "__init__" else place.stem
    stems = [stem, f"{place.parent.name}_{stem}", *(f"{stem}_{n}" for n in range(2, _MOST + 1))]
    return [f"test_{each}_characterisation.py" for each in stems]
