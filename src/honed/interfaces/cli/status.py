"""`honed status`: what honed does at this moment, and what waits for a person."""

from collections.abc import Sequence

import click

from honed.interfaces.cli.opening import opened_store
from honed.interfaces.cli.output import (
    objects_first,
    percent,
    print_fields,
    print_heading,
    print_json,
    print_rows,
)
from honed.interfaces.cli.root import Invocation
from honed.loop.overview import Overview, read_overview
from honed.loop.two_servers.lease import Lease, leases
from honed.storage.description import Description, describe
from honed.targets.registry import TargetRecord, list_targets


@click.command()
@click.pass_obj
def status(invocation: Invocation) -> None:
    """Show what honed does, and what waits for a person.

    The store, the kill switch, the autonomy, targets, queues, open improvements and the last
    cycles.
    """
    with opened_store(invocation) as store:
        records = list_targets(store.owner)
        with store.owner.transaction() as conn:
            found = describe(conn)
            overview = read_overview(conn)
            roles = leases(conn)
        is_embedded = store.server is not None
    if invocation.as_json:
        print_json({"store": found, "targets": records, "leases": roles, **_parts(overview)})
        return
    _print_store(found, overview, roles, is_embedded=is_embedded)
    _print_targets(records)
    _print_queues(overview)
    _print_open(overview)
    _print_cycles(overview)


def _parts(overview: Overview) -> dict[str, object]:
    names = ("switch", "policy", "queues", "states", "open", "cycles")
    return {name: getattr(overview, name) for name in names}


def _print_store(
    found: Description, overview: Overview, roles: Sequence[Lease], *, is_embedded: bool
) -> None:
    switch, policy = overview.switch, overview.policy
    stopped = f"STOPPED by {switch.changed_by} at {switch.changed_at:%F %T}: {switch.reason}"
    asks = (
        "a person approves" if policy and policy.require_human_approval else "the policy approves"
    )
    autonomy = f"{policy.autonomy.value}, {asks}" if policy else "not started on this store yet"
    where = "embedded" if is_embedded else "elsewhere"
    print_fields(
        {
            "store": f"PostgreSQL {found.server_version}, {where}, as {found.login}",
            "changes": stopped if switch.stopped else "allowed",
            "autonomy": autonomy,
            "honed run": ", ".join(_in_words(each) for each in roles if each.is_held)
            or "not running on this store",
            "improvements": ", ".join(f"{n} {state.value}" for state, n in overview.states.items())
            or "none",
        }
    )


def _in_words(lease: Lease) -> str:
    return f"{lease.role.value} on {lease.server} since {lease.taken_at:%F %T}"


def _print_targets(records: list[TargetRecord]) -> None:
    print_heading("targets")
    rows = [(each.name, each.sort, "yes" if each.act_url else "no") for each in records]
    titles = ("target", "sort", "can be changed")
    print_rows(titles, rows, empty="none; `honed target add` adds one")


def _print_queues(overview: Overview) -> None:
    print_heading("queues")
    titles = ("queue", "due", "waits since", "later", "being done", "dead letters")
    rows = [
        (
            each.queue,
            each.depth,
            f"{each.oldest_s:.0f} s" if each.depth else "",
            each.delayed,
            each.doing,
            each.failed,
        )
        for each in overview.queues
    ]
    print_rows(titles, rows, empty="")


def _print_open(overview: Overview) -> None:
    print_heading("open improvements")
    titles = ("id", "state", "trial", "claim")
    rows = [
        (
            each.improvement_id,
            each.state,
            percent(each.measured_log_ratio),
            objects_first(each.hypothesis.claim),
        )
        for each in overview.open
    ]
    print_rows(titles, rows, empty="none")


def _print_cycles(overview: Overview) -> None:
    print_heading("last cycles")
    titles = ("id", "target", "phase", "asked for", "dry run", "next in", "error")
    rows = [
        (
            each.cycle_id,
            each.target,
            each.phase,
            each.requested_at,
            "yes" if each.options.dry_run else "no",
            "" if each.next_delay_s is None else f"{each.next_delay_s:.0f} s",
            each.error,
        )
        for each in overview.cycles
    ]
    print_rows(titles, rows, empty="none; `honed cycle` takes a turn now")
