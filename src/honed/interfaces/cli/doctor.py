"""`honed doctor`: what honed needs, what of it is here, and what to do about the rest."""

from collections.abc import Iterator

import click

from honed.config import Settings
from honed.errors import HonedError
from honed.interfaces.cli.examination.check import Check, Status, failed
from honed.interfaces.cli.examination.machine import with_settings, without_settings
from honed.interfaces.cli.examination.store import of_store
from honed.interfaces.cli.examination.targets import of_targets
from honed.interfaces.cli.opening import opened_store
from honed.interfaces.cli.output import print_json
from honed.interfaces.cli.root import Invocation

_COLOURS = {Status.OK: "green", Status.WARN: "yellow", Status.FAIL: "red"}


@click.command()
@click.pass_context
def doctor(context: click.Context) -> None:
    """Check everything that honed needs, and say what to do.

    The exit code is 1 if something fails without which honed does not work.
    """
    invocation = context.find_object(Invocation) or Invocation()
    checks = list(_all(invocation))
    if invocation.as_json:
        print_json(checks)
    else:
        for check in checks:
            _print(check)
    if any(check.status is Status.FAIL for check in checks):
        context.exit(1)


def _all(invocation: Invocation) -> Iterator[Check]:
    yield from without_settings()
    try:
        settings = invocation.settings()
    except HonedError as error:
        yield failed("settings", error)
        # The rest cannot be looked at without them.
        return
    yield Check("settings", Status.OK, "every value is one that it may have")
    yield from with_settings(settings)
    yield from _there(invocation, settings)


def _there(invocation: Invocation, settings: Settings) -> Iterator[Check]:
    """Yield what can be seen in the store, and of each target."""
    try:
        with opened_store(invocation) as store:
            yield from of_store(store, settings)
            yield from of_targets(store, settings)
    except HonedError as error:
        yield failed("store", error)


def _print(check: Check) -> None:
    click.secho(f"{check.status.value:<5}", nl=False, fg=_COLOURS[check.status])
    click.echo(f"{check.name}: {check.seen}")
    if check.fix:
        click.echo(f"     {check.fix}")
