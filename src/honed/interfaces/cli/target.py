"""`honed target`: which databases honed looks at, and as whom."""

from typing import TYPE_CHECKING

import click

from honed.interfaces.cli.opening import opened_store
from honed.interfaces.cli.output import print_fields, print_json, print_rows
from honed.interfaces.cli.root import Invocation
from honed.targets.registry import (
    TargetRecord,
    add_target,
    check_name,
    database_name,
    get_target,
    list_targets,
    remove_target,
    user_name,
)

if TYPE_CHECKING:
    from honed.targets.postgres.check import Access


@click.group()
def target() -> None:
    """Say which databases honed looks at."""


@target.command()
@click.argument("name")
@click.option("--url", default="", help="Where to read it: the observing role's, no password.")
@click.option("--act-url", default="", help="Where to change it: the acting role's.")
@click.option("--search-path", default="", help="The one that its application uses.")
@click.option("--sql", "only_sql", is_flag=True, help="Only print the SQL that makes both roles.")
@click.pass_obj
def add(  # noqa: PLR0913 - one argument an option
    invocation: Invocation,
    *,
    name: str,
    url: str,
    act_url: str,
    search_path: str,
    only_sql: bool,
) -> None:
    """Let honed look at a database, and print the SQL that makes its two roles.

    The SQL goes to standard output, everything else to standard error; it can be run again. It is
    for the roles that the URLs log in as, else for honed_observe_NAME and honed_act_NAME, and
    without --url for a database that is called NAME.
    """
    from honed.targets.postgres.roles import roles_sql

    check_name(name)
    sql = roles_sql(
        name,
        database_name(url) if url else name,
        observer=user_name(url) if url else "",
        actor=user_name(act_url) if act_url else "",
    )
    if only_sql:
        _print_sql(invocation, sql, None)
        return
    if not url:
        raise click.MissingParameter(param_type="option", param_hint="'--url'")
    options = {"search_path": search_path} if search_path else {}
    record = TargetRecord(name, url, act_url, options=options)
    with opened_store(invocation) as store:
        added = add_target(store.owner, record)
    _print_sql(invocation, sql, added)
    click.echo(
        f"added the target {name}; run this SQL in its database as a superuser,"
        f" then `honed target check {name}`",
        err=True,
    )


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
        }
    )


@target.command()
@click.argument("name")
@click.pass_obj
def remove(invocation: Invocation, name: str) -> None:
    """Look at a target no more; its history stays, and nothing of it is undone."""
    with opened_store(invocation) as store:
        remove_target(store.owner, name)
    if invocation.as_json:
        print_json({"removed": name})
        return
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
        seen = check_target(record, store.owner, invocation.settings())
    if invocation.as_json:
        print_json(seen)
    else:
        _print_access(name, seen)
    if record.act_url and not seen.may_change:
        context.exit(1)


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


def _print_sql(invocation: Invocation, sql: str, added: TargetRecord | None) -> None:
    if invocation.as_json:
        print_json({"target": added, "sql": sql})
        return
    click.echo(sql)
