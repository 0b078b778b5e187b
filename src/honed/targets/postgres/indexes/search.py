"""The search: from the plans of a workload to the sets of indexes that are worth trying."""

import math
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from honed.core.canonical import Json
from honed.targets.postgres.indexes.access import Access, read_accesses
from honed.targets.postgres.indexes.bench import Bench, Query
from honed.targets.postgres.indexes.candidates import (
    Shapes,
    base_candidates,
    merged,
    narrow_candidates,
    wide_candidates,
)
from honed.targets.postgres.indexes.definition import IndexDefinition
from honed.targets.postgres.indexes.selection import Prices, connected, select

#: Shares of the search's time after which no more statements are run without candidates, and no
#: more narrow and no more wide candidates are built.
_OPEN_UNTIL, _NARROW_UNTIL, _WIDE_UNTIL = 0.3, 0.4, 0.65
#: Candidates that are built at once, between two looks at the clock.
_BATCH = 4
#: Share of the time that choosing may take however late it begins: many built candidates of which
#: none was measured are worth less than few that were.
_CHOOSING = 0.5
#: Share of a statement's cost that is taken to be left even if one of its tables were free.
_LEAST_LEFT = 0.02


@dataclass(frozen=True, slots=True)
class StatementGain:
    """What a set of indexes does for one statement, mean over its examples."""

    statement_id: str
    #: CPU seconds on the clone.
    before_s: float
    after_s: float
    #: Whether both were run; else ``after_s`` is guessed from the planner's costs.
    is_measured: bool


@dataclass(frozen=True, slots=True)
class IndexSet:
    """Indexes that are worth their price together."""

    definitions: tuple[IndexDefinition, ...]
    size_bytes: int
    #: Weighted mean over the whole workload of log(cost after / cost before).
    log_ratio: float
    #: Of every statement whose plan changes.
    gains: tuple[StatementGain, ...]


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search found, and what it did not look at."""

    sets: tuple[IndexSet, ...]
    #: Counts and reasons, for the record.
    examined: Mapping[str, Json]
    #: CPU seconds of each statement without new indexes, mean over its examples.
    base_s: Mapping[str, float]
    #: CPU seconds after which a statement was cut.
    cut_s: float


def search(bench: Bench, shapes: Shapes, prices: Prices, *, budget_bytes: int) -> SearchResult:
    """Return the sets of indexes that serve the bench's queries best, most useful first.

    Anytime: what there was no time for is told in ``examined``.
    """
    began = time.monotonic()
    bench.open(until=began + _OPEN_UNTIL * (bench.deadline - began))
    workshop = _Workshop(bench, shapes, prices, began)
    promising = workshop.promising()
    bench.deadline = max(bench.deadline, time.monotonic() + _CHOOSING * (bench.deadline - began))
    chosen = select(bench, promising, prices, budget_bytes=budget_bytes)
    sets = [_index_set(bench, group, workshop.known) for group in connected(bench, chosen)]
    return SearchResult(
        tuple(sorted(sets, key=lambda each: each.log_ratio)),
        workshop.examined(),
        _by_statement((query, bench.base_s(query)) for query in bench.queries),
        bench.cut_s,
    )


class _Workshop:
    """Thinks of candidates and has them built, as long as there is time."""

    def __init__(self, bench: Bench, shapes: Shapes, prices: Prices, began: float) -> None:
        self._bench = bench
        self._shapes = shapes
        self._prices = prices
        self._began = began
        self._accesses: dict[Query, dict[Access, None]] = {}
        self._thought_of = 0
        self.known: dict[str, IndexDefinition] = {}

    def promising(self) -> frozenset[str]:
        """Return the built candidates that some query's plan uses when it may choose freely."""
        self._look(())
        self._build(self._narrow(), self._until(_NARROW_UNTIL))
        self._look(self._bench.built)
        self._build(chain(self._narrow(), self._wide()), self._until(_WIDE_UNTIL))
        return self._used()

    def examined(self) -> Mapping[str, Json]:
        """Return counts of what was looked at and what was not."""
        return {
            "candidates": self._thought_of,
            "built": len(self._bench.built),
            "not_built": self._thought_of - len(self._bench.built),
            "queries": len(self._bench.queries),
            "left_out": {q.statement_id: why for q, why in self._bench.left_out.items()},
            "ran_out_of_time": self._bench.is_late,
            "seconds": round(time.monotonic() - self._began, 1),
        }

    def _look(self, visible: Collection[str]) -> None:
        for query in self._bench.queries:
            plan = self._bench.plan(query, visible)
            found = self._accesses.setdefault(query, {})
            found.update(dict.fromkeys(read_accesses(plan.tree)))

    def _narrow(self) -> Iterator[tuple[IndexDefinition, float]]:
        for _, access, promise in self._promises():
            for candidate in narrow_candidates(access, self._shapes):
                yield candidate, promise

    def _wide(self) -> Iterator[tuple[IndexDefinition, float]]:
        built = self._bench.built
        for query, access, promise in self._promises():
            used = self._bench.plan(query, built).used & built
            liked = (self.known[name] for name in sorted(used))
            bases = dict.fromkeys([*base_candidates(access, self._shapes), *liked])
            for candidate in wide_candidates(access, list(bases), self._shapes):
                yield candidate, promise

    def _promises(self) -> Iterator[tuple[Query, Access, float]]:
        """Yield accesses with the most that an index for each can do for the objective."""
        for query, accesses in self._accesses.items():
            for access in accesses:
                left = max(_LEAST_LEFT, 1.0 - access.share)
                yield query, access, -query.weight * math.log(left)

    def _build(self, promises: Iterable[tuple[IndexDefinition, float]], until: float) -> None:
        """Build candidates until the time is up, those that promise most for their work first."""
        total: defaultdict[IndexDefinition, float] = defaultdict(float)
        for candidate, share in promises:
            total[candidate] += share
        promise = merged({each: p for each, p in total.items() if each.name not in self.known})
        new = [each for each in promise if promise[each] > self._prices.each]
        new.sort(key=lambda each: (-promise[each] / self._work(each), each))
        self._thought_of += len(new)
        for batch in (new[at : at + _BATCH] for at in range(0, len(new), _BATCH)):
            if time.monotonic() > until:
                return
            self.known.update((candidate.name, candidate) for candidate in batch)
            self._bench.build(batch)

    def _work(self, candidate: IndexDefinition) -> float:
        shape = self._shapes[candidate.schema, candidate.table]
        return 1000.0 + shape.rows * (16.0 + shape.width(candidate.columns))

    def _used(self) -> frozenset[str]:
        """Return what plans use of all candidates, of the narrow and of the complete ones."""
        every = self._bench.built
        narrow = {name for name in every if not self.known[name].include}
        whole = {name for name in every if not self.known[name].where}
        used: set[str] = set()
        for query in self._bench.queries:
            for visible in (every, narrow, whole, narrow & whole):
                used |= self._bench.plan(query, visible).used & every
        return frozenset(used)

    def _until(self, share: float) -> float:
        return self._began + share * (self._bench.deadline - self._began)


def _index_set(
    bench: Bench, names: frozenset[str], known: Mapping[str, IndexDefinition]
) -> IndexSet:
    changed = [
        (query, before, after)
        for query in bench.queries
        for before, after in [(bench.plan(query, ()), bench.plan(query, names))]
        if before.key != after.key
    ]
    after_s = _by_statement((query, bench.seconds(query, after)) for query, _, after in changed)
    before_s = _by_statement((query, bench.base_s(query)) for query, _, _ in changed)
    guessed = {q.statement_id for q, _, after in changed if not bench.is_measured(q, after)}
    return IndexSet(
        tuple(sorted(known[name] for name in names)),
        sum(bench.size_bytes(name) for name in names),
        sum(query.weight * bench.log_ratio(query, after) for query, _, after in changed),
        tuple(
            StatementGain(each, before_s[each], after_s[each], each not in guessed)
            for each in before_s
        ),
    )


def _by_statement(costs: Iterable[tuple[Query, float]]) -> dict[str, float]:
    found: defaultdict[str, list[float]] = defaultdict(list)
    for query, seconds in costs:
        found[query.statement_id].append(seconds)
    return {statement_id: sum(each) / len(each) for statement_id, each in found.items()}


__all__ = ["IndexSet", "SearchResult", "Sequence", "StatementGain", "search"]
