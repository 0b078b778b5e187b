"""`honed target`: which databases and repositories honed looks at, and as whom."""

from typing import TYPE_CHECKING

import click

from honed.errors import NotAllowed
from honed.interfaces.cli.opening import opened_store
from honed.interfaces.cli.output import print_fields, print_json, print_rows
from honed.interfaces.cli.root import Invocation
from honed.interfaces.cli.target_add import add
from honed.interfaces.cli.target_undo import undo_all
from honed.ledger.log import open_signer
from honed.loop.removal import end_all, loose_ends
from honed.storage.store import Store
from honed.targets.registry import TargetRecord, get_target, list_targets, remove_target

if TYPE_CHECKING:
    from honed.targets.postgres.check import Access


@click.group()
def target() -> None:
    """Say which databases and repositories honed looks at."""


target.add_command(add)
target.add_command(undo_all)


@target.command("list")
@click.pass_obj
def list_(invocation: Invocation) -> None:
    """List the targets."""
    with opened_store(invocation) as store:
        records = list_targets(store.owner)
    if invocation.as_json:
        print_json(records)
        return
    titles = ("target", "sort", "read at", "changed at")
    rows = [
        (each.name, each.sort, each.observe_url, each.act_url or "(honed cannot change it)")
        for each in records
    ]
    print_rows(titles, rows, empty="there are no targets; `honed target add` adds one")


@target.command()
@click.argument("name")
@click.pass_obj
def show(invocation: Invocation, name: str) -> None:
    """Show one target."""
    with opened_store(invocation) as store:
        record = get_target(store.owner, name)
        hears = _heard(record, store) if record.sort == "repository" else None
    if invocation.as_json:
        print_json(record)
        return
    print_fields(
        {
            "target": record.name,
            "id": record.target_id,
            "sort": record.sort,
            "read at": record.observe_url,
            "changed at": record.act_url or "(honed cannot change it)",
            "options": record.options or None,
            "hears of": hears,
        }
    )


def _heard(record: TargetRecord, store: Store) -> str | None:
    """Return whose exceptions a repository hears of; None: this login may not see that."""
    from honed.targets.repository.evidence.heard import heard

    try:
        with store.owner.transaction() as conn:
            found = heard(conn, record)
    except NotAllowed:
        return None
    return "\n".join(each.words for each in found) or "no project's exceptions"


@target.command()
@click.argument("name")
@click.option("--force", is_flag=True, help="Although something is under way; it stays there.")
@click.pass_obj
def remove(invocation: Invocation, *, name: str, force: bool) -> None:
    """Look at a target no more; its history stays, and nothing of it is undone.

    It is refused while a change of it is approved, being applied, watched or open for review, and
    what ends each is said. With --force they end as expired or failed, in the record too, and what
    is on the target stays there.
    """
    with opened_store(invocation) as store:
        record = get_target(store.owner, name)
        with store.owner.transaction() as conn:
            loose = loose_ends(conn, record)
        if not force:
            loose.check_settled(name)
        if loose:
            with store.database().transaction() as conn:
                signer = open_signer(conn, invocation.settings().key_file)
                loose = end_all(conn, signer, record)
        remove_target(store.owner, name)
    if invocation.as_json:
        print_json({"removed": name, "ended": [each.improvement_id for each in loose.improvements]})
        return
    for each in loose.improvements:
        click.echo(f"improvement {each.improvement_id} was {each.state.value}, and is over")
    for change in loose.changes:
        click.echo(f"change {change.change_id} is withdrawn; its branch {change.branch} stays")
    click.echo(f"honed no longer looks at {name}; its history stays")


@target.command()
@click.argument("name")
@click.pass_context
def check(context: click.Context, name: str) -> None:
    """Check that honed can read a target, and change it where it has a URL for that.

    The exit code is 1 if it cannot.
    """
    from honed.targets.postgres.check import check_target

    invocation = context.find_object(Invocation) or Invocation()
    with opened_store(invocation) as store:
        record = get_target(store.owner, name)
        if record.sort == "repository":
            _check_repository(invocation, record, store)
            return
        seen = check_target(record, store.owner, invocation.settings())
    if invocation.as_json:
        print_json(seen)
    else:
        _print_access(name, seen)
    if record.act_url and not seen.may_change:
        context.exit(1)


def _check_repository(invocation: Invocation, record: TargetRecord, store: Store) -> None:
    from honed.targets.repository.check import check_repository

    seen = check_repository(record, store.owner, invocation.settings())
    if invocation.as_json:
        print_json(seen)
        return
    print_fields(
        {
            "target": record.name,
            "branch": f"{seen.branch} at {seen.commit}",
            "tests": seen.tests,
            "changes": f"on {seen.forge}" if seen.forge else f"none: {seen.why_not}",
            "warning": seen.warning,
        }
    )


def _print_access(name: str, seen: "Access") -> None:
    print_fields(
        {
            "target": name,
            "server": f"PostgreSQL {seen.server_version}",
            "reading": "yes: statements and every table",
            "changing": "yes: the tables of every owner"
            if seen.may_change
            else f"no: {seen.why_not}",
            "warning": seen.warning,
        }
    )
    if seen.fix:
        click.echo(f"  hint: {seen.fix}", err=True)
