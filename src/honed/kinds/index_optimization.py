"""Builds the indexes that serve the whole workload best, and drops what failed builds left.

## What it does

It reads the plans of the workload's statements, thinks of indexes that could serve them
(multi-column, covering, partial, on expressions), builds those on a clone and measures there which
set of them is worth its price: the bytes, and the writes to each of its tables. Indexes that touch
each other's statements are one claim, and are tried, applied and undone together. An index that
exists already, or that is the beginning of one that does, is not proposed. An invalid index that a
failed build of honed's left behind is built again if it is still wanted, else dropped.

## Why it helps

Without the right index a statement reads rows that it does not need. Each index must serve the
workload, not one statement: a third of what advisors recommend statement by statement brings
nothing, and some of it makes other statements slower.

## Risk and rollback

Indexes are built and dropped CONCURRENTLY: readers and writers go on. An index costs disk and makes
each write to its table dearer; both are in the claim. The undo drops the index; what remains of a
build that failed half-way is recognised and dropped. The undo of a dropped leftover builds it,
which makes it valid. A table of which an expression is indexed is
analyzed afterwards, which nothing takes back. Statements that write are only counted, not sped up.

On a partitioned table an empty index is made first, then one on each partition CONCURRENTLY, and
each of these is attached to it; with the last one it is valid. Partitions made later get the index
by themselves, and only dropping the whole takes that back. Making the empty index makes writers
wait for a moment, and dropping the whole one everybody: PostgreSQL does neither CONCURRENTLY. Both
give up after `lock_timeout_s` where others hold the table, and try again some times. A part that is
not attached yet is dropped CONCURRENTLY. A table with a partition on another server is left alone.

## How it is measured

In the trial: CPU seconds of each statement, replayed on clones with and without the indexes;
statements weigh the same, so that the objective is the geometric mean; none may become more than
10 % slower. In production: milliseconds per call of each statement whose plan the indexes change.
Statements that write to the indexed tables guard: together they may come to cost a tenth more of
what they and the statements that the indexes serve cost before. They are not in the trial. What a
dropped leftover brings is measured in CPU microseconds of each written row.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, ClassVar

from honed.core.canonical import Json, digest
from honed.core.finding import INVALID_INDEX, REGRESSION, SLOW_STATEMENT, Finding, FindingType
from honed.core.hypothesis import Hypothesis
from honed.core.kind import Kind
from honed.core.risk import Risk
from honed.core.step import Step
from honed.core.trial import GUARD, Trial
from honed.targets.postgres.indexes.advise import advise
from honed.targets.postgres.indexes.definition import IndexDefinition
from honed.targets.postgres.indexes.drop_trial import DropTrial
from honed.targets.postgres.indexes.dropping import Dropping, find_leftovers
from honed.targets.postgres.indexes.partitions import index_steps, leaf_definitions, read_trees
from honed.targets.postgres.indexes.search import IndexSet, SearchResult, StatementGain
from honed.targets.postgres.statement_trial import statement_trial, worthwhile
from honed.targets.postgres.target import PostgresTarget
from honed.targets.postgres.texts import StatementText
from honed.targets.postgres.workload import Workload

#: A set must promise so many times what its trial calls worthwhile: the trial has noise.
_PROMISED = 2.0
#: Cost after / cost before from which a claim has a priority, best first.
_PRIORITIES = ((0.5, 5), (0.8, 4), (1.0, 3))
#: What a leftover is taken to cost of a write until its trial has measured it.
_LEFTOVER_SHARE = 0.1
_LEFTOVER_PRIORITY = 3
#: Statements that write and are watched, the most expensive ones: the more there are, the more
#: evidence it takes against each.
_MOST_GUARDS = 50


class IndexOptimization(Kind[PostgresTarget]):
    """See the module's docstring."""

    name: ClassVar[str] = "index_optimization"
    sort: ClassVar[str] = "postgres"
    risk: ClassVar[Risk] = Risk(level=2)
    wants: ClassVar[frozenset[FindingType]] = frozenset({SLOW_STATEMENT, REGRESSION, INVALID_INDEX})

    def propose(self, findings: Sequence[Finding], target: PostgresTarget) -> Iterator[Hypothesis]:
        """Yield one claim for each connected set of indexes, then one for each leftover."""
        wanted: set[str] = set()
        if any(finding.type != INVALID_INDEX for finding in findings):
            result, trees = advise(target), read_trees(target.catalog())
            for found in result.sets:
                if found.log_ratio < -_PROMISED * worthwhile(len(result.base_s)):
                    parts = [p for each in found.definitions for p in leaf_definitions(each, trees)]
                    wanted |= {each.name for each in (*found.definitions, *parts)}
                    tables = {(each.schema, each.table) for each in (*found.definitions, *parts)}
                    guards = _guards(tables, _served(found), target.workload())
                    ids = tuple(
                        each.finding_id for each in findings if each.subject in _served(found)
                    )
                    yield _build_claim(found, result, guards, ids)
        if any(finding.type == INVALID_INDEX for finding in findings):
            for leftover, finding in find_leftovers(findings, target.catalog()).items():
                if leftover.name not in wanted:
                    yield _drop_claim(leftover, finding)

    def revise(
        self, hypothesis: Hypothesis, harmed: Collection[str], target: PostgresTarget
    ) -> Hypothesis | None:
        """Return the claim without the indexes that the harmed statements use, if any are left."""
        if "leftover" in hypothesis.parameters:
            return None
        parameters = _parameters(hypothesis)
        gains = tuple(
            StatementGain(**{**each, "used": tuple(each["used"])})
            for each in parameters["statements"]
        )
        blamed = {name for each in gains if each.statement_id in harmed for name in each.used}
        found = IndexSet(
            tuple(_definitions(hypothesis)),
            hypothesis.predicted_log_ratio,
            gains,
            parameters["sizes_bytes"],
        )
        base_s = parameters["base_s"]
        rest = found.without(blamed, len(base_s))
        if not blamed or not rest.log_ratio < -_PROMISED * worthwhile(len(base_s)):
            return None
        result = SearchResult((rest,), parameters["examined"], base_s, parameters["cut_s"])
        return _build_claim(rest, result, parameters["guards"], hypothesis.finding_ids)

    def apply(self, hypothesis: Hypothesis, target: PostgresTarget) -> list[Step]:
        """Return the steps of each index, and one ANALYZE for each table with a new expression."""
        if "leftover" in hypothesis.parameters:
            return [Dropping.from_json(_parameters(hypothesis)["leftover"]).step()]
        definitions = _definitions(hypothesis)
        trees = read_trees(target.catalog())
        analyzed = sorted({each.relation for each in definitions if each.has_expression})
        return [step for each in definitions for step in index_steps(each, trees)] + [
            Step(f"let the planner know the new expressions of {table}", do=(f"ANALYZE {table}",))
            for table in analyzed
        ]

    def trial(self, hypothesis: Hypothesis, target: PostgresTarget) -> Trial:
        """Return the replay of the workload with and without the indexes."""
        if "leftover" in hypothesis.parameters:
            return DropTrial.of(Dropping.from_json(_parameters(hypothesis)["leftover"]), target)
        return statement_trial(
            target,
            base_s=_parameters(hypothesis)["base_s"],
            changed=_changed(hypothesis),
            cut_s=_parameters(hypothesis)["cut_s"],
        )

    def measure(self, hypothesis: Hypothesis, target: PostgresTarget) -> Mapping[str, float]:
        """Return milliseconds per call by statement id, of those whose plan the indexes change.

        The statements that pay for the indexes are guards; see ``_guards``.
        """
        costs = {each: c.exec_ms_per_call for each, c in target.statement_costs().items()}
        served = {each: costs[each] for each in _changed(hypothesis) if each in costs}
        guards = {
            f"{GUARD}{each}": costs[each] + allowed_ms
            for each, allowed_ms in _parameters(hypothesis).get("guards", {}).items()
            if each in costs
        }
        return served | guards


def _build_claim(
    found: IndexSet,
    result: SearchResult,
    guards: Mapping[str, Json],
    finding_ids: tuple[int, ...],
) -> Hypothesis:
    definitions = [each.to_json() for each in found.definitions]
    ratio = math.exp(found.log_ratio)
    return Hypothesis(
        kind=IndexOptimization.name,
        subject=digest(definitions),
        claim=_words(found, ratio),
        priority=next(priority for limit, priority in _PRIORITIES if ratio < limit),
        risk=IndexOptimization.risk.level,
        predicted_log_ratio=found.log_ratio,
        parameters={
            "definitions": definitions,
            "size_bytes": found.size_bytes,
            "sizes_bytes": dict(found.sizes_bytes),
            "statements": [asdict(gain) for gain in found.gains],
            "guards": guards,
            "base_s": dict(result.base_s),
            "cut_s": result.cut_s,
            "examined": dict(result.examined),
        },
        finding_ids=finding_ids,
    )


def _served(found: IndexSet) -> set[str]:
    return {gain.statement_id for gain in found.gains}


def _guards(
    tables: Collection[tuple[str, str]], served: Collection[str], workload: Workload
) -> dict[str, Json]:
    """Return the statements that write to the indexed ``tables``, with an allowance for each.

    The allowance, milliseconds, is added to each measurement of a call. It is the statement's
    share of the time that the served statements take: with r of theirs for each millisecond of all
    these writes, it is r times what a call took so far. So a guard that becomes 10 % dearer stands
    for writes that cost 10 % more of all that both cost. What an index costs is in its price; this
    notices where that was wrong.
    """
    writes = [each for each in workload.statements if not each.is_select and each.calls]
    paying = [each for each in writes if StatementText.parse(each.text).names_any(tables)]
    paying = paying[:_MOST_GUARDS]
    paid_ms = sum(each.total_ms for each in paying)
    served_ms = sum(each.total_ms for each in workload.statements if each.statement_id in served)
    return {each.statement_id: each.mean_ms * served_ms / paid_ms for each in paying if paid_ms}


def _words(found: IndexSet, ratio: float) -> str:
    size = f"{found.size_bytes / 1e6:.1f} MB"
    what = "; ".join(definition.summary for definition in found.definitions)
    count = len(found.definitions)
    noun = "an index" if count == 1 else f"{count} indexes that belong together"
    return f"{noun} ({size}) brings the workload's cost per statement to {ratio:.0%}: {what}"


def _drop_claim(leftover: Dropping, finding: Finding) -> Hypothesis:
    return Hypothesis(
        kind=IndexOptimization.name,
        subject=f"leftover {finding.subject}",
        claim=f"dropping the half-built index {leftover.name} spares the writers of "
        f"{leftover.relation} what nobody can use",
        priority=_LEFTOVER_PRIORITY,
        risk=1,
        predicted_log_ratio=math.log1p(-_LEFTOVER_SHARE),
        parameters={"leftover": leftover.to_json()},
        finding_ids=(finding.finding_id,),
    )


def _definitions(hypothesis: Hypothesis) -> list[IndexDefinition]:
    return [IndexDefinition.from_json(each) for each in _parameters(hypothesis)["definitions"]]


def _changed(hypothesis: Hypothesis) -> list[str]:
    """Return the statements whose plan the indexes change; of a leftover none."""
    gains = _parameters(hypothesis).get("statements", ())
    return [gain["statement_id"] for gain in gains]


def _parameters(hypothesis: Hypothesis) -> Mapping[str, Any]:
    return hypothesis.parameters
