"""The order in which the parts of a judgement decide, each with its sentence for a person."""

import math

from honed.core.trial import TrialDesign
from honed.core.verdict import Verdict
from honed.experiments.judgement import Guardrail, Judgement
from honed.stats.compare import Comparison

#: Undecided units that a sentence names before it says "and others".
_NAMED_UNITS = 5


def ruling(  # noqa: PLR0911 - one return a rule, in the order in which they hold
    evidence: Judgement, design: TrialDesign
) -> tuple[Verdict, str]:
    """Return the verdict that the parts of ``evidence`` make under ``design``, and why.

    What stops every verdict comes first: too few pairs, a control that moves. Then what refutes,
    then what proves. ``experiments.judge`` says what is guaranteed.
    """
    objective = evidence.objective
    if objective.pairs < design.min_pairs:
        return Verdict.INCONCLUSIVE, f"{objective.pairs} of at least {design.min_pairs} pairs"
    if evidence.control_log_e >= -math.log(design.alpha):
        why = f"the baseline differs from its own copy: {_change(evidence.control)}"
        return Verdict.INCONCLUSIVE, why
    if evidence.named(Guardrail.VIOLATED):
        return Verdict.WORSE, _violations(evidence, design)
    if objective.verdict is Verdict.WORSE:
        return Verdict.WORSE, f"cost is higher: {_change(objective)} over {objective.pairs} pairs"
    if objective.verdict is Verdict.IMPROVED:
        return _on_improvement(evidence, design)
    if objective.verdict is Verdict.EQUIVALENT:
        region = _percent(design.equivalence)
        why = f"the effect is within {region} of nothing: {_change(objective)}"
        return Verdict.EQUIVALENT, why
    return Verdict.INCONCLUSIVE, _why_open(objective, design)


def _on_improvement(evidence: Judgement, design: TrialDesign) -> tuple[Verdict, str]:
    gain = f"cost is lower: {_change(evidence.objective)} over {evidence.pairs} pairs"
    margin = _percent(design.guardrail_margin)
    if evidence.total_cost.low > 0.0:
        total = f"the sum of all costs is higher: {_change(evidence.total_cost)}"
        return Verdict.INCONCLUSIVE, f"{gain}; but {total}"
    undecided = evidence.named(Guardrail.UNDECIDED)
    if undecided:
        open_units = f"not shown to stay within +{margin}: {_list(undecided)}"
        return Verdict.INCONCLUSIVE, f"{gain}; but {open_units}"
    of_what = " of its cost and floor" if any(unit.floor for unit in design.units) else ""
    within = f"each of {len(evidence.units)} units stays within +{margin}{of_what}"
    return Verdict.IMPROVED, f"{gain}; {within}"


def _violations(evidence: Judgement, design: TrialDesign) -> str:
    slower = [unit for unit in evidence.units if unit.guardrail is Guardrail.VIOLATED]
    changes = [f"{unit.unit} by {_signed(unit.effect)}" for unit in slower]
    return f"slower by more than {_percent(design.guardrail_margin)}: {_list(tuple(changes))}"


def _why_open(objective: Comparison, design: TrialDesign) -> str:
    says_lower = objective.high < math.log1p(-design.worthwhile)
    if says_lower or objective.low > 0.0:
        side = "lower" if says_lower else "higher"
        return (
            f"the mean says {side} ({_change(objective)}), but the signs of {objective.pairs} pairs"
            " do not yet: few pairs, outliers or two modes"
        )
    return f"too little evidence either way after {objective.pairs} pairs: {_change(objective)}"


def _change(comparison: Comparison) -> str:
    low, high = comparison.interval
    if not math.isfinite(low):
        return f"{_signed(comparison.effect)} (no bound yet)"
    return f"{_signed(comparison.effect)} ({_signed(low)} to {_signed(high)})"


def _signed(log_ratio: float) -> str:
    """Return a log ratio as a change in percent; far out, as a factor."""
    if log_ratio > math.log(10.0):
        # exp overflows beyond 709.
        return f"x {math.exp(min(log_ratio, 700.0)):.3g}"
    return f"{100.0 * math.expm1(log_ratio):+.1f} %"


def _percent(share: float) -> str:
    return f"{100.0 * share:g} %"


def _list(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:_NAMED_UNITS])
    rest = len(names) - _NAMED_UNITS
    return f"{shown} and {rest} more" if rest > 0 else shown
