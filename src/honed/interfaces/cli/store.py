"""`honed store`: honed's own database."""

import shlex

import click

from honed.interfaces.cli.opening import opened_store
from honed.interfaces.cli.output import megabytes, print_fields, print_json, print_rows
from honed.interfaces.cli.root import Invocation
from honed.storage.db import Connection, Database
from honed.storage.description import describe
from honed.storage.migrate import migrate
from honed.storage.roles import roles as read_roles


@click.group()
def store() -> None:
    """Look after honed's own database."""


@store.command("migrate")
@click.pass_obj
def migrate_(invocation: Invocation) -> None:
    """Bring the store to the schema of this honed, as its owner.

    The embedded store does this by itself whenever it is opened.
    """
    settings = invocation.settings()
    applied: list[str] = []
    if settings.store_url:
        applied = migrate(Database(settings.store_url))
    with opened_store(invocation):
        pass
    if invocation.as_json:
        print_json({"applied": applied})
        return
    for name in applied:
        click.echo(f"applied {name}")
    click.echo("the store has the schema of this honed")


@store.command()
@click.pass_obj
def roles(invocation: Invocation) -> None:
    """Show what each database role may do, and which logins are members."""
    with opened_store(invocation) as opened, opened.owner.transaction() as conn:
        found = read_roles(conn)
    if invocation.as_json:
        print_json(found)
        return
    titles = ("role", "logins", "may")
    rows = [(each.name, ", ".join(each.logins) or "(none)", each.may) for each in found]
    print_rows(titles, rows, empty="")
    click.echo("a login becomes a member by `GRANT honed_approver TO alice`", err=True)


@store.command()
@click.pass_obj
def status(invocation: Invocation) -> None:
    """Show where the store is, how to reach it, how large it is and how far it was migrated.

    The embedded store can be reached as long as some honed runs.
    """
    with opened_store(invocation) as opened:
        with opened.owner.transaction() as conn:
            found = describe(conn)
            psql = _psql(conn)
        data_dir = opened.server.data_dir if opened.server else None
    if invocation.as_json:
        print_json({"data_dir": data_dir, "psql": psql, "description": found})
        return
    print_fields(
        {
            "server": f"PostgreSQL {found.server_version}",
            "runs": f"embedded, in {data_dir}" if data_dir else "elsewhere (store_url)",
            "database": found.database,
            "login": found.login,
            "psql": psql,
            "size": megabytes(found.size_bytes),
            "migrations": f"{len(found.migrations)}, the last is {found.migrations[-1].name}",
        }
    )


def _psql(conn: Connection) -> str:
    """Return the command line that reaches the same database; of a password it says nothing."""
    where = conn.info
    options = {"-h": where.host, "-p": where.port, "-U": where.user, "-d": where.dbname}
    return shlex.join(["psql", *(str(word) for pair in options.items() for word in pair)])
