"""The bench of a search: plans and CPU seconds of statements under any set of candidates."""

import math
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from honed.errors import EvaluatorFailed, StatementCut
from honed.targets.postgres.indexes.access import walk
from honed.targets.postgres.indexes.clock import SearchClock
from honed.targets.postgres.indexes.definition import IndexDefinition
from honed.targets.postgres.indexes.query import Planned, Query
from honed.targets.postgres.plans import plan_key
from honed.targets.postgres.whatif import Built, WhatIf

#: Runs of one measurement, of which the least counts, use about so much CPU together, seconds; at
#: most so many; and two of what is shorter than the last.
_MEASURE_S, _MOST_RUNS, _TWICE_BELOW_S = 0.02, 12, 0.06
#: A new session is slow at first: what is shorter than this is measured again when all are warm.
_WARM_BELOW_S = 0.005
#: Runs of each side of a comparison, of which the least counts: of long statements, of short; and
#: where the answer is in doubt, at most.
_COMPARED_RUNS, _MOST_TURNS = (2, 3), 12
#: A plan so much slower than the baseline need not end, as a factor, plus a constant, seconds.
_HOPELESS = (1.5, 0.005)
#: A run that looks slower than the baseline by this factor is repeated: one run proves no harm.
_DOUBTFUL = 1.03
#: A baseline that looks slower than a run by no more than this is repeated once: its first run read
#: pages and set hint bits at its own expense. Beyond, one turn of a comparison is enough.
_CLEAR = 0.5
#: A statement whose calls take so many times the cut in production is not run without candidates.
_SURELY_CUT = 3.0
#: Share of the time after which a laboratory that cannot run statements is no longer asked for
#: plans either: what they are for must still be built and run.
_PLAN_UNTIL = 0.55
#: A plan for the empty set costs nothing; its logarithm is wanted nevertheless.
_LEAST_COST = 1e-3
#: Logarithms of costs nearer than this say nothing about a slope; steeper slopes are noise.
_SAME_COST, _STEEPEST = 0.05, 2.0
#: No run costs less, CPU seconds: below, the clock's own cost is what is measured.
_FLOOR_S = 1e-5


class Laboratory(WhatIf, Protocol):
    """Where the bench tries indexes: a clone that can also time statements."""

    def add(self, candidates: Collection[IndexDefinition]) -> Mapping[str, Built]:
        """Build ``candidates`` unseen by the planner; one that cannot be built is left out."""

    def cpu_s(self, sql: str, cut_s: float) -> float:
        """Run ``sql`` once and return its CPU seconds, ``cut_s`` where it was cut.

        Raises:
            EvaluatorFailed: it failed.
        """

    def insert_us(self, schema: str, table: str) -> float | None:
        """Return the CPU microseconds of one row inserted with the indexes visible now.

        None: the table has no rows, or they cannot be written again.
        """


@dataclass(frozen=True, slots=True)
class _Measured:
    """CPU seconds of one plan of one query."""

    seconds: float
    #: Where the run was cut, so that ``seconds`` is a lower bound; infinite: it ended.
    cut_s: float = math.inf
    #: False: never run, but taken from production.
    is_run: bool = True


class Bench:
    """Plans and CPU seconds of queries on one clone, each asked for only once.

    A query is run once for each *different plan* that candidates give it, not once for each set
    of candidates: that is what makes measuring thousands of sets affordable. What a plan costs
    is taken not to depend on the indexes that it does not use.

    Args:
        laboratory: where to build, plan and run.

        queries: the workload.

        cut_s: a run is cut after it and then costs exactly that.

        budget_s: seconds from now after which nothing more is run; costs are then guessed from
            the planner's. Time that neighbours on the machine took away does not count.

        can_run: whether the laboratory can time statements; if not, every cost is guessed.
    """

    def __init__(
        self,
        laboratory: Laboratory,
        queries: Sequence[Query],
        *,
        cut_s: float,
        budget_s: float,
        can_run: bool = True,
    ) -> None:
        self._can_run = can_run
        self._laboratory = laboratory
        self.cut_s = cut_s
        self._clock = SearchClock(budget_s)
        self._given_s = budget_s
        self.queries = list(queries)
        #: Queries that cannot be planned or run, and why.
        self.left_out: dict[Query, str] = {}
        #: Queries that could not be planned with some candidates, and why the last time.
        self.unplanned: dict[Query, str] = {}
        #: How often the planner was not asked because it was late.
        self.guessed = 0
        self._tables: dict[Query, frozenset[tuple[str, str]]] = {}
        self._built: dict[str, tuple[IndexDefinition, Built]] = {}
        #: Candidates on the tables of each query.
        self._relevant: defaultdict[Query, frozenset[str]] = defaultdict(frozenset)
        self._plans: dict[tuple[Query, frozenset[str]], Planned] = {}
        self._infers = True
        #: Every different plan of each query with the sets that gave it, as far as they are known.
        self._asked: defaultdict[Query, list[tuple[frozenset[str], Planned]]] = defaultdict(list)
        self._measured: dict[tuple[Query, str], _Measured] = {}
        #: Queries whose baseline was measured again.
        self._settled: set[Query] = set()
        #: Microseconds of one row inserted into a table with some of the candidates on it.
        self._inserts: defaultdict[tuple[str, str], dict[frozenset[str], float | None]]
        self._inserts = defaultdict(dict)
        #: Of each plan the CPU seconds of runs without candidates and with it, in turns.
        self._turns: defaultdict[tuple[Query, str], list[tuple[float, float]]] = defaultdict(list)

    @property
    def is_late(self) -> bool:
        """Whether nothing more is run."""
        return not self._can_run or self.is_past(1.0)

    def is_past(self, share: float) -> bool:
        """Return whether ``share`` of the time is up."""
        return self._clock.elapsed_s > share * self._clock.budget_s

    def give(self, share: float) -> None:
        """See to it that at least ``share`` of what was given at first is left from now on."""
        least_s = self._clock.elapsed_s + share * self._given_s
        self._clock.budget_s = max(self._clock.budget_s, least_s)

    @property
    def elapsed_s(self) -> float:
        """Seconds since the beginning, without those that neighbours took away."""
        return self._clock.elapsed_s

    @property
    def built(self) -> frozenset[str]:
        """Names of the candidates that exist on the clone."""
        return frozenset(self._built)

    def open(self, *, until: float) -> None:
        """Plan and run every query without candidates; what fails is left out, with its reason.

        Args:
            until: share of the time after which queries are only planned; what one call costs in
                production then stands for its cost.
        """
        self._open_each(lambda query, planned: self._measure_base(query, planned, until))
        for query in self.queries:
            if self.base_s(query) < _WARM_BELOW_S:
                self._measure(query, self.plan(query, ()), self.cut_s)

    def open_like(self, other: "Bench") -> None:
        """Plan every query without candidates, and believe ``other`` what it costs to run.

        From now on the time of ``other`` is the time of both.
        """
        self.queries = list(other.queries)
        self._clock = other._clock  # noqa: SLF001 - another of our own class
        self._open_each(
            lambda query, planned: self._keep(query, planned, _Measured(other.base_s(query)))
        )

    def _open_each(self, measure: Callable[[Query, Planned], None]) -> None:
        for query in list(self.queries):
            try:
                planned = self._explain(query, frozenset())
                measure(query, planned)
            except (EvaluatorFailed, StatementCut) as error:
                self.queries.remove(query)
                self.left_out[query] = str(error)
                continue
            self._plans[query, frozenset()] = planned
            self._tables[query] = frozenset(
                (str(node["Schema"]), str(node["Relation Name"]))
                for node in walk(planned.tree)
                if "Relation Name" in node
            )

    def build(self, candidates: Collection[IndexDefinition]) -> None:
        """Build ``candidates`` on the clone; those that cannot be built are left out."""
        by_name = {candidate.name: candidate for candidate in candidates}
        for name, built in self._laboratory.add(list(by_name.values())).items():
            self._built[name] = (by_name[name], built)
        for query, tables in self._tables.items():
            self._relevant[query] = frozenset(
                name
                for name, (each, _) in self._built.items()
                if (each.schema, each.table) in tables
            )

    def definition(self, name: str) -> IndexDefinition:
        """Return the candidate called ``name``."""
        return self._built[name][0]

    def size_bytes(self, name: str) -> int:
        """Return the bytes of candidate ``name``."""
        return self._built[name][1].size_bytes

    def insert_times(self, names: Collection[str], table: tuple[str, str]) -> float:
        """Return how many times as much an inserted row costs with ``names`` as without.

        It is 1 where that cannot be told.

        Args:
            names: candidates.

            table: schema and name; of ``names`` only those on it matter.
        """
        own = frozenset(name for name in names if self.table(name) == table)
        known = self._inserts[table]
        for visible in (frozenset[str](), own):
            if visible not in known:
                known[visible] = self._insert_us(table, visible)
        before_us, after_us = known[frozenset()], known[own]
        return after_us / before_us if before_us and after_us else 1.0

    def _insert_us(self, table: tuple[str, str], visible: frozenset[str]) -> float | None:
        self._laboratory.show(visible)
        return self._laboratory.insert_us(*table)

    def table(self, name: str) -> tuple[str, str]:
        """Return schema and name of the table that candidate ``name`` is on."""
        definition = self.definition(name)
        return definition.schema, definition.table

    def plan(self, query: Query, visible: Collection[str]) -> Planned:
        """Return how ``query`` would run if of all candidates only ``visible`` existed.

        A query that can no longer be planned keeps its plan without candidates.
        """
        relevant = self._relevant[query].intersection(visible)
        if (query, relevant) not in self._plans:
            self._plans[query, relevant] = (
                (self._infers and self._inferred(query, relevant))
                or self._guessed(query, relevant)
                or self._asked_for(query, relevant)
            )
        return self._plans[query, relevant]

    def ask_for_each_plan(self) -> None:
        """Infer no plan any more from that of another set, and forget those that were inferred.

        The planner drops a path that is within a hundredth of another one, so that what is left of
        many ways is not always what is cheapest of a few of them. That is near enough for looking
        around, not for saying what a set does to a statement.
        """
        self._infers = False
        asked = {(query, visible) for query, known in self._asked.items() for visible, _ in known}
        self._plans = {
            (query, visible): planned
            for (query, visible), planned in self._plans.items()
            if not visible or (query, visible) in asked
        }

    def _asked_for(self, query: Query, visible: frozenset[str]) -> Planned:
        try:
            planned = self._explain(query, visible)
        except (EvaluatorFailed, StatementCut) as error:
            self.unplanned[query] = str(error)
            return self._plans[query, frozenset()]
        self._asked[query].append((visible, planned))
        return planned

    def _inferred(self, query: Query, visible: frozenset[str]) -> Planned | None:
        """Return the plan of a larger set that needs nothing else than ``visible``.

        What is cheapest of many ways is cheapest of some of them too. The values of an expression
        are only known where its index is: there the server is asked.
        """
        for larger, planned in self._asked[query]:
            if visible <= larger and self._allows(visible, planned):
                gone = larger - visible
                if not any(self.definition(name).has_expression for name in gone):
                    return planned
        return None

    def _guessed(self, query: Query, visible: frozenset[str]) -> Planned | None:
        """Return the cheapest known plan that ``visible`` allows, where it is too late to ask."""
        if self._can_run or not self._infers or not self.is_past(_PLAN_UNTIL):
            return None
        self.guessed += 1
        base = self._plans[query, frozenset()]
        known = (planned for _, planned in self._asked[query] if self._allows(visible, planned))
        return min((base, *known), key=lambda planned: planned.cost)

    def _allows(self, visible: frozenset[str], planned: Planned) -> bool:
        return not (planned.used & self._built.keys()) - visible

    def base_s(self, query: Query) -> float:
        """Return the CPU seconds of ``query`` without candidates."""
        return self._measured[query, self.plan(query, ()).key].seconds

    def was_cut(self, query: Query) -> bool:
        """Return whether ``query`` did not end in time without candidates."""
        return self.base_s(query) >= self.cut_s

    def seconds(self, query: Query, planned: Planned, *, enough_s: float = math.inf) -> float:
        """Return the CPU seconds of ``query`` when it runs as ``planned``.

        Measured where there is time, else guessed.

        Args:
            query: which query.

            planned: how it runs.

            enough_s: more need not be told apart; a run is cut there.
        """
        known = self._measured.get((query, planned.key))
        factor, constant = _HOPELESS
        base_s = self.base_s(query)
        cut_s = min(self.cut_s, factor * min(base_s, enough_s) + constant)
        # A lower bound is good enough until more than it is asked for.
        if known is not None and known.cut_s >= 0.9 * cut_s:
            return known.seconds
        if self.is_late:
            return self.guess_s(query, planned)
        seconds = self._measure(query, planned, cut_s)
        if _DOUBTFUL * base_s < seconds < cut_s:
            seconds = self._measure(query, planned, cut_s)
        elif _CLEAR * base_s < seconds < base_s:
            self._measure_base_again(query)
        return seconds

    def guess_s(self, query: Query, planned: Planned, than: Planned | None = None) -> float:
        """Return the CPU seconds of ``planned``; if it was not run, a guess from planner's costs.

        Costs and seconds of two known plans, the baseline's and another, are taken as two points
        of a line in logarithms, so that where the planner was wrong about this query before, the
        guess is wrong less often.

        Args:
            query: of which query.

            planned: one plan of it.

            than: another plan of it that was run; the baseline's if there is none.
        """
        known = self._measured.get((query, planned.key))
        if known is not None and known.cut_s == math.inf:
            return known.seconds
        least_s = known.seconds if known is not None else _FLOOR_S
        base = self.plan(query, ())
        other = than if than and self.is_measured(query, than) else base
        other_s = self._measured[query, other.key].seconds
        slope = 1.0
        if abs(math.log(base.cost / other.cost)) > _SAME_COST:
            slope = math.log(self.base_s(query) / other_s) / math.log(base.cost / other.cost)
        factor = math.pow(planned.cost / other.cost, min(_STEEPEST, max(-1.0, slope)))
        return max(least_s, min(self.cut_s, other_s * factor))

    def is_measured(self, query: Query, planned: Planned) -> bool:
        """Return whether ``query`` was run with this plan, or surely would be cut with it."""
        known = self._measured.get((query, planned.key))
        return known is not None and known.is_run

    def log_ratio(self, query: Query, planned: Planned) -> float:
        """Return the logarithm of the cost of ``planned`` over the baseline's."""
        return math.log(self.seconds(query, planned) / self.base_s(query))

    def compare(self, query: Query, planned: Planned) -> tuple[float, float]:
        """Return the least CPU seconds without candidates and with this plan, run anew in turns.

        What was measured to choose a plan flatters it: of many, the luckiest was taken. So this
        counts from now on, also for ``seconds``. Neighbours only ever make a run dearer, and one
        that looks up more pages by more, so that the least tells most about both. Where there is no
        time, what is known is returned; a query that was cut is not cut again.
        """
        if planned.key == self.plan(query, ()).key:
            return self.base_s(query), self.base_s(query)
        turns = self._turns[query, planned.key]
        if not turns and self.is_late:
            return self.base_s(query), self.seconds(query, planned)
        if not turns:
            self._take_turns(query, planned)
        before_s, after_s = zip(*turns, strict=True)
        return min(before_s), min(after_s)

    def is_compared(self, query: Query, planned: Planned) -> bool:
        """Return whether ``compare`` would run nothing."""
        is_base = planned.key == self.plan(query, ()).key
        return is_base or bool(self._turns.get((query, planned.key)))

    def doubt(self, query: Query, planned: Planned) -> None:
        """Let ``compare`` rest on some more runs, while there is time and room for them."""
        turns = self._turns.get((query, planned.key), [])
        if not self.is_late and 0 < len(turns) < _MOST_TURNS:
            self._take_turns(query, planned)

    def _take_turns(self, query: Query, planned: Planned) -> None:
        """Run ``query`` without candidates and with this plan some times, in turns."""
        base, turns = self.plan(query, ()), self._turns[query, planned.key]
        for _ in range(self._turns_of(query, planned)):
            self._laboratory.show(base.visible)
            before_s = self.cut_s if self.was_cut(query) else self._run_s(query, self.cut_s)
            self._laboratory.show(planned.visible)
            turns.append((before_s, self._run_s(query, self.cut_s)))
        before_s, after_s = self.compare(query, planned)
        self._keep(query, planned, _Measured(self.base_s(query) * after_s / before_s))

    def _turns_of(self, query: Query, planned: Planned) -> int:
        """Return how many turns tell whether ``planned`` is better."""
        if self.is_measured(query, planned) and self.seconds(query, planned) < _CLEAR * self.base_s(
            query
        ):
            return 1
        few, many = _COMPARED_RUNS
        return few if self.base_s(query) > _TWICE_BELOW_S else many

    def _measure_base(self, query: Query, planned: Planned, until: float) -> None:
        if query.production_s > _SURELY_CUT * self.cut_s:
            self._keep(query, planned, _Measured(self.cut_s))
        elif query.production_s and self.is_past(until):
            known_s = min(self.cut_s, query.production_s)
            self._keep(query, planned, _Measured(known_s, is_run=False))
        else:
            self._measure(query, planned, self.cut_s)

    def _measure_base_again(self, query: Query) -> None:
        base = self.plan(query, ())
        is_short = self.base_s(query) < _TWICE_BELOW_S
        if query not in self._settled and self.is_measured(query, base) and not is_short:
            self._settled.add(query)
            self._measure(query, base, self.cut_s)

    def _keep(self, query: Query, planned: Planned, measured: _Measured) -> None:
        self._measured[query, planned.key] = measured

    def _explain(self, query: Query, visible: frozenset[str]) -> Planned:
        self._laboratory.show(visible)
        tree: Any = self._laboratory.explain(query.sql)["Plan"]
        return Planned(
            key=plan_key(tree),
            cost=max(float(tree["Total Cost"]), _LEAST_COST),
            used=frozenset(str(node["Index Name"]) for node in walk(tree) if "Index Name" in node),
            visible=visible,
            tree=tree,
        )

    def _measure(self, query: Query, planned: Planned, cut_s: float) -> float:
        """Run ``query``, short ones more than once; return and keep the least that it ever took."""
        self._laboratory.show(planned.visible)
        seconds = self._run_s(query, cut_s)
        runs = max(1 + (seconds < _TWICE_BELOW_S), math.ceil(_MEASURE_S / seconds))
        for _ in range(min(runs, _MOST_RUNS) - 1):
            seconds = min(seconds, self._run_s(query, cut_s))
        return self._learn(query, planned, seconds, cut_s)

    def _learn(self, query: Query, planned: Planned, seconds: float, cut_s: float) -> float:
        # Whatever disturbs a run makes it dearer, so the least of all that ended counts.
        known = self._measured.get((query, planned.key))
        if known is not None and known.is_run and known.cut_s == math.inf:
            seconds = min(seconds, known.seconds)
        self._keep(query, planned, _Measured(seconds, cut_s if seconds >= cut_s else math.inf))
        return seconds

    def _run_s(self, query: Query, cut_s: float) -> float:
        began = time.monotonic()
        seconds = max(self._laboratory.cpu_s(query.sql, cut_s), _FLOOR_S)
        self._clock.slowdown.saw(cpu_s=seconds, wall_s=time.monotonic() - began)
        return seconds
