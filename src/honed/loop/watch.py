"""The watch: which stretches of production before a change are compared with which after it."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import fmean

from honed.config import Settings
from honed.core.target import Interval, Target, Usage
from honed.core.trial import GUARD
from honed.experiments.differences import Costs
from honed.improvement.record import Improvement
from honed.loop.boundary import asking
from honed.loop.evidence import MIN_PAIRS, Pair
from honed.loop.parts import AnyKind
from honed.stats.drift import common_drift
from honed.storage.db import Connection
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.loop")

#: A watch ends after so many times the stretches that it needs, even where production does not
#: exercise what was changed.
PATIENCE = 3
#: Where a call gives back so many times the rows that it gave before, or as little, other things
#: are asked: that is no doing of the change.
_SAME_ROWS = 2.0


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
        ordinal, block = len(stored), list[_Side]()
        for stretch in after:
            if known is not None and stretch.start < known:
                continue
            side = self._measure(stretch) if unused else None
            if side is None or not _exercised(side.costs):
                continue
            block.append(side)
            if len(block) < self._length(ordinal):
                continue
            pair, block = self._pair(ordinal, _together(block), unused), []
            if pair is not None:
                unused.remove(pair.before_at)
                ordinal += 1
                yield pair

    def _length(self, ordinal: int) -> int:
        return stretches_of_pair(ordinal, bases=len(self.before), needed=self.needed)

    def _pair(self, ordinal: int, after: "_Side", unused: Sequence[Interval]) -> Pair | None:
        """Return ``after`` with the first unused stretch that has something in common with it."""
        for base in unused:
            before, drifts = self._measure(base), self.kind.measures_time
            pair = _compared(ordinal, before, after, drifts=drifts)
            if _exercised(pair.before) & pair.after.keys():
                return pair
        return None

    def _measure(self, interval: Interval) -> "_Side":
        target = self.target.during(interval)
        with asking(self.kind.name):
            costs = self.kind.measure(self.improvement.hypothesis, target)
        # A cost of nothing has no logarithm: it was not exercised.
        costs = {name: float(c) for name, c in costs.items() if math.isfinite(c) and c > 0}
        return _Side(interval, costs, target.usage())


@dataclass(frozen=True, slots=True)
class _Side:
    """Production in one stretch, or in several that count as one."""

    at: Interval
    #: What the kind measured, by unit.
    costs: Costs
    #: What the target says of everything, whether the change touches it or not.
    usage: Mapping[str, Usage]


def _together(block: Sequence[_Side]) -> _Side:
    """Return several stretches as one: costs as geometric means of those that exercised them."""
    names = sorted({name for side in block for name in side.costs})
    used = sorted({name for side in block for name in side.usage})
    return _Side(
        Interval(block[0].at.start, block[-1].at.end),
        {name: _mean([s.costs[name] for s in block if name in s.costs]) for name in names},
        {name: _sum([side.usage[name] for side in block if name in side.usage]) for name in used},
    )


def _mean(costs: Sequence[float]) -> float:
    return math.exp(fmean(math.log(cost) for cost in costs))


def _sum(used: Sequence[Usage]) -> Usage:
    """Return what a call took on average over all calls."""
    calls = math.fsum(each.calls for each in used)
    cost, rows, pages = (
        math.fsum(each.calls * getattr(each, name) for each in used) / calls
        for name in ("cost", "rows", "pages")
    )
    return Usage(calls, cost, rows, pages)


def _compared(ordinal: int, before: _Side, after: _Side, *, drifts: bool) -> Pair:
    """Return the pair of two sides, without the units of which something else was asked."""
    left_out = [
        name
        for name in sorted(before.costs.keys() & after.costs.keys())
        if not _asks_the_same(_subject(name), before, after)
    ]
    costs = [
        {name: cost for name, cost in side.costs.items() if name not in left_out}
        for side in (before, after)
    ]
    controls = _drifts(before, after) if drifts else []
    return Pair(
        ordinal,
        before_at=before.at,
        after_at=after.at,
        before=costs[0],
        after=costs[1],
        mix={name: before.usage[_subject(name)].calls for name in _counted(before, costs[0])},
        pages_before=_pages(before, costs[0]),
        pages_after=_pages(after, costs[1]),
        drift=common_drift(controls),
        controls=len(controls),
        left_out=tuple(left_out),
    )


def _subject(unit: str) -> str:
    """Return the name under which the target knows a unit of a kind."""
    return unit.removeprefix(GUARD)


def _counted(side: _Side, costs: Costs) -> list[str]:
    return [name for name in costs if _subject(name) in side.usage]


def _pages(side: _Side, costs: Costs) -> dict[str, float]:
    pages = {name: side.usage[_subject(name)].pages for name in _counted(side, costs)}
    return {name: each for name, each in pages.items() if each > 0}


def _asks_the_same(name: str, before: _Side, after: _Side) -> bool:
    if name not in before.usage or name not in after.usage:
        return True
    # One more on either side, so that nothing can be compared with little.
    ratio = (after.usage[name].rows + 1.0) / (before.usage[name].rows + 1.0)
    return 1.0 / _SAME_ROWS <= ratio <= _SAME_ROWS


def _drifts(before: _Side, after: _Side) -> list[float]:
    """Return the logarithm of after / before of each thing that the kind does not speak of."""
    touched = {_subject(name) for name in {*before.costs, *after.costs}}
    untouched = (before.usage.keys() & after.usage.keys()) - touched
    costs = {name: (before.usage[name].cost, after.usage[name].cost) for name in untouched}
    return [
        math.log(dear / cheap)
        for name, (cheap, dear) in sorted(costs.items())
        if cheap > 0 and dear > 0 and _asks_the_same(name, before, after)
    ]


def _exercised(costs: Costs) -> set[str]:
    """Return the units that a pair can be made of; those that only guard are none."""
    return {name for name in costs if not name.startswith(GUARD)}


def _calm(stretches: Sequence[Interval], disturbed: Sequence[Interval]) -> list[Interval]:
    return [
        each
        for each in stretches
        if not any(each.start < other.end and other.start < each.end for other in disturbed)
    ]
