"""How the command line says things: tables for people, JSON for programs."""

import dataclasses
import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any

import click

#: Longest text of one cell; the whole text is in `show` and in --json.
_CELL_CHARACTERS = 72
#: Likewise in the last column, where it goes on in the next line.
_LAST_CHARACTERS = 160
#: The last column says what the row is about; columns to spare give way until it is that wide.
_LAST_WIDTH = 40
_GAP = 2


def print_json(value: object) -> None:
    """Print ``value`` as indented JSON; dataclasses, times and enums become plain."""
    click.echo(json.dumps(plain(value), indent=2, ensure_ascii=False))


def print_rows(
    titles: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    empty: str,
    spare: Sequence[str] = (),
) -> None:
    """Print ``rows`` under ``titles`` as a table, or the sentence ``empty`` where there are none.

    On a terminal the table is drawn, without columns that are empty in every row and, where it is
    narrow, without those to ``spare``, the first of them first. Elsewhere columns are separated by
    tabs, for other programs, and none is left out.
    """
    if not rows:
        click.echo(empty)
        return
    if not sys.stdout.isatty():
        for row in (titles, *rows):
            click.echo("\t".join(_cell(cell) for cell in row))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    columns = _fitting(_columns(titles, rows), spare, console.width)
    table = Table(*columns, header_style="bold", box=None, pad_edge=False)
    for row in zip(*columns.values(), strict=True):
        # As text, because a statement may hold what looks like rich's markup.
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)


def objects_first(sentence: str) -> str:
    """Return a sentence ``what it does: to which things`` with the things in front.

    In a list many sentences begin alike; what they are about tells them apart.
    """
    what, colon, things = sentence.partition(": ")
    return f"{things}: {what}" if colon else sentence


def print_heading(text: str) -> None:
    """Print the heading of one part of a page."""
    click.echo()
    click.secho(text, bold=True)


def print_text(text: str, *, indent: int = 0, to_error: bool = False) -> None:
    """Print ``text`` with each line indented; control characters are made visible."""
    for line in _safe(text).splitlines():
        click.echo(f"{' ' * indent}{line}", err=to_error)


def print_patch(patch: str) -> None:
    """Print a diff: to a person as text, and to a program to the byte, so that git takes it."""
    if sys.stdout.isatty():
        print_text(patch)
    else:
        # Else click takes escape sequences out, which may stand in a text of the code.
        click.echo(patch, nl=False, color=True)


def print_fields(fields: Mapping[str, object]) -> None:
    """Print one thing as lines of name and value; empty values are left out."""
    width = max((len(name) for name in fields), default=0)
    for name, value in fields.items():
        text = _text(value).replace("\n", f"\n{' ' * (width + 2)}")
        if text:
            click.echo(f"{name.ljust(width)}  {text}")


def percent(log_ratio: float | None) -> str:
    """Return a natural logarithm of after / before as a signed percentage: ``-37.2 %``."""
    if log_ratio is None:
        return ""
    return f"{100 * math.expm1(min(log_ratio, 20.0)):+.1f} %"


def percent_interval(low: float | None, high: float | None) -> str:
    """Return an interval of such logarithms: ``-41.0 % to -33.1 %``; None is unbounded."""
    if low is None or high is None:
        return "no bound yet"
    return f"{percent(low)} to {percent(high)}"


def megabytes(size_bytes: float) -> str:
    """Return a size for a person: ``12.3 MB``."""
    return f"{size_bytes / 2**20:.1f} MB"


def shortened(text: str, characters: int) -> str:
    """Return ``text``, cut to that many characters if it is longer."""
    return text if len(text) <= characters else text[: characters - 3] + "..."


def _columns(titles: Sequence[str], rows: Sequence[Sequence[object]]) -> dict[str, tuple[str, ...]]:
    """Return the cells of each column by its title, without columns that are empty."""
    limits = [*[_CELL_CHARACTERS] * (len(titles) - 1), _LAST_CHARACTERS]
    columns = {
        title: tuple(shortened(_cell(cell), limit) for cell in cells)
        for title, limit, cells in zip(titles, limits, zip(*rows, strict=True), strict=True)
    }
    return {title: cells for title, cells in columns.items() if any(cells)}


def _fitting(
    columns: Mapping[str, tuple[str, ...]], spare: Sequence[str], width: int
) -> dict[str, tuple[str, ...]]:
    """Return ``columns`` without as many to ``spare`` as leave too little for the last one."""
    kept = dict(columns)
    for title in spare:
        *others, last = (max(map(len, (name, *cells))) for name, cells in kept.items())
        if width - sum(others) - _GAP * len(others) >= min(last, _LAST_WIDTH):
            break
        kept.pop(title, None)
    return kept


def _cell(value: object) -> str:
    """Return ``value`` on one line."""
    return " ".join(_text(value).split())


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    simple = plain(value)
    if simple is None:
        return ""
    if isinstance(simple, float):
        return f"{simple:.4g}"
    return _safe(simple) if isinstance(simple, str) else json.dumps(simple, ensure_ascii=False)


def _safe(text: str) -> str:
    """Return ``text`` without what a terminal would obey: it may come from a foreign database."""
    return "".join(
        each if each.isprintable() or each in "\n\t" else "\N{REPLACEMENT CHARACTER}"
        for each in text
    )


def plain(value: object) -> Any:  # noqa: ANN401 - whatever JSON can say
    """Return ``value`` as what JSON can say."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name: plain(getattr(value, field.name)) for field in fields}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, float):
        # JSON has no word for infinity.
        return value if math.isfinite(value) else None
    for sort, simplified in _PLAIN.items():
        if isinstance(value, sort):
            return simplified(value)
    return value


_PLAIN: Mapping[type, Callable[[Any], object]] = {
    Enum: lambda value: value.value,
    datetime: lambda value: value.isoformat(),
    timedelta: lambda value: value.total_seconds(),
    Path: str,
}
