"""What the judge says of a trial, as values that can be stored and shown."""

import math
from dataclasses import dataclass
from enum import StrEnum

from honed.core.canonical import Json
from honed.core.verdict import Verdict
from honed.stats.compare import Comparison


class Guardrail(StrEnum):
    """What is known of one unit and the most that it may become slower."""

    #: Shown to stay within the margin.
    CLEARED = "cleared"
    #: Shown to exceed the margin.
    VIOLATED = "violated"
    #: Neither yet.
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class UnitEffect:
    """What the change does to one unit. Effects are natural logarithms of after / before."""

    unit: str
    #: Pairs that measured it on both sides.
    pairs: int
    effect: float
    median: float
    #: Two-sided confidence sequence at the design's alpha; infinite with little data. Clearing is
    #: a one-sided claim, so a cleared unit's interval may still reach beyond the margin.
    low: float
    high: float
    guardrail: Guardrail
    #: Natural logarithm of the e-value for "stays within the margin".
    within_log_e: float
    #: Natural logarithm of the e-value for "exceeds the margin".
    beyond_log_e: float

    def to_json(self) -> dict[str, Json]:
        """Return the effect as plain JSON; an infinite bound becomes null."""
        return {
            "unit": self.unit,
            "pairs": self.pairs,
            "effect": self.effect,
            "median": self.median,
            "low": self.low if math.isfinite(self.low) else None,
            "high": self.high if math.isfinite(self.high) else None,
            "guardrail": self.guardrail.value,
            "within_log_e": self.within_log_e,
            "beyond_log_e": self.beyond_log_e,
        }


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict of a trial with everything that it rests on."""

    verdict: Verdict
    #: One sentence for a person.
    reason: str
    #: Weighted mean over the units.
    objective: Comparison
    #: Sum of the costs of one execution of each unit.
    total_cost: Comparison
    units: tuple[UnitEffect, ...]
    #: Baseline against a second copy of itself.
    control: Comparison
    #: Natural logarithm of the e-value for "the baseline differs from its own copy".
    control_log_e: float
    #: Natural logarithm of the e-value for IMPROVED as a whole: the least of its parts. What the
    #: portfolio (e-LOND) is fed with.
    log_e: float

    @property
    def pairs(self) -> int:
        """Pairs that the objective rests on."""
        return self.objective.pairs

    @property
    def effect(self) -> float:
        """The objective's effect: mean natural logarithm of after / before."""
        return self.objective.effect

    @property
    def interval(self) -> tuple[float, float]:
        """The objective's confidence sequence, low and high."""
        return self.objective.interval

    def named(self, guardrail: Guardrail) -> tuple[str, ...]:
        """Return the units whose guardrail is in that state, in the order of the design."""
        return tuple(unit.unit for unit in self.units if unit.guardrail is guardrail)

    def to_json(self) -> dict[str, Json]:
        """Return the judgement as plain JSON."""
        return {
            "verdict": self.verdict.value,
            "reason": self.reason,
            "objective": self.objective.to_json(),
            "total_cost": self.total_cost.to_json(),
            "units": [unit.to_json() for unit in self.units],
            "control": self.control.to_json(),
            "control_log_e": self.control_log_e,
            "log_e": self.log_e,
        }
