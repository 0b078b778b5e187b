"""`honed run` and `honed worker`: the daemon, and more hands for it."""

import click

from honed.interfaces.cli.root import Invocation
from honed.interfaces.cli.telling import narrated, printed
from honed.wiring import open_app


@click.command()
@click.pass_obj
def run(invocation: Invocation) -> None:
    """Run the daemon: cycles, workers and readings, until told to end.

    It reads the targets, begins cycles when they are due and handles the messages of the queues.
    SIGTERM and SIGINT end it in good order. With --json each event is one line of JSON.
    """
    telling = printed() if invocation.as_json else narrated()
    with telling as on_event, open_app(invocation.settings(), on_event=on_event) as app:
        click.echo("honed runs; Ctrl-C ends it", err=True)
        app.run_daemon()


@click.command()
@click.option("--until-idle", is_flag=True, help="End as soon as no message is due.")
@click.pass_obj
def worker(invocation: Invocation, *, until_idle: bool) -> None:
    """Handle messages of the queues; run as many as you like.

    Workers on any machine share the queues of one store. They begin no cycles, take no readings
    and do not touch the policy, so a login that is a member of honed_daemon is enough. With --json
    each event is one line of JSON.
    """
    telling = printed() if invocation.as_json else narrated()
    settings = invocation.settings()
    with telling as on_event, open_app(settings, on_event=on_event, writes_policy=False) as app:
        app.run_worker(until_idle=until_idle)
