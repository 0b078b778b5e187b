"""What a person says on the command line of a call that is right."""

from typing import Final

import click

from honed.backlog import decide, store
from honed.backlog.ticket import Ticket, TicketSource
from honed.core.answer import Answer
from honed.errors import ConfigurationError
from honed.improvement.record import improvements
from honed.interfaces.cli.improvement import person
from honed.repair.reproduce.answers import exception, literal
from honed.repair.reproduce.refusal import NotRebuilt
from honed.signals.scrubbing import open_scrubber
from honed.targets.repository.asked import captured_call, raised, written_call
from honed.targets.repository.target import RepositoryTarget
from honed.wiring import App

#: Improvements among which the last question about a ticket is looked for.
_MOST: Final = 1_000


def read_answer(call: str | None, returns: str | None, raises: str | None) -> Answer | None:
    """Return what the options say; None: nothing.

    Raises:
        ConfigurationError: what is right is no literal, or no exception.
    """
    if returns is None and raises is None:
        if call is None:
            return None
        msg = "--call says which call is meant, and not what is right"
        raise ConfigurationError(msg, hint="add --returns or --raises")
    if returns is not None and raises is not None:
        msg = "a call either returns or raises"
        raise ConfigurationError(msg, hint="leave out --returns or --raises")
    try:
        if raises is not None:
            return Answer(call or "", raises=exception(raises.strip()))
        return Answer(call or "", returns=literal(returns or ""))
    except NotRebuilt as refusal:
        named = f"--raises {raises}" if returns is None else f"--returns {returns}"
        hint = (
            "a name such as KeyError, or with its module, shop.errors.NotSold"
            if returns is None
            else "write it as Python does, texts in quotes of their own: --returns \"'full'\";"
            " what is no number, text, None, list, tuple, set or dict needs a test by hand"
        )
        msg = f"{named}: {refusal}"
        raise ConfigurationError(msg, hint=hint) from None


def keep_answer(app: App, target: str, ticket: Ticket, said: Answer) -> Answer:
    """Keep an answer to a ticket, and return it with the call that it is about.

    Raises:
        ConfigurationError: the ticket is about no exception of a repository, or the call cannot be
            made again, or the repository has no such exception.
        NotAllowed: the login may not answer.
    """
    repository = app.target(target)
    if ticket.source is not TicketSource.EXCEPTION or not isinstance(repository, RepositoryTarget):
        msg = f"ticket {ticket.ticket_id} is about no exception of a repository"
        raise ConfigurationError(msg, hint="write a test that says what is right, and push it")
    call = (
        written_call(repository, said.call)
        if said.call
        else _asked_last(app, repository, ticket) or _captured(app, repository, ticket)
    )
    named = raised(repository, said.raises) if said.raises else ""
    with app.store.owner.transaction() as conn:
        author = decide.Author(open_scrubber(conn, app.settings.key_file), person())
        return decide.answer(conn, ticket.ticket_id, Answer(call, said.returns, named), author)


def tell_answer(ticket_id: int, kept: Answer) -> None:
    """Say what is kept."""
    click.echo(f"ticket {ticket_id}: {kept.call} {kept.words}", err=True)


def _captured(app: App, target: RepositoryTarget, ticket: Ticket) -> str:
    with app.parts.store.transaction() as conn:
        known = [each.answer for each in store.answers(conn, ticket.ticket_id)]
    return captured_call(target, ticket.project, ticket.subject, known)


def _asked_last(app: App, target: RepositoryTarget, ticket: Ticket) -> str:
    """Return the captured call that a person was asked about last; empty: none was."""
    with app.parts.store.transaction() as conn:
        found = improvements(conn, target_id=target.target_id, limit=_MOST)
    said = (each.hypothesis.parameters for each in found)
    asked = (each.get("call") for each in said if each.get("ticket_id") == ticket.ticket_id)
    return str(next(filter(None, asked), ""))
