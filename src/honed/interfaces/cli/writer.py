"""`honed writer`: which writers ask the database how many rows to send at once."""

import click

from honed.interfaces.cli.opening import opened_store
from honed.interfaces.cli.output import print_json, print_rows
from honed.interfaces.cli.root import Invocation
from honed.targets.registry import get_target, user_name


@click.group()
def writer() -> None:
    """Register writers whose batch size honed may tune."""


@writer.command()
@click.argument("name")
@click.option("--target", required=True, help="The target that it writes to.")
@click.option("--table", required=True, help="The table that it writes to, with its schema.")
@click.option("--batch-size", type=int, required=True, help="Rows that it sends at once now.")
@click.option("--min", "least", type=int, default=1, show_default=True, help="Fewest rows.")
@click.option("--max", "most", type=int, default=10_000, show_default=True, help="Most rows.")
@click.pass_obj
def add(  # noqa: PLR0913 - one argument an option
    invocation: Invocation,
    *,
    name: str,
    target: str,
    table: str,
    batch_size: int,
    least: int,
    most: int,
) -> None:
    """Print the SQL that registers a writer in its database; nothing is run.

    The writer then asks `SELECT honed.batch_size('NAME')` before it gathers a batch. Where it is
    registered already, the SQL changes what is there.
    """
    from honed.targets.postgres.batches.writers import Writer, register_sql
    from honed.targets.postgres.roles import actor_name

    with opened_store(invocation) as store:
        record = get_target(store.owner, target)
    actor = user_name(record.act_url) if record.act_url else ""
    asked = Writer(name, table, batch_size, least, most)
    sql = register_sql(asked, actor=actor or actor_name(target))
    if invocation.as_json:
        print_json({"writer": asked, "sql": sql})
        return
    click.echo(sql, nl=False)
    click.echo(f"run this SQL in the database of {target} as its owner or a superuser", err=True)


@writer.command("list")
@click.option("--target", required=True, help="The target that they write to.")
@click.pass_obj
def list_(invocation: Invocation, *, target: str) -> None:
    """List the writers that are registered in a target's database."""
    from honed.targets.postgres.batches.writers import read_writers
    from honed.targets.postgres.target import PostgresTarget

    with opened_store(invocation) as store:
        record = get_target(store.owner, target)
        writers = read_writers(PostgresTarget(record, store.owner, invocation.settings()))
    if invocation.as_json:
        print_json(writers)
        return
    titles = ("writer", "table", "rows at once", "min", "max", "honed may change it")
    rows = [
        (
            each.name,
            each.relation,
            each.batch_size,
            each.least,
            each.most,
            "yes" if each.may_change and record.act_url else "no",
        )
        for each in writers
    ]
    empty = f"no writers are registered in {target}; `honed writer add` prints the SQL for one"
    print_rows(titles, rows, empty=empty)
