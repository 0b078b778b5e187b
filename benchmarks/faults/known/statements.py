"""Statements that users write for their reports."""

# ruff: noqa: D103, S608 - its bugs are what matters here

import ast
from collections.abc import Callable
from functools import partial

import sqlglot
from sqlglot import expressions


def parse(text: str, dialect: str = "postgres") -> expressions.Expression:
    return sqlglot.parse_one(text, read=dialect)


def translate(text: str, dialect: str) -> str:
    return parse(text).sql(dialect=dialect)


def check(*statements: str) -> list[str]:
    return [parse(statement).key for statement in statements]


def preview(text: str) -> str:
    return parse(f"select * from ({text}) as report limit 10").sql()


def formula(text: str) -> object:
    return ast.literal_eval(text)


def constants(texts: dict[str, str]) -> dict[str, object]:
    return {name: formula(text) for name, text in texts.items()}


def names(text: str) -> list[str]:
    return [node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)]


def lint(*texts: str) -> list[list[str]]:
    return list(map(names, texts))


FAULTS: dict[str, list[Callable[[], object]]] = {
    "a report's statement does not parse": [
        partial(check, "select 1", "select a from (select b from t"),
        partial(check, "selec a from t where b = 3"),
        partial(preview, "select a from t where"),
        partial(preview, "select count( from t"),
    ],
    "a report's statement has an open quote": [
        partial(check, "select 'a from t"),
        partial(check, "select a from t where name = 'O'Neill'"),
        partial(preview, 'select "a from t where b = 17'),
    ],
    "a report is for an unknown database": [
        partial(translate, "select 1", "postgress"),
        partial(translate, "select 2", "cobol"),
        partial(parse, "select 3", "mysqll"),
    ],
    "a constant is no literal": [
        partial(formula, "1 + tax"),
        partial(constants, {"tax": "0.21", "rate": "rate()"}),
        partial(constants, {"rate": "[1, 2, x]"}),
    ],
    "a formula is not Python": [
        partial(names, "price * "),
        partial(lint, "a + b", "(a + b"),
        partial(lint, "a b"),
        partial(names, "1 = x"),
    ],
}
