"""`honed run` and `honed worker`: the daemon, and more hands for it."""

import click
from rich.console import Console

from honed.core.counted import counted
from honed.interfaces.cli.logbook import Logbook
from honed.interfaces.cli.root import Invocation
from honed.interfaces.cli.telling import printed, tell_policy
from honed.wiring import App, PolicyUse, open_app


@click.command()
@click.pass_obj
def run(invocation: Invocation) -> None:
    """Run the daemon: cycles, workers and readings, until told to end.

    It reads the targets, begins cycles when they are due and handles the messages of the queues.
    Where its login owns the store its settings become the policy in force; a login that is only a
    member of honed_daemon is enough otherwise, and safer (docs/howto/run-more-workers.md).
    One daemon is enough for a store; beside it run workers, not a second one.
    SIGTERM and SIGINT end it in good order. With --json each event is one line of JSON.
    """
    settings = invocation.settings()
    logbook = Logbook()
    with (
        printed() if invocation.as_json else logbook.open(Console()) as on_event,
        open_app(settings, on_event=on_event, policy=PolicyUse.WRITE) as app,
    ):
        logbook.store = app.parts.store
        login = app.login()
        if login.too_much:
            click.echo(f"the daemon's login {login.name} {login.too_much}", err=True)
        tell_policy(app.policy(), settings)
        click.echo("honed runs; Ctrl-C ends it", err=True)
        app.run_daemon()
    click.echo("honed has ended", err=True)


@click.command()
@click.option("--until-idle", is_flag=True, help="End as soon as no message is due.")
@click.pass_obj
def worker(invocation: Invocation, *, until_idle: bool) -> None:
    """Handle messages of the queues; run as many as you like.

    Workers on any machine share the queues of one store. They begin no cycles, take no readings
    and do not touch the policy, so a login that is a member of honed_daemon is enough. With --json
    each event is one line of JSON.
    """
    settings = invocation.settings()
    logbook = Logbook()
    with (
        printed() if invocation.as_json else logbook.open(Console()) as on_event,
        open_app(settings, on_event=on_event, policy=PolicyUse.KEEP) as app,
    ):
        logbook.store = app.parts.store
        until = "until nothing more is due" if until_idle else "Ctrl-C ends it"
        click.echo(f"honed handles messages; {until}", err=True)
        app.run_worker(until_idle=until_idle)
        if until_idle:
            _tell_what_is_left(app)
    click.echo("honed has ended", err=True)


def _tell_what_is_left(app: App) -> None:
    """Say what another worker is at, or fell silent over: messages may wait behind it."""
    for each in app.overview().queues:
        if each.doing:
            click.echo(
                f"{each.queue}: {counted(each.doing, 'message is', 'messages are')} with another"
                f" worker and {each.depth} are due; what a worker that died was at is taken over"
                f" after {app.settings.stalled_after_s:.0f} s, so ask again then",
                err=True,
            )
