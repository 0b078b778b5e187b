"""The page of one improvement: what is claimed, what was measured, what is done and undone."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from honed.core.kind import Kind
from honed.core.plugins import discover
from honed.core.step import Step, inverses
from honed.core.trial import GUARD, TrialDesign
from honed.improvement.record import Improvement
from honed.interfaces.cli.output import (
    percent,
    percent_interval,
    print_fields,
    print_heading,
    print_rows,
    print_text,
    shortened,
)
from honed.loop.dossier import Dossier
from honed.stats.intervals import Interval

if TYPE_CHECKING:
    from honed.loop.proposed_code import ProposedCode

_STATEMENT_CHARACTERS = 60
#: What a judgement compares as a whole, by what it is called here.
_COMPARISONS = {
    "all, weighted": "objective",
    "total cost": "total_cost",
    "A/A control": "control",
}


def undo_of(improvement: Improvement) -> list[Step]:
    """Return what takes an improvement back, as its kind says; of a kind that is gone: last first.

    This is the undo that the digest covers.
    """
    kinds = discover("honed.kinds", Kind)  # type: ignore[type-abstract]  # the family's base
    if improvement.kind not in kinds:
        return inverses(improvement.steps)
    return kinds[improvement.kind].rollback(improvement.steps)


def for_people() -> frozenset[str]:
    """Return the kinds that are installed here whose changes people let in."""
    kinds = discover("honed.kinds", Kind)  # type: ignore[type-abstract]  # the family's base
    return frozenset(name for name, kind in kinds.items() if kind.waits_for_people)


def print_dossier(
    dossier: Dossier, undo: Sequence[Step], code: "ProposedCode | None" = None
) -> None:
    """Print everything about one improvement."""
    _print_proof(dossier, code)
    _print_steps(dossier.improvement.steps, undo)
    _print_decisions(dossier)
    _print_effects(dossier)
    _print_watch(dossier)
    _print_aftermath(dossier)
    _print_history(dossier)


def print_request(
    dossier: Dossier, undo: Sequence[Step], code: "ProposedCode | None" = None
) -> None:
    """Print what a person needs to decide: the claim, its proof, what is done and undone."""
    _print_proof(dossier, code)
    _print_steps(dossier.improvement.steps, undo)
    click.echo()


def _print_proof(dossier: Dossier, code: "ProposedCode | None") -> None:
    _print_claim(dossier)
    _print_trial(dossier)
    if code is not None:
        from honed.interfaces.cli.code_page import print_code

        print_code(code)


def _print_claim(dossier: Dossier) -> None:
    improvement = dossier.improvement
    click.secho(f"improvement {improvement.improvement_id}: {improvement.state.value}", bold=True)
    print_text(improvement.hypothesis.claim)
    click.echo()
    findings = ", ".join(str(each) for each in improvement.hypothesis.finding_ids)
    danger = "" if improvement.danger.value == "none" else f", danger: {improvement.danger.value}"
    print_fields(
        {
            "kind": improvement.kind,
            "subject": improvement.subject,
            "target": dossier.target,
            "cycle": improvement.cycle_id or None,
            "priority": f"{improvement.priority} of 5",
            "risk": f"{improvement.risk} of 10{danger}",
            "findings": findings,
            "predicted": percent(improvement.predicted_log_ratio),
            "trial": percent(improvement.measured_log_ratio),
            "production": percent(improvement.production_log_ratio),
            "outcome": improvement.outcome,
            "waits for": dossier.waits_for or None,
            "error": improvement.error,
            "cost": f"{improvement.cost_s:.1f} s",
            "digest": improvement.digest,
        }
    )


def _print_trial(dossier: Dossier) -> None:
    trial = dossier.trial
    if trial is None:
        return
    print_heading(f"trial {trial.trial_id}: {trial.verdict.value if trial.verdict else 'running'}")
    print_text(trial.reason or trial.error)
    judgement: Mapping[str, Any] = trial.judgement or {}
    ending = trial.ending.value if trial.ending else ""
    print_fields(
        {
            "metric": trial.design.metric,
            "ended": f"{ending} after {trial.elapsed_s:.1f} s",
            "seed": trial.seed,
        }
    )
    if judgement:
        click.echo()
        _print_judgement(dossier, trial.design, judgement)


def _print_judgement(dossier: Dossier, design: TrialDesign, judgement: Mapping[str, Any]) -> None:
    weights = {unit.name: unit.weight for unit in design.units}
    rows: list[tuple[object, ...]] = [
        (
            _text_of(dossier, unit["unit"]),
            weights.get(unit["unit"]),
            unit["pairs"],
            percent(unit["effect"]),
            percent_interval(unit["low"], unit["high"]),
            unit["guardrail"],
        )
        for unit in judgement["units"]
    ]
    rows += [_comparison_row(name, judgement[key]) for name, key in _COMPARISONS.items()]
    titles = ("statement", "weight", "pairs", "effect", "interval", "guardrail")
    print_rows(titles, rows, empty="")


def _text_of(dossier: Dossier, unit: str) -> str:
    """Return the text of a statement that was measured, on one line; of others, their name."""
    name = unit.removeprefix(GUARD)
    text = f"{GUARD * (name != unit)}{dossier.texts.get(name, name)}"
    return shortened(" ".join(text.split()), _STATEMENT_CHARACTERS)


def _comparison_row(name: str, comparison: Mapping[str, Any]) -> tuple[object, ...]:
    interval = percent_interval(comparison["low"], comparison["high"])
    return (name, "", comparison["pairs"], percent(comparison["effect"]), interval, "")


def _print_steps(steps: Sequence[Step], undo: Sequence[Step]) -> None:
    for heading, each in (("what is done", steps), ("what takes it back", undo)):
        if not each:
            continue
        print_heading(heading)
        for number, step in enumerate(each, 1):
            print_text(f"{number}. {step.description}", indent=2)
            _print_acts(step)
            if not step.do:
                print_text("(nothing to take back)", indent=6)


def _print_acts(step: Step) -> None:
    if step.runner == "repository":
        from honed.interfaces.cli.code_page import print_acts

        print_acts(step)
        return
    for statement in step.do:
        print_text(f"{statement};", indent=6)


def _print_decisions(dossier: Dossier) -> None:
    if not dossier.decisions:
        return
    print_heading("decisions")
    titles = ("at", "decision", "by", "acting for", "authority", "expires", "reason")
    rows = [
        (
            each.decided_at,
            each.decision,
            each.decided_by,
            each.acting_for,
            each.authority,
            each.expires_at,
            each.reason,
        )
        for each in dossier.decisions
    ]
    print_rows(titles, rows, empty="")


def _print_effects(dossier: Dossier) -> None:
    if not dossier.effects:
        return
    print_heading("effects on the target")
    titles = ("at", "direction", "step", "outcome", "seconds", "error")
    rows = [
        (
            each.intended_at,
            each.direction,
            each.step.description,
            each.outcome or "not known yet",
            each.duration_s,
            each.error,
        )
        for each in dossier.effects
    ]
    print_rows(titles, rows, empty="")


def _print_watch(dossier: Dossier) -> None:
    if dossier.evidence is None:
        return
    print_heading("watch: production before and after")
    evidence = dossier.evidence
    print_fields(
        {
            "foretold by the trial": percent(evidence.foretold),
            "time": _with_interval(evidence.time.effect, evidence.time_at_end),
            "pages": _with_interval(evidence.pages.effect, evidence.pages_at_end)
            if evidence.pages.pairs
            else "not counted",
            "drift": f"{percent(evidence.drift)}, taken out"
            if evidence.drift is not None
            else "nothing untouched to compare with",
            "decided by": dossier.decided_by or None,
        }
    )
    click.echo()
    titles = ("statement", "readings", "time", "interval", "pages")
    rows = [
        (
            _text_of(dossier, each.unit),
            each.pairs,
            percent(each.cost.effect),
            percent_interval(*_bounds(each.cost)),
            percent(each.pages),
        )
        for each in evidence.units
    ]
    print_rows(titles, rows, empty="")


def _print_aftermath(dossier: Dossier) -> None:
    said = dossier.aftermath
    if said is None:
        return
    print_heading("watch: people, services and tests")
    score = None if said.score is None else f"{said.score:.2f}"
    print_fields({"standing": said.standing, "reason": said.reason, "success score": score})


def _with_interval(effect: float, at_end: Interval) -> str:
    return f"{percent(effect)} ({percent_interval(*_bounds(at_end))})"


def _bounds(interval: Interval) -> tuple[float | None, float | None]:
    low, high = interval.low, interval.high
    return (low, high) if math.isfinite(low) and math.isfinite(high) else (None, None)


def _print_history(dossier: Dossier) -> None:
    print_heading("history")
    titles = ("at", "state", "ledger", "reason")
    rows = [
        (
            each.happened_at,
            each.to_state,
            each.ledger_index if each.ledger_index >= 0 else "",
            each.detail.get("reason", ""),
        )
        for each in dossier.events
    ]
    print_rows(titles, rows, empty="")
