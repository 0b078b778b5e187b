"""`honed intake`: what services, test runs and users have sent."""

from collections.abc import Mapping

import click

from honed.core.intake import Intake
from honed.interfaces.cli.opening import asking
from honed.interfaces.cli.output import plain, print_json, print_rows
from honed.interfaces.cli.root import Invocation
from honed.signals.counts import SourceStatus, read_status
from honed.signals.intakes import installed_intakes
from honed.signals.pipeline import sources_off


@click.group()
def intake() -> None:
    """Show what services, test runs and users have sent."""


@intake.command()
@click.pass_obj
def status(invocation: Invocation) -> None:
    """Show for each source what came today (UTC), and what was left out or refused, and why."""
    with asking(invocation) as conn:
        counted = {each.source: each for each in read_status(conn)}
    intakes = installed_intakes()
    off = sources_off(invocation.settings())
    found = [counted.get(name, SourceStatus(name)) for name in sorted({*counted, *intakes})]
    states = {each.source: _state(each.source, intakes, off) for each in found}
    if invocation.as_json:
        print_json([{**plain(each), "state": states[each.source]} for each in found])
        return
    titles = ("source", "state", "accepted", "last", "adjusted", "skipped", "refused")
    rows = [
        (
            each.source,
            states[each.source],
            each.accepted_today,
            each.last_accepted_at,
            _said(each.adjusted_today),
            _said(each.skipped_today),
            _said(each.refused_today),
        )
        for each in found
    ]
    print_rows(titles, rows, empty="no intakes are installed")


def _state(source: str, intakes: Mapping[str, Intake], off: frozenset[str]) -> str:
    if source in off:
        return "off"
    return "on" if source in intakes else "not installed"


def _said(counts: Mapping[str, int]) -> str:
    """Return counts by reason, the most frequent first: ``malformed 3, no_key 1``."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{reason} {number}" for reason, number in ordered)
