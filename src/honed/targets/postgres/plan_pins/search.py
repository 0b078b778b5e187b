"""The search: which mechanism, the narrowest first, brings the good plans of statements back."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from honed.core.finding import Finding
from honed.errors import EvaluatorFailed, StatementCut
from honed.targets.postgres.catalog import Catalog
from honed.targets.postgres.indexes.advise import choose_cut_s
from honed.targets.postgres.metering import MeteredSession
from honed.targets.postgres.plan_pins.bench import Bench
from honed.targets.postgres.plan_pins.case import Case, read_cases
from honed.targets.postgres.plan_pins.manner import MANNERS
from honed.targets.postgres.plan_pins.pin import Remedy, definitions
from honed.targets.postgres.plan_pins.provider import Provider, read_server
from honed.targets.postgres.plan_pins.providers.hint_table import HintTable
from honed.targets.postgres.plan_pins.providers.saved_statistics import SavedStatistics
from honed.targets.postgres.plan_pins.providers.settings import Settings
from honed.targets.postgres.plan_pins.providers.stash_advice import StashAdvice
from honed.targets.postgres.plan_pins.providers.statistics import Statistics
from honed.targets.postgres.plan_pins.shapes import relations
from honed.targets.postgres.plans import plan_key
from honed.targets.postgres.target import PostgresTarget
from honed.targets.postgres.workload import WorkloadStatement

#: From the narrowest to the widest. Indexes are ``index_optimization``'s.
LADDER: tuple[Provider, ...] = (
    StashAdvice(),
    HintTable(),
    Statistics(),
    SavedStatistics(),
    Settings(),
)

#: Below so many seconds a statement whose plan stays is guarded by that alone: its cost is noise.
_MEASURABLE_S = 1e-3
#: A setting that makes another statement of the role slower by more than this factor is not
#: proposed ...
_HARM = 1.1
#: ... if it is more than the caches do to a run, seconds.
_NOTICED_S = 1e-3


@dataclass(slots=True)
class Found:
    """A remedy, and the statements whose good plan it brings back."""

    remedy: Remedy
    cases: list[Case]
    #: Seconds of a call in production, of each statement that its trial replays: those whose plan
    #: changes, and of the others all that take long enough to be measured.
    base_s: Mapping[str, float]
    #: Statements that keep their plan and are too short to be measured.
    guarded_by_plan: Sequence[str]
    cut_s: float
    #: Digest of the tables' columns and indexes.
    definitions: str
    #: Why narrower mechanisms were not used, by name.
    left_out: Mapping[str, str]


def find_pins(target: PostgresTarget, findings: Sequence[Finding]) -> list[Found]:
    """Return what brings the plans of regressed statements back, tried on a clone.

    Nothing is changed in production. A regression that the clone does not show, or that nothing
    brings back there, is left alone. The target's lab is refreshed if there is a case.

    Args:
        target: where the regressions were found.

        findings: of the type REGRESSION.
    """
    catalog = target.catalog()
    cases = read_cases(target, findings, catalog)
    if not cases:
        return []
    server, replayable = read_server(target), target.workload().replayable
    why_not = {each.name: each.why_not(server) for each in LADDER}
    target.lab.refresh()
    with target.lab.clone("pins") as clone:
        search = _Search(
            Bench(clone, server.keepers),
            [each for each in LADDER if not why_not[each.name]],
            replayable,
            choose_cut_s(replayable),
        )
        search.pin(cases)
    left_out = {name: why for name, why in why_not.items() if why}
    return [search.describe(each, catalog, left_out) for each in search.found]


@dataclass(slots=True)
class _Choice:
    """A remedy with the statements that it serves, and those whose plan it changes."""

    remedy: Remedy
    cases: list[Case]
    changed: frozenset[str]


@dataclass(slots=True)
class _Search:
    bench: Bench
    ladder: Sequence[Provider]
    replayable: Sequence[WorkloadStatement]
    cut_s: float
    found: list[_Choice] = field(default_factory=list)

    def pin(self, cases: Sequence[Case]) -> None:
        """Find a remedy for each of ``cases`` that the clone shows to have a bad plan.

        One that an earlier remedy has brought back already belongs to that one.
        """
        ill = [case for case in cases if not self.bench.is_good(case)]
        for case in ill:
            served = self._served_by(case)
            if served is not None:
                served.append(case)
                continue
            remedy = next(self._working(case), None)
            if remedy is not None:
                changed = self._changed(remedy, case)
                self.found.append(_Choice(remedy, [case], changed))
                self.bench.keep(remedy)

    def _served_by(self, case: Case) -> list[Case] | None:
        """Return the cases of the remedy that brought back the plan of ``case``, too."""
        for choice in reversed(self.found):
            remedy, served = choice.remedy, choice.cases
            is_of_role = case.scope is not None and case.scope.role == remedy.role
            if remedy.session and is_of_role and self.bench.is_good(case, remedy):
                return served
            if remedy.acts_on_tables and self.bench.is_good(case):
                return served
        return None

    def _working(self, case: Case) -> Iterator[Remedy]:
        for provider in self.ladder:
            for remedy in provider.remedies(case, self.bench):
                if self.bench.is_good(case, remedy) and not self._harms(remedy, case):
                    yield remedy

    def describe(self, choice: _Choice, catalog: Catalog, left_out: Mapping[str, str]) -> Found:
        """Return what was found, with everything that its trial needs."""
        own = {each.statement_id: each.evidence.mean_ms_bad / 1000 for each in choice.cases}
        concerned = {
            each.statement_id: each.mean_ms / 1000
            for each in self.replayable
            if _concerns(choice, each.statement_id)
        }
        # Of the pinned ones, the mean over the whole lookback knows the good plan as well.
        seconds = concerned | own
        measured = {
            name: value
            for name, value in seconds.items()
            if name in own or name in choice.changed or value >= _MEASURABLE_S
        }
        tables = frozenset[tuple[str, str]]().union(
            *(relations(each.good.plan) for each in choice.cases)
        )
        return Found(
            remedy=choice.remedy,
            cases=choice.cases,
            base_s=measured,
            guarded_by_plan=sorted(seconds.keys() - measured.keys()),
            cut_s=self.cut_s,
            definitions=definitions(catalog, tables),
            left_out={**self._obstacles(choice), **left_out},
        )

    def _obstacles(self, choice: _Choice) -> dict[str, str]:
        """Return what kept a mechanism from the statements of ``choice``, by its name."""
        found = {
            name: [self.bench.obstacle(each, name) for each in choice.cases] for name in MANNERS
        }
        words = {name: "; ".join(sorted({*filter(None, each)})) for name, each in found.items()}
        return {name: each for name, each in words.items() if each}

    def _changed(self, remedy: Remedy, case: Case) -> frozenset[str]:
        """Return the statements that get another plan by ``remedy``."""
        if remedy.guidance:
            return frozenset({case.statement_id})
        return frozenset(
            each.statement_id
            for each in self.replayable
            if self._keys(each.examples, case) != self._keys(each.examples, case, remedy)
        )

    def _keys(
        self, examples: Sequence[str], case: Case, remedy: Remedy | None = None
    ) -> list[str] | None:
        """Return what tells the plans of ``examples`` apart; None: one cannot be planned."""
        try:
            return [plan_key(plan) for plan in self.bench.plans_with(examples, case, remedy)]
        except (EvaluatorFailed, StatementCut):
            return None

    def _harms(self, remedy: Remedy, case: Case) -> bool:
        """Return whether a setting makes another statement of the role slower."""
        if not remedy.session or case.scope is None:
            return False
        others = [
            example
            for each in self.replayable
            if each.statement_id != case.statement_id and case.scope.runs(each.statement_id)
            for example in each.examples
            if self._keys([example], case) != self._keys([example], case, remedy)
        ]
        with closing(MeteredSession(self.bench.clone, cut_s=self.cut_s)) as session:
            return any(self._is_slower(session, each, case, remedy) for each in others)

    def _is_slower(self, session: MeteredSession, example: str, case: Case, remedy: Remedy) -> bool:
        costs_s = []
        for given in ({}, remedy.session):
            session.use({**case.overrides, **given})
            costs_s.append(min(session.run(example).cost_s for _ in range(2)))
        before_s, after_s = costs_s
        return after_s > _HARM * before_s and after_s - before_s > _NOTICED_S


def _concerns(choice: _Choice, statement_id: str) -> bool:
    """Return whether a statement may notice the remedy."""
    remedy, scope = choice.remedy, choice.cases[0].scope
    if remedy.guidance:
        return statement_id in choice.changed
    return not remedy.session or scope is None or scope.runs(statement_id)
