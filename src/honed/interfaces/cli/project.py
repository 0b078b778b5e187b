"""`honed project`: who may send signals, each with a key."""

import click

from honed.config import Settings
from honed.interfaces.cli.opening import asking
from honed.interfaces.cli.output import plain, print_json, print_rows
from honed.interfaces.cli.root import Invocation
from honed.signals.projects import Project, add_project, enable_project, list_projects


@click.group()
def project() -> None:
    """Say who may send signals, each with a key."""


@project.command()
@click.argument("name")
@click.option("--target", default="", help="The target that its signals tell of.")
@click.pass_obj
def add(invocation: Invocation, name: str, target: str) -> None:
    """Let a service, or a repository's test runs, send signals; print its DSN.

    The DSN is what the SDKs of Sentry take. The key in it lets in signals and lets nobody read.
    """
    with asking(invocation) as conn:
        added = add_project(conn, name, target=target)
    settings = invocation.settings()
    if invocation.as_json:
        print_json(_plain(added, settings))
        return
    click.echo(added.dsn(settings))
    click.echo(
        f"added the project {name}; its key is {added.public_key}, and `honed serve` takes its"
        " signals",
        err=True,
    )


@project.command("list")
@click.pass_obj
def list_(invocation: Invocation) -> None:
    """List the projects with their DSNs."""
    with asking(invocation) as conn:
        found = list_projects(conn)
    settings = invocation.settings()
    if invocation.as_json:
        print_json([_plain(each, settings) for each in found])
        return
    titles = ("project", "id", "disabled since", "DSN")
    rows = [(each.name, each.project_id, each.disabled_at, each.dsn(settings)) for each in found]
    print_rows(titles, rows, empty="there are no projects; `honed project add` adds one")


@project.command()
@click.argument("name")
@click.pass_obj
def disable(invocation: Invocation, name: str) -> None:
    """Take nothing more from a project; what it has sent stays."""
    _switch(invocation, name, enabled=False)


@project.command()
@click.argument("name")
@click.pass_obj
def enable(invocation: Invocation, name: str) -> None:
    """Take signals of a project again."""
    _switch(invocation, name, enabled=True)


def _switch(invocation: Invocation, name: str, *, enabled: bool) -> None:
    with asking(invocation) as conn:
        found = enable_project(conn, name, enabled=enabled)
    if invocation.as_json:
        print_json(_plain(found, invocation.settings()))
        return
    says = "signals of the project {} are taken" if enabled else "nothing is taken from {} any more"
    click.echo(f"{says.format(name)}; a server that runs knows it within some seconds")


def _plain(each: Project, settings: Settings) -> object:
    return {**plain(each), "dsn": each.dsn(settings)}
