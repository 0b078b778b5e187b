"""`honed kind`: which kinds are installed, and the manual page of each."""

import sys

import click

from honed.core.kind import Kind
from honed.core.plugins import discover
from honed.errors import UnknownPlugin
from honed.interfaces.cli.output import print_json, print_rows
from honed.interfaces.cli.root import Invocation


@click.group()
def kind() -> None:
    """Show what honed can improve."""


@kind.command("list")
@click.pass_obj
def list_(invocation: Invocation) -> None:
    """List the kinds that are installed, honed's own and those of other packages."""
    kinds = discover("honed.kinds", Kind)  # type: ignore[type-abstract]  # the family's base
    rows = [
        (each.name, each.sort, each.area, each.risk.level, each.risk.danger.value, _summary(each))
        for each in kinds.values()
    ]
    titles = ("kind", "target", "area", "risk", "danger", "what it does")
    if invocation.as_json:
        print_json([dict(zip(titles, row, strict=True)) for row in rows])
        return
    print_rows(titles, rows, empty="no kinds are installed")


@kind.command()
@click.argument("name")
@click.pass_obj
def show(invocation: Invocation, name: str) -> None:
    """Show the manual page of one kind."""
    kinds = discover("honed.kinds", Kind)  # type: ignore[type-abstract]  # the family's base
    if name not in kinds:
        message = f"there is no kind called {name!r}"
        raise UnknownPlugin(message)
    page = manual_page(kinds[name])
    if invocation.as_json:
        print_json({"name": name, "page": page})
        return
    click.echo(page)


def manual_page(each: Kind) -> str:  # type: ignore[type-arg]  # of any target
    """Return the docstring of a kind's module under its name, as Markdown."""
    module = sys.modules[type(each).__module__]
    facts = [
        f"- target: {each.sort}",
        f"- area: {each.area}",
        f"- risk: {each.risk.level} of 10, danger: {each.risk.danger.value}",
        f"- wants findings: {', '.join(sorted(each.wants))}",
    ]
    return "\n".join([f"# {each.name}", "", (module.__doc__ or "").strip(), "", *facts])


def _summary(each: Kind) -> str:  # type: ignore[type-arg]  # of any target
    return (sys.modules[type(each).__module__].__doc__ or "").strip().partition("\n")[0]
