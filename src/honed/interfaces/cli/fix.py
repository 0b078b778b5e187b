"""`honed fix`: settle one ticket now, in the foreground."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import click

from honed.backlog.store import get
from honed.backlog.ticket import Ticket, TicketSource
from honed.core.verdict import State
from honed.errors import ConfigurationError
from honed.improvement.record import Improvement
from honed.interfaces.cli.answering import keep_answer, read_answer, tell_answer
from honed.interfaces.cli.code_page import print_question
from honed.interfaces.cli.cycle import report_cycle
from honed.interfaces.cli.output import print_text
from honed.interfaces.cli.root import Invocation
from honed.interfaces.cli.telling import narrated, tell_observing, tell_policy
from honed.interfaces.cli.withheld import withheld_words
from honed.loop.cycle import Options
from honed.loop.events import Event, FindingSeen, OnEvent
from honed.loop.proposed_code import ProposedCode, read_code
from honed.storage.db import Database
from honed.targets.repository.evidence.exceptions import repositories_of
from honed.targets.repository.evidence.searches import Search
from honed.targets.repository.target import RepositoryTarget
from honed.wiring import App, open_app

#: What ends a turn without a change that could be proposed.
_LOST = frozenset({State.REFUTED, State.INCONCLUSIVE, State.FAILED})


def _about(ticket_id: int, tell: OnEvent) -> OnEvent:
    """Return what tells of everything but what was found about other tickets."""

    def told(event: Event) -> None:
        about = event.finding.evidence.get("ticket_id") if isinstance(event, FindingSeen) else None
        if about in {None, ticket_id}:
            tell(event)

    return told


@click.command()
@click.option(
    "--ticket",
    "ticket_id",
    type=click.IntRange(min=1),
    required=True,
    metavar="ID",
    help="The ticket; `honed ticket list` shows them.",
)
@click.option("--dry-run", is_flag=True, help="Prove a change, and propose it to nobody.")
@click.option("--again", is_flag=True, help="Search although it was searched in vain.")
@click.option(
    "--returns", metavar="LITERAL", help="What the captured call returns when it is right."
)
@click.option("--raises", metavar="NAME", help="The exception that it raises when it is right.")
@click.option("--call", metavar="CALL", help="Another call that this is said of: 'total([1, 2])'.")
@click.pass_obj
def fix(  # noqa: PLR0913 - one argument an option
    invocation: Invocation,
    *,
    ticket_id: int,
    dry_run: bool,
    again: bool,
    returns: str | None,
    raises: str | None,
    call: str | None,
) -> None:
    """Take one turn of the loop for one ticket, and tell it live.

    It is what the daemon does by itself, for this trouble alone: reproduce it in a test, look for a
    change, let every gate look at it, and, as far as the policy allows, propose it. What you say is
    right is kept with the ticket, and the test asks for it from now on. Exit code 1: nothing was
    found, or a gate does not let it pass.
    """
    said = read_answer(call, returns, raises)
    settings = invocation.settings()
    with (
        narrated(to_error=invocation.as_json, debug=False) as on_event,
        open_app(settings, on_event=_about(ticket_id, on_event)) as app,
    ):
        with app.parts.store.transaction() as conn:
            ticket = get(conn, ticket_id)
        target = _target(app.parts.store, ticket)
        tell_policy(app.policy(), settings)
        if said is not None:
            tell_answer(ticket_id, keep_answer(app, target, ticket, said))
        if again:
            _forget(app, target, ticket)
        if not dry_run:
            tell_observing(app.policy())
        report = app.run_cycle(target, _options(ticket, Options.of(settings), dry_run=dry_run))
        why_none = [] if report.improvements else list(_why_none(app, target, ticket))
        asked = [] if invocation.as_json else _asked(app, report.improvements)
    report_cycle(invocation, report)
    for code in asked:
        print_question(code)
    for line in why_none:
        print_text(line, to_error=True)
    if all(each.state in _LOST for each in report.improvements):
        raise SystemExit(1)


def _options(ticket: Ticket, usual: Options, *, dry_run: bool) -> Options:
    """Return the options of a turn for one ticket; it looks as far back as the ticket is old."""
    age = ticket.updated_at - min(ticket.last_seen_at, ticket.updated_at)
    lookback = max(usual.lookback, age + usual.lookback)
    return replace(usual, dry_run=dry_run, lookback=lookback, ticket_id=ticket.ticket_id)


def _target(store: Database, ticket: Ticket) -> str:
    """Return the name of the target that a ticket is about.

    Raises:
        ConfigurationError: it is about none, or about several.
    """
    if ticket.target:
        return ticket.target
    found = repositories_of(store, ticket.project) if ticket.project else ()
    if len(found) == 1:
        return found[0]
    if not ticket.project:
        msg = f"ticket {ticket.ticket_id} is about no target and no project, so it is for people"
        hint = f"`honed ticket resolve {ticket.ticket_id} --reason ...` says that it is settled"
        raise ConfigurationError(msg, hint=hint)
    whose = f"several repositories: {', '.join(found)}" if found else "no repository"
    msg = f"ticket {ticket.ticket_id} is about the project {ticket.project}, which is of {whose}"
    add = f"honed target add NAME --sort repository --url ... --project {ticket.project}"
    hint = "`honed target remove NAME` takes one away" if found else f"`{add}` adds the one"
    raise ConfigurationError(msg, hint=hint)


def _forget(app: App, target: str, ticket: Ticket) -> None:
    opened = app.target(target)
    if isinstance(opened, RepositoryTarget):
        opened.searches.forget(_named(ticket))


def _asked(app: App, found: Sequence[Improvement]) -> Sequence[ProposedCode]:
    """Return the changes that were found and not let pass: each may ask a person something."""
    with app.parts.store.transaction() as conn:
        read = [read_code(conn, each, None) for each in found if each.state in _LOST]
    return [each for each in read if each is not None]


def _why_none(app: App, target: str, ticket: Ticket) -> Iterator[str]:
    """Yield lines that say why a turn for a ticket came to nothing, as far as that is known."""
    if said := withheld_words(app, target, ticket):
        yield said
        return
    vain = _vain(app, target, ticket)
    for each in vain:
        yield f"{each.kind} searched in vain: {each.reason}"
    if vain:
        yield (
            "it is not searched again on this commit without --again; if nothing is wrong,"
            f" `honed ticket reject {ticket.ticket_id} --reason ...` ends it"
        )


def _vain(app: App, target: str, ticket: Ticket) -> Sequence[Search]:
    """Return what was searched in vain last for this ticket on the newest commit."""
    opened = app.target(target)
    if not isinstance(opened, RepositoryTarget):
        return []
    newest_first = opened.searches.on(opened.shape().commit)
    about = [each for each in newest_first if _named(ticket) in each.cause]
    return list({(each.kind, each.cause): each for each in reversed(about)}.values())


def _named(ticket: Ticket) -> str:
    """Return what the causes of a ticket's searches are named by.

    Tests that fail in one place are one cause, whichever ticket tells of them.
    """
    return ticket.subject if ticket.source is TicketSource.EXCEPTION else "failing test: "
