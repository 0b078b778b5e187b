"""`honed demo`: the whole loop on a real database under traffic, live."""

import shutil
import sys
import tempfile
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from honed.demo.report import DemoReport
from honed.demo.story import Script, play
from honed.improvement.record import Improvement
from honed.interfaces.cli.narration import Narration
from honed.interfaces.cli.output import percent, print_json
from honed.interfaces.cli.root import Invocation


@click.command()
@click.option("--once", is_flag=True, help="Ask nothing: a policy approves; end by itself.")
@click.option(
    "--scale",
    type=click.FloatRange(min=0.01, max=10),
    default=0.05,
    show_default=True,
    help="Size of TPC-H; 1 is about 1 GB of text.",
)
@click.option(
    "--cut",
    "cut_s",
    type=click.FloatRange(min=0.1),
    default=1.0,
    show_default=True,
    help="CPU seconds after which a measured query is cut off.",
)
@click.option(
    "--seed",
    type=int,
    default=20261121,
    show_default=True,
    help="Seed of the traffic and of every random choice.",
)
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="Keep everything here afterwards; by default it is thrown away.",
)
@click.pass_obj
def demo(  # noqa: PLR0913 - one parameter an option
    invocation: Invocation,
    *,
    once: bool,
    scale: float,
    cut_s: float,
    seed: int,
    folder: Path | None,
) -> None:
    """Show the whole loop on TPC-H: found, proven, approved, applied, watched, kept, rolled back.

    Nothing of yours is touched: the servers, the data and the traffic are the demonstration's own.
    """
    console = Console(stderr=invocation.as_json)
    home = folder or Path(tempfile.mkdtemp(prefix="honed-demo-"))
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o755)
    asks = not once and sys.stdin.isatty()
    try:
        with Narration(console) as narration:
            script = Script(
                folder=home,
                scale=scale,
                cut_s=cut_s,
                seed=seed,
                on_event=narration.on_event,
                say=narration.title,
                ask=_ask if asks else None,
            )
            report = play(script)
    finally:
        if folder is None:
            shutil.rmtree(home, ignore_errors=True)
    if invocation.as_json:
        print_json(report.to_json())
        return
    _show(console, report)


def _ask(improvement: Improvement) -> bool:
    click.echo(f"\nimprovement {improvement.improvement_id}: {improvement.hypothesis.claim}")
    click.echo(f"measured {percent(improvement.measured_log_ratio)}; it would run")
    for step in improvement.steps:
        for statement in step.do:
            click.echo(f"    {statement}")
    return click.confirm("apply it?", default=True)


def _show(console: Console, report: DemoReport) -> None:
    console.print(_queries(report))
    console.print(_improvements(report))
    megabytes = sum(report.index_sizes_bytes.values()) / 1e6
    first = "none" if report.first_proof_s is None else f"{report.first_proof_s:.0f} s"
    worst = ", ".join(report.slower) or "none"
    console.print(
        f"CPU time after / before: geometric mean [bold]{report.geometric_mean_ratio:.3f}[/],"
        f" total [bold]{report.total_ratio:.3f}[/]; queries over 10 % slower: {worst}\n"
        f"{len(report.index_sizes_bytes)} indexes kept, {megabytes:.1f} MB;"
        f" first proof after {first}, decided after {report.decision_s:.0f} s\n"
        f"ledger verified: {report.ledger_entries} entries, root {report.ledger_root[:16]}...",
        highlight=False,
    )


def _queries(report: DemoReport) -> Table:
    table = Table(
        "query",
        "before ms",
        "after ms",
        "change",
        title=f"CPU time of the backend, each cut at {report.cut_s:g} s",
        box=None,
    )
    for query in report.queries:
        change = f"{100 * (query.ratio - 1):+.1f} %"
        row = (f"{1000 * query.before_s:.1f}", f"{1000 * query.after_s:.1f}", change)
        table.add_row(query.name, *row)
    return table


def _improvements(report: DemoReport) -> Table:
    titles = ("#", "kind", "state", "predicted", "in the trial", "in production")
    table = Table(*titles, title="Improvements", box=None)
    for each in sorted(report.improvements, key=lambda item: item.improvement_id):
        table.add_row(
            str(each.improvement_id),
            each.kind,
            each.state,
            percent(each.predicted_log_ratio),
            percent(each.measured_log_ratio),
            percent(each.production_log_ratio),
        )
    return table
