"""What partitioning reports of a target, and what it claims."""

import math

from honed.core.canonical import digest
from honed.core.finding import Finding, FindingType
from honed.core.hypothesis import Hypothesis
from honed.targets.postgres.partitioning.ahead import Ending, creation_step
from honed.targets.postgres.partitioning.arrival import Arrival
from honed.targets.postgres.partitioning.conversion import plan_conversion
from honed.targets.postgres.partitioning.conversion_trial import Rehearsal, forecast
from honed.targets.postgres.partitioning.growing import Growing
from honed.targets.postgres.partitioning.old import Outdated, detaching_steps
from honed.targets.postgres.partitioning.swap import conversion_steps
from honed.targets.postgres.statement_trial import worthwhile
from honed.targets.postgres.target import PostgresTarget

NAME = "partitioning"
RISK_LEVEL = 5
#: Its undo locks the table for as long as it takes to move what has come since.
RISK_OF_CONVERSION = 7

PARTITIONS_END = FindingType("partitions_end")
PARTITIONS_OUTDATED = FindingType("partitions_outdated")
UNPARTITIONED_GROWTH = FindingType("unpartitioned_growth")

#: Predicted log of cost after / cost before: rows are refused, or have to be moved out of the way.
_OF_REFUSED, _OF_STRAYS = -3.0, -0.7
#: Share of a table's bytes that must be old: twice what a trial calls worthwhile, which has noise.
_LEAST_SHARE = 0.04
#: What is predicted has an end even where nearly everything is old.
_MOST_SHARE = 0.99
#: A conversion must promise so many times what its trial calls worthwhile ...
_PROMISED = 2.0
#: ... and make nothing so much dearer: measured once, less than that may be noise.
_MOST_HARM = math.log(1.25)
#: Cost after / cost before from which a conversion has a priority, best first.
_PRIORITIES = ((0.3, 4), (0.7, 3), (1.0, 2))


def ending_finding(ending: Ending) -> Finding:
    """Return that the partitions of a table end soon."""
    table = ending.table
    why_not = f"; none can be made ahead: {ending.obstacle}" if ending.obstacle else ""
    return Finding(
        type=PARTITIONS_END,
        subject=table.qualified_name,
        title=f"the partitions of {table.qualified_name} end at {ending.end}, and it has come to "
        f"{ending.reached}{why_not}",
        evidence={
            "end": table.key.write(ending.end),
            "reached": table.key.write(ending.reached),
            "last": ending.last.qualified_name,
            "default": table.default.qualified_name if table.default else "",
            "wanted": [name for _, name in ending.new],
            "obstacle": ending.obstacle,
        },
    )


def ending_claim(ending: Ending, finding: Finding) -> Hypothesis:
    """Return the claim that makes the next partitions."""
    table = ending.table
    steps = [creation_step(table, ending.last, *each) for each in ending.new]
    otherwise = "stray into its default partition" if table.default else "are refused"
    return Hypothesis(
        kind=NAME,
        subject=f"{table.qualified_name} from {table.key.write(ending.end)}",
        claim=f"{len(steps)} more partitions of {table.qualified_name} take the rows from "
        f"{ending.end} on, which else {otherwise}",
        priority=4 if table.default else 5,
        risk=RISK_LEVEL,
        predicted_log_ratio=_OF_STRAYS if table.default else _OF_REFUSED,
        parameters={
            "schema": table.schema,
            "table": table.name,
            "steps": [step.to_json() for step in steps],
            "arrival": Arrival.of(ending).to_json(),
        },
        finding_ids=(finding.finding_id,),
    )


def outdated_finding(outdated: Outdated) -> Finding:
    """Return that a table has partitions beyond its retention."""
    table = outdated.table
    why_not = f"; they cannot be detached: {outdated.obstacle}" if outdated.obstacle else ""
    return Finding(
        type=PARTITIONS_OUTDATED,
        subject=table.qualified_name,
        title=f"{len(outdated.partitions)} partitions of {table.qualified_name} "
        f"({outdated.share:.0%}) are beyond its retention of {outdated.retention}{why_not}",
        evidence={
            "retention": outdated.retention,
            "partitions": [each.qualified_name for each in outdated.partitions],
            "size_bytes": sum(each.size_bytes for each in outdated.partitions),
            "share": outdated.share,
            "obstacle": outdated.obstacle,
        },
    )


def outdated_claim(outdated: Outdated, finding: Finding) -> Hypothesis | None:
    """Return the claim that detaches them; None: they hold too little to be worth it."""
    if outdated.share < _LEAST_SHARE:
        return None
    table, parts = outdated.table, outdated.partitions
    return Hypothesis(
        kind=NAME,
        subject=f"{table.qualified_name} without {parts[0].name} to {parts[-1].name}",
        claim=f"detaching {len(parts)} partitions of {table.qualified_name} beyond its retention "
        f"of {outdated.retention} spares those who read all of it {outdated.share:.0%}; they stay "
        "as tables of their own",
        priority=3,
        risk=RISK_LEVEL,
        predicted_log_ratio=math.log1p(-min(outdated.share, _MOST_SHARE)),
        parameters={
            "schema": table.schema,
            "table": table.name,
            "relation": table.identifier.as_string(None),
            "steps": [step.to_json() for step in detaching_steps(outdated)],
        },
        finding_ids=(finding.finding_id,),
    )


def growing_finding(growing: Growing) -> Finding:
    """Return that a large table grows along a column that statements ask for."""
    key, why_not = growing.key, ""
    if growing.obstacles:
        why_not = f"; it cannot be converted: {'; '.join(growing.obstacles)}"
    return Finding(
        type=UNPARTITIONED_GROWTH,
        subject=growing.qualified_name,
        title=f"{growing.qualified_name} ({growing.heap_bytes / 1e6:.0f} MB) only grows, along "
        f"{key.column}, by which {len(growing.readers)} statements ask{why_not}",
        evidence={
            "key": key.column,
            "heap_bytes": growing.heap_bytes,
            "least": key.write(growing.least),
            "largest": key.write(growing.largest),
            "width": str(growing.width),
            "readers": [each.statement_id for each in growing.readers],
            "obstacle": "; ".join(growing.obstacles),
        },
        weight=min(1.0, sum(each.weight for each in growing.readers)),
    )


def growing_claim(growing: Growing, finding: Finding, target: PostgresTarget) -> Hypothesis | None:
    """Return the claim that converts it; None where trying it once promises too little."""
    plan = plan_conversion(target, growing)
    if not plan.past:
        return None
    steps, rehearsal = conversion_steps(plan), Rehearsal.of(plan)
    result = forecast(target, steps, rehearsal, growing.schema, growing.name)
    if result is None or result.worst > _MOST_HARM:
        return None
    if result.log_ratio > -_PROMISED * worthwhile(len(result.before_s)):
        return None
    ratio = math.exp(result.log_ratio)
    texts = {each.statement_id: each.text for each in target.workload().statements}
    return Hypothesis(
        kind=NAME,
        subject=f"{growing.qualified_name} by {growing.key.column}",
        claim=f"{growing.qualified_name} in partitions of {growing.width} by "
        f"{growing.key.column}, from {growing.cut} on, brings the cost of its statements to "
        f"{ratio:.0%} once {len(plan.past)} of them have come; until then to about the same",
        priority=next(priority for limit, priority in _PRIORITIES if ratio < limit),
        risk=RISK_OF_CONVERSION,
        predicted_log_ratio=result.log_ratio,
        parameters={
            "schema": growing.schema,
            "table": growing.name,
            "steps": [step.to_json() for step in steps],
            "rehearsal": rehearsal.to_json(),
            "before_s": dict(result.before_s),
            "after_s": dict(result.after_s),
            "cut_s": result.cut_s,
            # The server may give a statement another id on another table of the same name.
            "texts": {digest(texts[each]): each for each in result.before_s if each in texts},
        },
        finding_ids=(finding.finding_id,),
    )
