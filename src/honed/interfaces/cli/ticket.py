"""`honed ticket`: what waits in the backlog and why, and what a person says of it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from typing import Any, TypeVar

import click

from honed.backlog import decide
from honed.backlog.metrics import read_metrics
from honed.backlog.score import score, score_terms
from honed.backlog.store import Filter, answers, attempts, events, get, tickets
from honed.backlog.ticket import UNSETTLED, Category, Priority, Ticket, TicketSource, TicketState
from honed.errors import UnknownTicket
from honed.interfaces.cli.identifiers import known_or
from honed.interfaces.cli.improvement import person
from honed.interfaces.cli.opening import asking
from honed.interfaces.cli.output import plain, print_json, print_rows
from honed.interfaces.cli.root import Invocation
from honed.interfaces.cli.ticket_page import print_metrics, print_ticket
from honed.signals.scrubbing import open_scrubber
from honed.storage.db import Connection

_KNOWN = known_or(UnknownTicket, "there is no ticket {}")
_Command = TypeVar("_Command", bound=Callable[..., Any])


def _words(_context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Return a text without the blanks around it; blanks alone are none."""
    if value is not None and not value.strip():
        msg = f"say the {parameter.name} in words"
        raise click.BadParameter(msg)
    return value and value.strip()


def _choice(words: type[StrEnum]) -> click.Choice[str]:
    return click.Choice([each.value for each in words])


_LEVEL = click.IntRange(1, 10)
#: What a person can write of a ticket beside its title.
_FIELDS = [
    click.option("--description", help="What is wrong, or wanted."),
    click.option("--category", type=_choice(Category), help="What sort of change settles it."),
    click.option("--priority", type=_choice(Priority), help="How much it matters."),
    click.option("--risk", "risk_level", type=_LEVEL, help="What a change endangers, 1 to 10."),
    click.option("--effort", "estimated_effort", type=_LEVEL, help="What it takes, 1 to 10."),
    click.option("--solution", "proposed_solution", help="What could be done."),
    click.option("--test-plan", help="How one sees that it is done."),
    click.option("--file", "files", multiple=True, help="A file to change; again for more."),
]
_REASON = click.option(
    "--reason", callback=_words, required=True, help="Why; the history keeps it."
)


def _fields(command: _Command) -> _Command:
    """Give a command the options that write fields of a ticket."""
    for option in reversed(_FIELDS):
        command = option(command)
    return command


def _said(options: Mapping[str, Any]) -> decide.Words:
    """Return what those options say."""
    fields = {name: value for name, value in options.items() if name != "files"}
    category, priority = fields["category"], fields["priority"]
    fields["category"] = category and Category(category)
    fields["priority"] = priority and Priority(priority)
    return decide.Words(**fields, files_to_modify=options["files"] or None)


@click.group()
def ticket() -> None:
    """Show what waits in the backlog and why, and decide about it."""


@ticket.command("list")
@click.option(
    "--state", "states", multiple=True, type=_choice(TicketState), help="Only in this state."
)
@click.option(
    "--priority", "priorities", multiple=True, type=_choice(Priority), help="Only of this priority."
)
@click.option(
    "--category", "categories", multiple=True, type=_choice(Category), help="Only of this category."
)
@click.option(
    "--source", "sources", multiple=True, type=_choice(TicketSource), help="Only from this source."
)
@click.option("--all", "settled", is_flag=True, help="Also those applied or rejected.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    help="No more than that many.",
)
@click.pass_obj
def list_(invocation: Invocation, /, *, settled: bool, limit: int, **only: tuple[str, ...]) -> None:
    """List the tickets, in the order in which they pay; each option may be given more than once."""
    usual = tuple(TicketState) if settled else tuple(UNSETTLED)
    wanted = Filter(
        states=[TicketState(each) for each in only["states"]] or usual,
        priorities=[Priority(each) for each in only["priorities"]],
        categories=[Category(each) for each in only["categories"]],
        sources=[TicketSource(each) for each in only["sources"]],
    )
    with asking(invocation) as conn:
        found = tickets(conn, wanted, limit=limit)
    if invocation.as_json:
        print_json([{**plain(each), "score": score(each)} for each in found])
        return
    titles = ("id", "score", "state", "priority", "risk", "source", "seen", "last seen", "title")
    rows = [_row(each) for each in found]
    spare = ("last seen", "source", "seen", "risk")
    print_rows(titles, rows, empty="no tickets; `honed scan` looks for troubles now", spare=spare)


@ticket.command()
@click.argument("ticket_id", type=int, callback=_KNOWN, metavar="ID")
@click.pass_obj
def show(invocation: Invocation, ticket_id: int) -> None:
    """Show one ticket: its judgement term by term, its evidence, attempts, answers and history."""
    with asking(invocation) as conn:
        found = get(conn, ticket_id)
        tried, happened = attempts(conn, ticket_id), events(conn, ticket_id)
        answered = answers(conn, ticket_id)
    if invocation.as_json:
        whole = {"score": score(found), "score_terms": score_terms(found)}
        lists = {"attempts": tried, "answers": answered, "events": happened}
        print_json({**plain(found), **whole, **lists})
        return
    print_ticket(found, tried, answered, happened)


@ticket.command()
@click.argument("title", callback=_words)
@click.option("--target", default="", help="The target that it is about.")
@click.option("--project", default="", help="The project or repository that it is about.")
@_fields
@click.pass_obj
def add(
    invocation: Invocation, /, *, title: str, target: str, project: str, **fields: object
) -> None:
    """Add a ticket by hand.

    What is not said is in the middle: a bug_fix of medium priority, risk 5 and effort 5.
    """
    words = _said({"title": title, **fields})
    with _writing(invocation) as (conn, author):
        ticket_id = decide.add(conn, words, author, target=target, project=project)
    _say(invocation, ticket_id, "is added")


@ticket.command()
@click.argument("ticket_id", type=int, callback=_KNOWN, metavar="ID")
@click.option("--title", callback=_words, help="What it is called.")
@_fields
@click.option("--reason", default="", help="Why; the history keeps it.")
@click.pass_obj
def edit(invocation: Invocation, /, *, ticket_id: int, reason: str, **fields: object) -> None:
    """Correct a ticket; no scan writes again what a person wrote."""
    words = _said(fields)
    if words == decide.Words():
        msg = "say what is to be changed"
        raise click.UsageError(msg)
    with _writing(invocation) as (conn, author):
        is_changed = decide.edit(conn, ticket_id, words, author, reason=reason)
    _say(invocation, ticket_id, "is written" if is_changed else "was like that already")


@ticket.command()
@click.argument("ticket_id", type=int, callback=_KNOWN, metavar="ID")
@_REASON
@click.pass_obj
def reject(invocation: Invocation, *, ticket_id: int, reason: str) -> None:
    """Say that a trouble is none, or not worth it; seen again, it is only counted."""
    _settle(invocation, ticket_id, decide.reject, reason)
    _say(invocation, ticket_id, "is rejected: seen again, it is only counted")


@ticket.command()
@click.argument("ticket_id", type=int, callback=_KNOWN, metavar="ID")
@_REASON
@click.pass_obj
def reopen(invocation: Invocation, *, ticket_id: int, reason: str) -> None:
    """Let a ticket wait again that was applied, failed, rejected, or is being worked on."""
    _settle(invocation, ticket_id, decide.reopen, reason)
    _say(invocation, ticket_id, "is open again")


@ticket.command()
@click.argument("ticket_id", type=int, callback=_KNOWN, metavar="ID")
@_REASON
@click.pass_obj
def resolve(invocation: Invocation, *, ticket_id: int, reason: str) -> None:
    """Say that you have settled the trouble; seen after this, its ticket is open again."""
    _settle(invocation, ticket_id, decide.resolve, reason)
    _say(invocation, ticket_id, "is settled: seen after this, it is open again")


@ticket.command()
@click.pass_obj
def metrics(invocation: Invocation) -> None:
    """Show how the backlog is: health, velocity, risk, trend, rates and distributions."""
    with asking(invocation) as conn:
        found = read_metrics(conn)
    if invocation.as_json:
        print_json(found)
        return
    print_metrics(found)


@contextmanager
def _writing(invocation: Invocation) -> Iterator[tuple[Connection, decide.Author]]:
    """Hand out a transaction, and who writes in it."""
    with asking(invocation) as conn:
        yield conn, decide.Author(open_scrubber(conn, invocation.settings().key_file), person())


def _settle(invocation: Invocation, ticket_id: int, how: Callable[..., None], reason: str) -> None:
    with _writing(invocation) as (conn, author):
        how(conn, ticket_id, author.scrubber.text(reason), acting_for=author.acting_for)


def _say(invocation: Invocation, ticket_id: int, said: str) -> None:
    if invocation.as_json:
        print_json({"ticket_id": ticket_id, "said": said})
        return
    click.echo(f"ticket {ticket_id} {said}")


def _row(each: Ticket) -> tuple[object, ...]:
    return (
        each.ticket_id,
        score(each),
        each.state,
        each.priority,
        each.risk_level,
        each.source,
        each.times_seen,
        each.last_seen_at,
        each.title,
    )
