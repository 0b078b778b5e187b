"""Programs and statements that are read as trees."""

# ruff: noqa: D103 - its bugs are what matters here

import importlib
import inspect
import json
import re
import sqlite3
import tokenize
from collections.abc import Callable
from functools import partial
from io import BytesIO

import libcst
import pglast
from dateutil import parser as dates
from dateutil.relativedelta import relativedelta


def tree(source: str) -> libcst.Module:
    return libcst.parse_module(source)


def statement(sql: str) -> tuple:
    return pglast.parse_sql(sql)


def pattern(text: str) -> re.Pattern:
    return re.compile(text)


def words(raw: bytes) -> list[str]:
    return [token.string for token in tokenize.tokenize(BytesIO(raw).readline)]


def when(text: str) -> str:
    return dates.parse(text).isoformat()


def later(text: str, **changes: int) -> str:
    return (dates.parse(text) + relativedelta(**changes)).isoformat()


def hook(place: str) -> Callable:
    module, name = place.split(":")
    return getattr(importlib.import_module(module), name)


def filters(texts: list[str]) -> list[re.Pattern]:
    return [pattern(text) for text in texts]


def plan(*statements: str) -> list[tuple]:
    return [statement(sql) for sql in statements]


def source(thing: object) -> str:
    return inspect.getsource(thing)


def documented(*things: object) -> list[str]:
    return [source(thing) for thing in things]


def parameters(template: str, values: dict) -> str:
    return template.format(**values)


def count(sql: str, values: tuple) -> int:
    with sqlite3.connect(":memory:") as database:
        return database.execute(sql, values).fetchone()[0]


def state(text: str) -> dict:
    return json.loads(text)["state"]["open"]


FAULTS: dict[str, list[Callable[[], object]]] = {
    "a program is not Python": [
        partial(tree, "def f(:\n    pass\n"),
        partial(tree, "a = \n"),
        partial(tree, "print 'hello'\n"),
    ],
    "a statement is not PostgreSQL's": [
        partial(statement, "selec 1"),
        partial(plan, "select 1", "select from where"),
        partial(plan, "select 'open"),
    ],
    "a filter is no regular expression": [
        partial(pattern, "(open"),
        partial(filters, ["a+", "*b"]),
        partial(filters, ["[z-a]"]),
        partial(pattern, "(?P<n>x)(?P<n>y)"),
    ],
    "a source is cut": [partial(words, b"f(a,\n"), partial(words, b'x = """open\n')],
    "a date cannot be read": [
        partial(when, "the day after"),
        partial(later, "someday", days=3),
        partial(when, "21 Foo 2026"),
        partial(when, "2026-13-40"),
    ],
    "a hook has no colon": [partial(hook, "json.loads"), partial(hook, "loads")],
    "a hook is not in its module": [partial(hook, "json:lods"), partial(hook, "math:cube")],
    "a builtin has no source": [
        partial(source, len),
        partial(documented, tree, dict),
        partial(documented, 17),
    ],
    "a template names what there is not": [
        partial(parameters, "{name} {age}", {"name": "Jan"}),
        partial(parameters, "{size}", {}),
    ],
    "a template has an open brace": [
        partial(parameters, "{name", {"name": "Jan"}),
        partial(parameters, "50 }", {}),
    ],
    "a query gets too few values": [
        partial(count, "select ?", ()),
        partial(count, "select ? + ?", (1,)),
        partial(count, "select 1", (1, 2, 3)),
    ],
    "a query finds nothing": [
        partial(count, "select 1 where 1 = ?", (2,)),
        partial(count, "select 1 limit 0", ()),
    ],
    "a state is null": [partial(state, '{"state": null}'), partial(state, '{"state": 17}')],
}
