"""Gives one role, or one database, the setting of planner or memory that serves its workload.

## What it does

It looks whose statements write to temporary files or are slow, and runs all statements of that role
on a clone under each of a few values: more `work_mem` or `hash_mem_multiplier`, `jit` off, and,
where production finds its data in memory, lower `random_page_cost`, higher `effective_cache_size`,
one method of the planner off. It proposes the best value that makes no statement slower by more
than 5 %: `ALTER ROLE ... IN DATABASE ... SET`, or `ALTER DATABASE ... SET` where the roles cannot
be told apart or changed. At most one value for a scope at a time. Never `ALTER SYSTEM`, and nothing
that needs a restart: of that a finding tells, for a person to read. What parallel workers do
(`max_parallel_workers_per_gather`) and which plan a prepared statement keeps (`plan_cache_mode`) is
left alone, because replay in one backend does not measure it.

## Why it helps

A sort with too little memory goes to disk. But advice that holds for everybody cuts both ways: on
one workload, `work_mem = 64MB` and `random_page_cost = 1.1` made single statements more than twice
as slow. So a value is for the narrowest scope, and only after every statement there was measured.

## Risk and rollback

`work_mem` stays below a quarter of `shared_buffers`, or 64 MB if that is more: each connection can
take it several times. The undo gives back exactly what the scope had, or resets it. Sessions that
are open keep the old value until they connect again. Statements that change data are not replayed:
a scope is left alone where more than a fifth of its time cannot be. Where the acting role may not
change a scope, a finding names what would let it.

## How it is measured

In the trial: CPU seconds of each statement of the scope, replayed in one session whose setting is
changed between blocks; statements weigh the same, so that the objective is the geometric mean; none
may become more than 10 % slower. In production: milliseconds per call of each of them.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from honed.core.finding import REGRESSION, SLOW_STATEMENT, Finding, FindingType
from honed.core.hypothesis import Hypothesis
from honed.core.kind import Kind
from honed.core.risk import Risk
from honed.core.step import Step
from honed.core.trial import Trial
from honed.targets.postgres.session_settings.scope import (
    QUERIES,
    Scope,
    read_scopes,
    setting_step,
)
from honed.targets.postgres.session_settings.search import Choice, find_setting
from honed.targets.postgres.session_settings.trial import SettingsTrial
from honed.targets.postgres.statement_trial import statement_trial, worthwhile
from honed.targets.postgres.target import PostgresTarget

#: Statements of one scope write to temporary files.
SPILLING_WORKLOAD = FindingType("spilling_workload")
#: A setting of the whole server that only a person changes, with a restart.
SERVER_SETTING = FindingType("server_setting")

#: Less on disk is not worth a finding.
_LEAST_SPILLED_BYTES = 1024 * 1024
#: Below this share of blocks found in its buffers a server reads much from elsewhere.
_FEW_HITS = 0.99
#: A change must promise so many times what its trial calls worthwhile, and at least ...
_PROMISED = 2.0
#: ... a gain for one statement, as cost after / cost before: of two statements that a setting does
#: not concern one has been seen to look 12 % cheaper.
_GAIN = 0.85
#: Cost after / cost before from which a claim has a priority, best first.
_PRIORITIES = ((0.5, 4), (0.8, 3), (1.0, 2))


class Configuration(Kind[PostgresTarget]):
    """See the module's docstring."""

    name: ClassVar[str] = "configuration"
    sort: ClassVar[str] = "postgres"
    risk: ClassVar[Risk] = Risk(level=4)
    wants: ClassVar[frozenset[FindingType]] = frozenset(
        {SPILLING_WORKLOAD, SLOW_STATEMENT, REGRESSION}
    )

    def look(self, target: PostgresTarget) -> Iterator[Finding]:
        """Yield one finding for each scope that sorts on disk, and what only a restart changes."""
        for scope in read_scopes(target):
            if scope.temp_bytes >= _LEAST_SPILLED_BYTES:
                yield _spilling(scope)
        (place,) = target.query(QUERIES["read_workplace"])
        yield from restart_findings(place)

    def propose(self, findings: Sequence[Finding], target: PostgresTarget) -> Iterator[Hypothesis]:
        """Yield one claim for each role that a setting serves; else one for the database."""
        if not findings:
            return
        *roles, everybody = read_scopes(target)
        claims = list(self._claims(roles, findings, target))
        yield from claims or self._claims([everybody], findings, target)

    def apply(self, hypothesis: Hypothesis, target: PostgresTarget) -> list[Step]:
        """Return the step that gives the scope its setting."""
        del target
        given: Mapping[str, Any] = hypothesis.parameters
        return [
            setting_step(
                given["database"],
                given["role"],
                given["name"],
                given["value"],
                before=given["before"],
            )
        ]

    def trial(self, hypothesis: Hypothesis, target: PostgresTarget) -> Trial:
        """Return the replay of the scope's statements with and without the setting."""
        given: Mapping[str, Any] = hypothesis.parameters
        return SettingsTrial(
            replay=statement_trial(
                target,
                base_s=given["base_s"],
                # A setting concerns every statement of its scope, whether its plan changes or not.
                changed=given["base_s"],
                cut_s=given["cut_s"],
                notes={"left_out": given["left_out"]},
            ),
            steps=tuple(self.apply(hypothesis, target)),
            given={given["name"]: given["value"]},
            overrides=given["overrides"],
        )

    def measure(self, hypothesis: Hypothesis, target: PostgresTarget) -> Mapping[str, float]:
        """Return milliseconds per call by statement id, of the scope's statements."""
        given: Mapping[str, Any] = hypothesis.parameters
        costs = target.statement_costs()
        return {each: costs[each].exec_ms_per_call for each in given["base_s"] if each in costs}

    def _claims(
        self, scopes: Sequence[Scope], findings: Sequence[Finding], target: PostgresTarget
    ) -> Iterator[Hypothesis]:
        for scope in scopes:
            asked = [each for each in findings if _concerns(each, scope)]
            if scope.why_not or not asked:
                continue
            choice = find_setting(target, scope)
            if choice is not None and _is_worth_it(choice):
                yield _claim(choice, asked)


def _is_worth_it(choice: Choice) -> bool:
    promised = choice.log_ratio < -_PROMISED * worthwhile(len(choice.ratios))
    return promised and min(choice.ratios.values()) < _GAIN


def _concerns(finding: Finding, scope: Scope) -> bool:
    if finding.type == SPILLING_WORKLOAD:
        return not scope.role or finding.subject == scope.label
    return scope.runs(finding.subject)


def _claim(choice: Choice, findings: Sequence[Finding]) -> Hypothesis:
    scope, candidate, ratio = choice.scope, choice.candidate, math.exp(choice.log_ratio)
    return Hypothesis(
        kind=Configuration.name,
        subject=f"{scope.label}: {candidate.name}",
        claim=f"{candidate.name} = {candidate.value} for {scope.label} brings the cost of its "
        f"{len(choice.ratios)} statements to {ratio:.0%} on average and makes none slower; it "
        "holds for new connections",
        priority=next(priority for limit, priority in _PRIORITIES if ratio < limit),
        risk=Configuration.risk.level,
        predicted_log_ratio=choice.log_ratio,
        parameters={
            "database": scope.database,
            "role": scope.role,
            "name": candidate.name,
            "value": candidate.value,
            "before": scope.assigned.get(candidate.name),
            "overrides": dict(scope.overrides),
            "base_s": dict(choice.base_s),
            "ratios": dict(choice.ratios),
            "cut_s": choice.cut_s,
            "left_out": dict(choice.left_out),
        },
        finding_ids=tuple(each.finding_id for each in findings),
    )


def _spilling(scope: Scope) -> Finding:
    person = f"; only a person can give it a setting: {scope.why_not}" if scope.why_not else ""
    return Finding(
        type=SPILLING_WORKLOAD,
        subject=scope.label,
        title=f"statements of {scope.label} wrote {scope.temp_bytes / 1e6:.0f} MB to temporary "
        f"files since the counters were reset{person}",
        evidence={"temp_bytes": scope.temp_bytes, "why_not": scope.why_not},
    )


def restart_findings(place: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield what only a restart would change; ``place`` is a row of ``read_workplace``."""
    is_small = place["size_bytes"] > place["buffers_bytes"] and place["hit_share"] < _FEW_HITS
    if place["has_default_buffers"] and is_small:
        yield Finding(
            type=SERVER_SETTING,
            subject="shared_buffers",
            title=f"shared_buffers is {place['buffers_bytes'] / 2**20:.0f} MB, as the server came, "
            f"for a database of {place['size_bytes'] / 2**20:.0f} MB, and {place['hit_share']:.1%} "
            "of the blocks are found there; it concerns everybody and needs a restart, so that "
            "honed leaves it to a person",
            evidence={
                "buffers_bytes": place["buffers_bytes"],
                "size_bytes": place["size_bytes"],
                "hit_share": place["hit_share"],
            },
        )
