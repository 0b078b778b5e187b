"""`honed config`: every setting, its value and where the value comes from."""

import re
from tomllib import TOMLDecodeError
from typing import Any

import click
from pydantic_settings import EnvSettingsSource, TomlConfigSettingsSource

from honed.aliases import in_environment, in_file
from honed.approval.policy import write_policy
from honed.config import Settings, origins
from honed.errors import ConfigurationError
from honed.interfaces.cli.opening import asking
from honed.interfaces.cli.output import print_json, print_rows
from honed.interfaces.cli.root import Invocation

#: In a URL ``user:password@``; in its query, or in a list of parameters, ``password=``.
_PASSWORD = re.compile(
    r"(://[^/?@:]*:)[^@]*(?=@)|(password\s*=\s*)(?:'[^']*'|[^\s&]+)", re.IGNORECASE
)


@click.group()
def config() -> None:
    """Look at the configuration, and put its rules into force."""


@config.command()
@click.pass_obj
def show(invocation: Invocation) -> None:
    """Show each setting with its value and its origin.

    Where a value is wrong they are shown as they are written, with what is wrong and exit code 2.
    """
    wrong: ConfigurationError | None = None
    try:
        settings = invocation.settings()
    except ConfigurationError as error:
        wrong = error
        settings = _as_written(error)
    unread = dict.fromkeys(settings.model_fields_set, "command line")
    where = {**unread, **origins()}
    rows = [
        (name, _shown(getattr(settings, name)), where.get(name, "default"), field.description)
        for name, field in type(settings).model_fields.items()
    ]
    titles = ("setting", "value", "origin", "meaning")
    if invocation.as_json:
        print_json([dict(zip(titles, row, strict=True)) for row in rows])
    else:
        print_rows(titles, rows, empty="there are no settings")
    if wrong is not None:
        raise wrong


def _as_written(error: ConfigurationError) -> Settings:
    """Return the settings unchecked; raise ``error`` where not even that can be read."""
    if isinstance(error.__cause__, TOMLDecodeError):
        raise error
    by_file, by_variable = (
        {name: alias.value for name, alias in aliases.items()}
        for aliases in (in_file(), in_environment())
    )
    sources = (
        by_file,
        TomlConfigSettingsSource(Settings)(),
        by_variable,
        EnvSettingsSource(Settings)(),
    )
    written: dict[str, Any] = {name: value for each in sources for name, value in each.items()}
    known = {name: value for name, value in written.items() if name in Settings.model_fields}
    return Settings.model_construct(**known)


@config.command()
@click.pass_obj
def apply(invocation: Invocation) -> None:
    """Make the settings the policy in force, as the store's owner.

    Only their rules: what may be changed without a person, and how much. `honed run` does the same
    at its start where its login owns the store.
    """
    with asking(invocation) as conn:
        policy = write_policy(conn, invocation.settings())
    if invocation.as_json:
        print_json(policy)
        return
    click.echo(f"policy {policy.policy_version} is in force: {policy.autonomy.value}")


def _shown(value: object) -> object:
    """Return ``value`` without the password that a URL may hold."""
    if not isinstance(value, str):
        return value
    return _PASSWORD.sub(lambda found: f"{found[1] or found[2]}***", value)
