"""`honed forge`: changes of code that wait for a review, and what a person says of them."""

import click

from honed.core.forge import ChangeState
from honed.errors import UnknownChange
from honed.interfaces.cli.forge_page import print_change
from honed.interfaces.cli.identifiers import known_or
from honed.interfaces.cli.improvement import person
from honed.interfaces.cli.opening import asking, opened_store
from honed.interfaces.cli.output import plain, print_json, print_rows
from honed.interfaces.cli.replay import replay
from honed.interfaces.cli.root import Invocation
from honed.targets.repository.requests import changes
from honed.targets.repository.requests.change import Change, Wanted

_KNOWN = known_or(UnknownChange, "there is no change {}")
#: How much of a commit people read.
_SHORT = 12


def _words(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """Return a reason without the blanks around it; blanks alone are none."""
    if not value.strip():
        msg = "say in words why; the history keeps it"
        raise click.BadParameter(msg)
    return value.strip()


@click.group()
def forge() -> None:
    """Show changes of code that wait for a review, and merge or close them."""


forge.add_command(replay)


@forge.command("list")
@click.option("--target", default="", help="Only of this repository.")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([each.value for each in ChangeState]),
    help="Only in this state; again for more.",
)
@click.option("--all", "ended", is_flag=True, help="Also those merged or closed.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    help="No more than that many.",
)
@click.pass_obj
def list_(
    invocation: Invocation, /, *, target: str, states: tuple[str, ...], ended: bool, limit: int
) -> None:
    """List changes, newest first; those that are open, unless it is said otherwise."""
    usual = tuple(ChangeState) if ended else (ChangeState.OPEN,)
    wanted = Wanted(target, tuple(ChangeState(each) for each in states) or usual)
    with asking(invocation) as conn:
        found = changes.changes(conn, wanted, limit=limit)
    if invocation.as_json:
        print_json([plain(each) for each in found])
        return
    titles = ("id", "state", "checks", "waits for", "target", "forge", "no.", "opened", "title")
    rows = [_row(each) for each in found]
    spare = ("opened", "forge", "no.", "waits for")
    print_rows(titles, rows, empty="no change waits; `--all` shows those that ended", spare=spare)


@forge.command()
@click.argument("change_id", type=int, callback=_KNOWN, metavar="ID")
@click.pass_obj
def show(invocation: Invocation, change_id: int) -> None:
    """Show one change: what it says of itself, its checks and its history."""
    with asking(invocation) as conn:
        found, happened = changes.get(conn, change_id), changes.events(conn, change_id)
        limit = invocation.settings().auto_apply_max_risk
        lane, why = changes.lane_of(conn, found.improvement_id, risk_limit=limit)
    if invocation.as_json:
        print_json({**plain(found), "events": happened})
        return
    # What was left to a person stays so, whatever the policy would say by now.
    print_change(found, happened, why if lane is found.lane else "")


@forge.command()
@click.argument("change_id", type=int, callback=_KNOWN, metavar="ID")
@click.option("--head", help="Only if this is still its head, as `honed forge show` told it.")
@click.pass_obj
def merge(invocation: Invocation, change_id: int, head: str | None) -> None:
    """Let a change in: a worker merges exactly what was proven, once its checks have passed."""
    with asking(invocation) as conn:
        changes.ask_merge(conn, change_id, head_commit=head, acting_for=person())
        found = changes.get(conn, change_id)
    is_unchecked = found.forge == "local" and not found.checks
    waits = "no check ran on it" if is_unchecked else f"its checks say {found.checks_state} now"
    _say(invocation, found, f"is to be merged at {found.head_commit[:_SHORT]}; {waits}")


@forge.command()
@click.argument("change_id", type=int, callback=_KNOWN, metavar="ID")
@click.option("--reason", callback=_words, required=True, help="Why; the history keeps it.")
@click.pass_obj
def close(invocation: Invocation, change_id: int, reason: str) -> None:
    """Say no to a change: neither it nor another for the same cause comes again."""
    with asking(invocation) as conn:
        changes.close(conn, change_id, reason, acting_for=person())
        found = changes.get(conn, change_id)
    reopen = f"`honed ticket reopen {found.ticket_id} --reason ...`"
    again = f"; {reopen} asks for another" if found.ticket_id else ""
    _say(invocation, found, f"is closed for good{again}")


@forge.command()
@click.argument("target")
@click.pass_obj
def webhook(invocation: Invocation, target: str) -> None:
    """Say what to enter on the forge, so that it tells honed at once what happened there.

    Without a webhook honed looks every minute. `honed serve` takes it in; a webhook only says that
    looking is worth it, and is believed if it has the secret.
    """
    from honed.errors import UnknownTarget
    from honed.interfaces.cli.forge_page import print_webhook
    from honed.targets.registry import get_target
    from honed.targets.repository.requests.webhook import webhook_of

    settings = invocation.settings()
    with opened_store(invocation) as store:
        record = get_target(store.owner, target)
    if record.sort != "repository":
        msg = f"{target} is no repository"
        raise UnknownTarget(msg, hint="`honed target list` shows what is one")
    wanted = webhook_of(settings, record)
    if invocation.as_json:
        print_json(plain(wanted))
        return
    print_webhook(wanted)


def _say(invocation: Invocation, change: Change, said: str) -> None:
    if invocation.as_json:
        print_json({"change_id": change.change_id, "state": change.state, "said": said})
        return
    click.echo(f"change {change.change_id} {said}")


def _row(each: Change) -> tuple[object, ...]:
    waits = "a person" if each.lane == "review" else "its checks"
    if each.merge_asked_at is not None:
        waits = "its merge"
    return (
        each.change_id,
        each.state,
        each.checks_state,
        waits if each.state is ChangeState.OPEN else "",
        each.target,
        each.forge,
        each.number,
        each.opened_at,
        each.title,
    )
