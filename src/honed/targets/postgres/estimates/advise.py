"""Advice: which statistics a target should have, found on clones of it."""

import math
import time
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from honed.core.canonical import Json
from honed.core.step import Step
from honed.errors import EvaluatorFailed, StatementCut
from honed.targets.postgres.catalog import Catalog, Table
from honed.targets.postgres.clone import Clone
from honed.targets.postgres.estimates.probe import Probe, count, error, read_probes
from honed.targets.postgres.estimates.remedy import Remedy, analyze, remedies
from honed.targets.postgres.indexes.access import walk
from honed.targets.postgres.indexes.advise import choose_cut_s, queries_of
from honed.targets.postgres.indexes.query import Query
from honed.targets.postgres.metering import MeteredSession
from honed.targets.postgres.plans import plan_key
from honed.targets.postgres.target import PostgresTarget

#: An estimate is wrong from this factor on; a remedy must bring it below, and down by ``_BETTER``.
WRONG, _BETTER = 10.0, 3.0
#: Runs of each plan; the least counts.
_RUNS = 2
#: Seconds after which no more rows are counted.
_COUNTING_S = 10.0


@dataclass(frozen=True, slots=True)
class StatisticsGain:
    """What new statistics do for one statement, mean over its examples; CPU seconds, measured."""

    statement_id: str
    before_s: float
    after_s: float


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do about the statistics of tables that statements read together."""

    #: Qualified names.
    tables: tuple[str, ...]
    labels: tuple[str, ...]
    steps: tuple[Step, ...]
    #: Of the statements whose plan changes.
    gains: tuple[StatisticsGain, ...]
    #: Mean over all statements of log(cost after / cost before).
    log_ratio: float
    #: Factor by which the worst estimate was wrong before; 1: none was.
    error_before: float
    #: CPU seconds of each statement; where the plan stays, seconds of a call in production.
    base_s: Mapping[str, float]
    cut_s: float
    #: What could not be looked at, and why.
    left_out: Mapping[str, Json]


def advise_statistics(target: PostgresTarget, stale: Collection[str]) -> list[Advice]:
    """Return what the statistics of tables should be, where that changes plans.

    Nothing is changed in production: rows are counted, and remedies tried, on clones. Rows of
    sampled tables cannot be counted there, so that those are left alone. Tables that one statement
    reads are one advice if its plan changes: a join is often only right when both sides are.

    Args:
        target: its workload tells which estimates matter; its lab is refreshed.

        stale: qualified names of tables whose statistics are older than their rows.
    """
    catalog, replayable = target.catalog(), target.workload().replayable
    if not replayable:
        return []
    queries, cut_s = queries_of(replayable), choose_cut_s(replayable)
    target.lab.refresh()
    with (
        target.lab.clone("before") as before,
        target.lab.clone("after") as after,
        MeteredSession(before, cut_s=cut_s) as old,
        MeteredSession(after, cut_s=cut_s) as new,
    ):
        look = _Look(before, catalog, time.monotonic() + _COUNTING_S)
        look.plan(queries)
        trying = _Trying(look, after, look.wrong_by_table())
        for name in dict.fromkeys([*trying.wrong, *sorted(stale)]):
            if name in catalog.tables and name not in before.sampled:
                trying.treat(catalog.tables[name], is_stale=name in stale)
        return [_Comparison(trying, old, new).advice(tables) for tables in trying.groups()]


@dataclass(slots=True)
class _Look:
    """One look at the planner's estimates on a clone that has production's statistics."""

    clone: Clone
    catalog: Catalog
    #: ``time.monotonic()`` after which nothing more is counted.
    until: float
    plans: dict[Query, Any] = field(default_factory=dict)
    #: Rows of each probe.
    actual: dict[Probe, float] = field(default_factory=dict)
    left_out: dict[str, Json] = field(default_factory=dict)

    def plan(self, queries: Sequence[Query]) -> None:
        """Plan every query; what cannot be planned is left out, with its reason."""
        for query in queries:
            try:
                self.plans[query] = self.clone.explain(query.sql)
            except (EvaluatorFailed, StatementCut) as problem:
                self.left_out[query.statement_id] = str(problem)

    def tables(self, query: Query) -> frozenset[str]:
        """Return the qualified names of the tables that ``query`` reads."""
        nodes = walk(self.plans[query]["Plan"])
        found = {(each.get("Schema"), each.get("Relation Name")) for each in nodes}
        catalog = self.catalog.tables.items()
        return frozenset(key for key, each in catalog if (each.schema, each.name) in found)

    def wrong_by_table(self) -> dict[str, dict[Probe, float]]:
        """Return by table the probes whose estimate is wrong, with the factor."""
        names = {(each.schema, each.name): key for key, each in self.catalog.tables.items()}
        found: defaultdict[str, dict[Probe, float]] = defaultdict(dict)
        for probe in dict.fromkeys(p for plan in self.plans.values() for p in read_probes(plan)):
            name = names.get((probe.schema, probe.table), "")
            factor = self._error(probe) if name and name not in self.clone.sampled else 1.0
            if factor >= WRONG:
                found[name][probe] = factor
        return dict(found)

    def _error(self, probe: Probe) -> float:
        """Return by which factor the planner is wrong; 1 where that cannot be found out."""
        if time.monotonic() > self.until:
            self.left_out["estimates"] = "there was no more time to count rows"
            return 1.0
        try:
            self.actual[probe] = count(self.clone, probe)
            return error(self.clone, probe, self.actual[probe])
        except (EvaluatorFailed, StatementCut) as problem:
            self.left_out[f"{probe.schema}.{probe.table}"] = str(problem)
            return 1.0


@dataclass(slots=True)
class _Trying:
    """Remedies being tried on one clone, against another that stays as it is."""

    look: _Look
    clone: Clone
    #: By table: the probes whose estimate is wrong, with the factor.
    wrong: Mapping[str, Mapping[Probe, float]]
    #: By table: what was done about it on the clone.
    chosen: dict[str, list[Remedy]] = field(default_factory=dict)

    def treat(self, table: Table, *, is_stale: bool) -> None:
        """Do on the clone what puts the estimates of ``table`` right."""
        chosen = [analyze(table)] * is_stale
        self._run(chosen)
        left = dict(self.wrong.get(table.qualified_name, {}))
        while left := self._still_wrong(left):
            worst = max(left, key=lambda probe: left[probe])
            best = self._best(worst, left[worst], table)
            if best is not None:
                chosen.append(best)
                self._run([best])
            del left[worst]
        self.chosen[table.qualified_name] = chosen

    def changed(self) -> list[Query]:
        """Return the queries that have another plan on the clone than before."""
        plans = self.look.plans
        return [q for q in plans if plan_key(plans[q]) != plan_key(self.clone.explain(q.sql))]

    def groups(self) -> list[tuple[str, ...]]:
        """Return the treated tables in groups that changed statements read together."""
        groups: list[frozenset[str]] = []
        for query in self.changed():
            treated = {name for name in self.look.tables(query) if self.chosen.get(name)}
            touched = [group for group in groups if group & treated]
            alone = [group for group in groups if not group & treated]
            groups = [*alone, frozenset(treated).union(*touched)] if treated else groups
        return [tuple(sorted(group)) for group in groups]

    def _run(self, chosen: Sequence[Remedy]) -> None:
        for remedy in chosen:
            self.clone.run(*remedy.step.do)

    def _still_wrong(self, probes: Collection[Probe]) -> dict[Probe, float]:
        errors = {each: error(self.clone, each, self.look.actual[each]) for each in probes}
        return {probe: factor for probe, factor in errors.items() if factor >= WRONG}

    def _best(self, probe: Probe, factor: float, table: Table) -> Remedy | None:
        """Return the remedy that puts ``probe`` right best; each is tried by itself."""
        found: dict[Remedy, float] = {}
        for remedy in remedies(probe, table):
            try:
                self.clone.run(*remedy.step.do)
                found[remedy] = error(self.clone, probe, self.look.actual[probe])
            except EvaluatorFailed:
                continue  # an expression that may not be had, a type without order
            finally:
                self.clone.run(*remedy.step.undo)
        best = min(found, key=lambda each: found[each], default=None)
        if best is None or found[best] >= min(WRONG, factor / _BETTER):
            return None
        return best


@dataclass(frozen=True, slots=True)
class _Comparison:
    """What the treated clone's statements cost, against the other's."""

    trying: _Trying
    old: MeteredSession
    new: MeteredSession

    def advice(self, tables: Sequence[str]) -> Advice:
        """Return what was done about ``tables``, and what it does for statements."""
        trying, look = self.trying, self.trying.look
        gains = self._gains([q for q in trying.changed() if look.tables(q) & set(tables)])
        base_s = {query.statement_id: query.production_s for query in look.plans}
        base_s |= {gain.statement_id: gain.before_s for gain in gains}
        chosen = [(name, remedy) for name in tables for remedy in trying.chosen[name]]
        wrong = [factor for name in tables for factor in trying.wrong.get(name, {}).values()]
        return Advice(
            tables=tuple(tables),
            labels=tuple(f"{remedy.label} in {name}" for name, remedy in chosen),
            steps=tuple(remedy.step for _, remedy in chosen),
            gains=tuple(gains),
            log_ratio=sum(math.log(each.after_s / each.before_s) for each in gains) / len(base_s),
            error_before=max(wrong, default=1.0),
            base_s=base_s,
            cut_s=self.old.cut_s,
            left_out=look.left_out,
        )

    def _gains(self, changed: Sequence[Query]) -> list[StatisticsGain]:
        costs: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
        for query in changed:
            pairs = [
                (self.old.run(query.sql).cost_s, self.new.run(query.sql).cost_s)
                for _ in range(_RUNS)
            ]
            costs[query.statement_id].append((min(p[0] for p in pairs), min(p[1] for p in pairs)))
        return [
            StatisticsGain(each, fmean(p[0] for p in pairs), fmean(p[1] for p in pairs))
            for each, pairs in costs.items()
        ]
