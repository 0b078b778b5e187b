"""The command `honed` itself: its options, its commands by name, and how errors are said."""

import importlib
import json
import logging
import sys
from dataclasses import dataclass
from typing import Any

import click

from honed import __version__
from honed.config import Settings, load_settings
from honed.errors import HonedError

#: Where each command lives; a module is imported when its command is asked for, not before.
COMMANDS = {
    "config": "config:config",
    "cycle": "cycle:cycle",
    "deadletter": "deadletter:deadletter",
    "demo": "demo:demo",
    "finding": "finding:finding",
    "improvement": "improvement:improvement",
    "kind": "kind:kind",
    "ledger": "ledger:ledger",
    "run": "daemon:run",
    "start": "switch:start",
    "status": "status:status",
    "stop": "switch:stop",
    "store": "store:store",
    "target": "target:target",
    "verify": "ledger:verify",
    "worker": "daemon:worker",
}


@dataclass(slots=True)
class Invocation:
    """What the options of `honed` itself say; commands find it in their context."""

    as_json: bool = False
    verbose: bool = False

    def settings(self, **overrides: object) -> Settings:
        """Return the settings, with what a command's own options override."""
        return load_settings(
            **{name: value for name, value in overrides.items() if value is not None}
        )


class _Commands(click.Group):
    """A group whose commands are imported when they are asked for, and whose errors have hints."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(
            importlib.import_module(f"honed.interfaces.cli.{module}"), name
        )
        return command

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's signature
        try:
            return super().invoke(ctx)
        except HonedError as error:
            invocation = ctx.obj or Invocation()
            if invocation.verbose:
                raise
            _say(error, as_json=invocation.as_json)
            ctx.exit(error.exit_code)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="honed")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
@click.option("--verbose", is_flag=True, help="Log more, and show where an error happened.")
@click.pass_context
def honed(ctx: click.Context, *, as_json: bool, verbose: bool) -> None:
    """Hone your software: find what could be better, prove it, apply it reversibly, record it."""
    ctx.obj = Invocation(as_json=as_json, verbose=verbose)
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.WARNING,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )


def main() -> None:
    """Run the command line."""
    honed(prog_name="honed")


def _say(error: HonedError, *, as_json: bool) -> None:
    if as_json:
        said = {"error": type(error).__name__, "message": str(error), "hint": error.hint}
        click.echo(json.dumps(said), err=True)
        return
    click.echo(f"honed: {error}", err=True)
    if error.hint:
        click.echo(f"  hint: {error.hint}", err=True)
