"""What production says of a change: its time without the drift, its pages, each unit by itself."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from honed.config import Settings
from honed.core.canonical import Json
from honed.core.target import Interval as Stretch
from honed.core.trial import GUARD, GUARD_WEIGHT, TrialDesign, Unit
from honed.core.verdict import Verdict
from honed.experiments.blocks import ArmName
from honed.experiments.differences import Costs, objective_differences, unit_differences
from honed.experiments.judge import judge
from honed.experiments.judgement import Judgement
from honed.experiments.record import StoredTrial, load_last_trial
from honed.improvement.record import json_text
from honed.stats.compare import Comparison, Rule, compare
from honed.stats.intervals import Interval, mean_interval, welch
from honed.storage.db import Connection
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.loop")

#: Pairs before the first look: a single odd stretch of production must not take a change back. No
#: two pairs share a stretch, so as many stretches from before the change are needed.
MIN_PAIRS = 4
#: Smallest change of pages that means anything: they have hardly any noise, so less would be
#: proven too.
LEAST_PAGES = 0.02
#: Executing a statement is taken to be at least this share of planning and executing it.
_LEAST_EXECUTION = 0.1


@dataclass(frozen=True, slots=True)
class Pair:
    """Production in one stretch before the change, and in one or more after it."""

    ordinal: int
    before_at: Stretch
    after_at: Stretch
    #: Cost by unit; lower is better.
    before: Costs
    after: Costs
    #: Calls before the change, by unit: the mix that totals are made of.
    mix: Mapping[str, float] = field(default_factory=dict)
    #: Pages of a call, by unit; of units that are no statements there are none.
    pages_before: Costs = field(default_factory=dict)
    pages_after: Costs = field(default_factory=dict)
    #: Logarithm of after / before of what the change does not touch; None: too little to tell.
    drift: float | None = None
    #: How many statements that the change does not touch tell it.
    controls: int = 0
    #: Units that gave other numbers of rows than before: other things were asked of them.
    left_out: tuple[str, ...] = ()

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Pair":
        """Return the pair of one row of ``honed.watch_pair``."""
        names = ("before_start", "before_end", "after_start", "after_end")
        times = [row[name] for name in names]
        same = {name: value for name, value in row.items() if name not in names}
        read = {"left_out": tuple(row["left_out"])}
        return cls(**{**same, **read}, before_at=Stretch(*times[:2]), after_at=Stretch(*times[2:]))

    @property
    def without_drift(self) -> Costs:
        """The costs after the change, as they would be without the drift."""
        return {name: cost * math.exp(-(self.drift or 0.0)) for name, cost in self.after.items()}


@dataclass(frozen=True, slots=True)
class UnitEvidence:
    """What production says of one unit. Effects are natural logarithms of after / before."""

    unit: str
    #: Readings on either side.
    pairs: int
    #: Of its cost, without the drift: Welch's interval on readings.
    cost: Interval
    #: Of its pages; None: they are not counted.
    pages: float | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What production says of a change. Effects are natural logarithms of after / before."""

    #: By the shared judge, valid however often one looks.
    time: Judgement
    #: The same for one look at the end.
    time_at_end: Interval
    #: Pages of all that it touches, writers too, at the mix of calls from before the change.
    pages: Comparison
    pages_at_end: Interval
    #: Mean over the pairs that have one; None: nothing untouched to compare with.
    drift: float | None
    #: Statements that the change does not touch, in the pair that has fewest of them.
    controls: int
    units: tuple[UnitEvidence, ...]
    #: What the trial measured of the units that production exercised.
    foretold: float | None

    @property
    def gains_time(self) -> bool:
        """Whether a gain in time is shown, at the end of a watch."""
        return self.time_at_end.high < 0.0

    @property
    def gains_pages(self) -> bool:
        """Whether a gain in pages is shown, at the end of a watch."""
        return self.pages_at_end.high < math.log1p(-LEAST_PAGES)

    @property
    def harm(self) -> str:
        """What shows that the change harms, whenever one looks: time, pages or both; empty: none.

        More pages are no harm to those who wait less.
        """
        costs_pages = self.pages.low > math.log1p(LEAST_PAGES)
        if self.time.verdict is Verdict.WORSE:
            return "time and pages" if costs_pages else "time"
        return "pages" if costs_pages and self.time.effect > 0 else ""

    def to_json(self) -> dict[str, Json]:
        """Return what history and ledger keep of it."""
        return {
            "pairs": self.time.pairs,
            "time": _finite(self.time_at_end),
            "pages": _finite(self.pages_at_end) if self.pages.pairs else None,
            "drift": self.drift,
            "controls": self.controls,
            "units": [
                {"unit": each.unit, "pairs": each.pairs, **_finite(each.cost), "pages": each.pages}
                for each in self.units
            ],
        }


def weigh(pairs: Sequence[Pair], trial: StoredTrial | None, *, alpha: float) -> Evidence | None:
    """Return what the pairs say of a change, a pure function; None: nothing yet.

    The units of the trial keep their weights; any other unit weighs 1, but for those that only
    guard, of which one can still take the change back. Costs after the change are taken without
    the drift of what it does not touch; pages need no such correction.
    """
    names = sorted({name for pair in pairs for name in pair.before.keys() & pair.after.keys()})
    if not names:
        return None
    design = _design(names, trial, alpha)
    corrected = [(pair.before, pair.without_drift) for pair in pairs]
    differences = objective_differences(unit_differences(corrected, design.units), design.units)
    pages = [ratio for pair in pairs if (ratio := _pages_ratio(pair)) is not None]
    drifts = [pair.drift for pair in pairs if pair.drift is not None]
    return Evidence(
        time=judge(corrected, design),
        time_at_end=mean_interval(differences, alpha=alpha),
        pages=compare(pages, Rule(alpha, design.prior_variance, min_pairs=MIN_PAIRS)),
        pages_at_end=mean_interval(pages, alpha=alpha),
        drift=math.fsum(drifts) / len(drifts) if drifts else None,
        controls=min((pair.controls for pair in pairs), default=0),
        units=tuple(_unit_evidence(name, pairs, alpha) for name in names),
        foretold=_foretold(design.units, trial),
    )


def stored_pairs(conn: Connection, improvement_id: int) -> list[Pair]:
    """Return what was compared so far, oldest first."""
    rows = conn.execute(_QUERIES["list_watch_pairs"], {"improvement_id": improvement_id})
    return [Pair.from_row(row) for row in rows]


def store_pairs(conn: Connection, improvement_id: int, pairs: Iterable[Pair]) -> None:
    """Keep new comparisons."""
    for pair in pairs:
        row: dict[str, Any] = {
            "improvement_id": improvement_id,
            "ordinal": pair.ordinal,
            "before_start": pair.before_at.start,
            "before_end": pair.before_at.end,
            "after_start": pair.after_at.start,
            "after_end": pair.after_at.end,
            "drift": pair.drift,
            "controls": pair.controls,
            "left_out": list(pair.left_out),
        }
        values = ("before", "after", "mix", "pages_before", "pages_after")
        row |= {name: json_text(getattr(pair, name)) for name in values}
        conn.execute(_QUERIES["store_watch_pair"], row)


def stored_evidence(conn: Connection, improvement_id: int, settings: Settings) -> Evidence | None:
    """Return what production has said of a change so far; None: nothing."""
    trial = load_last_trial(conn, improvement_id)
    return weigh(stored_pairs(conn, improvement_id), trial, alpha=settings.alpha)


def account(
    evidence: Evidence | None, effect: float | None, decided_by: str = ""
) -> dict[str, Json]:
    """Return what history and ledger say of how production judged a change.

    ``honed.prediction_quality`` reads what was foretold, and what was shown, from there.

    Args:
        evidence: what production said; None: nothing.

        effect: natural logarithm of cost after / before; None: it counts for nothing.

        decided_by: what decided; empty: a person, or nothing.
    """
    if evidence is None:
        return {}
    return {
        "decided_by": decided_by,
        "foretold_log_ratio": evidence.foretold,
        "production_log_ratio": effect,
        "production": evidence.to_json(),
    }


def _design(names: Sequence[str], trial: StoredTrial | None, alpha: float) -> TrialDesign:
    weights = {unit.name: unit.weight for unit in trial.design.units} if trial else {}
    weights |= {name: GUARD_WEIGHT for name in names if name.startswith(GUARD)}
    return TrialDesign(
        units=tuple(Unit(name, weights.get(name, 1.0)) for name in names),
        metric="production",
        min_pairs=MIN_PAIRS,
        alpha=alpha,
    )


def _pages_ratio(pair: Pair) -> float | None:
    """Return the logarithm of all pages after / before, each unit called as often as before."""
    both = pair.pages_before.keys() & pair.pages_after.keys() & pair.mix.keys()
    before = math.fsum(pair.mix[name] * pair.pages_before[name] for name in both)
    after = math.fsum(pair.mix[name] * pair.pages_after[name] for name in both)
    return math.log(after / before) if before > 0 and after > 0 else None


def _unit_evidence(name: str, pairs: Sequence[Pair], alpha: float) -> UnitEvidence:
    measured = [pair for pair in pairs if name in pair.before and name in pair.after]
    counted = [p for p in measured if name in p.pages_before and name in p.pages_after]
    pages = [math.log(p.pages_after[name] / p.pages_before[name]) for p in counted]
    return UnitEvidence(
        unit=name,
        pairs=len(measured),
        cost=welch(
            [math.log(pair.before[name]) for pair in measured],
            [math.log(pair.without_drift[name]) for pair in measured],
            alpha=alpha,
        ),
        pages=math.fsum(pages) / len(pages) if pages else None,
    )


def _foretold(units: Iterable[Unit], trial: StoredTrial | None) -> float | None:
    """Return what the trial measured of these units; of others than its own its whole effect.

    What a trial tolerated was taken off the costs that it stored, and production forgives nothing.
    A trial counts planning, which users wait for too; production's counters do not.
    """
    if trial is None or not trial.judgement:
        return None
    tolerated = math.log1p(trial.design.tolerated)
    said: Mapping[str, Any] = trial.judgement
    effects = {
        each["unit"]: _execution(each["unit"], each["effect"], trial) for each in said["units"]
    }
    known = [unit for unit in units if unit.name in effects]
    if not known:
        return float(said["objective"]["effect"]) + tolerated
    weight = math.fsum(unit.weight for unit in known)
    return math.fsum(unit.weight * effects[unit.name] for unit in known) / weight + tolerated


def _execution(unit: str, effect: float, trial: StoredTrial) -> float:
    """Return ``effect`` without what planning took on both sides, where the trial tells that."""
    known: Any = trial.facts.get("planning_s")
    costs = [
        block.costs[unit]
        for block in trial.blocks
        if block.arm is ArmName.BASELINE and unit in block.costs
    ]
    if not known or unit not in known or not costs:
        return effect
    before_s = median(costs)
    left = [
        # Planning is measured by itself, so what is left of a short statement is no exact number.
        max(total_s - planning_s, _LEAST_EXECUTION * total_s)
        for total_s, planning_s in zip(
            (before_s, before_s * math.exp(effect)), known[unit], strict=True
        )
    ]
    return math.log(left[1] / left[0])


def _finite(interval: Interval) -> dict[str, Json]:
    """Return an interval as JSON; an infinite bound becomes null."""
    return {
        name: value if math.isfinite(value) else None for name, value in asdict(interval).items()
    }
