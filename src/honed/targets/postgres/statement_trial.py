"""The trial of a change that is to make statements cheaper: the workload, replayed."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from honed.core.canonical import Json
from honed.core.trial import TrialDesign, Unit
from honed.errors import EvaluatorFailed
from honed.targets.postgres.replay import METRIC, ReplayStatement, ReplayTrial, repeats_of
from honed.targets.postgres.target import PostgresTarget
from honed.targets.postgres.workload import Workload

#: Logarithm of a gain that is worth a change if one statement has it: a third less cost.
_OF_ONE_STATEMENT = 0.45
#: A block takes about so much CPU, seconds, and each statement in it at least so much.
_BLOCK_S, _UNIT_S = 0.25, 0.02
#: Filling the processor's caches from memory takes about a millisecond, a thirtieth of this, and
#: both arms pay it in every block.
_WARM_AT_ONCE_S = 0.03
#: A statement of 100 us that becomes 7 us dearer, for there are more indexes to plan with, does no
#: harm unless it is asked very often. A tenth of its floor is this share of what the whole workload
#: takes for each call of it, but no more than a tenth of this, seconds.
_HARMLESS_SHARE, _HIGHEST_FLOOR_S = 1e-3, 1e-3
#: A trial of the whole workload must fit so many times into its time, else only what changes
#: is replayed: then there is room for pairs that surprise.
_ROOM = 1.5


def worthwhile(statements: int) -> float:
    """Return the smallest mean gain over ``statements`` that is worth a change, as a share.

    2 % as in every trial, or less where so many statements are replayed that not even a third
    less cost of one of them would come to that.
    """
    return min(TrialDesign((), METRIC).worthwhile, _OF_ONE_STATEMENT / max(1, statements))


def statement_trial(
    target: PostgresTarget,
    *,
    base_s: Mapping[str, float],
    changed: Collection[str],
    cut_s: float,
    notes: Mapping[str, Json] | None = None,
) -> ReplayTrial:
    """Return the replay of the workload's statements, each with equal weight.

    With equal weights the objective is the geometric mean of the statements' cost ratios. Every
    statement of ``base_s`` is replayed where the time allows it, so that none becomes slower
    unseen; else those whose plan changes: the others do the same as before.

    Args:
        target: its workload gives the examples; its lab is refreshed.

        base_s: CPU seconds of each statement as it is, by statement id.

        changed: statements whose plan the change concerns.

        cut_s: CPU seconds after which a statement is cut.

        notes: recorded with the trial.

    Raises:
        EvaluatorFailed: no statement of ``base_s`` can be replayed any more.
    """
    workload = target.workload()
    known = {each.statement_id: each for each in workload.replayable}
    floors_s = guardrail_floors_s(workload)
    statements = [ReplayStatement.of(known[each]) for each in base_s if each in known]
    design = TrialDesign(
        units=_units(statements, base_s, floors_s, cut_s),
        metric=METRIC,
        alpha=target.settings.alpha,
        time_budget_s=target.settings.trial_budget_s,
    )
    if _seconds(design, base_s, changed) * _ROOM > design.time_budget_s:
        few = [each for each in statements if each.name in changed]
        design = replace(design, units=_units(few, base_s, floors_s, cut_s))
    design = replace(design, worthwhile=worthwhile(len(design.units)))
    if not design.units:
        msg = "none of the statements that the claim is about can be replayed"
        raise EvaluatorFailed(msg)
    target.lab.refresh()
    return ReplayTrial(
        lab=target.lab,
        statements=tuple(statements),
        design=design,
        cut_s=cut_s,
        cut=frozenset(name for name, seconds in base_s.items() if seconds >= cut_s),
        notes=notes or {},
    )


def guardrail_floors_s(workload: Workload) -> dict[str, float]:
    """Return by statement what its guardrail adds to both costs, seconds."""
    total_s = sum(each.total_ms for each in workload.statements) / 1000
    tenth = TrialDesign((), METRIC).guardrail_margin
    return {
        each.statement_id: min(
            _HIGHEST_FLOOR_S, _HARMLESS_SHARE * total_s / max(1.0, each.calls) / tenth
        )
        for each in workload.statements
    }


def _units(
    statements: Sequence[ReplayStatement],
    base_s: Mapping[str, float],
    floors_s: Mapping[str, float],
    cut_s: float,
) -> tuple[Unit, ...]:
    """Return the units; where there are few, each may repeat more often in a block."""
    block_s = max(_UNIT_S, _BLOCK_S / max(1, len(statements)))
    return tuple(
        Unit(
            each.name,
            repeats=1 if seconds >= cut_s else repeats_of(each, seconds, block_s=block_s),
            needs_washout=seconds < _WARM_AT_ONCE_S,
            floor=floors_s[each.name],
        )
        for each in statements
        for seconds in [base_s[each.name]]
    )


def _seconds(design: TrialDesign, base_s: Mapping[str, float], changed: Collection[str]) -> float:
    """Return what the shortest trial takes if the change makes nothing faster.

    What is long enough and keeps its plan is run only to begin with.
    """
    block_s = sum(
        base_s[unit.name] * (unit.repeats + (design.washout if unit.needs_washout else 0))
        for unit in design.units
        if unit.name in changed or unit.needs_washout
    )
    return sum(base_s.values()) + 2 * design.min_pairs * block_s
