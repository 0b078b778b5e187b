"""Texts, tables and terminals."""

# ruff: noqa: D103, PYI024, S301 - its bugs are what matters here

import contextvars
import copy
import decimal
import fractions
import locale
import math
import operator
import shelve
import tempfile
import textwrap
import typing
import weakref
from collections import OrderedDict, deque, namedtuple
from collections.abc import Callable
from functools import partial, reduce
from pathlib import Path

import rich.console
import rich.markup
import rich.table
import structlog

Point = namedtuple("Point", "x y")
LANGUAGE: contextvars.ContextVar[str] = contextvars.ContextVar("language")


def render(text: str) -> str:
    return rich.markup.render(text).plain


def styled(text: str, style: str) -> object:
    console = rich.console.Console(file=None, force_terminal=False)
    return console.get_style(style), text


def shares(parts: list[str]) -> list[fractions.Fraction]:
    return [fractions.Fraction(part) for part in parts]


def rounded(text: str, places: int) -> decimal.Decimal:
    with decimal.localcontext() as context:
        context.prec = 5
        return decimal.Decimal(text).quantize(decimal.Decimal(10) ** -places)


def shape(*sides: object) -> float:
    return math.sqrt(reduce(operator.mul, sides))


def move(point: Point, **changes: int) -> Point:
    return point._replace(**changes)


def newest(entries: OrderedDict) -> object:
    return entries.popitem()


def steps(path: deque, index: int) -> object:
    return path[index]


def wrapped(text: str, width: int) -> str:
    return textwrap.fill(text, width)


def language() -> str:
    return LANGUAGE.get()


def page(*titles: str) -> list[str]:
    return [f"{language()}: {title}" for title in titles]


def remembered(key: object) -> object:
    with tempfile.TemporaryDirectory() as folder, shelve.open(str(Path(folder) / "s")) as shelf:
        shelf[key] = "value"
        return shelf[key]


def duplicate(value: object) -> object:
    return copy.deepcopy(value)


def referred(value: object) -> object:
    return weakref.ref(value)


def speak(name: str) -> str:
    return locale.setlocale(locale.LC_ALL, name)


def listing(columns: list[str], rows: list[dict[str, typing.Any]]) -> list[str]:
    return [" ".join([row[column].rjust(8) for column in columns]) for row in rows]


def log(event: str, **values: object) -> object:
    logger = structlog.wrap_logger(
        structlog.ReturnLogger(), processors=[structlog.processors.JSONRenderer(default=None)]
    )
    return logger.info(event, **values)


FAULTS: dict[str, list[Callable[[], object]]] = {
    "a text closes a tag that is not open": [
        partial(render, "[/bold]"),
        partial(render, "[red]a[/blue]"),
        partial(render, "a[/]"),
    ],
    "a style is unknown": [partial(styled, "a", "blod"), partial(styled, "b", "very red")],
    "a share is no fraction": [
        partial(shares, ["1/2", "half"]),
        partial(shares, [""]),
        partial(shares, ["1/2/3"]),
    ],
    "a share has a zero below": [partial(shares, ["1/0"]), partial(shares, ["1/2", "7/0"])],
    "a number has too many places": [
        partial(rounded, "12345.678", 3),
        partial(rounded, "99999999", 2),
    ],
    "an area is negative": [partial(shape, 2, -3), partial(shape, -1.5)],
    "a side is no number": [
        partial(shape, 2, None),
        partial(shape, "a", "b"),
        partial(shape, [1], 2),
    ],
    "a point has no such side": [partial(move, Point(1, 2), z=3), partial(move, Point(0, 0), w=1)],
    "there is no newest entry": [partial(newest, OrderedDict()), partial(newest, OrderedDict())],
    "a step lies behind the last": [partial(steps, deque([1]), 1), partial(steps, deque(), 17)],
    "a line has no width": [partial(wrapped, "some text", 0), partial(wrapped, "a", -3)],
    "no language is set": [partial(page, "home"), partial(page, "a", "b"), language],
    "a shelf has a key that is no text": [partial(remembered, 17), partial(remembered, None)],
    "a generator is duplicated": [
        partial(duplicate, (n for n in [1])),
        partial(duplicate, {"numbers": [1, (n for n in [2])]}),
    ],
    "a number is referred to weakly": [partial(referred, 17), partial(referred, "a")],
    "a locale is not installed": [partial(speak, "xx_XX"), partial(speak, "klingon")],
    "a cell is no text": [
        partial(listing, ["a"], [{"a": 1}]),
        partial(listing, ["a", "b"], [{"a": "x", "b": None}]),
    ],
    "a log has what JSON lacks": [
        partial(log, "sold", amount=decimal.Decimal(1)),
        partial(log, "moved", to={1, 2}),
    ],
}
