"""The first phase: look at a target once, and keep what there is to find."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from honed.core.canonical import Json
from honed.core.finding import Finding
from honed.core.target import Observation, Target
from honed.errors import Postponed
from honed.improvement.record import json_text
from honed.jobs.delivery import JobContext
from honed.jobs.queue import defer
from honed.loop.anomalies import Anomaly, anomaly_findings, detect
from honed.loop.boundary import KIND_TROUBLE, asking
from honed.loop.cycle import Cycle, Phase, busy_cycle, enter, get_cycle
from honed.loop.events import CycleStarted, Event, FindingSeen, PluginFailed
from honed.loop.messages import Analyze, Hypothesize
from honed.loop.parts import Parts, check_switch
from honed.stats.alarms import asked_for
from honed.storage.db import Connection
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.loop")

#: Anomalous points that one analysis names; it counts all of them.
MAX_NAMED = 100


def analyze(parts: Parts, context: JobContext, message: Analyze) -> None:
    """Look at the target of a cycle, store findings and record, and send on to ``hypothesize``.

    Raises:
        Postponed: another cycle of this target is at work.
        Stopped: honed was told to stop.
        TargetUnavailable: the target does not answer.
        LostJob: another worker took the job over.
    """
    cycle = _begin(parts, context, message)
    if cycle is None:
        return
    target = parts.target(message.target_id)
    parts.tell(CycleStarted(cycle.cycle_id, target.name, dry_run=cycle.options.dry_run))
    seen = target.observe(cycle.options.lookback)
    context.stop_if_told()
    settings = parts.settings
    running, missing = asked_for(parts.detectors, settings.detectors_on)
    anomalies, failures = detect(
        running,
        seen.series,
        judged=cycle.options.lookback,
        alarms_per_day=settings.alarms_per_day,
    )
    looked, troubles = look(parts, target)
    for name, error in {**missing, **failures, **troubles}.items():
        parts.tell(PluginFailed(cycle.cycle_id, name, error))
    findings = [*seen.findings, *looked, *anomaly_findings(anomalies)]
    stored = _store(parts, context, cycle, replace(seen, findings=tuple(findings)), anomalies)
    parts.tell(*stored)


def look(parts: Parts, target: Target) -> tuple[list[Finding], dict[str, str]]:
    """Return what the kinds that fit ``target`` look for themselves, and the error of each."""
    found: list[Finding] = []
    failures: dict[str, str] = {}
    for kind in parts.kinds.values():
        if kind.sort != target.sort:
            continue
        try:
            with asking(kind.name):
                found += list(kind.look(target))
        except KIND_TROUBLE as error:
            failures[kind.name] = str(error)
    return found, failures


def _begin(parts: Parts, context: JobContext, message: Analyze) -> Cycle | None:
    """Return the cycle, which is being analyzed now; None: it is past that already."""
    with parts.store.transaction() as conn:
        context.fence.check(conn)
        cycle = get_cycle(conn, message.cycle_id, lock=True)
        if cycle.phase not in {Phase.WAITING, Phase.ANALYZING, Phase.FAILED}:
            return None
        check_switch(conn)
        busy = busy_cycle(conn, cycle)
        if busy is not None:
            msg = f"cycle {busy} of this target is at work"
            raise Postponed(msg)
        enter(conn, cycle.cycle_id, Phase.ANALYZING)
    return cycle


def _store(
    parts: Parts,
    context: JobContext,
    cycle: Cycle,
    seen: Observation,
    anomalies: Sequence[Anomaly],
) -> list[Event]:
    """Store one look and the message that follows from it; return what to tell."""
    points = {(each.series.subject, each.series.metric, each.index) for each in anomalies}
    record = {
        **seen.record,
        "anomalyCount": len(points),
        "anomalies": [each.to_json() for each in anomalies[:MAX_NAMED]],
    }
    with parts.store.transaction() as conn:
        context.fence.check(conn)
        findings = _store_findings(conn, cycle, seen.findings, record)
        enter(conn, cycle.cycle_id, Phase.HYPOTHESIZING)
        defer(conn, Hypothesize(target_id=cycle.target_id, cycle_id=cycle.cycle_id))
        context.fence.finish(conn)
    return [FindingSeen(cycle.cycle_id, finding) for finding in findings]


def _store_findings(
    conn: Connection, cycle: Cycle, findings: Sequence[Finding], record: Mapping[str, Json]
) -> list[Finding]:
    whose = {"cycle_id": cycle.cycle_id, "target_id": cycle.target_id}
    (row,) = conn.execute(_QUERIES["store_analysis"], {**whose, "record": json_text(record)})
    analysis_id: int = row["analysis_id"]
    conn.execute(_QUERIES["name_analysis"], {"analysis_id": analysis_id})
    stored = [_store_finding(conn, cycle.target_id, analysis_id, each) for each in findings]
    conn.execute(_QUERIES["close_findings"], {**whose, "analysis_id": analysis_id})
    return stored


def _store_finding(conn: Connection, target_id: int, analysis_id: int, finding: Finding) -> Finding:
    (row,) = conn.execute(
        _QUERIES["store_finding"],
        {
            "target_id": target_id,
            "analysis_id": analysis_id,
            "type": finding.type,
            "subject": finding.subject,
            "title": finding.title,
            "evidence": json_text(finding.evidence),
            "weight": min(max(finding.weight, 0.0), 1.0),
        },
    )
    return replace(finding, finding_id=row["finding_id"])
