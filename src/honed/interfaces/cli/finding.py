"""`honed finding`: what honed has seen that could be better."""

import click

from honed.core.counted import counted
from honed.errors import UnknownFinding
from honed.interfaces.cli.identifiers import known_or
from honed.interfaces.cli.opening import asking
from honed.interfaces.cli.output import print_fields, print_heading, print_json, print_rows
from honed.interfaces.cli.root import Invocation
from honed.loop.findings import get_finding, list_findings

_KNOWN = known_or(UnknownFinding, "there is no finding {}")


@click.group()
def finding() -> None:
    """Show what honed has seen that could be better."""


@finding.command("list")
@click.option("--target", help="Only of this target.")
@click.option("--all", "closed", is_flag=True, help="Also what later looks no longer found.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    help="No more than that many.",
)
@click.pass_obj
def list_(invocation: Invocation, *, target: str | None, closed: bool, limit: int) -> None:
    """List the findings, those that concern most of the cost first."""
    with asking(invocation) as conn:
        found = list_findings(conn, target=target, closed=closed, limit=limit)
    if invocation.as_json:
        print_json(found)
        return
    titles = ("id", "target", "type", "share", "seen", "last seen", "title")
    rows = [
        (
            each.finding_id,
            each.target,
            each.type,
            f"{100 * each.weight:.1f} %",
            each.times_seen,
            each.last_seen_at,
            each.title,
        )
        for each in found
    ]
    spare = ("last seen", "seen", "type")
    print_rows(titles, rows, empty="nothing was found; `honed cycle` looks now", spare=spare)


@finding.command()
@click.argument("finding_id", type=int, callback=_KNOWN, metavar="ID")
@click.pass_obj
def show(invocation: Invocation, finding_id: int) -> None:
    """Show one finding with its evidence."""
    with asking(invocation) as conn:
        found = get_finding(conn, finding_id)
    if invocation.as_json:
        print_json(found)
        return
    print_fields(
        {
            "finding": found.finding_id,
            "title": found.title,
            "type": found.type,
            "subject": found.subject,
            "target": found.target,
            "share of cost": f"{100 * found.weight:.1f} %",
            "seen": counted(found.times_seen, "time"),
            "first seen": found.first_seen_at,
            "last seen": found.last_seen_at,
            "gone since": found.closed_at,
            "answered by": ", ".join(str(each) for each in found.improvement_ids),
        }
    )
    print_heading("evidence")
    print_json(found.evidence)
