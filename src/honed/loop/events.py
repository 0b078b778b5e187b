"""What the loop tells whoever watches it, as it happens.

Events are for display only: they are told after the commit of what they tell, they can be missed,
and nothing depends on them. What must be kept is in the store.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from honed.core.finding import Finding
from honed.core.hypothesis import Hypothesis
from honed.core.verdict import Outcome, State, Verdict


@dataclass(frozen=True, slots=True)
class CycleStarted:
    """A cycle begins to look at its target."""

    cycle_id: int
    target: str
    dry_run: bool


@dataclass(frozen=True, slots=True)
class FindingSeen:
    """The analysis found something."""

    cycle_id: int
    finding: Finding


@dataclass(frozen=True, slots=True)
class PluginFailed:
    """A kind or a detector raised something; the cycle goes on without it."""

    cycle_id: int
    plugin: str
    error: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A claim was not proposed, because it is known already."""

    cycle_id: int
    hypothesis: Hypothesis
    reason: str


@dataclass(frozen=True, slots=True)
class Proposed:
    """A claim became an improvement."""

    improvement_id: int
    cycle_id: int
    hypothesis: Hypothesis


@dataclass(frozen=True, slots=True)
class TrialStarted:
    """A trial opens its worlds."""

    improvement_id: int
    kind: str
    claim: str


@dataclass(frozen=True, slots=True)
class TrialPair:
    """A trial has measured one more pair. Effects are logarithms of cost after / cost before."""

    improvement_id: int
    pairs: int
    effect: float
    #: Confidence sequence of the effect; infinite with little data.
    low: float
    high: float
    #: What the judge would say now.
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class GateChecked:
    """A gate has looked at a claim."""

    improvement_id: int
    gate: str
    reason: str
    passed: bool


@dataclass(frozen=True, slots=True)
class VerdictGiven:
    """A trial has ended."""

    improvement_id: int
    verdict: Verdict
    reason: str
    effect: float | None
    state: State


@dataclass(frozen=True, slots=True)
class Decided:
    """Somebody, or the policy, said what may become of a proven improvement."""

    improvement_id: int
    state: State
    digest: str
    reason: str


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A step is about to run on the target."""

    improvement_id: int
    #: ``do`` or ``undo``.
    direction: str
    ordinal: int
    description: str


@dataclass(frozen=True, slots=True)
class StepEnded:
    """A step has ended."""

    improvement_id: int
    direction: str
    ordinal: int
    description: str
    #: As in ``honed.effect``: done, failed, found_done, cleaned_up or not_needed.
    outcome: str
    duration_s: float


@dataclass(frozen=True, slots=True)
class Applied:
    """Every step is done; production is watched from now on."""

    improvement_id: int
    #: Whether it was handed to people, who decide about it.
    waits_for_people: bool = False


@dataclass(frozen=True, slots=True)
class WatchPair:
    """One more stretch of production was compared with one before the change."""

    improvement_id: int
    pairs: int
    #: Pairs until the watch ends.
    needed: int
    before: Mapping[str, float]
    after: Mapping[str, float]
    effect: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class RolledBack:
    """A change was taken back."""

    improvement_id: int
    reason: str
    outcome: Outcome | None


@dataclass(frozen=True, slots=True)
class Kept:
    """A change has held up in production."""

    improvement_id: int
    outcome: Outcome | None
    #: None: production did not exercise it.
    effect: float | None
    #: Why, where it is no cost of production that tells it.
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """An improvement, or a whole cycle, has failed."""

    #: 0: the cycle itself.
    improvement_id: int
    cycle_id: int
    error: str


@dataclass(frozen=True, slots=True)
class ChangeMoved:
    """A request for review was merged, closed or opened again, or could not be merged now."""

    change_id: int
    target_id: int
    target: str
    title: str
    #: ``merged``, ``closed``, ``reopened`` or ``not merged``.
    became: str
    #: Why, where somebody said it.
    reason: str


@dataclass(frozen=True, slots=True)
class Parked:
    """A message waits: honed was told to stop, the target is away, or another cycle is busy."""

    task: str
    target_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class Dropped:
    """A message ended without being handled: its target was removed."""

    task: str
    target_id: int
    target: str
    reason: str


@dataclass(frozen=True, slots=True)
class CycleEnded:
    """Nothing is left to do in a cycle without a person."""

    cycle_id: int
    target: str
    next_delay_s: float


Event: TypeAlias = (
    CycleStarted
    | FindingSeen
    | PluginFailed
    | LeftOut
    | Proposed
    | TrialStarted
    | TrialPair
    | GateChecked
    | VerdictGiven
    | Decided
    | StepStarted
    | StepEnded
    | Applied
    | WatchPair
    | RolledBack
    | Kept
    | Failed
    | ChangeMoved
    | Parked
    | Dropped
    | CycleEnded
)

#: Must return soon and never raise: it is called from the loop's own threads.
OnEvent: TypeAlias = Callable[[Event], None]
