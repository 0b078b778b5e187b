"""The search: from the plans of a workload to the sets of indexes that are worth trying."""

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from honed.core.canonical import Json
from honed.targets.postgres.indexes.access import Access, read_accesses
from honed.targets.postgres.indexes.bench import Bench
from honed.targets.postgres.indexes.budget import fit, written_tables
from honed.targets.postgres.indexes.candidates import (
    Shapes,
    base_candidates,
    merged,
    narrow_candidates,
    wide_candidates,
)
from honed.targets.postgres.indexes.definition import IndexDefinition
from honed.targets.postgres.indexes.elimination import reduce_set, worths
from honed.targets.postgres.indexes.pricing import Budget, Prices
from honed.targets.postgres.indexes.query import Query
from honed.targets.postgres.indexes.selection import connected, select

#: Shares of the search's time after which no more statements are run without candidates, no more
#: candidates are thought of, and none is built.
_OPEN_UNTIL, _IMAGINE_UNTIL, _BUILD_UNTIL = 0.3, 0.45, 0.65
#: Share of the time that choosing may take however late it begins: many built candidates of which
#: none was measured are worth less than few that were.
_CHOOSING = 0.4
#: Candidates that are built at once, between two looks at the clock; and all together: more make
#: choosing longer, hardly better.
_BATCH, _MOST_BUILT = 4, 32
#: Candidates that are built however late it is: to have thought for nothing is worse.
_LEAST_BUILT = 8
#: Imagined candidates need to be worth only this share of their price: the planner may be wrong.
_LENIENT = 0.25
#: Shares of the budget for which sets of imagined candidates are chosen, to be built in this order:
#: what is chosen for little room is narrow, and reads faster on a warm cache than the planner
#: believes, but a plan that looks up every row of a narrow index is often the one that harms.
_BUDGETS = (1.0, 0.25)
#: Share of the time after which no second set is chosen for the order of building.
_RANK_UNTIL = 0.4
#: Candidates that are built for a statement that a set harms, at once.
_SPARING = 3
#: Looks at what the imagined candidates make possible.
_LOOKS = 2
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
    #: Names of the set's indexes that its plans use.
    used: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class IndexSet:
    """Indexes that are worth their price together."""

    definitions: tuple[IndexDefinition, ...]
    #: Mean over all statements of log(cost after / cost before).
    log_ratio: float
    #: Of every statement whose plan changes.
    gains: tuple[StatementGain, ...]
    #: Bytes of each index, by name.
    sizes_bytes: Mapping[str, int]

    @property
    def size_bytes(self) -> int:
        """Bytes of all of them."""
        return sum(self.sizes_bytes.values())

    def without(self, blamed: Collection[str], statements: int) -> "IndexSet":
        """Return the set without the indexes ``blamed``, with the gains that do not rest on them.

        The gain of a statement that used one of them counts as nothing, although what is left may
        still serve it.

        Args:
            blamed: names of indexes.

            statements: how many the mean is over.
        """
        gains = tuple(gain for gain in self.gains if not set(gain.used) & set(blamed))
        return IndexSet(
            tuple(each for each in self.definitions if each.name not in blamed),
            sum(math.log(gain.after_s / gain.before_s) for gain in gains) / statements,
            gains,
            {name: size for name, size in self.sizes_bytes.items() if name not in blamed},
        )


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


def search(
    imagined: Bench,
    real: Bench,
    shapes: Shapes,
    prices: Prices,
    budget: Budget,
) -> SearchResult:
    """Return the sets of indexes that serve the benches' queries best, most useful first.

    Every candidate is imagined; those that the planner likes are built, and chosen by what they
    are measured to do. Anytime: what there was no time for is told in ``examined``.

    Args:
        imagined: where candidates cost nothing to make, and nothing can be run.

        real: where they are built and run, for the same queries.

        shapes: the tables.

        prices: what indexes must bring.

        budget: what all of them may take and cost.
    """
    real.open(until=_OPEN_UNTIL)
    imagined.open_like(real)
    workshop = Workshop(imagined, real, shapes, prices)
    workshop.imagine()
    liked = workshop.liked(budget.size_bytes)
    workshop.build(liked)
    real.give(_CHOOSING)
    chosen = select(real, prices, budget, build_for=workshop.build_for)
    sets = [_index_set(real, group) for group in connected(real, chosen)]
    return SearchResult(
        tuple(sorted(sets, key=lambda each: each.log_ratio)),
        {
            **workshop.examined(),
            "wanted": len(liked),
            "seconds": round(real.elapsed_s, 1),
            "insert_times": _insert_times(real, chosen, prices),
        },
        _by_statement((query, real.base_s(query)) for query in real.queries),
        real.cut_s,
    )


class Workshop:
    """Thinks of candidates, imagines them, and has the good ones built.

    Args:
        imagined: where candidates cost nothing to make.

        real: where they are built; its time is the time of all.

        shapes: the tables.

        prices: what indexes must bring.
    """

    def __init__(self, imagined: Bench, real: Bench, shapes: Shapes, prices: Prices) -> None:
        self._imagined = imagined
        self._real = real
        self._shapes = shapes
        self._prices = prices
        self._accesses: dict[Query, dict[Access, None]] = {}
        self._promise: dict[IndexDefinition, float] = {}
        self._is_cut_short = False

    def imagine(self) -> None:
        """Imagine candidates for the plans as they are, then for those that become possible.

        Once the dearest part of a statement has its index, another part becomes the dearest.
        """
        self._look(())
        self._add(self._narrow())
        for _ in range(_LOOKS):
            self._look(self._imagined.built)
            self._add(chain(self._narrow(), self._wide()))

    def liked(self, budget_bytes: int) -> list[IndexDefinition]:
        """Return what the planner would use, the candidates that it would miss most first.

        There may be no time to build them all, so an index on which an endless statement rests
        comes before small ones that many statements like a little.
        """
        bench, used = self._imagined, self._used()
        rank: dict[str, int] = {}
        worth: dict[str, float] = {}
        for place, share in enumerate(_BUDGETS):
            if rank and self._real.is_past(_RANK_UNTIL):
                break
            limit = Budget(round(share * budget_bytes))
            fitting, prices = fit(bench, used, self._prices, limit)
            core = fitting | reduce_set(bench, used, replace(prices, scale=_LENIENT))
            rank = {**dict.fromkeys(core, place), **rank}
            worth = {**worths(bench, core, self._prices), **worth}
        return sorted(
            (bench.definition(name) for name in used),
            key=lambda each: (
                rank.get(each.name, len(_BUDGETS)),
                -worth.get(each.name, 0.0),
                -self._density(each),
                each,
            ),
        )

    def build(self, definitions: Sequence[IndexDefinition]) -> None:
        """Build ``definitions`` in their order, until there is no more time for it."""
        for at in range(0, min(len(definitions), _MOST_BUILT), _BATCH):
            if at >= _LEAST_BUILT and self._real.is_past(_BUILD_UNTIL):
                self._is_cut_short = True
                return
            self._real.build(definitions[at : at + _BATCH])

    def build_for(self, queries: Collection[Query], chosen: frozenset[str]) -> None:
        """Build what the planner would use for ``queries`` beside ``chosen``, cheapest plan first.

        A set harms a statement where the planner likes one of its indexes too much; an index that
        it likes better still, and that was not worth building for any other reason, spares it.
        """
        bench, left = self._imagined, self._imagined.built - self._real.built
        bench.ask_for_each_plan()
        cheapest: dict[str, float] = {}
        for name in sorted(left):
            plans = [(query, bench.plan(query, chosen | {name})) for query in queries]
            if any(name in planned.used for _, planned in plans):
                cheapest[name] = sum(planned.cost for _, planned in plans)
        names = sorted(cheapest, key=lambda name: (cheapest[name], name))[:_SPARING]
        self._real.build([bench.definition(name) for name in names])

    def examined(self) -> dict[str, Json]:
        """Return counts of what was looked at and what was not."""
        imagined, real = self._imagined, self._real
        return {
            "thought_of": len(self._promise),
            "imagined": len(imagined.built),
            "built": len(real.built),
            "queries": len(real.queries),
            "left_out": _reasons(imagined.left_out | real.left_out),
            # Of these the planner said nothing with some candidates, and how often it was not
            # asked at all because time was up.
            "unplanned": _reasons(imagined.unplanned | real.unplanned),
            "not_asked": imagined.guessed,
            "ran_out_of_time": self._is_cut_short or imagined.guessed > 0 or real.is_late,
        }

    def _look(self, visible: Collection[str]) -> None:
        for query in self._imagined.queries:
            plan = self._imagined.plan(query, visible)
            found = self._accesses.setdefault(query, {})
            accesses = read_accesses(plan.tree)
            if query.is_guessed:
                accesses = [access.without_constants() for access in accesses]
            found.update(dict.fromkeys(accesses))

    def _narrow(self) -> Iterator[tuple[IndexDefinition, float]]:
        for _, access, promise in self._promises():
            for candidate in narrow_candidates(access, self._shapes):
                yield candidate, promise

    def _wide(self) -> Iterator[tuple[IndexDefinition, float]]:
        built = self._imagined.built
        for query, access, promise in self._promises():
            used = self._imagined.plan(query, built).used & built
            liked = (self._imagined.definition(name) for name in sorted(used))
            bases = dict.fromkeys([*base_candidates(access, self._shapes), *liked])
            for candidate in wide_candidates(access, list(bases), self._shapes):
                yield candidate, promise

    def _promises(self) -> Iterator[tuple[Query, Access, float]]:
        """Yield accesses with the most that an index for each can do for the objective."""
        for query, accesses in self._accesses.items():
            for access in accesses:
                left = max(_LEAST_LEFT, 1.0 - access.share)
                yield query, access, -query.weight * math.log(left)

    def _add(self, promises: Iterable[tuple[IndexDefinition, float]]) -> None:
        total: defaultdict[IndexDefinition, float] = defaultdict(float)
        for candidate, promise in promises:
            total[candidate] += promise
        new = merged({each: total[each] for each in total if each not in self._promise})
        self._promise |= new
        if self._real.is_past(_IMAGINE_UNTIL):
            self._is_cut_short = True
        else:
            self._imagined.build([each for each in new if new[each] > _LENIENT * self._prices.each])

    def _density(self, candidate: IndexDefinition) -> float:
        """Return what a candidate promises for the work of building it."""
        shape = self._shapes[candidate.schema, candidate.table]
        work = 1000.0 + shape.rows * (16.0 + shape.width(candidate.columns))
        return self._promise.get(candidate, 0.0) / work

    def _used(self) -> frozenset[str]:
        """Return what plans use of all candidates, of the narrow and of the complete ones."""
        bench, every = self._imagined, self._imagined.built
        narrow = {name for name in every if not bench.definition(name).include}
        whole = {name for name in every if not bench.definition(name).where}
        used: set[str] = set()
        for query in bench.queries:
            for visible in (every, narrow, whole, narrow & whole):
                used |= bench.plan(query, visible).used & every
        return frozenset(used)


def _reasons(queries: Mapping[Query, str]) -> dict[str, Json]:
    return {query.statement_id: why for query, why in queries.items()}


def _insert_times(bench: Bench, chosen: frozenset[str], prices: Prices) -> dict[str, Json]:
    """Return how many times as much an INSERT into each written table costs with ``chosen``."""
    tables = written_tables(bench, chosen, prices)
    return {".".join(table): round(bench.insert_times(chosen, table), 2) for table in tables}


def _index_set(bench: Bench, names: frozenset[str]) -> IndexSet:
    plans = {query: bench.plan(query, names) for query in bench.queries}
    changed = {
        query.statement_id
        for query, planned in plans.items()
        if planned.key != bench.plan(query, ()).key
    }
    # All examples of a statement count, also those that keep their plan.
    costs = {
        query: bench.compare(query, planned)
        for query, planned in plans.items()
        if query.statement_id in changed
    }
    before_s = _by_statement((query, cost[0]) for query, cost in costs.items())
    after_s = _by_statement((query, cost[1]) for query, cost in costs.items())
    guessed = {q.statement_id for q in costs if not bench.is_measured(q, plans[q])}
    statements = {query.statement_id for query in bench.queries}
    used: defaultdict[str, set[str]] = defaultdict(set)
    for query in costs:
        used[query.statement_id] |= plans[query].used & names
    return IndexSet(
        tuple(sorted(bench.definition(name) for name in names)),
        sum(math.log(after_s[each] / before_s[each]) for each in changed) / len(statements),
        tuple(
            StatementGain(
                each, before_s[each], after_s[each], each not in guessed, tuple(sorted(used[each]))
            )
            for each in before_s
        ),
        {bench.definition(name).name: bench.size_bytes(name) for name in names},
    )


def _by_statement(costs: Iterable[tuple[Query, float]]) -> dict[str, float]:
    found: defaultdict[str, list[float]] = defaultdict(list)
    for query, seconds in costs:
        found[query.statement_id].append(seconds)
    return {statement_id: sum(each) / len(each) for statement_id, each in found.items()}
