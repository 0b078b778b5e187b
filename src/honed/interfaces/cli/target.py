"""`honed target`: which databases and repositories honed looks at, and as whom."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from honed.core.secrets import find_secrets
from honed.errors import ConfigurationError, StepFailed, Stopped
from honed.interfaces.cli.opening import opened_store
from honed.interfaces.cli.output import print_fields, print_json, print_rows
from honed.interfaces.cli.root import Invocation
from honed.signals.projects import list_projects
from honed.storage.store import Store
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
    from honed.improvement.record import Improvement
    from honed.loop.foreground import UndoReport
    from honed.targets.postgres.check import Access


@click.group()
def target() -> None:
    """Say which databases and repositories honed looks at."""


@target.command()
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
        "releases": releases,
    }
    if sort == "repository":
        said = {name: value for name, value in of_repository.items() if value}
        _add_repository(invocation, TargetRecord(name, url, act_url, sort, said))
        return
    if any(of_repository.values()):
        msg = (
            "--python, --test, --socket, --variable, --branch, --project and --releases are of"
            " repositories"
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
    from honed.targets.repository.source import Source
    from honed.targets.urls import absolute, check_url

    if not record.observe_url:
        raise click.MissingParameter(param_type="option", param_hint="'--url'")
    for url in filter(None, (record.observe_url, record.act_url)):
        check_url(url)
    record = replace(
        record, observe_url=absolute(record.observe_url), act_url=absolute(record.act_url)
    )
    source = Source(record, invocation.settings())
    variables = source.court.environment or {}
    if any(find_secrets(f"{name}={value}") for name, value in variables.items()):
        msg = "a variable of its tests holds a secret"
        raise ConfigurationError(msg, hint="the tests run code that nobody has read: use none")
    clone = source.fetched()
    branch = source.branch(clone)
    clone.commit(branch)
    options = {**record.options, "branch": branch}
    with opened_store(invocation) as store:
        added = add_target(store.owner, replace(record, options=options))
        with store.owner.transaction() as conn:
            projects = {each.name for each in list_projects(conn)}
    if invocation.as_json:
        print_json({"target": added})
        return
    click.echo(f"added the repository {record.name}, branch {branch}")
    project = str(record.options.get("project", ""))
    if project and project not in projects:
        click.echo(f"there is no project {project} yet: `honed project add {project}` makes it")
    if not record.act_url:
        click.echo("nothing is proposed to it: --act-url says where branches are pushed to")


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
        }
    )


@target.command("undo-all")
@click.argument("name")
@click.option("--reason", default="undo everything", show_default=True, help="Why; it is kept.")
@click.option("--start", is_flag=True, help="If honed is stopped, allow changes again.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def undo_all(invocation: Invocation, *, name: str, reason: str, start: bool, yes: bool) -> None:
    """Take back everything of honed's that is on a target, last first, and tell it live.

    What is approved and not begun is rejected before. A change that cannot be taken back holds up
    no other; it is listed at the end, and the exit code is then 1. While honed is stopped nothing
    is undone either: --start allows changes again, on every target, after the first undo is asked
    for and everything approved here is rejected.
    """
    from honed.interfaces.cli.improvement import person
    from honed.interfaces.cli.telling import narrated
    from honed.wiring import PolicyUse, open_app

    with (
        narrated(to_error=invocation.as_json) as on_event,
        open_app(invocation.settings(), on_event=on_event, policy=PolicyUse.KEEP) as app,
    ):
        if not yes:
            _confirm(name, app.on_target(name))
        try:
            report = app.undo_all(name, reason, acting_for=person(), start=start)
        except Stopped as error:
            hint = "--start takes it all back and allows changes again, on every target"
            raise Stopped(str(error), hint=hint) from error
    _tell_undone(invocation, name, report)


def _confirm(name: str, there: Sequence["Improvement"]) -> None:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        msg = f"nobody can be asked here whether to take everything on {name} back"
        raise ConfigurationError(msg, hint="say --yes to do it")
    for each in there:
        click.echo(f"{each.improvement_id}  {each.state.value}  {each.hypothesis.claim}", err=True)
    click.confirm(f"Take everything of honed's on {name} back?", abort=True, err=True)


def _tell_undone(invocation: Invocation, name: str, report: "UndoReport") -> None:
    if invocation.as_json:
        print_json(report)
    else:
        titles = ("id", "state", "claim")
        rows = [(each.improvement_id, each.state, each.hypothesis.claim) for each in report.asked]
        print_rows(titles, rows, empty=f"nothing of honed's is on {name}")
        for withheld in report.withheld:
            click.echo(f"improvement {withheld} was approved and is rejected: it is not begun")
    if not report.left:
        return
    for each in report.left:
        number = each.improvement.improvement_id
        click.echo(f"improvement {number} is still on {name}: {each.why}", err=True)
    msg = f"not everything of honed's on {name} could be taken back"
    hint = "remove what is in their way, then say it again; `honed improvement show` tells the undo"
    raise StepFailed(msg, hint=hint)


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
