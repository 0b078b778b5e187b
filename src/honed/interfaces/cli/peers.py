"""`honed peers`: two servers, who holds which role, and what one said to the other."""

import click

from honed.interfaces.cli.opening import asking
from honed.interfaces.cli.output import (
    percent,
    print_fields,
    print_heading,
    print_json,
    print_rows,
)
from honed.interfaces.cli.root import Invocation
from honed.loop.two_servers.overview import PairOverview, read_pair_overview


@click.command()
@click.pass_obj
def peers(invocation: Invocation) -> None:
    """Show the two servers: who holds which role, and what was said.

    Roles with their epochs, when the other server was last heard of, what was sent and what
    arrived, and what was refused with its reason. Of one server alone: who its daemon is.
    """
    with asking(invocation) as conn:
        found = read_pair_overview(conn)
    if invocation.as_json:
        print_json(found)
        return
    settings = invocation.settings()
    outbox = found.outbox
    print_fields(
        {
            "this server": settings.server,
            "its role": settings.two_server_role.value or "none: there is one server",
            "sent": f"{outbox.delivered} delivered, {outbox.waiting} waiting,"
            f" {outbox.refused} refused",
            "last trouble": outbox.error,
        }
    )
    _print_roles(found)
    _print_said(found)


def _print_roles(found: PairOverview) -> None:
    print_heading("roles of this store")
    print_rows(
        ("role", "server", "epoch", "held since", "until", "held"),
        [
            (
                each.role.value,
                each.server,
                each.epoch,
                each.taken_at,
                each.expires_at,
                "yes" if each.is_held else "LOST",
            )
            for each in found.leases
        ],
        empty="nobody has held one; `honed run` takes it",
    )
    print_heading("last heard of the other server")
    print_rows(
        ("role", "server", "epoch", "heard", "until", "together"),
        [
            (
                each.role,
                each.server,
                each.epoch,
                each.heard_at,
                each.expires_at,
                "yes" if each.is_heard else "CUT OFF: nothing is adopted",
            )
            for each in found.peers
        ],
        empty="nothing was heard",
    )


def _print_said(found: PairOverview) -> None:
    print_heading("evidence that arrived")
    print_rows(
        ("id", "from", "epoch", "twin", "state there", "effect there", "adopted as", "claim"),
        [
            (
                each.evidence_id,
                each.server,
                each.epoch,
                each.twin,
                each.outcome or each.state,
                percent(each.log_ratio),
                ", ".join(str(improvement_id) for improvement_id in each.improvement_ids),
                f"{each.kind}: {each.subject}",
            )
            for each in found.evidence
        ],
        empty="none",
        spare=("epoch", "twin"),
    )
    print_heading("refused")
    print_rows(
        ("reason", "times", "last", "what the last one said"),
        [(each.reason, each.times, each.last_at, each.error) for each in found.refusals],
        empty="nothing",
    )
