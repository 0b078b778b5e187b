"""The page of one ticket, and that of the backlog's numbers."""

from collections.abc import Iterable, Sequence

import click

from honed.backlog.metrics import Metrics
from honed.backlog.score import score, score_terms
from honed.backlog.ticket import Attempt, Term, Ticket, TicketAnswer, TicketEvent
from honed.core.counted import counted
from honed.core.risk import MAX_ATTEMPTED_RISK
from honed.interfaces.cli.output import (
    print_fields,
    print_heading,
    print_json,
    print_rows,
    print_text,
)

#: The fields that are judged, and what a person calls each.
_JUDGED = {
    "category": "category",
    "priority": "priority",
    "risk_level": "risk",
    "estimated_effort": "effort",
}


def print_ticket(
    ticket: Ticket,
    tried: Sequence[Attempt],
    answered: Sequence[TicketAnswer],
    happened: Sequence[TicketEvent],
) -> None:
    """Print everything about one ticket."""
    reopened = counted(ticket.reopened_count, "time") if ticket.reopened_count else ""
    print_fields(
        {
            "ticket": ticket.ticket_id,
            "title": ticket.title,
            "state": ticket.state,
            "source": ticket.source,
            "target": ticket.target,
            "project": ticket.project,
            "subject": ticket.subject,
            "seen": counted(ticket.times_seen, "time"),
            "first seen": ticket.first_seen_at,
            "last seen": ticket.last_seen_at,
            "came back": reopened,
            "applied": ticket.applied_at,
        }
    )
    _print_judgement(ticket)
    texts = {
        "description": ticket.description,
        "proposed solution": ticket.proposed_solution,
        "test plan": ticket.test_plan,
        "files to modify": "\n".join(ticket.files_to_modify),
    }
    for heading, text in texts.items():
        if text:
            print_heading(heading)
            print_text(text)
    if ticket.evidence:
        print_heading("evidence")
        print_json(ticket.evidence)
    _print_attempts(tried)
    _print_answers(answered)
    _print_history(happened)


def print_metrics(metrics: Metrics) -> None:
    """Print the backlog's numbers, each with its formula."""
    numbers = [
        (name.replace("_", " "), value, metrics.meanings[name])
        for name, value in metrics.values.items()
    ]
    print_rows(("number", "now", "what it is"), numbers, empty="")
    print_heading("rates")
    titles = ("last", "new", "a day", "resolved", "a day ", "attempts", "succeeded")
    print_rows(
        titles,
        [
            (
                each.time_window,
                each.created,
                each.created_per_day,
                each.resolved,
                each.resolved_per_day,
                each.attempts,
                "" if each.success_rate is None else f"{100 * each.success_rate:.0f} %",
            )
            for each in metrics.rates
        ],
        empty="",
    )
    print_heading("distribution")
    rows = [
        (each.dimension, each.value, each.tickets, each.unsettled, f"{100 * each.share:.0f} %")
        for each in metrics.distribution
    ]
    print_rows(("of", "value", "tickets", "unsettled", "share"), rows, empty="no tickets yet")


def _print_judgement(ticket: Ticket) -> None:
    """Print category, priority, risk, effort and score, each with the terms that it is made of."""
    print_heading("judgement")
    for field, name in _JUDGED.items():
        terms = ticket.terms.get(field, ())
        numbers = [each.contribution for each in terms if not isinstance(each.contribution, str)]
        total = f" (sum {sum(numbers):g})" if numbers else ""
        click.echo(f"{name} {getattr(ticket, field)}{total}")
        _print_terms(terms)
    click.echo(f"score {score(ticket):g} (the lowest is taken first)")
    _print_terms(score_terms(ticket))
    if ticket.risk_level > MAX_ATTEMPTED_RISK:
        click.echo(f"its risk is above {MAX_ATTEMPTED_RISK}: it is never taken up without a person")


def _print_terms(terms: Iterable[Term]) -> None:
    for term in terms:
        is_word = isinstance(term.contribution, str)
        amount = term.contribution if is_word else f"{term.contribution:+g}"
        print_text(f"{amount:>11}  {term.name}: {term.value}")


def _print_attempts(tried: Sequence[Attempt]) -> None:
    if not tried:
        return
    print_heading("attempts")
    titles = ("attempt", "began", "ended", "result", "branch", "what was done")
    results = {None: "goes on", True: "succeeded", False: "failed"}
    rows = [
        (
            each.attempt_number,
            each.attempted_at,
            each.finished_at,
            results[each.success],
            each.branch_name,
            each.error_message or each.changes_summary,
        )
        for each in tried
    ]
    print_rows(titles, rows, empty="")


def _print_answers(answered: Sequence[TicketAnswer]) -> None:
    if not answered:
        return
    print_heading("answers")
    rows = [
        (each.answered_at, each.answer.call, each.answer.words, each.acting_for or each.done_by)
        for each in answered
    ]
    print_rows(("when", "call", "is right where it", "who"), rows, empty="")


def _print_history(happened: Sequence[TicketEvent]) -> None:
    print_heading("history")
    rows = [
        (
            each.happened_at,
            each.event,
            each.to_state,
            each.acting_for or each.done_by,
            "; ".join(filter(None, (each.reason, _changes(each)))),
        )
        for each in happened
    ]
    print_rows(("when", "what", "state", "who", "why"), rows, empty="")


def _changes(event: TicketEvent) -> str:
    """Return what an edit or a new judgement changed: ``priority medium -> high``."""
    return ", ".join(
        f"{name} {change[0]} -> {change[1]}"
        for name, change in event.detail.items()
        if isinstance(change, list)
    )
