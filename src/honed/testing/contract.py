"""What every kind must keep: extend ``KindContract`` in its test, with an ill and a well world."""

import json
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Any, ClassVar, Protocol

import pytest

from honed.core.aftermath import Standing
from honed.core.finding import Finding
from honed.core.gate import Examination
from honed.core.hypothesis import Hypothesis
from honed.core.kind import Kind
from honed.core.risk import MAX_ATTEMPTED_RISK
from honed.core.step import Step, StepState, steps_from_json
from honed.core.target import Target
from honed.core.trial import Arm, Arms, Unit

HEADINGS = ("What it does", "Why it helps", "Risk and rollback", "How it is measured")
#: Runs of each unit on each side of the contract's own small trial.
_RUNS = 3
#: Pairs of runs, one on each side; even, so that each goes first as often.
_PAIRS = 6


class World(Protocol):
    """A small real target, honed's view of it, and the right to change it."""

    @property
    def target(self) -> Target:
        """Return the target as kinds see it."""

    def findings(self) -> Sequence[Finding]:
        """Return what honed observes."""

    def carry_out(self, steps: Sequence[Step]) -> None:
        """Run ``steps`` for real."""

    def inspect(self, step: Step) -> StepState:
        """Return what the target says of ``step``, which must have an ``inspect``."""


@dataclass(frozen=True, slots=True)
class Proposed:
    """What a kind proposed in its ill world, and the target's fingerprint around that."""

    claims: list[Hypothesis]
    steps: list[Step]
    before: str
    after: str


class KindContract:
    """Tests of one kind on real targets; a subclass called ``Test...`` names it and its worlds.

    The worlds are made once for the class; every test leaves them as it found them.
    """

    #: The kind under test.
    kind: ClassVar[Kind[Any]]
    #: The plan of a world in which the kind must find something.
    ill: ClassVar[object]
    #: The plan of a world in which the kind must find nothing, although it is asked.
    well: ClassVar[object]

    @pytest.fixture(scope="class")
    @classmethod
    def ill_world(cls, make_world: Callable[[object], World]) -> World:
        """Return the ill world, made."""
        return make_world(cls.ill)

    @pytest.fixture(scope="class")
    @classmethod
    def well_world(cls, make_world: Callable[[object], World]) -> World:
        """Return the well world, made."""
        return make_world(cls.well)

    @pytest.fixture(scope="class")
    @classmethod
    def proposed(cls, ill_world: World) -> Proposed:
        """Return what the kind proposes in the ill world, with the steps of its best claim."""
        target = ill_world.target
        before = target.fingerprint()
        claims = list(cls.kind.propose(wanted(cls.kind, ill_world), target))
        steps = cls.kind.apply(claims[0], target) if claims else []
        return Proposed(claims, steps, before, target.fingerprint())

    def test_finds_what_is_ill(self, proposed: Proposed) -> None:
        """There is a claim that promises something, with acts that can be run."""
        assert proposed.claims, "the kind finds nothing in its ill world"
        for claim in proposed.claims:
            assert claim.kind == self.kind.name
            assert claim.predicted_log_ratio < 0
            assert claim.subject
            assert claim.claim
        assert proposed.steps
        assert all(step.do for step in proposed.steps)

    @pytest.mark.slow  # Searches that measure take their time twice.
    def test_says_the_same_subject_again(self, ill_world: World, proposed: Proposed) -> None:
        """Claims of the same acts are of one subject, so that refuted ones are known again.

        A search that measures may decide for another of two equals the second time; that is
        another claim.
        """
        target = ill_world.target
        again = list(self.kind.propose(wanted(self.kind, ill_world), target))
        assert again
        for claims in (proposed.claims, again):
            assert len({claim.subject for claim in claims}) == len(claims)
        subject_of = {self._acts(claim, target): claim.subject for claim in proposed.claims}
        for claim in again:
            acts = self._acts(claim, target)
            assert claim.subject == subject_of.get(acts, claim.subject)

    def _acts(self, claim: Hypothesis, target: Target) -> tuple[str, ...]:
        return tuple(act for step in self.kind.apply(claim, target) for act in step.do)

    def test_leaves_what_is_well(self, well_world: World) -> None:
        """The kind is asked about findings or looks by itself, and has nothing to say."""
        findings = wanted(self.kind, well_world)
        looks = type(self.kind).look is not Kind.look
        assert findings or looks, "nobody asked: the well world has no finding that the kind wants"
        assert list(self.kind.propose(findings, well_world.target)) == []

    def test_propose_and_apply_change_nothing(self, proposed: Proposed) -> None:
        """A kind reads and says."""
        assert proposed.before == proposed.after

    def test_improves_what_it_says(self, ill_world: World, proposed: Proposed) -> None:
        """In a small trial the units together cost less with the steps, or every gate passes."""
        trial = self.kind.trial(proposed.claims[0], ill_world.target)
        if isinstance(trial, Examination):
            results = list(trial.examine(proposed.steps))
            assert results
            assert all(each.passed for each in results), results[-1]
            return
        with trial.open(proposed.steps) as arms:
            effects = [unit.weight * effect(arms, unit) for unit in trial.design.units]
        total = sum(unit.weight for unit in trial.design.units)
        assert sum(effects) / total < math.log1p(-trial.design.worthwhile)

    def test_rollback_restores_exactly(self, ill_world: World, proposed: Proposed) -> None:
        """Each step happens, each is taken back, and the target is what it was."""
        steps = proposed.steps
        try:
            for step in steps:
                ill_world.carry_out([step])
                assert not step.inspect or ill_world.inspect(step) is StepState.DONE
        finally:
            ill_world.carry_out(self.kind.rollback(steps))
        assert all(ill_world.inspect(step) is StepState.ABSENT for step in steps if step.inspect)
        assert ill_world.target.fingerprint() == proposed.before

    def test_is_settled_after_apply(self, ill_world: World, proposed: Proposed) -> None:
        """What was done is not proposed again, nor something else in its place."""
        for claim in proposed.claims:
            ill_world.carry_out(self.kind.apply(claim, ill_world.target))
        try:
            assert [
                claim.claim
                for claim in self.kind.propose(wanted(self.kind, ill_world), ill_world.target)
            ] == []
        finally:
            for claim in reversed(proposed.claims):
                ill_world.carry_out(self.kind.rollback(self.kind.apply(claim, ill_world.target)))

    def test_survives_json(self, ill_world: World, proposed: Proposed) -> None:
        """A stored claim says the same acts, and stored steps are the same steps."""
        claim = proposed.claims[0]
        stored = Hypothesis.from_json(json.loads(json.dumps(claim.to_json())))
        assert self.kind.apply(stored, ill_world.target) == proposed.steps
        texts = json.dumps([step.to_json() for step in proposed.steps])
        assert steps_from_json(json.loads(texts)) == proposed.steps

    def test_measures_costs(self, ill_world: World, proposed: Proposed) -> None:
        """A sample of production is finite numbers, none below zero."""
        sample = self.kind.measure(proposed.claims[0], ill_world.target)
        assert all(math.isfinite(value) and value >= 0 for value in sample.values())

    def test_says_no_worth_of_what_nobody_let_in(
        self, ill_world: World, proposed: Proposed
    ) -> None:
        """Of a change that people never saw there is neither harm nor success to tell."""
        since = datetime.now(UTC)
        said = self.kind.aftermath(proposed.claims[0], ill_world.target, since)
        assert said is None or said.standing in {Standing.WAITING, Standing.ENDED}
        assert (said is not None) == self.kind.waits_for_people

    def test_is_documented(self) -> None:
        """The module's docstring has the four headings that its reference page is made of."""
        page = sys.modules[type(self.kind).__module__].__doc__ or ""
        assert [heading for heading in HEADINGS if f"## {heading}" not in page] == []

    def test_has_what_the_loop_needs(self) -> None:
        """Its name is a plain word, it wants something, and it may be attempted."""
        assert self.kind.name.isidentifier()
        assert self.kind.wants
        assert self.kind.area in {"performance", "quality", "features"}
        assert self.kind.risk.needs_person or self.kind.risk.level <= MAX_ATTEMPTED_RISK


def wanted(kind: Kind[Any], world: World) -> list[Finding]:
    """Return the findings of ``world`` that ``kind`` is asked about."""
    findings = (*world.findings(), *kind.look(world.target))
    return [finding for finding in findings if finding.type in kind.wants]


def cost(arm: Arm, unit: Unit) -> float:
    """Return the median cost of ``unit`` on one side of a trial; the first run only warms."""
    return median([arm.run(unit.name) for _ in range(_RUNS + 1)][1:])


def effect(arms: Arms, unit: Unit) -> float:
    """Return the median natural logarithm of candidate / baseline of ``unit``, run in turns.

    Each side goes first as often as the other: what a run leaves behind makes the next one dearer.
    The first pair only warms.
    """
    sides = arms.baseline, arms.candidate
    ratios = []
    for number in range(_PAIRS + 1):
        is_turned = bool(number % 2)
        costs = [side.run(unit.name) for side in (sides[::-1] if is_turned else sides)]
        before, after = costs[::-1] if is_turned else costs
        ratios.append(math.log(after / before))
    return median(ratios[1:])
