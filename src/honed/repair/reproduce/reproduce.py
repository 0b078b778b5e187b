"""A captured exception becomes a test that is red on the base, every time and for that reason."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol, Self

from honed.core.answer import Answer
from honed.core.change import FileChange
from honed.core.fault import Fault, Frame
from honed.core.fingerprint import fingerprint
from honed.core.gate import Side, TestRun
from honed.core.testrun import BROKEN, Outcome
from honed.repair.reproduce.answers import Told, by_call, told
from honed.repair.reproduce.calls import Call, call_of
from honed.repair.reproduce.classes import Classes
from honed.repair.reproduce.places import named_place, path_of
from honed.repair.reproduce.refusal import NotRebuilt
from honed.repair.reproduce.writing import (
    PROBE,
    function_of,
    probe_text,
    test_names,
    test_text,
)

#: Calls that are tried, from the innermost outwards; each costs a run of tests.
_MOST_CALLS: Final = 5
_MOST_FRAMES: Final = 20
#: What the probe's outcome says of a call.
_ENDS: Final = {
    Outcome.SKIPPED: "it is not red: the call returns, or a fixture that it needs skips it",
    Outcome.XFAILED: "the arguments cannot be made again: making them fails",
    Outcome.FAILED: "it ends otherwise, with another exception or elsewhere",
}
_IS_RIGHT: Final = "it is not red: the call does what a person says is right"
#: How the test of an answer may end, if it ends so each time.
_SETTLED: Final = frozenset({Outcome.PASSED, Outcome.FAILED})


class Base(Side, Protocol):
    """The repository as it is; with other files it is another side."""

    def with_files(self, files: Mapping[str, str]) -> Self:
        """Return the same with ``files`` over it, text by path."""


@dataclass(frozen=True, slots=True)
class Reproduction:
    """What came of it."""

    #: The new file; None: there is none, or a test of the repository does it already.
    test: FileChange | None = None
    #: What to run; empty: it was not reproduced.
    test_id: str = ""
    #: A sentence for each call that was tried in vain; empty where it was reproduced.
    why_not: str = ""
    #: What the test came to, run by run.
    outcomes: tuple[Outcome, ...] = ()
    #: The call, on one line with its module before; empty: the test is one of the repository.
    call: str = ""
    #: Tests of the same file, of other calls of which people say what is right, that are red too.
    also_red: tuple[str, ...] = ()
    #: Whether what is right of the call was said.
    is_answered: bool = False
    #: In a sentence each: answers that no test could be made of.
    left: tuple[str, ...] = ()

    @property
    def tells(self) -> bool:
        """Whether a test that is red says what is right, and not only that a call returns."""
        return bool(self.test_id) and (self.test is None or self.is_answered or bool(self.also_red))

    @property
    def is_right(self) -> bool:
        """Whether the call does, failing as it does, what a person says is right."""
        return self.is_answered and set(self.outcomes) == {Outcome.PASSED}


def reproduce(
    fault: Fault,
    base: Base,
    runs: int = 3,
    *,
    failing: Mapping[str, Fault] | None = None,
    answers: Sequence[Answer] = (),
) -> Reproduction:
    """Return a test that fails on ``base`` as ``fault`` says, in each of so many runs.

    A test of the repository that fails so already is preferred. Else one is written that calls the
    innermost function of the application whose arguments can be made again; where that does not
    raise an exception of the same type in the same function, whoever called it is tried. What is
    no argument, such as the time, the environment and other services, is not made again.

    What people say is right is asserted: of the call itself in its test, of other calls in tests of
    their own, which may be green. Where a call is right as it fails, who called it should not have.

    Args:
        fault: the exception with the variables of its frames.

        base: where it is to be reproduced; code is run only by its ``run_tests``.

        runs: how often the test has to fail.

        failing: what tests of the repository fail with, by their ids.

        answers: what people say is right, the oldest first; where there is any, a test of its own
            says it, whatever tests fail.

    Raises:
        SandboxMissing: there is no sandbox, so nothing is run.
        SandboxFailed: it could not be made.
    """
    group = fingerprint(fault)
    for test_id, other in sorted((failing or {}).items()) if not answers else ():
        if fingerprint(other) == group:
            outcomes = _outcomes(base, test_id, runs)
            if len(outcomes) == runs and BROKEN.issuperset(outcomes):
                return Reproduction(test_id=test_id, outcomes=outcomes)
    reasons: list[str] = []
    classes = Classes(base)
    known = by_call(answers, classes)
    for found in _calls(fault, classes, reasons):
        tried = _Trial(found, base, group, runs, told(found.call, known, classes)).outcome()
        if not tried.why_not:
            return tried
        reasons.append(f"{found.call.place.name}: {tried.why_not}")
        if tried.is_answered and not tried.is_right:
            # What a person says of it cannot be tested; who called it may well be right.
            return replace(tried, why_not=reasons[-1])
    return Reproduction(
        why_not="; ".join(dict.fromkeys(reasons)) or "no frame in the app is of the repository"
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """A call that may reproduce an error."""

    call: Call
    error: Fault
    #: Path and function in which it should arise.
    at: tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Trial:
    """One call, tried."""

    found: _Found
    base: Base
    group: str
    runs: int
    told: Told

    def outcome(self) -> Reproduction:
        """Return what comes of it: the probe looks first, then the test has to be red each time."""
        call, error = self.found.call, self.found.error
        path = f"tests/test_honed_{self.group}.py"
        probe = f"tests/test_honed_{self.group}_probe.py"
        tests = [f"{path}::{name}" for name in test_names(call, error, self.told)]
        text = test_text(call, error, self.told)
        if self.base.read(path) is not None:
            return Reproduction(why_not=f"{path} is there already")
        probed = self.base.with_files({probe: probe_text(call, error, self.found.at)})
        side = self.base.with_files({path: text})
        ended: list[Mapping[str, Outcome]] = []
        for number in range(self.runs):
            refusal = _refusal(probed.run_tests([f"{probe}::{PROBE}"]), is_first=not number)
            if not refusal:
                run = side.run_tests(tests).outcomes
                ended.append({test: run.get(test, Outcome.ERROR) for test in tests})
                refusal = self._refusal(tests, ended)
            if refusal:
                return self._made(tests, ended, why_not=refusal)
        return self._made(tests, ended, test=FileChange(path, None, text))

    def _refusal(self, tests: Sequence[str], ended: Sequence[Mapping[str, Outcome]]) -> str:
        """Return what stands against the tests after some runs; empty: nothing does."""
        outcomes = [each[tests[0]] for each in ended]
        if self.told.own and set(outcomes) == {Outcome.PASSED}:
            return _IS_RIGHT
        if outcomes[-1] is not Outcome.FAILED:
            return f"it is flaky: {', '.join(outcomes)}"
        for test in tests[1:]:
            others = [each[test] for each in ended]
            if len(set(others)) > 1 or not _SETTLED.issuperset(others):
                return f"the test of an answer says nothing: {', '.join(others)}"
        return ""

    def _made(
        self,
        tests: Sequence[str],
        ended: Sequence[Mapping[str, Outcome]],
        *,
        test: FileChange | None = None,
        why_not: str = "",
    ) -> Reproduction:
        return Reproduction(
            test,
            tests[0] if test else "",
            why_not,
            tuple(each[tests[0]] for each in ended),
            self.found.call.text,
            tuple(each for each in tests[1:] if ended and ended[-1][each] is Outcome.FAILED),
            self.told.own is not None,
            self.told.left,
        )


def _refusal(run: TestRun, *, is_first: bool) -> str:
    """Return what stands against a call after one run of its probe; empty: nothing does."""
    outcome = next(iter(run.outcomes.values()), Outcome.ERROR)
    if outcome is Outcome.PASSED:
        return ""
    if not is_first:
        return "it is flaky: it does not end in the same way each time"
    if outcome is Outcome.ERROR:
        return f"the test does not run{f': {run.error}' if run.error else ''}"
    return _ENDS[outcome]


def _outcomes(side: Side, test_id: str, runs: int) -> tuple[Outcome, ...]:
    """Return what a test comes to, run by run; a run without a result is an error."""
    return tuple(
        side.run_tests([test_id]).outcomes.get(test_id, Outcome.ERROR) for _ in range(runs)
    )


def _calls(fault: Fault, classes: Classes, reasons: list[str]) -> Iterator[_Found]:
    """Yield the calls to try, the best first; why others are none is added to ``reasons``."""
    count = 0
    for error in _errors(fault):
        innermost = named_place(error.frames)
        path = path_of(innermost, classes) if innermost else ""
        if innermost is None or not path:
            continue
        at = (path, function_of(innermost))
        for frame in _outwards(error):
            if count == _MOST_CALLS:
                return
            if not path_of(frame, classes):
                continue
            try:
                found = _Found(call_of(frame, classes), error, at)
            except NotRebuilt as refusal:
                reasons.append(f"{frame.function}: {refusal}")
                continue
            count += 1
            yield found


def _errors(fault: Fault) -> Iterator[Fault]:
    """Yield the errors that may be raised again: members of a group, itself, what it comes from.

    A cause comes last: whoever called the function that raised it may well expect it.
    """
    yield from (each for member in fault.members for each in _errors(member))
    yield fault
    if fault.cause is not None and not any(frame.is_in_app for frame in fault.frames):
        yield from _errors(fault.cause)


def _outwards(error: Fault) -> Iterator[Frame]:
    """Yield the frames in the app from the innermost outwards, each place once."""
    seen: set[tuple[str, str, int]] = set()
    for frame in reversed(error.frames[-256:]):
        where = (frame.file, frame.function, frame.line)
        if frame.is_in_app and where not in seen and len(seen) < _MOST_FRAMES:
            seen.add(where)
            yield frame
