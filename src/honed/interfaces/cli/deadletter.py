"""`honed deadletter`: messages that are no longer tried."""

import click

from honed.errors import UnknownDeadLetter
from honed.interfaces.cli.identifiers import known_or
from honed.interfaces.cli.opening import asking
from honed.interfaces.cli.output import print_fields, print_json, print_rows
from honed.interfaces.cli.root import Invocation
from honed.jobs.deadletters import dead_letter, dead_letters, discard, replay

_KNOWN = known_or(UnknownDeadLetter, "there is no dead letter {}")


@click.group()
def deadletter() -> None:
    """Settle messages that are no longer tried."""


@deadletter.command("list")
@click.option("--all", "resolved", is_flag=True, help="Also those that were settled.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    help="No more than that many.",
)
@click.pass_obj
def list_(invocation: Invocation, *, resolved: bool, limit: int) -> None:
    """List the dead letters, newest first."""
    with asking(invocation) as conn:
        letters = dead_letters(conn, resolved=resolved, limit=limit)
    if invocation.as_json:
        print_json(letters)
        return
    titles = ("id", "queue", "task", "cause", "since", "settled", "error")
    rows = [
        (
            each.dead_letter_id,
            each.queue,
            each.task,
            each.cause,
            each.buried_at,
            each.resolution,
            each.error,
        )
        for each in letters
    ]
    print_rows(titles, rows, empty="there are no dead letters")


@deadletter.command()
@click.argument("dead_letter_id", type=int, callback=_KNOWN, metavar="ID")
@click.pass_obj
def show(invocation: Invocation, dead_letter_id: int) -> None:
    """Show one dead letter with its whole message."""
    with asking(invocation) as conn:
        letter = dead_letter(conn, dead_letter_id)
    if invocation.as_json:
        print_json(letter)
        return
    print_fields(
        {
            "dead letter": letter.dead_letter_id,
            "queue": letter.queue,
            "task": letter.task,
            "message": letter.message,
            "cause": letter.cause,
            "error": letter.error,
            "exceptions": letter.exceptions,
            "crashes": letter.crashes,
            "since": letter.buried_at,
            "settled": letter.resolution or "not yet",
            "settled by": letter.resolved_by,
            "settled at": letter.resolved_at,
            "replayed as job": letter.replay_job_id or None,
        }
    )


@deadletter.command("replay")
@click.argument("dead_letter_id", type=int, callback=_KNOWN, metavar="ID")
@click.pass_obj
def replay_(invocation: Invocation, dead_letter_id: int) -> None:
    """Put a message back into its queue, once its cause is gone."""
    with asking(invocation) as conn:
        job_id = replay(conn, dead_letter_id)
    if invocation.as_json:
        print_json({"dead_letter_id": dead_letter_id, "job_id": job_id})
        return
    click.echo(f"dead letter {dead_letter_id} is in its queue again, as job {job_id}")


@deadletter.command("discard")
@click.argument("dead_letter_id", type=int, callback=_KNOWN, metavar="ID")
@click.pass_obj
def discard_(invocation: Invocation, dead_letter_id: int) -> None:
    """Settle that a message will not be handled; its row stays."""
    with asking(invocation) as conn:
        discard(conn, dead_letter_id)
    if invocation.as_json:
        print_json({"dead_letter_id": dead_letter_id, "discarded": True})
        return
    click.echo(f"dead letter {dead_letter_id} is discarded; its row stays")
