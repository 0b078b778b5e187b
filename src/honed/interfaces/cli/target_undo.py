"""`honed target undo-all`: everything of honed's on a target is taken back, told live."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from honed.errors import ConfigurationError, StepFailed, Stopped
from honed.interfaces.cli.output import print_json, print_rows
from honed.interfaces.cli.root import Invocation

if TYPE_CHECKING:
    from honed.improvement.record import Improvement
    from honed.loop.foreground import UndoReport


@click.command("undo-all")
@click.argument("name")
@click.option("--reason", default="undo everything", show_default=True, help="Why; it is kept.")
@click.option("--start", is_flag=True, help="If honed is stopped, allow changes again.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def undo_all(invocation: Invocation, *, name: str, reason: str, start: bool, yes: bool) -> None:
    """Take back everything of honed's that is on a target, last first, and tell it live.

    What is approved and not begun is rejected before. A change that cannot be taken back holds up
    no other; it is listed at the end, and the exit code is then 1. While honed is stopped nothing
    is undone either: --start allows changes again, on every target, after the first undo is asked
    for and everything approved here is rejected.
    """
    from honed.interfaces.cli.improvement import person
    from honed.interfaces.cli.telling import narrated
    from honed.wiring import PolicyUse, open_app

    with (
        narrated(to_error=invocation.as_json) as on_event,
        open_app(invocation.settings(), on_event=on_event, policy=PolicyUse.KEEP) as app,
    ):
        if not yes:
            _confirm(name, app.on_target(name))
        try:
            report = app.undo_all(name, reason, acting_for=person(), start=start)
        except Stopped as error:
            hint = "--start takes it all back and allows changes again, on every target"
            raise Stopped(str(error), hint=hint) from error
    _tell_undone(invocation, name, report)


def _confirm(name: str, there: Sequence["Improvement"]) -> None:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        msg = f"nobody can be asked here whether to take everything on {name} back"
        raise ConfigurationError(msg, hint="say --yes to do it")
    for each in there:
        click.echo(f"{each.improvement_id}  {each.state.value}  {each.hypothesis.claim}", err=True)
    click.confirm(f"Take everything of honed's on {name} back?", abort=True, err=True)


def _tell_undone(invocation: Invocation, name: str, report: "UndoReport") -> None:
    if invocation.as_json:
        print_json(report)
    else:
        titles = ("id", "state", "claim")
        rows = [(each.improvement_id, each.state, each.hypothesis.claim) for each in report.asked]
        print_rows(titles, rows, empty=f"nothing of honed's is on {name}")
        for withheld in report.withheld:
            click.echo(f"improvement {withheld} was approved and is rejected: it is not begun")
    if not report.left:
        return
    for each in report.left:
        number = each.improvement.improvement_id
        click.echo(f"improvement {number} is still on {name}: {each.why}", err=True)
    msg = f"not everything of honed's on {name} could be taken back"
    hint = "remove what is in their way, then say it again; `honed improvement show` tells the undo"
    raise StepFailed(msg, hint=hint)
