"""Mending: from failing tests to a change that every gate has looked at."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from honed.config import Settings
from honed.core.canonical import Json
from honed.core.change import CodeChange, FileChange
from honed.core.gate import Gate, GateResult, Judge, Thresholds
from honed.core.plugins import discover
from honed.errors import RepairFailed, SandboxEnded
from honed.targets.repository.judging.failing import with_failing
from honed.targets.repository.judging.judge import Checkout, CodeJudge, judge_digest
from honed.targets.repository.judging.proposer import FAMILY, Bench, Proposed, Proposer, Trouble

#: Changes of one proposer that gates look at: those behind them are worse.
_MOST_CHANGES: Final = 3
#: Gates before this one run nothing.
_RUNS_TESTS: Final = 50
#: The gate that says which files a change may touch.
_PATHS: Final = "allowed_paths"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One proposer's answer, and what gates said of its best change."""

    proposer: str
    proposed: Proposed
    #: None: it had none.
    change: CodeChange | None = None
    #: In their order, up to the first that it does not pass.
    results: tuple[GateResult, ...] = ()

    @property
    def is_sound(self) -> bool:
        """Whether every gate that was asked let it pass."""
        return bool(self.results) and all(each.passed for each in self.results)

    @property
    def words(self) -> str:
        """What came of it, in a sentence."""
        if self.change is None:
            return self.proposed.why_none
        last = self.results[-1] if self.results else None
        said = "no gate has looked at it" if last is None else f"{last.gate}: {last.reason}"
        return "every gate lets it pass" if self.is_sound else f"stopped by {said}"

    def to_json(self) -> dict[str, Json]:
        """Return it as plain JSON."""
        found = self.proposed.examined.items()
        return {
            "proposer": self.proposer,
            "is_sound": self.is_sound,
            "why_none": self.proposed.why_none,
            "change": self.change.to_json() if self.change else None,
            "diff": self.change.diff if self.change else "",
            "gates": [each.to_json() for each in self.results],
            "examined": {name: number for name, number in found if math.isfinite(number)},
        }


@dataclass(frozen=True, slots=True)
class Mended:
    """What came of it: every attempt, in order; the last one is sound, or none is."""

    attempts: tuple[Attempt, ...]
    #: Digest of what judged.
    judge: str

    @property
    def best(self) -> Attempt | None:
        """The attempt that is sound, else the first that has a change; None: nobody has one."""
        if self.is_sound:
            return self.attempts[-1]
        return next((each for each in self.attempts if each.change is not None), None)

    @property
    def change(self) -> CodeChange | None:
        """The change of the best attempt, with what came of the others; None: there is none."""
        best = self.best
        if best is None or best.change is None:
            return None
        others = (each for each in self.attempts if each is not best)
        return replace(
            best.change, tried=tuple(f"{each.proposer}: {each.words}" for each in others)
        )

    @property
    def results(self) -> tuple[GateResult, ...]:
        """What the gates said of it."""
        return self.best.results if self.best else ()

    @property
    def is_sound(self) -> bool:
        """Whether every gate let it pass."""
        return bool(self.attempts) and self.attempts[-1].is_sound

    @property
    def why_none(self) -> str:
        """Why there is no change, by proposer; empty: there is one."""
        if self.change is not None:
            return ""
        said = (f"{each.proposer}: {each.proposed.why_none}" for each in self.attempts)
        return "; ".join(said)

    @property
    def is_for_now(self) -> bool:
        """Whether somebody could not be asked who may answer later."""
        return any(each.proposed.is_for_now for each in self.attempts)

    def to_json(self) -> dict[str, Json]:
        """Return it as plain JSON."""
        return {
            "is_sound": self.is_sound,
            "change": self.change.to_json() if self.change else None,
            "diff": self.change.diff if self.change else "",
            "gates": [each.to_json() for each in self.results],
            "judge": self.judge,
            "attempts": [each.to_json() for each in self.attempts],
        }


def mend(
    trouble: Trouble,
    bench: Bench,
    gates: Mapping[str, Gate],
    proposers: Mapping[str, Proposer] | None = None,
) -> Mended:
    """Return the first change of a proposer that every gate lets pass, with all that was tried.

    Nothing is written; whoever asked decides what becomes of the change.

    Args:
        trouble: what fails.

        bench: what proposers work with.

        gates: those that look at changes.

        proposers: who is asked; None: all that are installed.

    Raises:
        RepairFailed: no test fails, or the tests cannot be collected.
        SandboxMissing: there is no sandbox; nothing was run.
        EvaluatorFailed: a gate could not find out what it looks for.
    """
    named = with_failing(trouble, bench)
    asked = proposers if proposers is not None else installed_proposers()
    attempts: list[Attempt] = []
    for proposer in sorted(asked.values(), key=lambda each: (each.order, each.name)):
        tried = {**named.tried, **{each.proposer: each.words for each in attempts}}
        for attempt in _attempts(proposer, replace(named, tried=tried), bench, gates):
            attempts.append(attempt)
            if attempt.is_sound:
                return Mended(tuple(attempts), judge_digest())
    return Mended(tuple(attempts), judge_digest())


def installed_proposers() -> dict[str, Proposer]:
    """Return every installed proposer, by name."""
    return discover(FAMILY, Proposer)  # type: ignore[type-abstract]  # the family's base


def installed_gates(*, reading: bool = False) -> dict[str, Gate]:
    """Return every installed gate, by name; with ``reading`` those alone that run no tests."""
    found = discover("honed.gates", Gate)  # type: ignore[type-abstract]  # the family's base
    return {name: each for name, each in found.items() if not reading or each.order < _RUNS_TESTS}


def may_change(file: FileChange, side: Checkout) -> bool:
    """Return whether any change may touch a file so."""
    gate = installed_gates(reading=True)[_PATHS]
    return gate.check(CodeChange("", (file,)), CodeJudge(side, side), Thresholds()).passed


def judged(
    change: CodeChange, judge: Judge, gates: Iterable[Gate], settings: Settings
) -> Iterator[GateResult]:
    """Yield what each gate says of ``change``, the cheap ones first, up to the first that fails.

    Asked are those that look at changes of its purpose, and are not switched off.
    """
    thresholds = Thresholds(test_coverage=settings.test_coverage)
    switched_on = {name.strip() for name in settings.quality_gates.split(",")}
    for gate in sorted(gates, key=lambda each: (each.order, each.name)):
        if change.purpose not in gate.purposes:
            continue
        if not gate.is_always and gate.name not in switched_on:
            continue
        result = gate.check(change, judge, thresholds)
        yield result
        if not result.passed:
            return


def _attempts(
    proposer: Proposer, trouble: Trouble, bench: Bench, gates: Mapping[str, Gate]
) -> Iterator[Attempt]:
    bench.tell(f"{proposer.name} looks for a change")
    try:
        proposed = proposer.propose(trouble, bench)
    except (SandboxEnded, RepairFailed) as error:
        # Tests that end what they run in, or that one cannot use: another may get on with them.
        proposed = Proposed(why_none=str(error))
    if not proposed.changes:
        yield Attempt(proposer.name, proposed)
    for change in proposed.changes[:_MOST_CHANGES]:
        limit_s = bench.court.limits.wall_s
        bench.tell(f"gates look at {change.made_by}; a run of tests has {limit_s:.0f} s at most")
        judge = CodeJudge.of(trouble.folder, change, bench.court)
        results = tuple(judged(change, judge, gates.values(), bench.settings))
        yield Attempt(proposer.name, proposed, change, results)
