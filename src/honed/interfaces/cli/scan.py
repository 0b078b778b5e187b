"""`honed scan`: look for troubles now, and keep the best of them as tickets."""

import click

from honed.errors import SourceFailed
from honed.interfaces.cli.opening import opened_store
from honed.interfaces.cli.output import print_json, print_rows
from honed.interfaces.cli.root import Invocation


@click.command()
@click.option(
    "--source",
    "names",
    multiple=True,
    metavar="NAME",
    help="Only this source, even if it is switched off; give it again for more.",
)
@click.pass_obj
def scan(invocation: Invocation, *, names: tuple[str, ...]) -> None:
    """Look for troubles now, and keep the most valuable as tickets.

    Known troubles of which there is news are counted again; one that was applied and is seen since
    is open again. What is left out because there are enough new tickets is found again by the next
    scan.
    """
    from honed.backlog.scan import chosen, installed_sources
    from honed.backlog.scan import scan as look

    settings = invocation.settings()
    sources = chosen(installed_sources(), settings, names)
    with opened_store(invocation) as store:
        reports = look(store.owner, sources, settings)
    if invocation.as_json:
        print_json(reports)
    else:
        rows = [
            (
                each.source,
                each.found,
                each.created,
                each.counted,
                each.reopened,
                each.left_out,
                each.error,
            )
            for each in reports
        ]
        titles = ("source", "found", "new", "counted again", "reopened", "left out", "error")
        print_rows(titles, rows, empty="no source is switched on (ticket_sources)")
    failed = [each for each in reports if each.error]
    if failed:
        msg = "; ".join(f"{each.source}: {each.error}" for each in failed)
        raise SourceFailed(msg, hint=failed[0].hint)
