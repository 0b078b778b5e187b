"""The page of one change of code."""

import shlex
from collections.abc import Sequence

from honed.core.forge import ChangeState, Check
from honed.interfaces.cli.output import print_fields, print_heading, print_rows, print_text
from honed.targets.repository.requests.change import Change, ChangeEvent, Lane
from honed.targets.repository.requests.webhook import Webhook


def print_change(change: Change, happened: Sequence[ChangeEvent], why: str) -> None:
    """Print everything about one change; of an open one who lets it in, and why if it is known."""
    who = "a person" if change.lane is Lane.REVIEW else "the policy"
    by = f"{who}: {why}" if why else who
    print_fields(
        {
            "change": change.change_id,
            "title": change.title,
            "state": change.state,
            "checks": change.checks_state,
            "let in by": by if change.state is ChangeState.OPEN else "",
            "target": change.target,
            "ticket": change.ticket_id,
            "improvement": change.improvement_id,
            "branch": f"{change.branch} into {change.base_branch}",
            "proven": change.head_commit,
            "on": change.base_commit,
            "head there": change.forge_head if change.forge_head != change.head_commit else "",
            "forge": change.forge,
            "number": change.number,
            "url": change.url,
            "diff": _diff(change),
            "ledger entry": change.ledger_index,
            "opened": change.opened_at,
            "merge asked": change.merge_asked_at,
            "merged as": change.merge_commit,
            "ended": change.ended_at,
            "because": change.end_reason,
            "by": "a person" if change.closed_by_person else "",
        }
    )
    print_heading("description")
    print_text(change.body)
    print_heading("checks")
    rows = [_row(each) for each in change.checks]
    print_rows(("check", "state", "tests", "url"), rows, empty="none is known yet")
    print_heading("history")
    told = [
        (each.happened_at, each.event, each.acting_for or each.done_by, each.reason)
        for each in happened
    ]
    print_rows(("when", "what", "who", "why"), told, empty="")


def print_webhook(wanted: Webhook) -> None:
    """Print what to enter on a forge."""
    print_fields(
        {
            "payload URL": wanted.url,
            "content type": "application/json",
            wanted.secret_field: f"the value of {wanted.secret_variable}",
            "events": "; ".join(wanted.events),
            "before that": wanted.missing,
        }
    )


def _diff(change: Change) -> str:
    """Return the command that shows what changes, where no forge does; empty: it may be gone."""
    if change.forge != "local" or change.state is ChangeState.CLOSED:
        return ""
    # Once it is merged its branch may be gone; its commits are not.
    ends = f"{change.base_commit}...{change.head_commit}"
    if change.state is ChangeState.OPEN:
        ends = f"{change.base_branch}...{change.branch}"
    return f"git diff {shlex.quote(ends)}, in the repository"


def _row(check: Check) -> tuple[object, ...]:
    tests = check.tests
    counts = f"{tests.passed} passed, {tests.failed} failed" if tests else ""
    state = str(check.state) if check.is_required else f"{check.state} (may fail)"
    return check.name, state, counts, check.url
