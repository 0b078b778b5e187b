"""A trial that cannot be run says nothing about the claim; a kind that raises costs its claim."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from honed.core.step import Step
from honed.core.trial import Arm, Arms, Trial, TrialDesign
from honed.core.verdict import State, Verdict
from honed.errors import EvaluatorFailed
from honed.loop.cycle import Options
from honed.loop.events import Event, TrialPair
from honed.testing.pets import PetKind, PetShop

DRY = Options()


@dataclass
class LookingArm:
    """Runs what another arm runs, after a look at the target."""

    arm: Arm
    look: Callable[[], object]

    def run(self, unit: str) -> float:
        self.look()
        return self.arm.run(unit)


@dataclass
class LookingTrial:
    """A trial that looks at something before each measurement."""

    trial: Trial
    look: Callable[[], object]

    @property
    def design(self) -> TrialDesign:
        return self.trial.design

    @contextmanager
    def open(self, steps: Sequence[Step]) -> Iterator[Arms]:
        with self.trial.open(steps) as arms:
            baseline, candidate = (
                LookingArm(arm, self.look) for arm in (arms.baseline, arms.candidate)
            )
            yield replace(arms, baseline=baseline, candidate=candidate)


@dataclass
class LookingKind(PetKind):
    """A kind whose trial looks at something before each measurement."""

    peek: Callable[[Any], object] = lambda _: None

    def trial(self, hypothesis: Any, target: Any) -> Trial:
        return LookingTrial(super().trial(hypothesis, target), lambda: self.peek(target))


def raising(error: Exception) -> Callable[[Any], object]:
    def look(_: Any) -> object:
        raise error

    return look


def test_evaluator_that_fails_is_no_refutation(pet_shop: PetShop) -> None:
    pet_shop.kind = LookingKind(peek=raising(EvaluatorFailed("the scales are broken")))
    pet_shop.turn(DRY)
    improvement = pet_shop.improvement()
    assert (improvement.state, improvement.verdict) == (State.INCONCLUSIVE, Verdict.ERROR)
    assert "the scales are broken" in improvement.error
    assert improvement.measured_log_ratio is None
    pet_shop.kind = PetKind()
    pet_shop.turn(DRY)
    assert [each.state for each in pet_shop.improvements()] == [State.INCONCLUSIVE, State.DRY_RUN]


def test_target_that_goes_away_in_the_middle_of_a_trial(pet_shop: PetShop, door: Any) -> None:
    def shut(event: Event) -> None:
        if isinstance(event, TrialPair) and event.pairs == 2:
            door.shut()

    pet_shop.kind = LookingKind(peek=lambda target: target.query("SELECT 1"))
    pet_shop.react = shut
    pet_shop.read(10)
    pet_shop.ask(DRY)
    pet_shop.work()
    improvement = pet_shop.improvement()
    assert (improvement.state, improvement.verdict) == (State.INCONCLUSIVE, Verdict.ERROR)
    assert improvement.error
    door.open()
    pet_shop.react = lambda _: None
    pet_shop.turn(DRY)
    assert pet_shop.improvements()[-1].state is State.DRY_RUN


def test_kind_whose_trial_raises_costs_its_claim(pet_shop: PetShop) -> None:
    pet_shop.kind = LookingKind(peek=raising(KeyError("oops")))
    cycle = pet_shop.turn(DRY)
    improvement = pet_shop.improvement()
    assert (improvement.state, improvement.verdict) == (State.FAILED, None)
    assert "pets raised KeyError: 'oops'" in improvement.error
    assert cycle.finished_at is not None


def test_kind_that_cannot_say_its_steps_costs_its_claim(pet_shop: PetShop) -> None:
    class Dumb(PetKind):
        def apply(self, hypothesis: Any, target: Any) -> list[Step]:
            msg = "odd"
            raise ValueError(msg)

    pet_shop.configure(max_attempts=1)
    pet_shop.kind = Dumb()
    pet_shop.turn(DRY)
    assert pet_shop.improvement().state is State.FAILED
    assert "odd" in pet_shop.improvement().error


def test_kind_that_names_no_step_has_failed(pet_shop: PetShop) -> None:
    pet_shop.kind.claims = (replace(pet_shop.kind.claims[0], steps=()),)

    class Empty(PetKind):
        def propose(self, findings: Any, target: Any) -> Any:
            claims, self.claims = self.claims, PetKind().claims
            yield from super().propose(findings, target)
            self.claims = claims

    pet_shop.kind = Empty(pet_shop.kind.claims)
    pet_shop.turn(DRY)
    assert pet_shop.improvement().error == "the kind names no step"
