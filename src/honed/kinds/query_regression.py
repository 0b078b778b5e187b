"""Brings the last good plan of a statement back, and lets go of it when it is needed no more.

## What it does

It remembers which plan each statement had when, what a call cost then, and what the planner knew in
numbers. Where a statement became slower than its own history and had a better plan, it looks for
the narrowest thing that brings that plan back on a clone: the least advice or the fewest hints for
the one statement (pg_stash_advice of PostgreSQL 19, pg_hint_plan), fresh statistics, statistics of
columns together, more values of a column, a fixed number of values, the numbers that the planner
knew before (PostgreSQL 18), and last one setting of the planner for the role that runs the
statement. What does not bring the plan back there is not proposed. Each pin says for whom it holds,
what takes it back and when it expires (`plan_pin_days`); `honed.plan_pins` lists them. Every week,
and as soon as columns or indexes of its tables change, it tries without the pin, and takes it back
where the planner does as well by itself. One that has expired also goes where nobody runs its
statements any more, if no other becomes slower; one that somebody changed meanwhile is left alone.

Advice is an entry of the stash that the statement's sessions use (`pg_stash_advice.stash_name`). It
takes the extension in the database, its library in `shared_preload_libraries`, and EXECUTE on its
functions; how, docs/howto/hold-a-plan.md says. Hints are a row of `hint_plan.hints` for the
statement's identifier, in everybody's sessions. It takes pg_hint_plan 1.7 or later in the database,
`pg_hint_plan.enable_hint_table = on`, and the privileges to insert and delete there. Both take the
extension in the lab's server too (`postgres_bin` names programs that have it). A statement that
somebody else has given advice or hints keeps them, and a finding says so. What keeps a mechanism
away, the record of a claim tells.

## Why it helps

Nothing was deployed, and a report takes a minute instead of a second: statistics moved past some
limit, somebody dropped or restored some, a role got a setting. The plan of yesterday is known to be
good, and the way back is seldom more than one command. But nobody is there at night to find it.

## Risk and rollback

The undo drops the statistics object, resets the column or the setting, gives the numbers back, or
removes the advice or the hints if they are still as they were put there. A plain ANALYZE has no
undo: it brings what the next autovacuum would have brought. Given numbers hold until the next
ANALYZE, and are not tried without. A setting is for one role in one database, and only where none
of its other statements becomes slower; connections that are open keep the old value. Statistics may
change plans of other statements; the trial replays them all. Lists of common values are not saved:
they are values of production's rows.

## How it is measured

In the trial: CPU seconds of each statement, replayed on clones with the pin and without; statements
weigh the same, and none may become more than 10 % slower. Advice and hints concern no other
statement, so that theirs alone is replayed. What takes less than a millisecond and keeps its plan
is not replayed: the same plan costs the same. A pin is taken back if without it each statement
costs less than a tenth more. In production: milliseconds per call of the pinned statements,
compared with the time since they became slow.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

from honed.core.finding import REGRESSION, Finding, FindingType
from honed.core.hypothesis import MAX_PRIORITY, Hypothesis
from honed.core.kind import Kind
from honed.core.risk import Risk
from honed.core.step import Step, steps_from_json
from honed.core.trial import Trial
from honed.targets.postgres.plan_pins.manner import MANNERS
from honed.targets.postgres.plan_pins.pin import PlanPin
from honed.targets.postgres.plan_pins.provider import foreign_guidance
from honed.targets.postgres.plan_pins.search import Found, find_pins
from honed.targets.postgres.plan_pins.shapes import relations
from honed.targets.postgres.plan_pins.trial import TOLERATED, UnpinTrial, pin_trial
from honed.targets.postgres.plan_pins.unpinning import (
    DuePin,
    due_pins,
    hindered_roles,
    sessions,
    without_guidance,
)
from honed.targets.postgres.target import PostgresTarget

#: A pin should be tried without.
PLAN_PIN_DUE = FindingType("plan_pin_due")
#: Only told: which privilege is missing, or whose hints are in the way.
PLAN_PIN_HINDERED = FindingType("plan_pin_hindered")

_UNPIN_PRIORITY = 3
#: Shorter statements that a pin does not concern are not measured without it.
_MEASURABLE_MS = 1.0
#: What a statement without its pin is taken to cost, in the metric of its trial.
_AS_WELL = -math.log1p(TOLERATED)


class QueryRegression(Kind[PostgresTarget]):
    """See the module's docstring."""

    name: ClassVar[str] = "query_regression"
    sort: ClassVar[str] = "postgres"
    risk: ClassVar[Risk] = Risk(level=3)
    wants: ClassVar[frozenset[FindingType]] = frozenset({REGRESSION, PLAN_PIN_DUE})
    #: How often a pin is tried without.
    revalidate_after: ClassVar[timedelta] = timedelta(days=7)

    def look(self, target: PostgresTarget) -> Iterator[Finding]:
        """Yield one finding for each pin to be tried without, and for what keeps pins away."""
        for label, reason in hindered_roles(target).items():
            yield Finding(
                type=PLAN_PIN_HINDERED,
                subject=label,
                title=f"a statement of {label} has become slower, and no setting can bring its plan"
                f" back: {reason} (`honed target add --sql` prints what it takes)",
                evidence={"why_not": reason},
            )
        for foreign in foreign_guidance(target):
            yield Finding(
                type=PLAN_PIN_HINDERED,
                subject=f"what {foreign.place} says of statement {foreign.statement_id}",
                title=f"statement {foreign.statement_id} has become slower, and somebody else has"
                f" told the planner of it in {foreign.place}: honed adds nothing there",
                evidence={"statement_id": foreign.statement_id, "words": foreign.words},
            )
        for due in due_pins(target, after=self.revalidate_after):
            yield Finding(
                type=PLAN_PIN_DUE,
                subject=_unpinned(due),
                title=f"the plan pin of improvement {due.improvement_id} is to be tried without:"
                f" {due.why}{_for_a_person(due, target)}",
                evidence={
                    "improvement_id": due.improvement_id,
                    "why": due.why,
                    "statements": [each.statement_id for each in due.pins],
                },
            )

    def propose(self, findings: Sequence[Finding], target: PostgresTarget) -> Iterator[Hypothesis]:
        """Yield one claim for each remedy, and one for each pin that is due."""
        regressions = [each for each in findings if each.type == REGRESSION]
        days = target.settings.plan_pin_days
        for found in find_pins(target, regressions):
            yield _claim(found, days)
        due = {each.subject: each.finding_id for each in findings if each.type == PLAN_PIN_DUE}
        for pin in due_pins(target, after=self.revalidate_after) if due else ():
            if _unpinned(pin) in due:
                yield from _unpin(pin, target, due[_unpinned(pin)])

    def apply(self, hypothesis: Hypothesis, target: PostgresTarget) -> list[Step]:
        """Return the steps that were found when the claim was made."""
        del target
        return steps_from_json(_parameters(hypothesis)["steps"])

    def trial(self, hypothesis: Hypothesis, target: PostgresTarget) -> Trial:
        """Return the replay of the workload with the pin and without; or without it and with."""
        parameters = _parameters(hypothesis)
        steps = self.apply(hypothesis, target)
        trial = pin_trial(target, steps, parameters, notes=parameters["notes"])
        return UnpinTrial(trial) if "takes_back" in parameters else trial

    def measure(self, hypothesis: Hypothesis, target: PostgresTarget) -> Mapping[str, float]:
        """Return milliseconds per call by statement id, of the pinned statements."""
        costs = target.statement_costs()
        statements: Sequence[str] = _parameters(hypothesis)["statements"]
        return {each: costs[each].exec_ms_per_call for each in statements if each in costs}

    def compares_from(self, hypothesis: Hypothesis) -> datetime | None:
        """Return since when the statements have been slow."""
        since: str = _parameters(hypothesis).get("bad_since", "")
        return datetime.fromisoformat(since) if since else None


def _claim(found: Found, days: float) -> Hypothesis:
    remedy = found.remedy
    logs = [math.log(case.good.mean_ms / case.evidence.mean_ms_bad) for case in found.cases]
    times = math.exp(-min(logs))
    count = len(found.cases)
    which = "a statement" if count == 1 else f"{count} statements"
    pins = [
        PlanPin(
            statement_id=case.statement_id,
            good_plan_hash=case.good.plan_hash,
            bad_plan_hash=case.bad_hash,
            evidence=case.evidence,
            mechanism=remedy.mechanism,
            scope=remedy.scope,
            days=days,
            undo=remedy.undo,
        ).to_json()
        for case in found.cases
    ]
    parameters: dict[str, Any] = {
        "pins": pins,
        "statements": [case.statement_id for case in found.cases],
        "steps": [step.to_json() for step in remedy.steps],
        "session": dict(remedy.session),
        "role": remedy.role,
        "overrides": {} if remedy.acts_on_tables else dict(found.cases[0].overrides),
        "tables": sorted(list(t) for case in found.cases for t in relations(case.good.plan)),
        "definitions": found.definitions,
        "bad_since": max(case.evidence.bad_since for case in found.cases),
        "base_s": dict(found.base_s),
        "cut_s": found.cut_s,
        "notes": {
            "left_out": dict(found.left_out),
            "guarded_by_plan": list(found.guarded_by_plan),
        },
    }
    if remedy.guidance:
        words = {each.statement_id: remedy.guidance for each in found.cases}
        parameters[MANNERS[remedy.mechanism].noun] = {"before": {}, "after": words}
    return Hypothesis(
        kind=QueryRegression.name,
        subject=f"{remedy.mechanism}: {remedy.label}",
        claim=f"{remedy.label} ({remedy.mechanism}) gives {which} the last good plan back, which"
        f" was up to {times:.1f} times as fast",
        priority=MAX_PRIORITY,
        risk=QueryRegression.risk.level,
        predicted_log_ratio=sum(logs) / len(found.base_s),
        parameters=parameters,
        finding_ids=tuple(case.finding_id for case in found.cases),
    )


def _unpinned(due: DuePin) -> str:
    return f"without the pin of improvement {due.improvement_id}"


def _for_a_person(due: DuePin, target: PostgresTarget) -> str:
    """Return what a person can do where there is nothing to try an expired pin with."""
    if not due.is_expired or target.workload().replayable:
        return ""
    return (
        "; no statement can be replayed to try it, so that it is left to a person:"
        f" `honed improvement rollback {due.improvement_id}` takes it back"
    )


def _unpin(due: DuePin, target: PostgresTarget, finding_id: int) -> Iterator[Hypothesis]:
    """Yield the claim that a pin is not needed, if it can be tried.

    Once it has expired it may also go where nobody runs its statements any more: the others that
    can be replayed guard.
    """
    pinned = {each.statement_id for each in due.pins}
    replayable = {each.statement_id: each for each in target.workload().replayable}
    measured = {*pinned, *due.parameters["base_s"]}
    base_s = {
        name: each.mean_ms / 1000
        for name, each in replayable.items()
        if name in measured or each.mean_ms >= _MEASURABLE_MS
    }
    statements = sorted(pinned & base_s.keys()) or sorted(base_s if due.is_expired else ())
    if not statements:
        return
    session, overrides = sessions(target, due)
    yield Hypothesis(
        kind=QueryRegression.name,
        subject=_unpinned(due),
        claim=f"without the pin of improvement {due.improvement_id} ({due.pins[0].mechanism} of"
        f" {due.pins[0].scope}) the planner does as well by itself",
        priority=MAX_PRIORITY if due.is_expired else _UNPIN_PRIORITY,
        risk=QueryRegression.risk.level,
        predicted_log_ratio=_AS_WELL,
        parameters={
            "takes_back": due.improvement_id,
            "statements": statements,
            "steps": [step.to_json() for step in due.steps],
            "session": session,
            "overrides": overrides,
            "base_s": base_s,
            "cut_s": due.parameters["cut_s"],
            "notes": {"why": due.why},
            **without_guidance(due),
        },
        finding_ids=(finding_id,),
    )


def _parameters(hypothesis: Hypothesis) -> Mapping[str, Any]:
    return hypothesis.parameters
