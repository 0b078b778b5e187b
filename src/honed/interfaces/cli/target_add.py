"""`honed target add`: what is to be looked at is stored, and told what is missing for it."""

from dataclasses import replace

import click

from honed.config import Settings
from honed.core.secrets import find_secrets
from honed.errors import ConfigurationError
from honed.interfaces.cli.opening import opened_store
from honed.interfaces.cli.output import print_json
from honed.interfaces.cli.root import Invocation
from honed.targets.registry import (
    TargetRecord,
    add_target,
    check_name,
    database_name,
    get_target,
    user_name,
)


@click.command()
@click.argument("name")
@click.option("--url", default="", help="Where to read it: the observing role's, no password.")
@click.option("--act-url", default="", help="Where to change it: the acting role's.")
@click.option("--search-path", default="", help="The one that its application uses.")
@click.option("--twin", default=None, help="Name that it and the other server's have in common.")
@click.option(
    "--role",
    type=click.Choice(["primary", "secondary"]),
    default=None,
    help="Which of two servers it is on; the secondary's is added by the store's owner.",
)
@click.option(
    "--sort",
    type=click.Choice(["postgres", "repository"]),
    default="postgres",
    show_default=True,
    help="What it is: a database, or a git repository of Python.",
)
@click.option("--python", default="", help="Repository: the Python that has what its tests need.")
@click.option(
    "--test",
    "tests",
    multiple=True,
    help="Repository: a file, folder or id of tests; again for more.",
)
@click.option(
    "--socket",
    "sockets",
    multiple=True,
    metavar="PATH",
    help="Repository: the socket of a server that its tests may spoil, such as a PostgreSQL made"
    " for that; again for more.",
)
@click.option(
    "--variable",
    "variables",
    multiple=True,
    metavar="NAME=VALUE",
    help="Repository: what its tests find in the environment, no secret; again for more.",
)
@click.option("--branch", default="", help="Repository: by default the one that its HEAD names.")
@click.option("--project", default="", help="Repository: the project whose exceptions are its own.")
@click.option(
    "--database",
    default="",
    metavar="TARGET",
    help="Repository: the target that is the database its services ask.",
)
@click.option(
    "--releases",
    type=click.Choice(["commits", "tags"]),
    default=None,
    help="Repository: what its services call releases, commits (or anything) by default, or tags.",
)
@click.option("--sql", "only_sql", is_flag=True, help="Only print the SQL that makes both roles.")
@click.pass_obj
def add(  # noqa: PLR0913 - one argument an option
    invocation: Invocation,
    *,
    name: str,
    url: str,
    act_url: str,
    search_path: str,
    twin: str | None,
    role: str | None,
    sort: str,
    python: str,
    tests: tuple[str, ...],
    sockets: tuple[str, ...],
    variables: tuple[str, ...],
    branch: str,
    project: str,
    database: str,
    releases: str | None,
    only_sql: bool,
) -> None:
    """Let honed look at a database, and print the SQL that makes its two roles.

    Of a repository it is told where it is (--url), where branches are pushed to (--act-url; without
    it nothing is proposed), and how its tests are run.

    The SQL goes to standard output, everything else to standard error; it can be run again. It is
    for the roles that the URLs log in as, else for honed_observe_NAME and honed_act_NAME, and
    without --url for a database that is called NAME.
    """
    check_name(name)
    of_repository = {
        "python": python,
        "tests": list(tests),
        "sockets": list(sockets),
        "environment": list(variables),
        "branch": branch,
        "project": project,
        "database": database,
        "releases": releases,
    }
    if sort == "repository":
        said = {name: value for name, value in of_repository.items() if value}
        _add_repository(invocation, TargetRecord(name, url, act_url, sort, said))
        return
    if any(of_repository.values()):
        msg = (
            "--python, --test, --socket, --variable, --branch, --project, --database and"
            " --releases are of repositories"
        )
        raise click.UsageError(msg)
    chosen = {"search_path": search_path, "twin": twin, "role": role}
    options = {name: value for name, value in chosen.items() if value}
    _add_database(invocation, TargetRecord(name, url, act_url, options=options), only_sql=only_sql)


def _add_database(invocation: Invocation, record: TargetRecord, *, only_sql: bool) -> None:
    """Print the SQL that makes both roles, and store a database unless only that was asked for."""
    from honed.targets.postgres.roles import roles_sql

    name, url, act_url = record.name, record.observe_url, record.act_url
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
    with opened_store(invocation) as store:
        added = add_target(store.owner, record)
    _print_sql(invocation, sql, added)
    click.echo(
        f"added the target {name}; run this SQL in its database as a superuser,"
        f" then `honed target check {name}`",
        err=True,
    )


def _add_repository(invocation: Invocation, record: TargetRecord) -> None:
    """Store a repository with the branch that it has now, once it was read."""
    from honed.targets.repository.evidence.heard import heard
    from honed.targets.urls import absolute, check_url

    if not record.observe_url:
        raise click.MissingParameter(param_type="option", param_hint="'--url'")
    for url in filter(None, (record.observe_url, record.act_url)):
        check_url(url)
    record = replace(
        record, observe_url=absolute(record.observe_url), act_url=absolute(record.act_url)
    )
    branch = _branch_of(record, invocation.settings())
    options = {**record.options, "branch": branch}
    with opened_store(invocation) as store:
        if database := str(record.options.get("database", "")):
            get_target(store.owner, database)
        added = add_target(store.owner, replace(record, options=options))
        with store.owner.transaction() as conn:
            hears = heard(conn, added)
    if invocation.as_json:
        print_json({"target": added})
        return
    click.echo(f"added the repository {record.name}, branch {branch}")
    for each in hears:
        click.echo(each.words)
    if not hears:
        link = f"`honed project add NAME --target {record.name}`"
        click.echo(f"it hears of no exceptions: --project or {link} says whose are its own")
    if not record.act_url:
        click.echo("nothing is proposed to it: --act-url says where branches are pushed to")


def _branch_of(record: TargetRecord, settings: Settings) -> str:
    """Return the branch of a repository that is looked at, once its newest commit was read."""
    from honed.targets.repository.source import Source

    source = Source(record, settings)
    variables = source.court.environment or {}
    if any(find_secrets(f"{name}={value}") for name, value in variables.items()):
        msg = "a variable of its tests holds a secret"
        raise ConfigurationError(msg, hint="the tests run code that nobody has read: use none")
    clone = source.fetched()
    branch = source.branch(clone)
    clone.commit(branch)
    return branch


def _print_sql(invocation: Invocation, sql: str, added: TargetRecord | None) -> None:
    if invocation.as_json:
        print_json({"target": added, "sql": sql})
        return
    click.echo(sql)
