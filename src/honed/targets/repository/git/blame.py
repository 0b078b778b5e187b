"""Who wrote lines, and which commit made a test fail."""

import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from honed.targets.repository.git.clone import Clone

#: The first line about a line; the line itself begins with a tab.
_HEAD: Final = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64}) \d")


@dataclass(frozen=True, slots=True)
class Writer:
    """Somebody who wrote lines that are still there."""

    name: str
    email: str
    lines: int
    #: One of their commits, by which a forge may know them.
    commit: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Cause:
    """The first commit of a line of history that is bad."""

    #: The commit, or where some could not be judged, the last of those that it may be.
    commit: str
    #: The commits among which it is, oldest first; one: it is certain, given the judge.
    suspects: tuple[str, ...]
    #: How many commits were judged.
    judged: int


def writers(
    clone: Clone, commit: str, path: str, lines: Sequence[tuple[int, int]]
) -> tuple[Writer, ...]:
    """Return who wrote the lines of a file as a commit has it, most lines first.

    ``lines`` are the first and the last of each stretch, from 1; none: the whole file.

    Raises:
        GitFailed: there is no such file, or no such lines.
    """
    stretches = [f"-L{first},{last}" for first, last in lines]
    said = clone.git.run(
        "blame", "--line-porcelain", "-w", *stretches, clone.commit(commit), "--", path
    )
    name = wrote = ""
    count: Counter[tuple[str, str]] = Counter()
    commits: dict[tuple[str, str], str] = {}
    # Not by splitlines: a line of a file may hold what ends a line elsewhere, and speak for git.
    for line in os.fsdecode(said).split("\n"):
        if _HEAD.match(line):
            wrote = line.partition(" ")[0]
        elif line.startswith("author "):
            name = line.removeprefix("author ")
        elif line.startswith("author-mail "):
            who = name, line.removeprefix("author-mail ").strip("<>")
            count[who] += 1
            commits.setdefault(who, wrote)
    ordered = sorted(count.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Writer(*who, lines, commits[who]) for who, lines in ordered)


def cause(clone: Clone, good: str, bad: str, is_good: Callable[[str], bool | None]) -> Cause:
    """Return the first commit after ``good`` that is bad, on the first-parent line to ``bad``.

    A merge counts as one commit. The judge is asked about some log2(n) of them, and never about
    ``good`` and ``bad``; None means that it cannot tell, and then a neighbour is asked.

    Not guaranteed: anything where goodness changes more than once between the two.

    Raises:
        UnknownCommit: there is no such commit.
        ValueError: ``good`` is not before ``bad``.
    """
    return search(_line(clone, good, bad), is_good)


def search(line: Sequence[str], is_good: Callable[[str], bool | None]) -> Cause:
    """Return the first bad commit of a line after a good one; its last is bad."""
    verdicts: dict[int, bool | None] = {}
    # What is before ``first`` is good, and ``last`` is bad.
    first, last = 0, len(line) - 1
    while first < last:
        number = _next(first, last, verdicts)
        if number is None:
            break
        verdicts[number] = is_good(line[number])
        if verdicts[number]:
            first = number + 1
        elif verdicts[number] is False:
            last = number
    return Cause(line[last], tuple(line[first : last + 1]), len(verdicts))


def _next(first: int, last: int, verdicts: dict[int, bool | None]) -> int | None:
    """Return which commit in [first, last) to judge: the unjudged one nearest to the middle."""
    unjudged = [number for number in range(first, last) if number not in verdicts]
    middle = (first + last - 1) / 2
    return min(unjudged, key=lambda number: abs(number - middle), default=None)


def _line(clone: Clone, good: str, bad: str) -> list[str]:
    start, end = clone.commit(good), clone.commit(bad)
    listed = clone.git.text("rev-list", "--first-parent", "--reverse", end, f"^{start}")
    is_before = clone.git.attempt("merge-base", "--is-ancestor", start, end).code == 0
    if not listed or not is_before:
        msg = f"{good} is not before {bad}"
        raise ValueError(msg)
    return listed.split()
