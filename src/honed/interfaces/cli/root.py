"""The command `honed` itself: its options, its commands by name, and how errors are said."""

import importlib
import json
import logging
import sys
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from honed import __version__
from honed.errors import HonedError

if TYPE_CHECKING:
    from honed.config import Settings

#: How every line of a log begins.
TIME_OF_DAY = "%Y-%m-%d %H:%M:%S"
#: What a shell says of a program that Ctrl-C ended: 128 + SIGINT.
_INTERRUPTED = 130


class Place(NamedTuple):
    """Where a command lives, and its one line in `honed --help`."""

    #: ``module:attribute`` in this package, or with the whole name of a module elsewhere; imported
    #: when the command is asked for, not before.
    path: str
    #: The first sentence of the command's own help; repeated here so that it need not be imported.
    summary: str


COMMANDS = {
    "archive": Place("archive:archive", "Ask archived partitions, and verify their files."),
    "config": Place("config:config", "Look at the configuration, and put its rules into force."),
    "cycle": Place("cycle:cycle", "Take one turn of the loop now, and tell it live."),
    "deadletter": Place("deadletter:deadletter", "Settle messages that are no longer tried."),
    "demo": Place(
        "demo:demo",
        "Show the whole loop on TPC-H: found, proven, approved, applied, watched, kept,"
        " rolled back.",
    ),
    "doctor": Place("doctor:doctor", "Check everything that honed needs, and say what to do."),
    "finding": Place("finding:finding", "Show what honed has seen that could be better."),
    "fix": Place("fix:fix", "Take one turn of the loop for one ticket, and tell it live."),
    "forge": Place(
        "forge:forge", "Show changes of code that wait for a review, and merge or close them."
    ),
    "improvement": Place("improvement:improvement", "Show improvements, and decide about them."),
    "intake": Place("intake:intake", "Show what services, test runs and users have sent."),
    "kind": Place("kind:kind", "Show what honed can improve."),
    "ledger": Place("ledger:ledger", "Read the record of everything that happened."),
    "peers": Place("peers:peers", "Show the two servers: who holds which role, and what was said."),
    "project": Place("project:project", "Say who may send signals, each with a key."),
    "repair": Place(
        "repair:repair",
        "Find a change of REPOSITORY, a folder or an address, after which its failing tests pass.",
    ),
    "run": Place("daemon:run", "Run the daemon: cycles, workers and readings, until told to end."),
    "scan": Place("scan:scan", "Look for troubles now, and keep the most valuable as tickets."),
    "serve": Place(
        "honed.interfaces.http.command:serve",
        "Serve the API and the intake: what another server says, signals, and webhooks of forges.",
    ),
    "start": Place("switch:start", "Allow changes again after `honed stop`."),
    "status": Place("status:status", "Show what honed does, and what waits for a person."),
    "stop": Place("switch:stop", "Change nothing more, from the next step on."),
    "store": Place("store:store", "Look after honed's own database."),
    "target": Place("target:target", "Say which databases and repositories honed looks at."),
    "ticket": Place(
        "ticket:ticket", "Show what waits in the backlog and why, and decide about it."
    ),
    "verify": Place("ledger:verify", "Check the whole record, entry by entry."),
    "worker": Place("daemon:worker", "Handle messages of the queues; run as many as you like."),
    "writer": Place("writer:writer", "Register writers whose batch size honed may tune."),
}


@dataclass(slots=True)
class Invocation:
    """What the options of `honed` itself say; commands find it in their context."""

    as_json: bool = False
    verbose: bool = False

    def settings(self, **overrides: object) -> "Settings":
        """Return the settings, with what a command's own options override.

        Raises:
            ConfigurationError: a value is wrong.
        """
        from honed.config import load_settings

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
        module, _, name = COMMANDS[cmd_name].path.partition(":")
        whole = module if "." in module else f"honed.interfaces.cli.{module}"
        command: click.Command = getattr(importlib.import_module(whole), name)
        _add_common_options(command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, place.summary) for name, place in sorted(COMMANDS.items())])

    def main(self, *args: Any, **extra: Any) -> Any:  # noqa: ANN401 - click's signature
        is_program = extra.pop("standalone_mode", True)
        try:
            code = super().main(*args, standalone_mode=False, **extra)  # type: ignore[call-overload]  # handed on as it came
        except (click.Abort, click.ClickException) as error:
            if not is_program:
                raise
            sys.exit(_say_usage(error))
        if not is_program:
            return code
        sys.exit(code if isinstance(code, int) else 0)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's signature
        try:
            return super().invoke(ctx)
        except HonedError as error:
            invocation = ctx.obj or Invocation()
            if invocation.verbose:
                logging.getLogger(__name__).debug("where it happened", exc_info=error)
            _say(error, str(error), error.hint, as_json=invocation.as_json)
            ctx.exit(error.exit_code)


def _set_json(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's signature
    if value:
        ctx.ensure_object(Invocation).as_json = True


def _set_verbose(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's signature
    if value:
        ctx.ensure_object(Invocation).verbose = True
        logging.getLogger("honed").setLevel(logging.DEBUG)


def common_options() -> list[click.Option]:
    """Return the options that every command has, `honed` itself too."""
    return [
        click.Option(
            ["--json", "as_json"],
            is_flag=True,
            expose_value=False,
            callback=_set_json,
            help="Print JSON instead of text.",
        ),
        click.Option(
            ["--verbose"],
            is_flag=True,
            expose_value=False,
            callback=_set_verbose,
            help="Log more, and show where an error happened.",
        ),
    ]


def _add_common_options(command: click.Command) -> None:
    """Let `--json` and `--verbose` stand behind a command too, where people write them."""
    if isinstance(command, click.Group):
        for each in command.commands.values():
            _add_common_options(each)
        return
    there = {parameter.name for parameter in command.params}
    command.params += [option for option in common_options() if option.name not in there]


@click.group(
    cls=_Commands,
    params=common_options(),
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="honed")
@click.pass_context
def honed(ctx: click.Context) -> None:
    """Hone your software: find what could be better, prove it, apply it reversibly, record it."""
    ctx.ensure_object(Invocation)


def main() -> None:
    """Run the command line."""
    logging.basicConfig(
        level=logging.WARNING,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        datefmt=TIME_OF_DAY,
    )
    sys.excepthook = _say_unexpected
    honed(prog_name="honed")


def _say_usage(error: click.Abort | click.ClickException) -> int:
    """Say what is wrong with the command line, and return the exit code for it."""
    if isinstance(error, click.Abort):
        click.echo("honed: aborted", err=True)
        return _INTERRUPTED
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "honed"
    hint = f"`{path} --help` shows what it takes"
    invocation = context.find_object(Invocation) if context else None
    as_json = bool(invocation and invocation.as_json)
    message = error.format_message()
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        # Its message is the whole help, with its own lines.
        if not as_json:
            error.show()
            return error.exit_code
        message = f"`{path}` needs a command"
    _say(error, message, hint, as_json=as_json)
    return error.exit_code


def _say_unexpected(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Say in one line what nobody foresaw; where it happened only with --verbose."""
    if issubclass(kind, KeyboardInterrupt):
        click.echo("honed: aborted", err=True)
        return
    if logging.getLogger("honed").isEnabledFor(logging.DEBUG):
        sys.__excepthook__(kind, error, trace)
        return
    hint = "this is a defect of honed: report it with what --verbose shows"
    _say(error, f"unexpected {kind.__name__}: {error}", hint, as_json=False)


def _say(error: BaseException, message: str, hint: str, *, as_json: bool) -> None:
    if as_json:
        said = {"error": type(error).__name__, "message": message, "hint": hint}
        click.echo(json.dumps(said), err=True)
        return
    # A server's words may have several lines.
    click.echo(f"honed: {' '.join(message.split())}", err=True)
    if hint:
        click.echo(f"  hint: {hint}", err=True)
