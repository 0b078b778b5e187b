"""Who is told of the loop's events: a person, in sentences, or a program, in lines of JSON."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from rich.console import Console

from honed.approval.policy import Policy
from honed.config import Autonomy, Settings
from honed.interfaces.cli.narration import Narration
from honed.interfaces.cli.output import plain
from honed.loop.events import Event, OnEvent


@contextmanager
def narrated(*, to_error: bool = False, debug: bool = False) -> Iterator[OnEvent]:
    """Tell events in sentences, live.

    Args:
        to_error: on standard error, because the result goes to standard output.

        debug: also every event with all that it holds, as JSON on standard error.
    """
    with Narration(Console(stderr=to_error)) as narration:
        told: list[Callable[[Event], None]] = [narration.on_event]
        if debug:
            told.append(lambda event: click.echo(as_line(event), err=True))

        def tell(event: Event) -> None:
            for each in told:
                each(event)

        yield tell


@contextmanager
def printed() -> Iterator[OnEvent]:
    """Tell events as JSON, one a line, on standard output."""
    yield lambda event: click.echo(as_line(event))


def tell_policy(policy: Policy, settings: Settings) -> None:
    """Say which policy is in force, where somebody could think that these settings are it."""
    differing = policy.differences(settings)
    if not differing:
        return
    rules = ", ".join(
        f"{name} is {_word(here)}, not {_word(there)}" for name, (here, there) in differing.items()
    )
    click.echo(
        f"policy {policy.policy_version} is in force, and not these settings: {rules}"
        " (the store's owner changes it: `honed run` or `honed config apply`)",
        err=True,
    )


def tell_observing(policy: Policy) -> None:
    """Say that nothing is changed, where the policy in force only lets honed observe."""
    if policy.autonomy is Autonomy.OBSERVE:
        click.echo(
            "the autonomy is observe, so this is a dry run"
            " (`HONED_AUTONOMY=supervised honed config apply` lets changes be proposed)",
            err=True,
        )


def _word(value: object) -> str:
    return repr(value) if value == "" else str(value)


def as_line(event: Event) -> str:
    """Return an event as one line of JSON; ``event`` is its name."""
    return json.dumps({"event": type(event).__name__, **plain(event)}, ensure_ascii=False)
