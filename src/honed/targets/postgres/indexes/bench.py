"""The bench of a search: plans and CPU seconds of statements under any set of candidates."""

import math
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from honed.core.canonical import Json, digest
from honed.errors import EvaluatorFailed
from honed.targets.postgres.indexes.access import walk
from honed.targets.postgres.indexes.definition import IndexDefinition
from honed.targets.postgres.whatif import Buildable, Built

#: What EXPLAIN guesses; two plans that differ in nothing else do the same.
_GUESSES = frozenset({"Startup Cost", "Total Cost", "Plan Rows", "Plan Width"})
#: A measurement shorter than this is repeated and the smallest taken, CPU seconds.
_REPEAT_BELOW_S = (0.005, 0.02, 0.06)
#: A plan so much slower than the baseline need not end, as a factor, plus a constant, seconds.
_HOPELESS = (1.5, 0.005)
#: A run that looks slower than the baseline by this factor is repeated: one run proves no harm.
_DOUBTFUL = 1.03
#: A plan for the empty set costs nothing; its logarithm is wanted nevertheless.
_LEAST_COST = 1e-3
#: Logarithms of costs nearer than this say nothing about a slope; steeper slopes are noise.
_SAME_COST, _STEEPEST = 0.05, 2.0
#: No run costs less, CPU seconds: below, the clock's own cost is what is measured.
_FLOOR_S = 1e-5


class Laboratory(Protocol):
    """Where the bench tries indexes: a clone that can also time statements."""

    def add(self, candidates: Collection[Buildable]) -> dict[str, Built]:
        """Build ``candidates`` unseen by the planner; one that cannot be built is left out."""

    def show(self, names: Collection[str]) -> None:
        """Make exactly ``names`` of the added candidates visible to the planner."""

    def explain(self, sql: str) -> Mapping[str, Json]:
        """Return the plan of ``sql``.

        Raises:
            EvaluatorFailed: it cannot be planned.
        """

    def cpu_s(self, sql: str, cut_s: float) -> float:
        """Run ``sql`` once and return its CPU seconds, ``cut_s`` where it was cut.

        Raises:
            EvaluatorFailed: it failed.
        """


@dataclass(frozen=True, slots=True)
class Query:
    """One executable example of one statement."""

    #: The statement's id.
    statement_id: str
    sql: str
    #: Its weight in the objective; the weights of all queries add up to 1.
    weight: float


@dataclass(frozen=True, slots=True)
class Planned:
    """One plan of one query."""

    #: Equal for plans that do the same.
    key: str
    #: The planner's cost.
    cost: float
    #: Names of the indexes that it uses, candidates or not.
    used: frozenset[str]
    #: The visible candidates that it was found with.
    visible: frozenset[str]
    tree: Mapping[str, Any]


class Bench:
    """Plans and CPU seconds of queries on one clone, each asked for only once.

    A query is run once for each *different plan* that candidates give it, not once for each set
    of candidates: that is what makes measuring thousands of sets affordable. What a plan costs
    is taken not to depend on the indexes that it does not use.

    Args:
        laboratory: where to build, plan and run.

        queries: the workload.

        cut_s: a run is cut after it and then costs exactly that.

        deadline: ``time.monotonic()`` after which nothing more is run; plans are then guessed
            from the planner's costs.
    """

    def __init__(
        self, laboratory: Laboratory, queries: Sequence[Query], *, cut_s: float, deadline: float
    ) -> None:
        self._laboratory = laboratory
        self._cut_s = cut_s
        self.deadline = deadline
        self.queries = list(queries)
        #: Queries that cannot be planned or run, and why.
        self.left_out: dict[Query, str] = {}
        self._tables: dict[Query, frozenset[tuple[str, str]]] = {}
        self._built: dict[str, tuple[IndexDefinition, Built]] = {}
        self._plans: dict[tuple[Query, frozenset[str]], Planned] = {}
        self._seconds: dict[tuple[Query, str], float] = {}
        #: Where a run was cut, so that its seconds are a lower bound; infinite: it ended.
        self._cuts: dict[tuple[Query, str], float] = {}

    @property
    def is_late(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() > self.deadline

    def open(self) -> None:
        """Plan and run every query without candidates; what fails is left out, with its reason."""
        for query in list(self.queries):
            try:
                self.base_s(query)
            except EvaluatorFailed as error:
                self.queries.remove(query)
                self.left_out[query] = str(error)

    def build(self, candidate: IndexDefinition) -> None:
        """Build ``candidate`` on the clone; one that cannot be built is left out."""
        for name, built in self._laboratory.add([candidate]).items():
            self._built[name] = (candidate, built)

    @property
    def built(self) -> frozenset[str]:
        """Names of the candidates that exist on the clone."""
        return frozenset(self._built)

    def size_bytes(self, name: str) -> int:
        """Return the bytes of candidate ``name``."""
        return self._built[name][1].size_bytes

    def plan(self, query: Query, visible: Collection[str]) -> Planned:
        """Return how ``query`` would run if of all candidates only ``visible`` existed.

        Raises:
            EvaluatorFailed: it cannot be planned.
        """
        tables = self._tables.get(query, frozenset())
        relevant = frozenset(name for name in visible if self._table(name) in tables)
        if (query, relevant) not in self._plans:
            self._laboratory.show(relevant)
            planned = _planned(self._laboratory.explain(query.sql), relevant)
            self._plans[query, relevant] = planned
            if not relevant:
                nodes = walk(planned.tree)
                self._tables[query] = frozenset(
                    (str(node["Schema"]), str(node["Relation Name"]))
                    for node in nodes
                    if "Relation Name" in node
                )
        return self._plans[query, relevant]

    def base_s(self, query: Query) -> float:
        """Return the CPU seconds of ``query`` without candidates."""
        return self._measured_s(query, self.plan(query, ()), self._cut_s)

    def seconds(self, query: Query, planned: Planned, *, enough_s: float = math.inf) -> float:
        """Return the CPU seconds of ``query`` when it runs as ``planned``.

        Measured where there is time, else guessed.

        Args:
            query: which query.

            planned: how it runs.

            enough_s: more need not be told apart; a run is cut there.
        """
        if (query, planned.key) not in self._seconds and self.is_late:
            return self.guess_s(query, planned)
        base_s = self.base_s(query)
        factor, constant = _HOPELESS
        cut_s = min(self._cut_s, factor * min(base_s, enough_s) + constant)
        is_new = (query, planned.key) not in self._seconds
        seconds = self._measured_s(query, planned, cut_s)
        if is_new and _DOUBTFUL * base_s < seconds < cut_s:
            seconds = min(seconds, self._run_s(query, cut_s))
            self._seconds[query, planned.key] = seconds
        return seconds

    def was_cut(self, query: Query) -> bool:
        """Return whether ``query`` did not end in time without candidates."""
        return self.base_s(query) >= self._cut_s

    def guess_s(self, query: Query, planned: Planned, than: Planned | None = None) -> float:
        """Return the CPU seconds of ``planned``, guessed from the planner's costs if it was not run.

        Costs and seconds of two known plans, the baseline's and another, are taken as two points
        of a line in logarithms: where the planner was wrong about this query, so is the guess
        less often than the planner.

        Args:
            query: of which query.

            planned: one plan of it.

            than: another plan of it that was run; the baseline's if there is none.
        """
        if (query, planned.key) in self._seconds:
            return self._seconds[query, planned.key]
        base = self.plan(query, ())
        known = than if than and self.is_measured(query, than) else base
        known_s = self._seconds[query, known.key]
        slope = 1.0
        if abs(math.log(base.cost / known.cost)) > _SAME_COST:
            slope = math.log(self.base_s(query) / known_s) / math.log(base.cost / known.cost)
        factor = (planned.cost / known.cost) ** min(_STEEPEST, max(-1.0, slope))
        return max(_FLOOR_S, min(self._cut_s, known_s * factor))

    def is_measured(self, query: Query, planned: Planned) -> bool:
        """Return whether ``query`` was run with this plan."""
        return (query, planned.key) in self._seconds

    def log_ratio(self, query: Query, planned: Planned) -> float:
        """Return the logarithm of the cost of ``planned`` over the baseline's, measured."""
        return math.log(self.seconds(query, planned) / self.base_s(query))

    def measure_again(self, query: Query, planned: Planned, runs: int) -> float:
        """Return and keep the median CPU seconds of ``runs`` new runs and what was known."""
        known = [self._seconds[query, planned.key]] if self.is_measured(query, planned) else []
        self._laboratory.show(planned.visible)
        times = sorted([*known, *(self._run_s(query, self._cut_s) for _ in range(runs))])
        self._seconds[query, planned.key] = times[len(times) // 2]
        self._cuts[query, planned.key] = math.inf
        return self._seconds[query, planned.key]

    def _table(self, name: str) -> tuple[str, str]:
        definition, _ = self._built[name]
        return definition.schema, definition.table

    def _measured_s(self, query: Query, planned: Planned, cut_s: float) -> float:
        key = (query, planned.key)
        was_cut_s = self._cuts.get(key, math.inf)
        if key not in self._seconds or was_cut_s < 0.9 * cut_s:
            self._laboratory.show(planned.visible)
            seconds = self._run_s(query, cut_s)
            for limit_s in _REPEAT_BELOW_S:
                if seconds < limit_s:
                    seconds = min(seconds, self._run_s(query, cut_s))
            self._seconds[key] = seconds
            self._cuts[key] = cut_s if seconds >= cut_s else math.inf
        return self._seconds[key]

    def _run_s(self, query: Query, cut_s: float) -> float:
        return max(self._laboratory.cpu_s(query.sql, cut_s), _FLOOR_S)


def _planned(plan: Mapping[str, Any], visible: frozenset[str]) -> Planned:
    tree = plan["Plan"]
    used = frozenset(str(node["Index Name"]) for node in walk(tree) if "Index Name" in node)
    cost = max(float(tree["Total Cost"]), _LEAST_COST)
    return Planned(digest(_without_guesses(tree)), cost, used, visible, tree)


def _without_guesses(node: Mapping[str, Any]) -> dict[str, Json]:
    kept = {key: value for key, value in node.items() if key not in _GUESSES and key != "Plans"}
    return {**kept, "Plans": [_without_guesses(child) for child in node.get("Plans", ())]}
