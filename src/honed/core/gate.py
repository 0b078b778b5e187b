"""A gate: one thing that a change of code has to show before it may go on. A plug-in.

Not guaranteed: what runs in the process of its tests can lie about them. Gates that read refuse
what would reach for that; code that nobody has read and that passes all the same is a person's.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from honed.core.canonical import Json
from honed.core.change import CodeChange, Purpose
from honed.core.step import Step
from honed.core.testrun import BROKEN, Outcome
from honed.errors import EvaluatorFailed


@dataclass(frozen=True, slots=True)
class TestRun:
    """One run of tests on one side of a change."""

    __test__ = False  # it is no test of ours

    #: By the test's id.
    outcomes: Mapping[str, Outcome]
    cpu_s: float
    #: Why the run itself did not come to its end; empty: it did.
    error: str = ""
    #: By path from the root: lines that ran; only where that was asked for.
    lines: Mapping[str, frozenset[int]] = field(default_factory=dict)
    #: What tests that fail said, by the test's id; its end where it was long.
    messages: Mapping[str, str] = field(default_factory=dict)

    @property
    def broken(self) -> frozenset[str]:
        """The tests that fail."""
        return frozenset(test for test, outcome in self.outcomes.items() if outcome in BROKEN)

    @property
    def passed(self) -> frozenset[str]:
        """The tests that pass."""
        return frozenset(
            test for test, outcome in self.outcomes.items() if outcome is Outcome.PASSED
        )


class Side(Protocol):
    """The repository without the change, or with it; each run sees a fresh copy in a sandbox."""

    def run_tests(self, tests: Sequence[str] = (), *, lines: bool = False) -> TestRun:
        """Return what ``tests`` come to; without any, all tests.

        Args:
            tests: ids, files or folders.

            lines: tell also which lines ran.
        """

    def read(self, path: str) -> str | None:
        """Return a file's text; None: there is none, or it is no text."""

    def paths(self) -> Collection[str]:
        """Return every file's path from the root."""

    def with_files(self, files: Mapping[str, str]) -> "Side":
        """Return the same side with ``files`` over it, text by path."""

    def within(self, cpu_s: float) -> "Side":
        """Return the same side, of which no run may take more processor time than that."""


class Judge(Protocol):
    """Where gates look at a change: a place that neither the change nor its author can write to."""

    @property
    def base(self) -> Side:
        """The repository without the change, but with the tests that come with it."""

    @property
    def patched(self) -> Side:
        """The repository with the change."""


def whole_run(side: Side, tests: Sequence[str] = (), *, lines: bool = False) -> TestRun:
    """Return a run of tests that came to its end; tried twice, for a machine may be busy.

    Raises:
        EvaluatorFailed: neither did, which says nothing about a change.
    """
    run = side.run_tests(tests, lines=lines)
    if run.error:
        run = side.run_tests(tests, lines=lines)
    if run.error:
        raise EvaluatorFailed(run.error)
    return run


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What the settings ask of a change."""

    #: Least share of the touched lines that tests reach (seed 003).
    test_coverage: float = 0.8


@dataclass(frozen=True, slots=True)
class GateResult:
    """What one gate says of one change."""

    gate: str
    passed: bool
    #: One sentence for a person.
    reason: str
    #: The numbers behind it.
    evidence: Mapping[str, Json] = field(default_factory=dict)
    #: Where it does not pass: whether that shows the change to be wrong, or only leaves it open.
    refutes: bool = True

    def to_json(self) -> dict[str, Json]:
        """Return it as plain JSON."""
        return {
            "gate": self.gate,
            "passed": self.passed,
            "reason": self.reason,
            "evidence": dict(self.evidence),
            "refutes": self.refutes,
        }


class Examination(ABC):
    """How a claim is proven that is right or wrong, and not just cheaper: by gates.

    A kind whose claims are such returns one from ``Kind.trial``.
    """

    #: A digest of everything that judges; it is recorded with the verdict.
    judge: str

    @abstractmethod
    def examine(self, steps: Sequence[Step]) -> Iterable[GateResult]:
        """Yield what each gate says of ``steps``, in their order, up to the first that fails.

        Raises:
            EvaluatorFailed: a gate could not find out what it looks for; the verdict becomes ERROR.
        """


class Gate(ABC):
    """One thing that a change has to show; it reads and says, and changes nothing."""

    #: Stored in every record; never renamed. The setting ``quality_gates`` names it.
    name: ClassVar[str]
    #: Gates are asked in this order, the cheap ones first; after one that fails none is.
    order: ClassVar[int]
    #: Whether it cannot be switched off.
    is_always: ClassVar[bool] = True
    #: Whether what does not pass is shown to be wrong; else it is only left open.
    refutes: ClassVar[bool] = True
    #: The purposes of changes that it is asked about.
    purposes: ClassVar[frozenset[Purpose]] = frozenset(Purpose)

    @abstractmethod
    def check(self, change: CodeChange, judge: Judge, thresholds: Thresholds) -> GateResult:
        """Return whether ``change`` passes, with the evidence.

        Raises:
            EvaluatorFailed: it could not be found out; that says nothing about the change.
        """

    def passes(self, reason: str, **evidence: Json) -> GateResult:
        """Return that the change passes."""
        return GateResult(self.name, passed=True, reason=reason, evidence=evidence)

    def fails(self, reason: str, **evidence: Json) -> GateResult:
        """Return that the change does not pass."""
        return GateResult(
            self.name, passed=False, reason=reason, evidence=evidence, refutes=self.refutes
        )
