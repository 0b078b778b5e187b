"""`honed config`: every setting, its value and where the value comes from."""

import re

import click

from honed.config import origins
from honed.interfaces.cli.output import print_json, print_rows
from honed.interfaces.cli.root import Invocation

#: In a URL ``user:password@``; in its query, or in a list of parameters, ``password=``.
_PASSWORD = re.compile(
    r"(://[^/?@:]*:)[^@]*(?=@)|(password\s*=\s*)(?:'[^']*'|[^\s&]+)", re.IGNORECASE
)


@click.group()
def config() -> None:
    """Look at the configuration."""


@config.command()
@click.pass_obj
def show(invocation: Invocation) -> None:
    """Show each setting with its value and its origin."""
    settings = invocation.settings()
    where = origins(settings)
    rows = [
        (name, _shown(getattr(settings, name)), where[name], field.description)
        for name, field in type(settings).model_fields.items()
    ]
    titles = ("setting", "value", "origin", "meaning")
    if invocation.as_json:
        print_json([dict(zip(titles, row, strict=True)) for row in rows])
        return
    print_rows(titles, rows, empty="there are no settings")


def _shown(value: object) -> object:
    """Return ``value`` without the password that a URL may hold."""
    if not isinstance(value, str):
        return value
    return _PASSWORD.sub(lambda found: f"{found[1] or found[2]}***", value)
