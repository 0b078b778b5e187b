"""`honed stop` and `honed start`: the kill switch."""

import click

from honed.interfaces.cli.opening import asking
from honed.interfaces.cli.output import print_json
from honed.interfaces.cli.root import Invocation
from honed.loop.switch import start as allow
from honed.loop.switch import stop as forbid


@click.command()
@click.option("--reason", default="no reason given", help="Why; everything that waits will say so.")
@click.pass_obj
def stop(invocation: Invocation, reason: str) -> None:
    """Change nothing more, from the next step on.

    It holds for every worker of the store until `honed start`. Readings go on; what was applied
    stays as it is, and is not undone either.
    """
    with asking(invocation) as conn:
        switch = forbid(conn, reason)
    if invocation.as_json:
        print_json(switch)
        return
    click.echo("honed changes nothing more; `honed start` allows it again")


@click.command()
@click.pass_obj
def start(invocation: Invocation) -> None:
    """Allow changes again after `honed stop`."""
    with asking(invocation) as conn:
        switch = allow(conn)
    if invocation.as_json:
        print_json(switch)
        return
    click.echo("changes are allowed again")
