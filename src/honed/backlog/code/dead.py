"""Code that nothing uses, as far as vulture and ruff can see."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from honed.backlog.code.repository import Module, Repository
from honed.backlog.code.trouble import Deadline, Trouble
from honed.backlog.draft import Facts
from honed.repair.refactor.files import files_below, words_beside
from honed.repair.refactor.linters import vulture

#: What vulture is believed of: it guesses at attributes and variables.
_BELIEVED: Final = frozenset({"function", "class", "unreachable_code"})


@dataclass(frozen=True, slots=True)
class _Dead:
    name: str
    #: As vulture has it: ``unused function 'f'``.
    message: str
    line: int
    lines: int
    #: Vulture's, in percent.
    confidence: int


def dead_code(
    repository: Repository, unused: Mapping[str, Sequence[str]], deadline: Deadline
) -> list[Trouble]:
    """Return one trouble for each file in which something is never used, tests left out.

    Names that anything else in the repository mentions, and what is decorated, are left alone: a
    framework may call them. What another repository uses of a library is not known here.

    Args:
        repository: what is analysed.

        unused: by path what ruff says of imports and variables.

        deadline: when it has to be done.

    Raises:
        MissingExtra: vulture is not installed.
        SourceFailed: there was not enough time.
    """
    dead = _unused_code(repository, deadline)
    beside = deadline.over(files_below(repository.folder)) if dead else ()
    mentioned = words_beside(beside)
    troubles = []
    for module in repository.modules:
        names = [each for each in dead.get(module.path, ()) if each.name not in mentioned]
        said = unused.get(module.path, ())
        if (names or said) and not module.is_test:
            troubles.append(_trouble(module, names, said))
    return troubles


def _unused_code(repository: Repository, deadline: Deadline) -> dict[str, list[_Dead]]:
    asked = vulture()
    for module in repository.modules:
        deadline.left_s()
        asked.scan(module.text, filename=Path(module.path))
    found: dict[str, list[_Dead]] = {}
    for item in asked.get_unused_code(min_confidence=60):
        if _is_believed(item.typ, item.name):
            each = _Dead(item.name, item.message, item.first_lineno, item.size, item.confidence)
            found.setdefault(item.filename.as_posix(), []).append(each)
    return found


def _is_believed(sort: str, name: str) -> bool:
    # Python itself calls __getattr__ and its like; a base class elsewhere may call any method.
    if name.startswith("__") and name.endswith("__"):
        return False
    return sort in _BELIEVED or (sort == "method" and name.startswith("_"))


def _trouble(module: Module, dead: Sequence[_Dead], said: Sequence[str]) -> Trouble:
    counted = [f"{len(said)} unused names"] if said else []
    what = ", ".join([*(each.message for each in dead[:3]), *counted])
    more = f" and {len(dead) - 3} more" if len(dead) > 3 else ""  # noqa: PLR2004 - as many as are named
    return Trouble(
        sort="dead",
        place=module.path,
        title=f"{module.path} has code that nothing uses: {what}{more}",
        description="What nothing uses is read, tested and changed for nothing.",
        solution="Remove it, or say where it is used.",
        test_plan="1. Remove it\n2. Run all tests\n3. Scan again",
        files=(module.path,),
        evidence={
            "unused": [
                {"message": each.message, "line": each.line, "lines": each.lines,
                 "confidence_percent": each.confidence}
                for each in dead
            ],
            "names": list(said),
        },
        facts=Facts(lines=sum(each.lines for each in dead) + len(said)),
    )  # fmt: skip
