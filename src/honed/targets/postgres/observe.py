"""What there is to find in a PostgreSQL database: slow, regressed, stale, invalid."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from honed.core.canonical import Json
from honed.core.finding import (
    INVALID_INDEX,
    REGRESSION,
    SLOW_STATEMENT,
    STALE_STATISTICS,
    Finding,
)
from honed.core.target import Observation, Series
from honed.errors import EvaluatorFailed, StatementCut
from honed.storage.db import Connection
from honed.targets.postgres.catalog import Table, read_catalog
from honed.targets.postgres.connection import CATALOG_QUERIES
from honed.targets.postgres.parameters import as_sql
from honed.targets.postgres.plan_history.memory import remember
from honed.targets.postgres.plans import (
    can_advise,
    explain,
    explain_generic,
    joined,
    nodes,
    plan_hash,
    without_values,
)
from honed.targets.postgres.regressions import Change, read_changes
from honed.targets.postgres.statements import FULL_DAYS, QUERIES, text_digest
from honed.targets.postgres.workload import Workload, WorkloadStatement

#: Statements that are reported as slow, planned and followed over time: the most expensive ones.
MOST_STATEMENTS = 50
#: Share of the total time from which a statement is reported as slow.
SLOW_SHARE = 0.01
#: Share of a table's rows, and rows, that may change before its statistics are stale. Autovacuum's
#: own defaults are 10 % and 50 rows; below 1,000 rows an error of the planner costs little.
STALE_SHARE = 0.1
STALE_ROWS = 1000
#: Bytes from which a table that was never analyzed is reported.
NEVER_ANALYZED_BYTES = 65_536

_METRICS = ("exec_ms_per_call", "blocks_per_call")


@dataclass(frozen=True, slots=True)
class _Plan:
    plan_hash: str
    plan: Mapping[str, Any]
    first_seen_at: datetime


@dataclass(frozen=True, slots=True)
class _Look:
    """Everything that one look has read; findings are made of it."""

    workload: Workload
    #: The most expensive statements.
    statements: Sequence[WorkloadStatement]
    #: By statement id, the present one first.
    plans: Mapping[str, Sequence[_Plan]]
    changes: Mapping[str, Change]
    #: A plan first seen after it is new.
    since: datetime | None

    def has_new_plan(self, statement_id: str) -> bool:
        """Return whether the statement had another plan before the look's stretch of time."""
        plans = self.plans.get(statement_id, ())
        if len(plans[1:]) == 0 or self.since is None:
            return False
        return plans[0].first_seen_at >= self.since

    def regressions(self) -> Iterator[tuple[WorkloadStatement, Change]]:
        """Yield the statements that became slower than their own history."""
        for statement in self.workload.statements:
            change = self.changes.get(statement.statement_id)
            is_new = self.has_new_plan(statement.statement_id)
            if change is not None and change.is_regression(has_new_plan=is_new):
                yield statement, change

    def readers(self, *, node_type: str = "") -> dict[str, dict[str, float]]:
        """Return by table the weight of each statement whose plan reads it (so)."""
        found: dict[str, dict[str, float]] = defaultdict(dict)
        for statement in self.statements:
            for plan in self.plans.get(statement.statement_id, ())[:1]:
                for node in nodes(plan.plan):
                    if "Relation Name" in node and node_type in {"", node["Node Type"]}:
                        found[_table(node)][statement.statement_id] = statement.weight
        return found


def observe(
    store: Connection,
    target: Connection,
    target_id: int,
    workload: Workload,
    lookback: timedelta,
) -> Observation:
    """Return what there is to find; see ``PostgresTarget.observe``."""
    statements, with_advice = workload.statements[:MOST_STATEMENTS], can_advise(target)
    taken = {
        statement.statement_id: _take_plan(
            store, target, target_id, statement, with_advice=with_advice
        )
        for statement in statements
    }
    look = _Look(
        workload=workload,
        statements=statements,
        plans=_read_plans(store, target_id, statements),
        changes=read_changes(store, target_id, lookback),
        since=workload.end - lookback if workload.end else None,
    )
    hashes = {statement_id: each for statement_id, each in taken.items() if each}
    remember(store, target, target_id, hashes, look.readers())
    findings = (
        *_slow(look),
        *_regressed(look),
        *_stale(look, target),
        *_invalid(target),
    )
    return Observation(findings, _record(look), _series(store, target_id, statements))


def _take_plan(
    store: Connection,
    target: Connection,
    target_id: int,
    statement: WorkloadStatement,
    *,
    with_advice: bool,
) -> str:
    """Keep the plan that a statement has now; return its hash, empty where it cannot be told."""
    key = {"target_id": target_id, "statement_id": statement.statement_id}
    plans = []
    try:
        for example in statement.examples:
            try:
                plans.append(explain(target, example, with_advice=with_advice))
            except EvaluatorFailed:
                # It could be planned once: the next workload looks for another, or says why not.
                store.execute(QUERIES["forget_example"], {**key, "sha256": text_digest(example)})
        if statement.is_select and not statement.examples:
            with suppress(EvaluatorFailed):  # its text was cut, or its table is gone
                text = as_sql(statement.text)
                plans.append(explain_generic(target, text, with_advice=with_advice))
    except StatementCut:
        # A lock, or a server under load: this look says nothing of the statement's plans.
        return ""
    if not plans:
        return ""
    plan = joined(plans)
    # The examples hold values of production's rows, and every viewer may read the plans.
    row = {**key, "plan_hash": plan_hash(plan), "plan": json.dumps(without_values(plan))}
    store.execute(QUERIES["save_plan"], row)
    return plan_hash(plan)


def _read_plans(
    store: Connection, target_id: int, statements: Sequence[WorkloadStatement]
) -> dict[str, list[_Plan]]:
    ids = [statement.statement_id for statement in statements]
    rows = store.execute(QUERIES["list_plans"], {"target_id": target_id, "statement_ids": ids})
    plans: dict[str, list[_Plan]] = defaultdict(list)
    for row in rows.fetchall():
        plans[row["statement_id"]].append(
            _Plan(row["plan_hash"], row["plan"], row["first_seen_at"])
        )
    return plans


def _slow(look: _Look) -> Iterator[Finding]:
    for statement in look.statements:
        if statement.weight >= SLOW_SHARE:
            yield Finding(
                type=SLOW_STATEMENT,
                subject=statement.statement_id,
                title=f"{statement.weight:.0%} of the time goes into: {_short(statement.text)}",
                evidence={
                    "text": statement.text,
                    "calls": statement.calls,
                    "total_ms": statement.total_ms,
                    "mean_ms": statement.mean_ms,
                    "blocks_per_call": statement.blocks_per_call,
                    "is_select": statement.is_select,
                    "is_unfinished": statement.is_unfinished,
                },
                weight=statement.weight,
            )


def _regressed(look: _Look) -> Iterator[Finding]:
    for statement, change in look.regressions():
        hashes = [plan.plan_hash for plan in look.plans.get(statement.statement_id, ())]
        yield Finding(
            type=REGRESSION,
            subject=statement.statement_id,
            title=f"{change.ratio:.1f} times slower than before: {_short(statement.text)}",
            evidence={
                "text": statement.text,
                "mean_ms_before": change.before.mean_ms,
                "mean_ms_after": change.after.mean_ms,
                "calls_before": change.before.calls,
                "calls_after": change.after.calls,
                "blocks_per_call_before": change.before.blocks_per_call,
                "blocks_per_call_after": change.after.blocks_per_call,
                "plan_hashes": hashes[:2],
                "has_new_plan": look.has_new_plan(statement.statement_id),
            },
            weight=statement.weight,
        )


def _stale(look: _Look, target: Connection) -> Iterator[Finding]:
    readers = look.readers()
    for table in read_catalog(target).tables.values():
        reason = _why_stale(table)
        if reason:
            yield Finding(
                type=STALE_STATISTICS,
                subject=table.qualified_name,
                title=f"the planner's statistics of {table.qualified_name} are stale: {reason}",
                evidence={
                    "rows": table.rows,
                    "modified_since_analyze": table.modified_since_analyze,
                    "analyzed_at": table.analyzed_at.isoformat() if table.analyzed_at else None,
                },
                weight=min(1.0, sum(readers.get(table.qualified_name, {}).values())),
            )


def _why_stale(table: Table) -> str:
    if table.sort == "p":
        return ""
    is_known = any(column.distinct is not None for column in table.columns)
    if table.analyzed_at is None and not is_known:
        return "it was never analyzed" if table.size_bytes >= NEVER_ANALYZED_BYTES else ""
    if table.modified_since_analyze > max(STALE_SHARE * table.rows, STALE_ROWS):
        return f"{table.modified_since_analyze} rows changed since"
    return ""


def _invalid(target: Connection) -> Iterator[Finding]:
    for row in target.execute(CATALOG_QUERIES["find_invalid_indexes"], {}).fetchall():
        yield Finding(
            type=INVALID_INDEX,
            subject=row["qualified_name"],
            title=f"the index {row['qualified_name']} was left half-built: it only costs",
            evidence={
                "table": row["table_name"],
                "definition": row["definition"],
                "size_bytes": row["size_bytes"],
            },
        )


def _record(look: _Look) -> dict[str, Json]:
    """Return the analysis record of seed 001, phase 1, in its own names."""
    calls = sum(statement.calls for statement in look.workload.statements)
    total_ms = sum(statement.total_ms for statement in look.workload.statements)
    return {
        "totalInferences": round(calls),
        "avgDurationMs": total_ms / calls if calls else 0.0,
        "queryStoreRecommendations": [
            {
                "statementId": statement.statement_id,
                "meanMsBefore": change.before.mean_ms,
                "meanMsAfter": change.after.mean_ms,
                "plan": _hash_at(look.plans.get(statement.statement_id, ()), 0),
                "lastGoodPlan": _hash_at(look.plans.get(statement.statement_id, ()), 1),
            }
            for statement, change in look.regressions()
        ],
        "patterns": [
            {
                "pattern": "sequential_scan",
                "table": table,
                "statements": sorted(weights),
                "weight": min(1.0, sum(weights.values())),
            }
            for table, weights in sorted(look.readers(node_type="Seq Scan").items())
        ],
    }


def _series(
    store: Connection,
    target_id: int,
    statements: Sequence[WorkloadStatement],
) -> tuple[Series, ...]:
    by_id = {statement.statement_id: statement for statement in statements}
    rows = store.execute(
        QUERIES["list_series"],
        {"target_id": target_id, "statement_ids": list(by_id), "full_days": FULL_DAYS},
    )
    return tuple(
        Series(
            statement.statement_id,
            metric,
            tuple(row["times"]),
            tuple(row[metric]),
            label=_short(statement.text),
            weight=statement.weight,
        )
        for row in rows.fetchall()
        for statement in [by_id[row["statement_id"]]]
        for metric in _METRICS
    )


def _hash_at(plans: Sequence[_Plan], position: int) -> str:
    return plans[position].plan_hash if position < len(plans) else ""


def _table(node: Mapping[str, Any]) -> str:
    return f"{_quoted(node['Schema'])}.{_quoted(node['Relation Name'])}"


def _quoted(name: str) -> str:
    is_plain = name.isidentifier() and name == name.lower() and name.isascii()
    return name if is_plain else '"{}"'.format(name.replace('"', '""'))


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 80 else f"{line[:79]}…"  # noqa: PLR2004 - the width of a terminal
