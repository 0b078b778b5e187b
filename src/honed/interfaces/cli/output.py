"""How the command line says things: tables for people, JSON for programs."""

import dataclasses
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any

import click

#: Longest text of one cell; the whole text is in `show` and in --json.
_CELL_CHARACTERS = 72


def print_json(value: object) -> None:
    """Print ``value`` as indented JSON; dataclasses, times and enums become plain."""
    click.echo(json.dumps(_plain(value), indent=2, ensure_ascii=False))


def print_rows(titles: Sequence[str], rows: Sequence[Sequence[object]], *, empty: str) -> None:
    """Print ``rows`` under ``titles`` as a table, or the sentence ``empty`` where there are none.

    On a terminal the table is drawn; elsewhere columns are separated by tabs, for other programs.
    """
    if not rows:
        click.echo(empty)
        return
    if not sys.stdout.isatty():
        for row in (titles, *rows):
            click.echo("\t".join(_text(cell) for cell in row))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(*titles, header_style="bold", box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(_shortened(_text(cell)) for cell in row))
    Console().print(table)


def print_fields(fields: Mapping[str, object]) -> None:
    """Print one thing as lines of name and value; empty values are left out."""
    width = max((len(name) for name in fields), default=0)
    for name, value in fields.items():
        text = _text(value)
        if text:
            click.echo(f"{name.ljust(width)}  {text}")


def percent(log_ratio: float | None) -> str:
    """Return a natural logarithm of after / before as a signed percentage: ``-37.2 %``."""
    if log_ratio is None:
        return ""
    import math

    return f"{100 * math.expm1(min(log_ratio, 20.0)):+.1f} %"


def _text(value: object) -> str:
    plain = _plain(value)
    if plain is None:
        return ""
    if isinstance(plain, float):
        return f"{plain:.4g}"
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


def _shortened(text: str) -> str:
    return text if len(text) <= _CELL_CHARACTERS else text[: _CELL_CHARACTERS - 3] + "..."


def _plain(value: object) -> Any:  # noqa: ANN401, PLR0911 - one return a sort of value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (datetime, date)):
        return (
            value.isoformat(sep=" ", timespec="seconds")
            if isinstance(value, datetime)
            else str(value)
        )
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    return value
