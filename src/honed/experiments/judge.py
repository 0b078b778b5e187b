"""The judge: the verdict on a change from the pairs that were measured, and nothing else.

How the bound ``alpha`` on a wrong verdict is spent:

* IMPROVED is wrong if there is no worthwhile gain, or if one unit exceeds the guardrail margin. It
  needs every claim at once: the gain, and each unit cleared. Whichever is false would have to be
  made wrongly by itself, so each may use the full alpha and no correction for many units is needed
  (intersection-union test; Berger 1982, "Multiparameter hypothesis testing and acceptance
  sampling", Technometrics 24).
* WORSE is wrong if the objective is not worse and no unit exceeds the margin. One of many claims
  suffices for it, so those claims must share alpha: a tenth of it equally over the violations of
  all units (union bound), nine tenths for the objective.
* EQUIVALENT is wrong if the objective is not: at most nine tenths of alpha.

So each of them is wrong with probability at most alpha, whenever and however often one looks; where
no unit exceeds the margin, so are all three together. That holds for pairs that are independent and
normal given the past. A change that does nothing at all is called IMPROVED with at most that
probability whatever the noise, and so is WORSE on the objective, because the signs must agree. The
control and the total cost only ever turn a verdict into INCONCLUSIVE, so they cost no alpha.

Not guaranteed: the bound for means under heavy tails or when one pair influences the next; the
benchmark of false positives measures what is left there. A unit that is never measured on both
sides is never cleared.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from honed.core.trial import TrialDesign
from honed.core.verdict import Verdict
from honed.errors import EvaluatorFailed
from honed.experiments.differences import (
    Pair,
    objective_differences,
    total_differences,
    unit_differences,
)
from honed.experiments.judgement import Guardrail, Judgement, UnitEffect
from honed.experiments.ruling import ruling
from honed.stats.compare import Rule, compare
from honed.stats.control import shift_log_e
from honed.stats.e_process import half_width, mean_below_log_e, sign_below_log_e
from honed.stats.moments import FloatArray, Moments
from honed.stats.non_inferiority import against_margin

#: Share of alpha that belongs to violations of guardrails; the rest is the objective's.
VIOLATION_SHARE = 0.1

#: Prior variance of the standardised distance from the guardrail margin. A unit that did not change
#: lies about one deviation of its differences from a margin of 10 % (3 to 6 % noise in a block).
GUARDRAIL_PRIOR_VARIANCE = 1.0


def judge(
    pairs: Sequence[Pair],
    design: TrialDesign,
    *,
    control: Sequence[Pair] = (),
    guardrail_only: Sequence[Pair] = (),
) -> Judgement:
    """Return the verdict on a change; a pure function, so it may be asked after every pair.

    Args:
        pairs: costs before and after, oldest first. A pair counts with the units that both of its
            sides have; the objective is the weighted mean of log(after / before) over them.

        design: the numbers that decide.

        control: pairs of the baseline with a second copy of itself. Where those differ, the
            machine and not the change makes differences, and nothing is decided.

        guardrail_only: later pairs in which only some units were run, to clear them. They count
            for those units and not for the objective, whose meaning must not change midway.

    IMPROVED needs: the objective's interval below log(1 - worthwhile) and its signs agreeing, every
    unit cleared, and a total cost that is not shown to be higher. WORSE needs: the objective's
    interval above 0 and its signs agreeing, or one unit violated. EQUIVALENT: the objective's
    interval within the region of equivalence. Else INCONCLUSIVE; a unit that the budget left
    undecided is not waved through. A cost that is no positive number gives ERROR.
    """
    if not design.units or any(unit.weight <= 0 for unit in design.units):
        msg = "a design needs units, each with a weight above 0"
        raise ValueError(msg)
    try:
        every = [*pairs, *guardrail_only]
        measured = unit_differences(every, design.units)
        guarded = unit_differences(every, design.units, above_floor=True)
        control_measured = unit_differences(control, design.units)
    except EvaluatorFailed as error:
        return failure(str(error), design)
    differences = objective_differences(measured[:, : len(pairs)], design.units)
    control_differences = objective_differences(control_measured, design.units)
    units = _unit_effects(measured, guarded, design)
    evidence = Judgement(
        verdict=Verdict.INCONCLUSIVE,
        reason="",
        objective=compare(differences, _objective_rule(design)),
        total_cost=compare(total_differences(pairs, design.units), _plain_rule(design)),
        units=units,
        control=compare(control_differences, _plain_rule(design)),
        control_log_e=shift_log_e(control_differences, differences),
        log_e=min(_gain_log_e(differences, design), *(unit.within_log_e for unit in units)),
    )
    verdict, reason = ruling(evidence, design)
    return replace(evidence, verdict=verdict, reason=reason)


def failure(message: str, design: TrialDesign) -> Judgement:
    """Return the judgement ERROR: the evaluator failed, which says nothing about the change."""
    nothing = compare((), _plain_rule(design))
    return Judgement(
        verdict=Verdict.ERROR,
        reason=f"the measurement failed: {message}",
        objective=nothing,
        total_cost=nothing,
        units=(),
        control=nothing,
        control_log_e=0.0,
        log_e=0.0,
    )


def _objective_rule(design: TrialDesign) -> Rule:
    return Rule(
        alpha=design.alpha * (1.0 - VIOLATION_SHARE),
        prior_variance=design.prior_variance,
        worthwhile=design.worthwhile,
        equivalence=design.equivalence,
        min_pairs=design.min_pairs,
    )


def _plain_rule(design: TrialDesign) -> Rule:
    return Rule(alpha=design.alpha, prior_variance=design.prior_variance)


def _gain_log_e(differences: FloatArray, design: TrialDesign) -> float:
    """Return the evidence for a worthwhile gain: the lesser of what mean and signs say."""
    by_mean = mean_below_log_e(
        Moments.of(differences),
        null=math.log1p(-design.worthwhile),
        prior_variance=design.prior_variance,
    )
    by_sign = sign_below_log_e(
        (differences < 0).sum(), (differences > 0).sum(), prior_variance=design.prior_variance
    )
    return min(float(by_mean), float(by_sign))


def _unit_effects(
    differences: FloatArray, guarded: FloatArray, design: TrialDesign
) -> tuple[UnitEffect, ...]:
    margin = math.log1p(design.guardrail_margin)
    prior_variance = GUARDRAIL_PRIOR_VARIANCE
    seen = against_margin(differences, margin=margin, prior_variance=prior_variance)
    evidence = against_margin(guarded, margin=margin, prior_variance=prior_variance)
    moments = seen.moments
    widths = half_width(moments, alpha=design.alpha, prior_variance=design.prior_variance)
    # Mean and median must both lie on the claim's side: neither a few spikes nor a second mode that
    # is rarely visited may decide.
    largest = np.maximum(evidence.moments.mean, evidence.median)
    smallest = np.minimum(evidence.moments.mean, evidence.median)
    cleared = (evidence.below_log_e >= -math.log(design.alpha)) & (largest < margin)
    violation_alpha = design.alpha * VIOLATION_SHARE / len(design.units)
    violated = (evidence.above_log_e >= -math.log(violation_alpha)) & (smallest > margin)
    return tuple(
        UnitEffect(
            unit=unit.name,
            pairs=int(moments.count[row]),
            effect=float(moments.mean[row]),
            median=float(seen.median[row]),
            low=float(moments.mean[row] - widths[row]),
            high=float(moments.mean[row] + widths[row]),
            guardrail=_guardrail(cleared=bool(cleared[row]), violated=bool(violated[row])),
            within_log_e=float(evidence.below_log_e[row]),
            beyond_log_e=float(evidence.above_log_e[row]),
        )
        for row, unit in enumerate(design.units)
    )


def _guardrail(*, cleared: bool, violated: bool) -> Guardrail:
    if violated:
        return Guardrail.VIOLATED
    return Guardrail.CLEARED if cleared else Guardrail.UNDECIDED
