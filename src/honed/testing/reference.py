"""The reference in docs/reference, made from the code itself: `python -m honed.testing.reference`.

With --check nothing is written; what is out of date is named, and the exit code is 1.
"""

import inspect
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import UnionType
from typing import Any, get_args

import click
from pydantic.fields import FieldInfo

from honed import errors
from honed.aliases import VARIABLES
from honed.config import Settings
from honed.core.kind import Kind
from honed.core.plugins import discover
from honed.errors import HonedError
from honed.interfaces.cli.kind import manual_page
from honed.interfaces.cli.root import COMMANDS, honed
from honed.signals.intakes import installed_intakes
from honed.storage.db import SQLSTATES, Database
from honed.storage.migrate import migrate
from honed.storage.queries import load_queries
from honed.storage.server import Server

#: Where the reference lies in a checkout.
FOLDER = Path("docs") / "reference"

_QUERIES = load_queries("honed.testing")
_COMMAND = f"python -m {__name__ if __name__ != '__main__' else 'honed.testing.reference'}"
_MADE = f"<!-- Made by `{_COMMAND}`; change the code, not this page. -->"
#: Names of annotated_types' bounds, in words.
_BOUNDS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
#: Width of a help text, whatever the terminal.
_COLUMNS = 88


def pages(store: Database) -> dict[str, str]:
    """Return every page of the reference by its file name.

    Args:
        store: a migrated store; its catalog says which functions and views there are.
    """
    return {
        "cli.md": cli_page(),
        "errors.md": errors_page(),
        "intakes.md": intakes_page(),
        "kinds.md": kinds_page(),
        "settings.md": settings_page(),
        "sql.md": sql_page(store),
    }


def outdated(folder: Path, made: Mapping[str, str]) -> list[str]:
    """Return the names of the pages in ``folder`` that are not as they would be made now."""
    return [name for name, text in made.items() if _read(folder / name) != text]


def commands() -> Iterator[tuple[str, click.Command, click.Context]]:
    """Yield every command with its whole name and its context, groups before what is in them."""
    root = click.Context(honed, info_name="honed", **honed.context_settings)
    yield "honed", honed, root
    for name in sorted(COMMANDS):
        command = honed.get_command(root, name)
        if command is not None:
            yield from _below(command, name, root)


def _below(
    command: click.Command, name: str, parent: click.Context
) -> Iterator[tuple[str, click.Command, click.Context]]:
    context = click.Context(command, info_name=name, parent=parent)
    yield context.command_path, command, context
    if isinstance(command, click.Group):
        for each, below in sorted(command.commands.items()):
            yield from _below(below, each, context)


def cli_page() -> str:
    """Return the help of every command."""
    parts = ["# The command line", _MADE]
    for name, command, context in commands():
        formatter = click.HelpFormatter(width=_COLUMNS)
        command.format_help(context, formatter)
        parts += [f"## {name}", f"```text\n{formatter.getvalue().strip()}\n```"]
    return _page(parts)


def kinds_page() -> str:
    """Return the manual pages of the kinds that are installed."""
    kinds = discover("honed.kinds", Kind)  # type: ignore[type-abstract]  # the family's base
    parts = ["# Kinds", _MADE]
    for kind in kinds.values():
        first, *rest = manual_page(kind).splitlines()
        body = "\n".join(f"#{line}" if line.startswith("#") else line for line in rest)
        parts += [f"#{first}", body.strip()]
    return _page(parts)


def intakes_page() -> str:
    """Return the manual pages of the intakes that are installed."""
    intakes = installed_intakes()
    parts = [
        "# Intakes",
        _MADE,
        (
            "`honed project add` prints the DSN and the key of a project; `honed serve` takes what"
            " is sent with it. A body may be compressed (gzip, deflate, br), and takes no more than"
            " 1 MB so and 10 MB inflated. The answer is 200 once everything is stored, 429 or 503"
            " with when to come again, 400 for what cannot be read, 401 for a key of no project."
        ),
    ]
    for intake in intakes.values():
        module = sys.modules[type(intake).__module__]
        paths = [f"- `POST {path}`" for path in intake.paths]
        parts += [f"## {intake.name}", (module.__doc__ or "").strip(), "\n".join(paths)]
    return _page(parts)


def settings_page() -> str:
    """Return every setting with its variable, default and meaning."""
    parts = [
        "# Settings",
        _MADE,
        (
            "A value comes from the command line, else from the environment, else from"
            " `honed.toml` in the working directory, else it is the default."
            " `honed config show` tells each value and where it comes from."
            " A second variable of a setting is heard where the first is not set, and after"
            " `honed.toml` a file `honed.json` with the key `self_improvement`."
        ),
        _table(
            ("setting", "variable", "sort", "default", "meaning"),
            [
                (
                    f"`{name}`",
                    ", ".join(_variables(name)),
                    ", ".join([_sort(field.annotation), *_bounds(field)]),
                    _default(name, field.default),
                    field.description or "",
                )
                for name, field in Settings.model_fields.items()
            ],
        ),
    ]
    return _page(parts)


def _variables(name: str) -> Iterator[str]:
    yield f"`HONED_{name.upper()}`"
    if name in VARIABLES:
        yield f"`{VARIABLES[name]}`"


def errors_page() -> str:
    """Return every error with its meaning, its hint and its exit code."""
    states: dict[str, list[str]] = {}
    for state, meaning in SQLSTATES.items():
        states.setdefault(meaning.__name__, []).append(state)
    parts = ["# Errors", _MADE, "Each error says what to do. Exit code 0 means that all went well."]
    for each in error_classes():
        parts += [f"## {each.__name__}", (inspect.getdoc(each) or "").strip()]
        facts = [f"- exit code: {each.exit_code}", f"- hint: {each.hint}"]
        if each.__name__ in states:
            facts.append(f"- SQLSTATE: {', '.join(sorted(states[each.__name__]))}")
        parts.append("\n".join(facts))
    return _page(parts)


def error_classes() -> list[type[HonedError]]:
    """Return every error, in the order of their definition."""
    found = [each for each in vars(errors).values() if inspect.isclass(each)]
    return [each for each in found if issubclass(each, HonedError)]


def sql_page(store: Database) -> str:
    """Return every function and view that people use from psql, with who may use it."""
    parts = [
        "# SQL",
        _MADE,
        (
            "Everything is in the schema `honed`. Times are `honed.now()`; the roles are described"
            " by `honed store roles`."
        ),
    ]
    with store.transaction() as conn:
        functions = conn.execute(_QUERIES["list_functions"]).fetchall()
        views = conn.execute(_QUERIES["list_views"]).fetchall()
    parts.append("## Functions")
    for row in functions:
        call = f"honed.{row['name']}({row['arguments']}) returns {row['result']}"
        roles = ", ".join(row["roles"]) or "everybody who sees the schema"
        parts += [f"### {row['name']}", f"```sql\n{call}\n```", row["comment"], f"For: {roles}."]
    parts.append("## Views")
    for row in views:
        columns = ", ".join(f"`{column}`" for column in row["columns"])
        roles = ", ".join(row["roles"])
        parts += [f"### {row['name']}", row["comment"], f"Columns: {columns}.", f"For: {roles}."]
    return _page(parts)


@contextmanager
def temporary_store() -> Iterator[Database]:
    """Hand out a migrated store on a server of its own, which is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="honed-reference-") as folder:
        Path(folder).chmod(0o755)
        server = Server(Path(folder) / "data", options={"fsync": "off"})
        server.start()
        try:
            store = Database(server.url())
            migrate(store)
            yield store
        finally:
            server.stop()


def main(arguments: list[str]) -> int:
    """Write the reference, or with ``--check`` say what is out of date; return the exit code."""
    with temporary_store() as store:
        made = pages(store)
    old = outdated(FOLDER, made)
    if "--check" in arguments:
        for name in old:
            click.echo(f"{FOLDER / name} is out of date: run `{_COMMAND}`", err=True)
        return 1 if old else 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in old:
        (FOLDER / name).write_text(made[name], encoding="utf-8")
        click.echo(f"wrote {FOLDER / name}")
    return 0


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.exists() else ""


def _page(parts: list[str]) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(titles: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [titles, tuple("---" for _ in titles), *rows]
    return "\n".join(f"| {' | '.join(_escaped(cell) for cell in line)} |" for line in lines)


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|")


def _sort(annotation: Any) -> str:  # noqa: ANN401 - whatever a field is annotated with
    if isinstance(annotation, UnionType):
        return " or ".join(_sort(each) for each in get_args(annotation) if each is not type(None))
    if hasattr(annotation, "__members__"):
        return ", ".join(f"`{each.value}`" for each in annotation)
    return str(getattr(annotation, "__name__", annotation)).lower()


def _bounds(field: FieldInfo) -> Iterator[str]:
    """Yield what bounds a number: ``at least 8``."""
    for bound in field.metadata:
        for name, words in _BOUNDS.items():
            if hasattr(bound, name):
                yield f"{words} {getattr(bound, name)}"


def _default(name: str, value: Any) -> str:  # noqa: ANN401 - whatever a field may hold
    if name == "home":
        return "`/var/lib/honed` as root, else `~/.local/share/honed`"
    if value is None or value == "":
        return "(none)"
    return f"`{getattr(value, 'value', value)}`"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
