"""`honed improvement`: what was claimed, proven and decided, and the decisions of a person."""

import getpass
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from honed.approval.decisions import approve, reject, roll_back
from honed.approval.policy import current_policy
from honed.config import Autonomy
from honed.core.verdict import State
from honed.errors import ConfigurationError, UnknownImprovement, WrongState
from honed.improvement.record import Improvement, get, improvements, latest
from honed.interfaces.cli.identifiers import known_or
from honed.interfaces.cli.improvement_page import (
    for_people,
    print_dossier,
    print_request,
    undo_of,
)
from honed.interfaces.cli.opening import asking, opened_store
from honed.interfaces.cli.output import objects_first, percent, plain, print_json, print_rows
from honed.interfaces.cli.root import Invocation
from honed.loop.dossier import Dossier, read_dossier
from honed.loop.switch import read_switch
from honed.storage.db import Connection

if TYPE_CHECKING:
    from honed.loop.proposed_code import ProposedCode

_KNOWN = known_or(UnknownImprovement, "there is no improvement {}")
_DIGEST_DIGITS = 64

_LIST_WAITING = "`honed improvement list --state awaiting_approval` shows what waits"
#: What a person can do who wanted to approve what is in this state.
_WHAT_WAITS = {
    State.DRY_RUN: "a cycle that may change something proposes it again, under a new number"
    f" (`honed run` with HONED_AUTONOMY=supervised); {_LIST_WAITING}",
    State.EXPIRED: f"a later cycle may propose it again, under a new number; {_LIST_WAITING}",
}


def _words(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """Return a reason without the blanks around it; blanks alone are none."""
    if not value.strip():
        msg = "say in words why; the decision keeps it"
        raise click.BadParameter(msg)
    return value.strip()


@click.group()
def improvement() -> None:
    """Show improvements, and decide about them."""


@improvement.command("list")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([state.value for state in State]),
    help="Only in this state; give it again for more.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    help="No more than that many.",
)
@click.pass_obj
def list_(invocation: Invocation, *, states: tuple[str, ...], limit: int) -> None:
    """List the improvements, newest first."""
    wanted = [State(state) for state in states] or list(State)
    with asking(invocation) as conn:
        found = improvements(conn, states=wanted, limit=limit)
    if invocation.as_json:
        print_json(found)
        return
    titles = ("id", "state", "kind", "predicted", "trial", "production", "claim")
    rows = [_row(each) for each in found]
    spare = ("kind", "predicted", "production")
    print_rows(titles, rows, empty="there are no improvements", spare=spare)


@improvement.command()
@click.argument("improvement_id", type=int, callback=_KNOWN, metavar="ID")
@click.pass_obj
def show(invocation: Invocation, improvement_id: int) -> None:
    """Show everything about one improvement.

    Claim, evidence, trial with an interval for each statement, steps with their undo, digest,
    history, decisions, effects and watch. Of a change of code its diff, what each gate says, the
    question that only a person can answer, and its request.
    """
    dossier, code = _read(invocation, improvement_id)
    undo = undo_of(dossier.improvement)
    if invocation.as_json:
        print_json({**plain(dossier), "undo": undo, **({"code": code} if code else {})})
        return
    print_dossier(dossier, undo, code)


@improvement.command("approve")
@click.argument("improvement_id", type=int, callback=_KNOWN, metavar="ID")
@click.option("--digest", default="", help="What is approved: the digest that `show` tells.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def approve_(invocation: Invocation, *, improvement_id: int, digest: str, yes: bool) -> None:
    """Approve exactly what would be done; a worker then does it.

    Without --digest it is shown and asked for on a terminal. Elsewhere --digest is needed, because
    an approval binds bytes, not intentions.
    """
    if digest and not _is_digest(digest):
        msg = f"a digest has {_DIGEST_DIGITS} hexadecimal digits, not {digest!r}"
        raise click.BadParameter(msg, param_hint="'--digest'")
    with asking(invocation) as conn:
        _refuse_settled(conn, improvement_id)
    is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    if not digest and not is_terminal:
        msg = "an approval needs the digest of what is approved"
        hint = f"read `honed improvement show {improvement_id}`, then approve with --digest"
        raise ConfigurationError(msg, hint=hint)
    if is_terminal:
        digest = _shown(invocation, improvement_id, digest)
        if not yes:
            click.confirm("Do this?", abort=True, err=True)
    with asking(invocation) as conn:
        approval_id = approve(conn, improvement_id, digest, acting_for=person())
        said = f"is approved; {_who_does_it(conn)}"
    _say(invocation, improvement_id, approval_id, said)


@improvement.command("reject")
@click.argument("improvement_id", type=int, callback=_KNOWN, metavar="ID")
@click.option("--reason", callback=_words, required=True, help="Why not; kept with the decision.")
@click.pass_obj
def reject_(invocation: Invocation, *, improvement_id: int, reason: str) -> None:
    """Say no to an improvement that waits, or that is approved and not begun."""
    with asking(invocation) as conn:
        approval_id = reject(conn, improvement_id, reason, acting_for=person())
    _say(invocation, improvement_id, approval_id, "is rejected: nothing of it will be done")


@improvement.command()
@click.argument("improvement_id", type=int, callback=_KNOWN, metavar="ID")
@click.option("--reason", callback=_words, required=True, help="Why; kept with the decision.")
@click.pass_obj
def rollback(invocation: Invocation, *, improvement_id: int, reason: str) -> None:
    """Take an applied change back by its own undo; a worker does it."""
    with asking(invocation) as conn:
        approval_id = roll_back(conn, improvement_id, reason, acting_for=person())
        said = f"is to be rolled back; {_who_does_it(conn)}"
    _say(invocation, improvement_id, approval_id, said)


def _refuse_settled(conn: Connection, improvement_id: int) -> None:
    """Refuse what does not wait for an approval, and name what does in its place.

    Raises:
        UnknownImprovement: there is none with this id.
        WrongState: it does not wait, or nothing is approved at present.
    """
    asked = get(conn, improvement_id)
    if asked.state is State.AWAITING_APPROVAL:
        _refuse_under_observe(conn)
        return
    msg = f"improvement {improvement_id} does not wait for an approval: it is {asked.state.value}"
    # The same claim gets a new number each time that it is proposed.
    newest = latest(conn, target_id=asked.target_id, kind=asked.kind, subject=asked.subject)
    if newest is None or newest.improvement_id == improvement_id:
        raise WrongState(msg, hint=_WHAT_WAITS.get(asked.state, ""))
    number = newest.improvement_id
    if newest.state is State.AWAITING_APPROVAL:
        what = f"waits: `honed improvement approve {number}`"
    else:
        what = f"is {newest.state.value}: `honed improvement show {number}`"
    raise WrongState(msg, hint=f"improvement {number} makes the same claim, and {what}")


def _refuse_under_observe(conn: Connection) -> None:
    # The store refuses it, too; here a person is told what to do on the command line.
    if current_policy(conn).autonomy is Autonomy.OBSERVE:
        msg = "the autonomy is observe, so no change is approved"
        hint = "set autonomy to supervised, limited or full, start `honed run` again, read it again"
        raise WrongState(msg, hint=hint)


def _read(invocation: Invocation, improvement_id: int) -> tuple[Dossier, "ProposedCode | None"]:
    """Return what is known of an improvement, and what it would change of code, if anything."""
    with opened_store(invocation) as store:
        with store.owner.transaction() as conn:
            dossier = read_dossier(conn, improvement_id, for_people())
        if "change" not in dossier.improvement.hypothesis.parameters:
            return dossier, None
        from honed.errors import UnknownTarget
        from honed.loop.proposed_code import read_code
        from honed.targets.registry import get_target
        from honed.targets.repository.source import Source

        source = None
        with suppress(UnknownTarget):
            record = get_target(store.owner, dossier.improvement.target_id)
            source = Source(record, invocation.settings())
        with store.owner.transaction() as conn:
            return dossier, read_code(conn, dossier.improvement, source)


def _shown(invocation: Invocation, improvement_id: int, digest: str) -> str:
    """Show a person what would be done, and return the digest that is to be approved."""
    dossier, code = _read(invocation, improvement_id)
    shown = dossier.improvement
    print_request(dossier, undo_of(shown), code)
    if digest and digest.lower() != shown.digest:
        click.echo(f"you gave the digest {digest}, which is not that of what is shown", err=True)
    return digest or shown.digest


def person() -> str:
    """Return who this is on this machine; the login at the store is recorded beside it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def _who_does_it(conn: Connection) -> str:
    """Return who carries a decision out, or why nobody does yet."""
    switch = read_switch(conn)
    if switch.stopped:
        return f"it waits until `honed start`, because honed is stopped: {switch.reason}"
    return "a worker carries it out (`honed run`, or `honed worker --until-idle`)"


def _say(invocation: Invocation, improvement_id: int, approval_id: int, said: str) -> None:
    if invocation.as_json:
        print_json({"improvement_id": improvement_id, "approval_id": approval_id})
        return
    click.echo(f"improvement {improvement_id} {said}")


def _is_digest(text: str) -> bool:
    return len(text) == _DIGEST_DIGITS and all(each in "0123456789abcdef" for each in text.lower())


def _row(each: Improvement) -> tuple[object, ...]:
    return (
        each.improvement_id,
        each.state,
        each.kind,
        percent(each.predicted_log_ratio),
        percent(each.measured_log_ratio),
        percent(each.production_log_ratio),
        objects_first(each.hypothesis.claim),
    )
