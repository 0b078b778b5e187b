"""A trial: where and how a hypothesis is proven or refuted, away from production."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from honed.core.canonical import Json
from honed.core.step import Step

#: Begins the name of a unit that only guards: it must not become dearer, but no mean counts it.
GUARD = "guard "
#: What such a unit weighs where each unit must weigh something.
GUARD_WEIGHT = 1e-9


@dataclass(frozen=True, slots=True)
class Unit:
    """One thing whose cost is measured: a statement of the workload, a test, an inference."""

    #: Stable name; the key of its block values.
    name: str
    #: Its share in the objective; weights need not add up to 1.
    weight: float = 1.0
    #: Executions of which one block takes the median.
    repeats: int = 1
    #: Whether one execution takes so long that what the other arm left in the caches does not show
    #: in it: then nothing of it needs to be dropped.
    needs_washout: bool = True
    #: Added to both costs before a guardrail compares them: where one execution costs much less, a
    #: tenth of it is nothing to anybody.
    floor: float = 0.0


@dataclass(frozen=True, slots=True)
class TrialDesign:
    """How a trial is run and judged. Every number is recorded with the verdict.

    Effects are natural logarithms of cost after / cost before, so negative is better.
    """

    units: tuple[Unit, ...]
    #: What one number is, with its unit, for instance ``backend_cpu_s``.
    metric: str
    min_pairs: int = 8
    max_pairs: int = 60
    time_budget_s: float = 600.0
    #: Bound on the probability of a wrong verdict, whenever one looks.
    alpha: float = 0.05
    #: Prior variance of the standardised effect in the t-mixture (research: 0.3 to 0.5 for blocks).
    prior_variance: float = 0.4
    #: Smallest gain worth a change, as a share: 0.02 is 2 %.
    worthwhile: float = 0.02
    #: Effects within +- this share count as equal.
    equivalence: float = 0.03
    #: No unit may become slower by more than this share.
    guardrail_margin: float = 0.10
    #: A change that only takes away what honed did before may leave production dearer by so much,
    #: as a share, and need not show a gain there. 0: it is to better something.
    tolerated: float = 0.0
    #: Executions dropped after each switch from one arm to the other.
    washout: int = 1
    #: Share of pairs that compare the baseline with itself.
    control_share: float = 0.1


class Arm(Protocol):
    """One of the two worlds that a trial compares."""

    def run(self, unit: str) -> float:
        """Run ``unit`` once and return its cost in the design's metric.

        Raises:
            EvaluatorFailed: the measurement itself failed; the verdict becomes ERROR.
        """


@dataclass(frozen=True, slots=True)
class Arms:
    """The worlds of one trial, open for measuring."""

    baseline: Arm
    candidate: Arm
    #: A second copy of the baseline: the A/A control.
    control: Arm
    #: What building the candidate cost and what it was built on: bytes, write cost, versions. Some
    #: may come at the end: ``planning_s``, by unit what planning takes in both worlds.
    facts: Mapping[str, Json] = field(default_factory=dict)
    #: Says how many times as long as on an idle machine measuring takes now: the time budget grows
    #: with it. Waiting for the disk looks the same, see ``Slowdown``. Where costs are elapsed time
    #: nothing can be said, and it is 1.
    slowdown: Callable[[], float] = lambda: 1.0


class Trial(Protocol):
    """Where and how one hypothesis is tried."""

    @property
    def design(self) -> TrialDesign:
        """How it is run and judged."""

    def open(self, steps: Sequence[Step]) -> AbstractContextManager[Arms]:
        """Build the worlds, run ``steps`` in the candidate's, and hand them out for measuring."""
