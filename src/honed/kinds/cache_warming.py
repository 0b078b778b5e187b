"""Reads what the workload reads most into memory, once after each restart of the server.

## What it does

After a start of the server its shared memory is empty. For an hour from then on it looks which
tables and indexes production reads again and again (each page at least once on average since the
counters began) although most of them are not in memory, and reads those with `pg_prewarm`, the ones
whose pages are asked for most often first: up to a thousand, up to half of `shared_buffers`, and
only into buffers that hold nothing, so that nothing is driven out. It needs the extensions
`pg_prewarm` and `pg_buffercache` in the target's database; a finding says what is missing. Where
the server does not load its memory by itself after a restart, a finding says how it would
(`pg_prewarm.autoprewarm`), which takes a restart and is left to a person. TOAST tables are left
alone.

honed's own store is not warmed, because nothing is gained there: with two weeks of readings of 30
statements the first cycle after a restart read some 400 blocks and took 0.03 s longer than the
next, while reading the tables and indexes that it asks took 11,448 blocks and 0.2 s. What it keeps
in memory besides (parsed texts) is gone in a restart of honed and made again as it is needed.

## Why it helps

Until the memory is warm, statements wait for blocks one by one where they are scattered. Read in
the order of the file, each is read once, and before anybody asks.

## Risk and rollback

Reading takes disk bandwidth from others for as long as it takes, 512 MB at a time. There is no undo
and none is needed: nothing is changed, and what nobody asks for leaves memory by itself. Before
each part the server is asked: if it was started again, runs for an hour, or its memory has filled
meanwhile (which the acting role must be allowed to see), nothing is read. It is done once for each
start: if the pages are driven out again, memory is too small, and reading again would not help.

## How it is measured

In the trial: blocks that the first call of each statement reads from outside of shared memory, on a
clone whose memory is emptied before each measurement, with and without warming. The server counts
them, so that no neighbour disturbs. Whether the operating system still had them is not seen. In
production: blocks read per call of the same statements since the start, and 1. Memory also warms by
itself, so that production only shows harm: no gain there is taken for the warming's.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from honed.core.finding import Finding, FindingType
from honed.core.hypothesis import Hypothesis
from honed.core.kind import Kind
from honed.core.risk import Risk
from honed.core.step import Step
from honed.core.trial import Trial
from honed.targets.postgres.target import PostgresTarget
from honed.targets.postgres.warming.cache import (
    CachedRelation,
    ServerStart,
    Warming,
    budget_blocks,
    choose,
    read_relations,
    read_start,
    why_not,
)
from honed.targets.postgres.warming.trial import WarmingTrial, concerned

COLD_CACHE = FindingType("cold_cache")
#: A setting of the whole server that only a person changes, with a restart.
AUTOPREWARM_OFF = FindingType("autoprewarm_off")

#: What is left of the reads at least, in what is predicted: nobody foresees all of them.
_LEAST_LEFT = 0.05


class CacheWarming(Kind[PostgresTarget]):
    """See the module's docstring."""

    name: ClassVar[str] = "cache_warming"
    sort: ClassVar[str] = "postgres"
    risk: ClassVar[Risk] = Risk(level=1)
    wants: ClassVar[frozenset[FindingType]] = frozenset({COLD_CACHE})
    is_once: ClassVar[bool] = True
    costs_to_keep: ClassVar[bool] = False
    measures_time: ClassVar[bool] = False
    #: It is compared with the cold minutes since the start, and memory warms by itself.
    improves_by_itself: ClassVar[bool] = True
    #: Later the memory has warmed up by itself, or it is too small.
    young_s: ClassVar[float] = 3600.0
    #: Fewer pages are read in no time, asked for or not.
    least_blocks: ClassVar[int] = 1000

    def look(self, target: PostgresTarget) -> Iterator[Finding]:
        """Yield what is cold since the start, and what keeps the server from warming itself."""
        start = read_start(target)
        if start.age_s > self.young_s or start.is_loading:
            return
        reason = why_not(target, start)
        if reason:
            reads = _reads(target)
            if reads >= self.least_blocks:
                yield _hindered(start, reason, reads)
            return
        relations = read_relations(target, start)
        cold = [each for each in relations if each.is_cold]
        if sum(each.missing for each in cold) >= self.least_blocks:
            chosen = choose(relations, budget_blocks(target, start))
            yield _cold(start, cold, chosen)
            if not start.is_automatic:
                yield _not_automatic()

    def propose(self, findings: Sequence[Finding], target: PostgresTarget) -> Iterator[Hypothesis]:
        """Yield one claim for each start after which something can be warmed."""
        del target
        for finding in findings:
            evidence: Mapping[str, Any] = finding.evidence
            if not evidence["chosen"]:
                continue
            share = evidence["chosen_accesses"] / max(1, evidence["cold_accesses"])
            left = max(_LEAST_LEFT, 1.0 - share)
            yield Hypothesis(
                kind=self.name,
                subject=finding.subject,
                claim=f"reading {len(evidence['chosen'])} tables and indexes "
                f"({evidence['megabytes']:.0f} MB) into memory after {finding.subject} spares "
                f"their readers {1 - left:.0%} of the blocks that they would wait for",
                priority=3,
                risk=self.risk.level,
                predicted_log_ratio=math.log(left) if left < 1 else math.log1p(-_LEAST_LEFT),
                parameters=dict(evidence),
                finding_ids=(finding.finding_id,),
            )

    def apply(self, hypothesis: Hypothesis, target: PostgresTarget) -> list[Step]:
        """Return the steps that read; there is nothing to undo."""
        del target
        given = _parameters(hypothesis)
        warming = Warming(
            started_at=given["started_at"],
            young_s=self.young_s,
            block_bytes=given["block_bytes"],
            prewarm_schema=given["schema"],
            buffercache_schema=given["buffercache_schema"],
        )
        return warming.steps(given["chosen"])

    def trial(self, hypothesis: Hypothesis, target: PostgresTarget) -> Trial:
        """Return the replay of the first calls after a start, warm and cold."""
        given = _parameters(hypothesis)
        return WarmingTrial.of(target, _tables(given), given["blocks"])

    def compares_from(self, hypothesis: Hypothesis) -> datetime | None:
        """Return when the server was started: before that its memory was warm."""
        return datetime.fromisoformat(_parameters(hypothesis)["started_at"])

    def measure(self, hypothesis: Hypothesis, target: PostgresTarget) -> Mapping[str, float]:
        """Return blocks read per call, and 1, by statement id."""
        given = _parameters(hypothesis)
        costs = target.statement_costs()
        return {
            each.statement_id: 1.0 + reads
            for each in concerned(target.workload(), _tables(given).values())
            if each.statement_id in costs
            and (reads := costs[each.statement_id].reads_per_call) is not None
        }


def _parameters(hypothesis: Hypothesis) -> Mapping[str, Any]:
    return hypothesis.parameters


def _tables(given: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    return {qualified: (schema, name) for qualified, (schema, name) in given["tables"].items()}


def _reads(target: PostgresTarget) -> float:
    """Return the blocks that statements read from outside of memory in the latest stretch."""
    return math.fsum(
        cost.calls * (cost.reads_per_call or 0.0) for cost in target.statement_costs().values()
    )


def _hindered(start: ServerStart, reason: str, reads: float) -> Finding:
    return Finding(
        type=COLD_CACHE,
        subject=start.subject,
        title=f"after {start.subject} statements read {reads:.0f} blocks from outside of memory in "
        f"one reading, and honed cannot warm it: {reason} (`honed target add --sql` prints it)",
        evidence={"why_not": reason, "blocks_read": reads, "chosen": []},
    )


def _cold(
    start: ServerStart, cold: Sequence[CachedRelation], chosen: Sequence[CachedRelation]
) -> Finding:
    megabytes, missing = start.block_bytes / 2**20, sum(each.missing for each in cold)
    blocks = sum(each.missing for each in chosen)
    unread = [each.name for each in cold if not each.may_read]
    person = f"; the acting role may not read {', '.join(unread[:3])}" if unread else ""
    return Finding(
        type=COLD_CACHE,
        subject=start.subject,
        title=f"after {start.subject} {missing * megabytes:.0f} MB of {len(cold)} tables and "
        f"indexes that are read again and again are not in memory{person}",
        evidence={
            "started_at": start.started_at.isoformat(),
            "age_s": start.age_s,
            "why_not": "",
            "schema": start.prewarm_schema,
            "buffercache_schema": start.buffercache_schema,
            "block_bytes": start.block_bytes,
            "missing_blocks": missing,
            "cold_accesses": sum(each.accesses for each in cold),
            "chosen_accesses": sum(each.accesses for each in chosen),
            "chosen": [[each.schema, each.name, each.pages, each.missing] for each in chosen],
            "tables": {each.table: [each.table_schema, each.table_name] for each in chosen},
            "blocks": blocks,
            "megabytes": blocks * megabytes,
        },
    )


def _not_automatic() -> Finding:
    return Finding(
        type=AUTOPREWARM_OFF,
        subject="pg_prewarm.autoprewarm",
        title="the server does not load its memory by itself after a restart: with pg_prewarm in "
        "shared_preload_libraries it would; that needs a restart, so that honed leaves it to a "
        "person",
        evidence={},
    )
