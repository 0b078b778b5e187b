"""No value of a query survives, and what is left groups it with its like."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honed.core.query_text import _MOST_KNOWN, _VALUELESS, without_values

WORD = "swordfish"
SYSTEMS = ("postgresql", "mysql", "sqlite", "microsoft.sql_server", "other_sql", "")

CASES = [
    (
        "SELECT * FROM t1 WHERE a = 'it''s' AND b = 12.5e-3 AND \"Col 1\" = $1 -- bob",
        'SELECT * FROM t1 WHERE a = ? AND b = ? AND "Col 1" = $1',
    ),
    ("INSERT INTO t VALUES (1, 'a'), (2, 'b')", "INSERT INTO t VALUES (?)"),
    (
        "SELECT a::int, b[1]\n\tFROM t2 WHERE c IN (%s, 3)",
        "SELECT a::int, b[?] FROM t2 WHERE c IN (%s, ?)",
    ),
    ("UPDATE t SET a = :name, b = %(b)s, c = @p1", "UPDATE t SET a = :name, b = %(b)s, c = @p1"),
    ("SELECT $tag$ a $$ b $tag$, E'x', U&'d', X'ff', $$y$$", "SELECT ?, ?, ?, ?, ?"),
    ("/* trace='1' */ SELECT 0x1F, .5, 1.2.3", "SELECT ?, ?, ?"),
    ("SELECT 'C:\\dir', 'b'", "SELECT ?, ?"),
]


@pytest.mark.parametrize(("query", "kept"), CASES)
def test_values_become_question_marks(query: str, kept: str) -> None:
    assert without_values(query, "postgresql") == kept
    assert without_values(kept, "postgresql") == kept


@pytest.mark.parametrize(
    "query",
    [
        # Whether the text ends here depends on the dialect, so that nothing behind it is kept.
        f"SELECT 'a\\' OR name = {WORD} --",
        f"SELECT 'a\\', {WORD}",
        f"SELECT 'never ends {WORD}",
        f"SELECT $$ never ends {WORD}",
        f"SELECT /* a /* b */ {WORD} */ 1",
        f"SELECT /* never ends {WORD}",
        f"SELECT /* closed {WORD} */ 1",
        f"SELECT 1 -- {WORD}",
    ],
)
@pytest.mark.parametrize("system", SYSTEMS)
def test_where_a_text_ends_is_never_guessed(query: str, system: str) -> None:
    assert WORD not in without_values(query, system)


def test_double_quotes_hold_a_name_only_where_it_is_known_that_they_do() -> None:
    query = f'SELECT "{WORD}"'
    assert without_values(query, "postgresql") == query
    for system in ("mysql", "sqlite", "clickhouse", ""):
        assert without_values(query, system) == "SELECT ?"
    assert without_values(f"SELECT 1 # {WORD}", "mysql") == "SELECT ?"


@pytest.mark.parametrize(
    ("query", "system", "kept"),
    [
        (f"SET user:7 {WORD}", "redis", "SET"),
        (f"SET user:7 {WORD}", "", "SET"),
        (f'{{"find": "users", "filter": {{"name": "{WORD}"}}}}', "mongodb", ""),
        ("PING", "redis", "PING"),
        (f"7 {WORD}", "redis", ""),
        ("", "redis", ""),
        (f"select '{WORD}'", "", "select ?"),
    ],
)
def test_of_what_is_no_sql_only_the_command_is_kept(query: str, system: str, kept: str) -> None:
    assert without_values(query, system) == kept


#: A value that stands nowhere else: letters that no keyword has.
LETTERS = st.text("zqxj0123456789_@.-'\" \\$?", min_size=4, max_size=30)


@given(LETTERS, st.sampled_from(SYSTEMS))
def test_what_stands_between_quotes_is_gone(value: str, system: str) -> None:
    literal = "'" + value.replace("'", "''") + "'"
    query = f"SELECT a FROM b WHERE c = {literal} AND d = 1"  # noqa: S608 - it is not run
    kept = without_values(query, system)
    assert kept.startswith("SELECT a FROM b WHERE c = ?")
    assert not re.search("[zqxj0-9_@]", kept)


@given(st.text(max_size=200), st.sampled_from(SYSTEMS))
def test_doing_it_twice_changes_nothing(query: str, system: str) -> None:
    once = without_values(f"select {query}", system)
    assert without_values(once, system) == once


def test_what_is_remembered_of_queries_holds_no_value_and_is_bounded() -> None:
    for number in range(3 * _MOST_KNOWN):
        without_values(f"CALL a{number}b($1, '{WORD}')", "postgresql")
        without_values(f"CALL a{number}b($1)", "postgresql")
    assert 0 < len(_VALUELESS) <= _MOST_KNOWN
    assert not any(WORD in query for query, _ in _VALUELESS)


def test_a_huge_query_is_bounded() -> None:
    assert len(without_values("SELECT " + "a, " * 100_000, "postgresql")) <= 8_192
    assert without_values("SELECT " + "'" * 100_001, "postgresql").startswith("SELECT ?")
