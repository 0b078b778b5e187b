"""`honed cycle`: one turn of the loop now, in the foreground."""

import logging
import sys
from datetime import timedelta

import click

from honed.core.verdict import State
from honed.errors import ConfigurationError, HonedError, Interrupted, UnknownTarget
from honed.interfaces.cli.output import percent, print_heading, print_json, print_rows
from honed.interfaces.cli.root import Invocation
from honed.interfaces.cli.telling import narrated, tell_observing, tell_policy
from honed.loop.cycle import ENDED, Options, Phase
from honed.loop.foreground import CycleReport
from honed.targets.registry import list_targets
from honed.wiring import App, open_app

_AREAS = ("performance", "quality", "features")


@click.command()
@click.argument("target", required=False)
@click.option(
    "--apply/--dry-run",
    "apply_",
    default=False,
    show_default=True,
    help="Whether proven changes may be applied, as far as the policy allows.",
)
@click.option("--max-changes", type=click.IntRange(min=0), help="Changes that it may apply.")
@click.option(
    "--require-approval/--no-require-approval",
    default=None,
    help="Whether each change waits for a person.",
)
@click.option("--target-area", type=click.Choice(_AREAS), help="Only kinds of this area.")
@click.option(
    "--lookback",
    "lookback_hours",
    type=click.FloatRange(min=0, min_open=True),
    metavar="HOURS",
    help="How far back it looks.",
)
@click.option(
    "--storage-budget",
    "storage_budget_mb",
    type=click.IntRange(min=1),
    metavar="MB",
    help="What all indexes of honed's may take together, if less than the setting.",
)
@click.option(
    "--write-budget",
    type=click.FloatRange(min=1, min_open=True),
    metavar="TIMES",
    help="How many times as much an INSERT may cost with them, if less than the setting.",
)
@click.option("--debug", is_flag=True, help="Also print every event, with all that it holds.")
@click.pass_obj
def cycle(  # noqa: PLR0913 - one argument an option
    invocation: Invocation,
    *,
    target: str | None,
    apply_: bool,
    max_changes: int | None,
    require_approval: bool | None,
    target_area: str | None,
    lookback_hours: float | None,
    storage_budget_mb: int | None,
    write_budget: float | None,
    debug: bool,
) -> None:
    """Take one turn of the loop now, and tell it live.

    Without TARGET it is the only one there is. By default it is a dry run: claims are proven on a
    copy, and nothing is changed. What is left out is taken from the settings. The policy in force
    limits it further; the settings become the policy only where there is none yet. What is about
    other targets is left to workers, and what a worker elsewhere takes over meanwhile, that of a
    running daemon too, is told there and not here.
    """
    settings = invocation.settings()
    given = Options.of(settings)
    # Of this cycle alone: they never change the policy.
    options = Options(
        dry_run=not apply_,
        max_changes=given.max_changes if max_changes is None else max_changes,
        require_approval=given.require_approval if require_approval is None else require_approval,
        target_area=target_area or given.target_area,
        lookback=timedelta(hours=lookback_hours) if lookback_hours else given.lookback,
        storage_budget_mb=storage_budget_mb,
        write_budget=write_budget,
    )
    if debug:
        logging.getLogger("honed").setLevel(logging.DEBUG)
    with (
        narrated(to_error=invocation.as_json, debug=debug) as on_event,
        open_app(settings, on_event=on_event) as app,
    ):
        policy = app.policy()
        tell_policy(policy, settings)
        if apply_:
            tell_observing(policy)
        report = app.run_cycle(target or _only_target(app), options)
    report_cycle(invocation, report)


def _only_target(app: App) -> str:
    names = [record.name for record in list_targets(app.store.owner)]
    if not names:
        msg = "there is no target to look at"
        raise UnknownTarget(msg)
    if len(names) > 1:
        msg = f"there are {len(names)} targets: say which"
        raise ConfigurationError(msg, hint=f"one of {', '.join(names)}")
    return names[0]


def report_cycle(invocation: Invocation, report: CycleReport) -> None:
    """Print what came of one turn.

    Raises:
        HonedError: it failed.
        Interrupted: it was left before its end.
    """
    cycle_id, phase = report.cycle.cycle_id, report.cycle.phase
    if invocation.as_json:
        print_json(report)
    else:
        _print_improvements(report)
    if phase is Phase.FAILED:
        msg = f"cycle {cycle_id} failed: {report.cycle.error}"
        raise HonedError(msg, hint="`honed deadletter list` tells what was given up")
    if phase not in ENDED:
        msg = f"cycle {cycle_id} is {phase.value} and was left"
        raise Interrupted(msg, hint="`honed run` or `honed worker` goes on with it")


def _print_improvements(report: CycleReport) -> None:
    print_heading(f"cycle {report.cycle.cycle_id}: {report.cycle.phase.value}")
    titles = ("id", "state", "predicted", "trial", "production", "claim")
    rows = [
        (
            each.improvement_id,
            each.state,
            percent(each.predicted_log_ratio),
            percent(each.measured_log_ratio),
            percent(each.production_log_ratio),
            each.hypothesis.claim,
        )
        for each in report.improvements
    ]
    print_rows(titles, rows, empty="nothing to improve was found")
    for each in report.improvements:
        if each.state is State.AWAITING_APPROVAL:
            # A terminal shows what it is and asks; elsewhere it has to be named.
            digest = "" if sys.stdin.isatty() else f" --digest {each.digest}"
            click.echo(
                f"`honed improvement approve {each.improvement_id}{digest}` decides", err=True
            )
        if each.state is State.DRY_RUN:
            click.echo(
                f"nothing was changed; `honed improvement show {each.improvement_id}` tells what"
                " would be",
                err=True,
            )
