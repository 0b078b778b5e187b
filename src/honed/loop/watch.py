"""The watch: production before a change against production after it, stretch by stretch."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import fmean
from typing import Any

from honed.config import Settings
from honed.core.target import Interval, Target
from honed.core.trial import GUARD, GUARD_WEIGHT, TrialDesign, Unit
from honed.experiments.differences import Costs
from honed.experiments.judge import judge
from honed.experiments.judgement import Judgement
from honed.experiments.record import load_last_trial
from honed.improvement.record import Improvement, json_text
from honed.loop.boundary import asking
from honed.loop.parts import AnyKind
from honed.storage.db import Connection
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.loop")

#: Pairs before the first look: a single odd stretch of production must not take a change back. No
#: two pairs share a stretch, so as many stretches from before the change are needed.
MIN_PAIRS = 4
#: A watch ends after so many times the stretches that it needs, even where production does not
#: exercise what was changed.
PATIENCE = 3


@dataclass(frozen=True, slots=True)
class Pair:
    """Production in one stretch before the change, and in one or more after it."""

    ordinal: int
    before_at: Interval
    after_at: Interval
    #: Cost by unit; lower is better.
    before: Mapping[str, float]
    after: Mapping[str, float]

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Pair":
        """Return the pair of one row of ``honed.watch_pair``."""
        return cls(
            ordinal=row["ordinal"],
            before_at=Interval(row["before_start"], row["before_end"]),
            after_at=Interval(row["after_start"], row["after_end"]),
            before=row["before"],
            after=row["after"],
        )


@dataclass(frozen=True, slots=True)
class Watched:
    """What one look at production adds to a watch."""

    #: Pairs that were not there before.
    new: tuple[Pair, ...]
    #: Undisturbed stretches since the change, whether production exercised it in them or not.
    stretches: int
    #: Stretches before the change; there are no more pairs than that.
    bases: int
    #: Whether trials and changes disturbed some of those, for want of enough others. They make
    #: production before look dearer than it was: what is worse even so is worse; no gain counts.
    is_disturbed: bool = False

    @property
    def no_baseline(self) -> str:
        """Why nothing can be told where there are too few stretches before the change."""
        return (
            f"there are only {self.bases} readings of production before it, and it takes"
            f" {MIN_PAIRS} to compare with"
        )


def stored_pairs(conn: Connection, improvement_id: int) -> list[Pair]:
    """Return what was compared so far, oldest first."""
    rows = conn.execute(_QUERIES["list_watch_pairs"], {"improvement_id": improvement_id})
    return [Pair.from_row(row) for row in rows]


def store_pairs(conn: Connection, improvement_id: int, pairs: Sequence[Pair]) -> None:
    """Keep new comparisons."""
    for pair in pairs:
        conn.execute(
            _QUERIES["store_watch_pair"],
            {
                "improvement_id": improvement_id,
                "ordinal": pair.ordinal,
                "before_start": pair.before_at.start,
                "before_end": pair.before_at.end,
                "after_start": pair.after_at.start,
                "after_end": pair.after_at.end,
                "before": json_text(pair.before),
                "after": json_text(pair.after),
                "control": False,
            },
        )


def judged(
    conn: Connection, improvement_id: int, pairs: Sequence[Pair], settings: Settings
) -> Judgement | None:
    """Return what the pairs say of a change; None: nothing yet.

    The units of the trial keep their weights; any other unit weighs 1, but for those that only
    guard, of which one can still take the change back. There is no control:
    slow drift of production may take a good change back, which a later cycle proposes again,
    while a control that drifts would let a bad one stay. What got worse may have another cause
    than the change.
    """
    names = sorted({name for pair in pairs for name in pair.before.keys() & pair.after.keys()})
    if not names:
        return None
    trial = load_last_trial(conn, improvement_id)
    weights = {unit.name: unit.weight for unit in trial.design.units} if trial else {}
    weights |= {name: GUARD_WEIGHT for name in names if name.startswith(GUARD)}
    design = TrialDesign(
        units=tuple(Unit(name, weights.get(name, 1.0)) for name in names),
        metric="production",
        min_pairs=MIN_PAIRS,
        max_pairs=settings.watch_intervals,
        alpha=settings.alpha,
    )
    return judge([(pair.before, pair.after) for pair in pairs], design)


def production_effect(conn: Connection, improvement_id: int, settings: Settings) -> float | None:
    """Return the logarithm of cost after / before in production; None where it was not measured."""
    judgement = judged(conn, improvement_id, stored_pairs(conn, improvement_id), settings)
    return judgement.effect if judgement and math.isfinite(judgement.effect) else None


def window_start(improvement: Improvement, settings: Settings) -> datetime:
    """Return from when on production before the change counts."""
    assert improvement.applying_at is not None  # noqa: S101 - it was applied
    return improvement.applying_at - timedelta(hours=settings.lookback_hours)


def disturbances(conn: Connection, target_id: int, since: datetime) -> list[Interval]:
    """Return when trials and changes may have slowed the target; one that goes on ends far off."""
    rows = conn.execute(_QUERIES["disturbances"], {"target_id": target_id, "since": since})
    return [Interval(row["began_at"], row["ended_at"]) for row in rows]


def look(  # noqa: PLR0913 - a look needs that many things, half of them by name
    kind: AnyKind,
    target: Target,
    improvement: Improvement,
    *,
    stored: Sequence[Pair],
    disturbed: Sequence[Interval],
    settings: Settings,
) -> Watched:
    """Compare what is new of production with stretches from before the change, each used once.

    The stretches before are the last ones before the change, as many as the watch is long. Where
    there are fewer, there are fewer pairs, and each compares one of them with the mean of several
    stretches after the change: to compare one stretch again and again would count its own noise
    as evidence each time. Stretches in which a trial or a change disturbed the target are left
    out; before the change only where enough others are left. Where the kind says from when on
    production counts, earlier stretches are none.

    Raises:
        KindFailed: the kind's ``measure`` or ``compares_from`` raised something.
    """
    applied_at, applying_at = improvement.applied_at, improvement.applying_at
    assert applied_at is not None  # noqa: S101 - it was applied
    assert applying_at is not None  # noqa: S101 - likewise
    since = window_start(improvement, settings)
    with asking(kind.name):
        since = max(since, kind.compares_from(improvement.hypothesis) or since)
    until = target.intervals(since=since, until=applying_at)
    every = [each for each in until if each.end <= applying_at]
    calm = _calm(every, disturbed)
    before = (calm if len(calm) >= MIN_PAIRS else every)[-settings.watch_intervals :]
    after = _calm(target.intervals(since=applied_at, until=None), disturbed)
    after = [each for each in after if each.start >= applied_at]
    compare = _Comparison(kind, target, improvement, before, settings.watch_intervals)
    is_disturbed = len(calm) < MIN_PAIRS <= len(before)
    return Watched(tuple(compare.pairs(after, stored)), len(after), len(before), is_disturbed)


def stretches_of_pair(ordinal: int, *, bases: int, needed: int) -> int:
    """Return how many stretches after a change its pair number ``ordinal``, from 0, compares.

    The ``needed`` stretches of a watch are dealt as evenly as they go to the ``bases`` stretches
    before the change, of which there are at most ``needed``. So no two pairs share a stretch, and
    pairs are as independent as the stretches of production are, which the e-process asks for.
    """
    return (ordinal + 1) * needed // bases - ordinal * needed // bases


@dataclass(frozen=True, slots=True)
class _Comparison:
    kind: AnyKind
    target: Target
    improvement: Improvement
    before: Sequence[Interval]
    #: Stretches after the change that the watch compares in all.
    needed: int

    def pairs(self, after: Sequence[Interval], stored: Sequence[Pair]) -> Iterator[Pair]:
        """Yield the pairs that the stretches after the last stored one complete."""
        known = stored[-1].after_at.end if stored else None
        used = {pair.before_at for pair in stored}
        unused = [base for base in self.before if base not in used]
        ordinal, block = len(stored), list[tuple[Interval, Costs]]()
        for stretch in after:
            if known is not None and stretch.start < known:
                continue
            costs = self._measure(stretch) if unused else {}
            if not _exercised(costs):
                continue
            block.append((stretch, costs))
            if len(block) < self._length(ordinal):
                continue
            pair, block = self._pair(ordinal, block, unused), []
            if pair is not None:
                unused.remove(pair.before_at)
                ordinal += 1
                yield pair

    def _length(self, ordinal: int) -> int:
        return stretches_of_pair(ordinal, bases=len(self.before), needed=self.needed)

    def _pair(
        self, ordinal: int, block: Sequence[tuple[Interval, Costs]], unused: Sequence[Interval]
    ) -> Pair | None:
        """Return ``block`` with the first unused stretch that has something in common with it."""
        after = _mean([costs for _, costs in block])
        after_at = Interval(block[0][0].start, block[-1][0].end)
        for base in unused:
            before = self._measure(base)
            if _exercised(before) & after.keys():
                return Pair(ordinal, base, after_at, before, after)
        return None

    def _measure(self, interval: Interval) -> Costs:
        with asking(self.kind.name):
            costs = self.kind.measure(self.improvement.hypothesis, self.target.during(interval))
        # A cost of nothing has no logarithm: it was not exercised.
        return {name: float(c) for name, c in costs.items() if math.isfinite(c) and c > 0}


def _mean(block: Sequence[Costs]) -> Costs:
    """Return the geometric mean of each unit over the stretches that exercised it."""
    return {
        name: math.exp(fmean(math.log(costs[name]) for costs in block if name in costs))
        for name in sorted({name for costs in block for name in costs})
    }


def _exercised(costs: Costs) -> set[str]:
    """Return the units that a pair can be made of; those that only guard are none."""
    return {name for name in costs if not name.startswith(GUARD)}


def _calm(stretches: Sequence[Interval], disturbed: Sequence[Interval]) -> list[Interval]:
    return [
        each
        for each in stretches
        if not any(each.start < other.end and other.start < each.end for other in disturbed)
    ]
