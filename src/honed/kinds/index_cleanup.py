"""Drops indexes that only cost: duplicates, prefixes of others, unused and half-built ones.

## What it does

It compares the definitions of all indexes of a table, and reads how often each was used. An index
goes if another one has the same keys on the same rows, if another one begins with its keys, if no
statement used it for 30 days, or if a failed build left it behind. What carries a constraint, makes
values unique, serves a foreign key or was chosen by a person stays. Where a standby is connected,
or has left its slot behind, nothing is called unused: its reads are not counted on the primary.
Partitioned tables are left alone.

## Why it helps

Each index makes every write to its table dearer, takes disk and memory, and is vacuumed. Advisors
recommend adding and nobody dares to drop, so that tables grow indexes that nobody asks.

## Risk and rollback

A dropped index takes as long to come back as it took to build, so that a person decides on each.
DROP and CREATE INDEX CONCURRENTLY let readers and writers go on. The undo builds the same
definition under the same name.

## How it is measured

In the trial: CPU microseconds of one written row, with the index and without it, on a clone. Each
statement of the workload that would get another plan without it is replayed: none may become more
than 10 % slower. In production: milliseconds per call of the statements that write to the table.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from honed.core.finding import Finding, FindingType
from honed.core.hypothesis import Hypothesis
from honed.core.kind import Kind
from honed.core.risk import Danger, Risk
from honed.core.step import Step
from honed.core.trial import Trial
from honed.storage.queries import load_queries
from honed.targets.postgres.catalog import Catalog
from honed.targets.postgres.indexes.definition import NAME_PREFIX
from honed.targets.postgres.indexes.drop_trial import DropTrial
from honed.targets.postgres.indexes.dropping import Dropping
from honed.targets.postgres.indexes.redundant import Reason, Redundancy, find_redundant
from honed.targets.postgres.target import PostgresTarget
from honed.targets.postgres.texts import StatementText

_QUERIES = load_queries("honed.targets.postgres.indexes", "cleanup.sql")

REDUNDANT_INDEX = FindingType("redundant_index")

#: Claims of one cycle: a person decides on each, and each has a trial.
_MOST_CLAIMS = 5
#: Smaller indexes cost so little that nobody should have to decide about them.
_LEAST_UNUSED_BYTES = 1024 * 1024
#: What an index is taken to cost a write until its trial has measured it: log(0.9).
_PREDICTED = -0.105
_PRIORITY = {Reason.INVALID: 4, Reason.DUPLICATE: 4, Reason.PREFIX: 3, Reason.UNUSED: 2}


class IndexCleanup(Kind[PostgresTarget]):
    """See the module's docstring."""

    name: ClassVar[str] = "index_cleanup"
    sort: ClassVar[str] = "postgres"
    risk: ClassVar[Risk] = Risk(level=4, danger=Danger.DELETION)
    wants: ClassVar[frozenset[FindingType]] = frozenset({REDUNDANT_INDEX})
    costs_to_keep: ClassVar[bool] = False
    #: An index that was not used for so long is called unused: a month-end has passed.
    unused_days: ClassVar[float] = 30.0

    def look(self, target: PostgresTarget) -> Iterator[Finding]:
        """Yield one finding for each index that may go."""
        catalog = target.catalog()
        for redundancy in _redundancies(target, catalog, self.unused_days):
            index = redundancy.index
            yield Finding(
                type=REDUNDANT_INDEX,
                subject=index.qualified_name,
                title=f"the index {index.qualified_name} only costs: {self._why(redundancy)}",
                evidence={
                    "index": Dropping.of(index, catalog).to_json(),
                    "reason": redundancy.reason.value,
                    "instead": redundancy.instead,
                    "size_bytes": index.size_bytes,
                    "scans": index.scans,
                },
            )

    def _why(self, redundancy: Redundancy) -> str:
        return {
            Reason.DUPLICATE: f"{redundancy.instead} has the same keys",
            Reason.PREFIX: f"{redundancy.instead} begins with its keys",
            Reason.UNUSED: f"no statement used it in {self.unused_days:.0f} days",
            Reason.INVALID: "a build that failed left it behind",
        }[redundancy.reason]

    def propose(self, findings: Sequence[Finding], target: PostgresTarget) -> Iterator[Hypothesis]:
        """Yield one claim for each of the largest indexes that may go."""
        del target
        for finding in sorted(findings, key=_size_bytes, reverse=True)[:_MOST_CLAIMS]:
            evidence: Mapping[str, Any] = finding.evidence
            yield Hypothesis(
                kind=self.name,
                subject=finding.subject,
                claim=f"dropping {finding.subject} ({evidence['size_bytes'] / 1e6:.1f} MB) spares "
                f"the writers of {evidence['index']['relation']}, and no reader needs it",
                priority=_PRIORITY[Reason(evidence["reason"])],
                risk=self.risk.level,
                predicted_log_ratio=_PREDICTED,
                parameters=dict(evidence),
                finding_ids=(finding.finding_id,),
            )

    def apply(self, hypothesis: Hypothesis, target: PostgresTarget) -> list[Step]:
        """Return the step that drops the index; its undo builds it again."""
        del target
        return [_dropping(hypothesis).step()]

    def trial(self, hypothesis: Hypothesis, target: PostgresTarget) -> Trial:
        """Return the trial: writes without the index, and the statements that used it."""
        return DropTrial.of(_dropping(hypothesis), target)

    def measure(self, hypothesis: Hypothesis, target: PostgresTarget) -> Mapping[str, float]:
        """Return milliseconds per call by statement id, of those that write to the table."""
        index = _dropping(hypothesis)
        tables = {(index.schema, index.table)}
        costs = target.statement_costs()
        return {
            each.statement_id: costs[each.statement_id].exec_ms_per_call
            for each in target.workload().statements
            if not each.is_select
            and each.statement_id in costs
            and StatementText.parse(each.text).names_any(tables)
        }


def _dropping(hypothesis: Hypothesis) -> Dropping:
    parameters: Mapping[str, Any] = hypothesis.parameters
    return Dropping.from_json(parameters["index"])


def _size_bytes(finding: Finding) -> int:
    evidence: Mapping[str, Any] = finding.evidence
    return int(evidence["size_bytes"])


def _redundancies(
    target: PostgresTarget, catalog: Catalog, unused_days: float
) -> Iterable[Redundancy]:
    (use,) = target.query(_QUERIES["read_index_use"], {})
    referencing: dict[str, list[tuple[str, ...]]] = {}
    for row in target.query(_QUERIES["list_foreign_keys"], {}):
        referencing.setdefault(row["table"], []).append(tuple(row["columns"]))
    is_counted = use["counted_days"] >= unused_days and not use["standbys"]
    found = find_redundant(
        catalog,
        referencing=referencing,
        is_unused=_unused(catalog) if is_counted else (),
        in_progress=use["in_progress"],
    )
    return [each for each in found if _is_ours_to_judge(each, catalog)]


def _unused(catalog: Catalog) -> list[str]:
    return [
        index.qualified_name
        for index in catalog.indexes
        if index.scans == 0 and index.size_bytes >= _LEAST_UNUSED_BYTES
    ]


def _is_ours_to_judge(redundancy: Redundancy, catalog: Catalog) -> bool:
    """Return whether the index may be dropped by itself, and no other kind sees to it."""
    table = catalog.tables[redundancy.index.table]
    is_leftover = redundancy.reason is Reason.INVALID
    return (
        table.sort != "p"
        and not table.partition_of
        and not (is_leftover and redundancy.index.name.startswith(NAME_PREFIX))
    )
