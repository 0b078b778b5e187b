"""Code before and after a change in one sandbox: called with the same inputs, compared, timed."""

import math
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from honed.core.change import FileChange
from honed.errors import RepairFailed
from honed.repair.behaviour import Answer, Probe, compare
from honed.repair.inputs import mutated
from honed.repair.refactor.touched import Touched, edits
from honed.repair.suite import Budget, Edit, Suite
from honed.repair.workers import Workers
from honed.sandbox.box import Box
from honed.sandbox.scratch import scratch

#: Inputs of one function: those of the tests, and others like them.
MOST_INPUTS: Final = 200
#: All that is asked of one sandbox together.
_SECONDS: Final = 600.0
#: Tests run one after the other, and so many seconds are given to see what they call.
_CALLINGS_S: Final = 60.0
_TEST_S: Final = 5.0
_TIMING_S: Final = 60.0
#: A call that ran fewer lines is not endless for a tenth of what ends one.
_SHORT_LINES: Final = 10_000
_ENDED: Final = frozenset({"returned", "raised"})


@dataclass(frozen=True, slots=True)
class Calls:
    """How tests call a function."""

    function: Touched
    count: int
    #: Those inputs that are plain values, as Python writes each argument.
    inputs: tuple[tuple[str, ...], ...]
    #: Tests that call it.
    tests: tuple[str, ...]

    @property
    def is_callable(self) -> bool:
        """Whether it can be called by itself, as tests call it."""
        return not self.function.obstacle and bool(self.inputs)


@dataclass(frozen=True, slots=True)
class Taken:
    """What calls of a function took."""

    #: Seconds of processor time; None: there is no telling.
    cpu_s: float | None
    #: How many inputs were called, those that return; in tests, how many calls it were.
    inputs: int
    #: Why there is no telling.
    why: str


@dataclass(frozen=True, slots=True)
class Own:
    """What one piece of code took by itself, with what it calls of Python's own."""

    #: From the repository's root; empty: code of others, and tests.
    path: str
    #: Where its code begins; lambdas and comprehensions have lines of their own.
    line: int
    cpu_s: float
    calls: int


@dataclass(frozen=True, slots=True)
class Difference:
    """An input that a function answers otherwise after the change."""

    function: Touched
    arguments: tuple[str, ...]
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Likeness:
    """What came of comparing a function before and after a change."""

    function: Touched
    #: Inputs on which both answers are known, and how many of the tests' own are among those.
    compared: int
    known: int
    #: Whether it answers some input in two ways without any change: that input says nothing.
    is_unsteady: bool
    #: The shortest input that is answered otherwise; None: there is none.
    difference: Difference | None


@dataclass(frozen=True, slots=True)
class _Side:
    """One side as the fork server makes it: edits of bytes by file."""

    edits: Mapping[str, Sequence[Edit]]

    def asked(self) -> dict[str, list[list[int | str]]]:
        """Return it as the fork server takes it."""
        return {
            path: [[each.start, each.end, each.text] for each in some]
            for path, some in self.edits.items()
        }


class Twins:
    """The code as it is, and changes of it, in one sandbox; see ``twins``."""

    def __init__(self, workers: Workers, root: Path) -> None:
        """Use the one worker; ``root`` is the folder that it has."""
        self._workers = workers
        self._root = root

    def callings(self, functions: Iterable[Touched]) -> list[Calls]:
        """Return how tests call functions; those that have an obstacle are asked about, too.

        Raises:
            SandboxEnded: what ran in the sandbox ended it.
        """
        by_place = {(self._inside(each), each.name): each for each in functions}
        request = {
            "do": "callings",
            "functions": [list(place) for place in by_place],
            "tests": list(self._workers.tests),
            "timeout_s": _TEST_S,
            "wall_s": _CALLINGS_S,
        }
        said: Any = self._workers.ask(request).get("functions") if by_place else []
        with _reading():
            return [
                Calls(
                    by_place[str(each["path"]), str(each["name"])],
                    int(each["count"]),
                    tuple(tuple(map(str, texts)) for texts in each["inputs"]),
                    tuple(map(str, each["tests"])),
                )
                for each in said
            ]

    def likenesses(
        self, files: Iterable[FileChange], calls: Sequence[Calls], seed: int
    ) -> list[Likeness]:
        """Return for each function whether it answers as before, on inputs of tests and more.

        What objects hold that are no plain values is not seen, only their type is; of an exception
        its type counts. Calls that do not end in time say nothing.

        Args:
            files: the change.

            calls: the functions, with at least one input each.

            seed: of the choice of inputs.

        Raises:
            SandboxEnded: what ran in the sandbox ended it.
        """
        with _reading():
            probes = [_probe(self._inside(each.function), each, seed) for each in calls]
        same, patched = _Side({}), _Side(self._edits(files))
        # As it is twice: what differs then is not due to the change.
        compared = compare(self._workers, [same, patched], probes, with_arguments=True)
        answers = list(zip(compared.base, *compared.answers, strict=True))
        found, begin = [], 0
        for each, probe in zip(calls, probes, strict=True):
            some = answers[begin : begin + len(probe.inputs)]
            found.append(_likeness(each.function, probe, some))
            begin += len(probe.inputs)
        return found

    def cpu_s(
        self, files: Iterable[FileChange], calls: Calls, passes: int, *, is_patched: bool
    ) -> Taken:
        """Return the processor time of one call with each input.

        What cannot be called by itself is timed where its tests call it: then it is the time of all
        of its calls in one run of those tests.

        Args:
            files: the change. The code as it is, is put in place like the change, too: compiled
                anew, so that both are as cold.

            calls: the function and its inputs.

            passes: how often each input is called between two looks at the clock.

            is_patched: with the change, or without it.

        Raises:
            SandboxEnded: what ran in the sandbox ended it.
        """
        side = _Side(self._edits(files, is_same=not is_patched))
        said = self._workers.ask(
            {
                "do": "time",
                "path": self._inside(calls.function),
                "name": calls.function.name,
                "inputs": [list(each) for each in calls.inputs],
                "tests": [] if calls.is_callable else list(calls.tests),
                "timeout_s": _TEST_S,
                "candidate": side.asked(),
                "passes": passes,
                "wall_s": _TIMING_S,
            }
        )
        with _reading():
            taken = said["cpu_s"]
            is_time = isinstance(taken, int | float) and 0 < taken < math.inf
            return Taken(float(taken) if is_time else None, int(said["inputs"]), str(said["why"]))

    def profile(self, tests: Sequence[str] = ()) -> list[Own]:
        """Return the processor time that functions took by themselves in tests together.

        What the project's files did not do is told under an empty path.

        Args:
            tests: how the ids begin of those that run; none: all.

        Raises:
            SandboxEnded: what ran in the sandbox ended it.
        """
        named = tuple(tests)
        said = self._workers.ask(
            {
                "do": "profile",
                "tests": [e for e in self._workers.tests if not tests or e.startswith(named)],
                "timeout_s": _TEST_S,
                "wall_s": _CALLINGS_S,
            }
        )
        found = []
        with _reading():
            for path, line, cpu_s, count in said["functions"]:
                inside = Path(str(path)).relative_to(self._root).as_posix() if path else ""
                found.append(Own(inside, int(line), float(cpu_s), int(count)))
        return found

    def _inside(self, function: Touched) -> str:
        return str(self._root / function.path)

    def _edits(
        self, files: Iterable[FileChange], *, is_same: bool = False
    ) -> dict[str, list[Edit]]:
        found = {}
        for each in files:
            before = (each.before or "").encode()
            found[str(self._root / each.path)] = [
                Edit(e.start, e.end, before[e.start : e.end].decode()) if is_same else e
                for e in edits(each)
            ]
        return found


@contextmanager
def _reading() -> Iterator[None]:
    """Read what the sandbox said, which code of others may have said.

    Raises:
        RepairFailed: it is something else than was asked.
    """
    try:
        yield
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError, SyntaxError) as error:
        msg = "what ran in the sandbox answered something else than was asked"
        raise RepairFailed(msg) from error


def _probe(path: str, calls: Calls, seed: int) -> Probe:
    own = list(calls.inputs)[:MOST_INPUTS]
    width = len(own[0])
    own = [each for each in own if len(each) == width]
    inputs = mutated(own, MOST_INPUTS, seed)
    return Probe(path, calls.function.name, tuple(map(tuple, inputs)), len(own))


def _likeness(
    function: Touched, probe: Probe, answers: Sequence[tuple[Answer, Answer, Answer]]
) -> Likeness:
    compared = known = 0
    is_unsteady = False
    found: list[Difference] = []
    for number, (arguments, (base, again, patched)) in enumerate(
        zip(probe.inputs, answers, strict=True)
    ):
        if base is None or again is None or patched is None or base[0] not in _ENDED:
            continue
        if base[:2] != again[:2]:
            is_unsteady = True
            continue
        if patched[0] == "endless" and base[2] > _SHORT_LINES:
            continue
        compared += 1
        known += number < probe.known
        if base[:2] != patched[:2]:
            found.append(Difference(function, arguments, _said(base), _said(patched)))
    # A person has to think about it.
    shortest = min(found, key=lambda each: len("".join(each.arguments)), default=None)
    return Likeness(function, compared, known, is_unsteady, shortest)


def _said(answer: tuple[str, str, int]) -> str:
    return answer[1] if answer[0] == "returned" else f"{answer[0]} {answer[1]}".strip()


@contextmanager
def twins(suite: Suite, box: Box, added: Mapping[str, str]) -> Iterator[Twins]:
    """Hand out a copy of a suite's folder in a sandbox, with its tests collected.

    Args:
        suite: the code as it is, and its tests.

        box: what the sandbox sees beside that.

        added: files that are laid over the copy, text by path.

    Raises:
        RepairFailed: the tests cannot be collected.
        SandboxMissing: there is no sandbox; nothing was run.
    """
    with scratch() as made:
        folder = made.resolve()
        # Code in boxes is of another user.
        folder.chmod(0o711)
        root = folder / "code"
        shutil.copytree(
            suite.root, root, symlinks=True, ignore=shutil.ignore_patterns(".git", "__pycache__")
        )
        for path, text in added.items():
            place = root / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8", newline="")
        budget = Budget(seconds=_SECONDS, processes=1)
        with Workers(replace(suite, root=root), box, budget) as workers:
            yield Twins(workers, root)
