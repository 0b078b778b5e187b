"""Cases: statements that had a better plan, with everything that is known of then and now."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from honed.core.finding import Finding
from honed.targets.postgres.catalog import Catalog, Table
from honed.targets.postgres.plan_pins.history import (
    CALLS,
    PlanRecord,
    last_good,
    read_numbers,
    read_plans,
    read_start,
)
from honed.targets.postgres.plan_pins.pin import Evidence
from honed.targets.postgres.plan_pins.shapes import relations, shapes
from honed.targets.postgres.session_settings.scope import Scope, read_scopes
from honed.targets.postgres.target import PostgresTarget
from honed.targets.postgres.workload import WorkloadStatement

#: Regressions that one cycle looks into, the heaviest first.
_MOST_CASES = 5


@dataclass(frozen=True, slots=True)
class Case:
    """One statement that had a better plan."""

    statement: WorkloadStatement
    good: PlanRecord
    #: Hash of the plan that it has now, as the observing role sees it.
    bad_hash: str
    #: The plan that it has now, likewise; its constants are left out.
    bad_plan: Mapping[str, Any]
    evidence: Evidence
    #: The tables that the good plan reads.
    tables: tuple[Table, ...]
    #: What the planner knew of them when it was good: numbers by table and column.
    numbers: Mapping[str, Mapping[str, Mapping[str, float]]]
    #: The sessions that run it; None: those of several roles, or of one that cannot be changed.
    scope: Scope | None
    #: The roles that run it; none: superusers only.
    roles: tuple[str, ...]
    finding_id: int

    @property
    def statement_id(self) -> str:
        """Which statement it is."""
        return self.statement.statement_id

    @property
    def good_shapes(self) -> frozenset[str]:
        """The shapes of which each example must have one again."""
        return shapes(self.good.plan)

    @property
    def overrides(self) -> Mapping[str, str]:
        """Settings that move plans in the sessions that run it, and only there."""
        return self.scope.overrides if self.scope else {}


def read_cases(target: PostgresTarget, findings: Sequence[Finding], catalog: Catalog) -> list[Case]:
    """Return the regressions among ``findings`` of which a better plan is known.

    Args:
        target: where they were found.

        findings: of the type REGRESSION.

        catalog: of the target.
    """
    heaviest = sorted(findings, key=lambda each: -each.weight)[:_MOST_CASES]
    if not heaviest:
        return []
    replayable = {each.statement_id: each for each in target.workload().replayable}
    plans = read_plans(target, [each.subject for each in heaviest])
    reader = _Reader(target, catalog, read_scopes(target))
    return [
        case
        for finding in heaviest
        if finding.subject in replayable and finding.subject in plans
        for case in reader.read(finding, replayable[finding.subject], plans[finding.subject])
    ]


@dataclass(frozen=True, slots=True)
class _Reader:
    target: PostgresTarget
    catalog: Catalog
    scopes: Sequence[Scope]

    def read(
        self, finding: Finding, statement: WorkloadStatement, plans: Sequence[PlanRecord]
    ) -> Iterator[Case]:
        """Yield the case of one finding, if a better plan is known."""
        seen: Mapping[str, Any] = finding.evidence
        scope = self._scope(statement.statement_id)
        good = last_good(plans[1:], seen["mean_ms_after"])
        if good is None and scope is not None and scope.overrides:
            good = _same_plan(plans[0], seen)
        if good is None:
            return
        read = relations(good.plan)
        tables = tuple(
            each for each in self.catalog.tables.values() if (each.schema, each.name) in read
        )
        names = [each.qualified_name for each in tables]
        yield Case(
            statement=statement,
            good=good,
            bad_hash=plans[0].plan_hash,
            bad_plan=plans[0].plan,
            evidence=self._evidence(statement, good, seen),
            tables=tables,
            numbers=read_numbers(self.target, names, good.last_seen_at),
            scope=scope,
            roles=tuple(sorted(each.role for each in self._roles(statement.statement_id))),
            finding_id=finding.finding_id,
        )

    def _roles(self, statement_id: str) -> list[Scope]:
        return [each for each in self.scopes if each.role and each.runs(statement_id)]

    def _scope(self, statement_id: str) -> Scope | None:
        roles = self._roles(statement_id)
        return roles[0] if len(roles) == 1 and not roles[0].why_not else None

    def _evidence(
        self, statement: WorkloadStatement, good: PlanRecord, seen: Mapping[str, Any]
    ) -> Evidence:
        since = read_start(
            self.target,
            statement.statement_id,
            good_ms=good.mean_ms,
            bad_ms=seen["mean_ms_after"],
            lookback=timedelta(hours=self.target.settings.lookback_hours),
        )
        return Evidence(
            calls_good=good.calls,
            mean_ms_good=good.mean_ms,
            blocks_per_call_good=good.blocks_per_call,
            calls_bad=seen["calls_after"],
            mean_ms_bad=seen["mean_ms_after"],
            blocks_per_call_bad=seen["blocks_per_call_after"],
            good_from=good.counted_from.isoformat() if good.counted_from else "",
            good_to=good.counted_to.isoformat() if good.counted_to else "",
            bad_since=since.isoformat() if since else "",
        )


def _same_plan(present: PlanRecord, seen: Mapping[str, Any]) -> PlanRecord | None:
    """Return the present plan as the good one, with what calls cost before.

    The observing role sees no other plan where a setting of the application's role made it.
    """
    if seen["calls_before"] < CALLS:
        return None
    return replace(
        present,
        calls=seen["calls_before"],
        exec_ms=seen["calls_before"] * seen["mean_ms_before"],
        shared_blocks=seen["calls_before"] * seen["blocks_per_call_before"],
        counted_from=None,
        counted_to=None,
    )
