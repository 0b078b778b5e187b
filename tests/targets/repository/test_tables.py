"""What a real database says of its keys, and what a loop answers that asks it once."""

from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import dict_row

from honed.config import Settings
from honed.errors import ConfigurationError, UnknownTarget
from honed.repair.refactor.asking.asked_in_loops import loops_around
from honed.repair.refactor.asking.batched import batch_of
from honed.repair.refactor.asking.lookups import NotCertain, Table
from honed.repair.refactor.package import Package
from honed.storage.db import Database
from honed.targets.registry import TargetRecord, add_target
from honed.targets.repository.evidence.tables import read_tables

#: Keys of which a row tells every two apart, by the type of their column.
KEYS: dict[str, list[Any]] = {
    "smallint": [1, 2, -3],
    "bigint": [1, 2, 2**40],
    "text": ["a", "A", "a ", "", "é", '{a,"b"}'],
    "varchar(9)": ["a", "A", "a "],
    'text COLLATE "C"': ["b", "B"],
    "uuid": [UUID(int=1), UUID(int=2)],
    "date": [date(2026, 1, 2), date(1999, 12, 31)],
}
OTHERS = [
    "CREATE TABLE a (id citext UNIQUE, plain bigint, half bigint, later bigint, pair bigint)",
    "CREATE UNIQUE INDEX ON a (half) WHERE plain > 0",
    "ALTER TABLE a ADD UNIQUE (later) DEFERRABLE",
    "ALTER TABLE a ADD UNIQUE (pair, plain)",
    "CREATE UNIQUE INDEX ON a ((plain + 1))",
    "CREATE TABLE parent (id bigint PRIMARY KEY)",
    "CREATE TABLE child () INHERITS (parent)",
    "CREATE VIEW seen AS SELECT id FROM parent",
    "CREATE TABLE parts (id bigint PRIMARY KEY, note json) PARTITION BY RANGE (id)",
    'CREATE COLLATION blind FROM "C"',
    "CREATE TABLE blinds (id text COLLATE blind PRIMARY KEY)",
    # As one that takes A for a; to make one takes a server that was built with ICU.
    "UPDATE pg_collation SET collisdeterministic = false WHERE collname = 'blind'",
    "CREATE SCHEMA other",
    "CREATE TABLE other.parts (id bigint)",
]
LOOP = """import psycopg


def report(conn):
    found = []
    asked = conn.execute("SELECT key FROM asked ORDER BY number").fetchall()
    for each in asked:
        row = conn.execute("SELECT name FROM customer WHERE id = %s", [each["key"]]).fetchone()
        found.append(row["name"] if row else None)
    return found
"""
QUERY = "SELECT name FROM customer WHERE id = ?"


class Counting(psycopg.Cursor[Any]):
    """A cursor that counts what all of its sort are asked."""

    asked = 0

    def execute(self, *args: Any, **named: Any) -> "Counting":
        """Ask."""
        type(self).asked += 1
        return super().execute(*args, **named)


def reader(store: Database, url: str) -> Callable[..., list[Table]]:
    """Return what reads tables of a database as the one of a repository."""
    add_target(store, TargetRecord("shop-db", url))
    record = TargetRecord("shop", "/srv/shop", "", "repository", {"database": "shop-db"})
    return lambda *names: read_tables(record, store, Settings(), names)


def test_which_columns_tell_rows_apart(store: Database, empty_database: Callable[[], str]) -> None:
    url = empty_database()
    with psycopg.connect(url) as conn:
        conn.execute("CREATE EXTENSION citext")
        for each in OTHERS:
            conn.execute(each.encode())
    tables = reader(store, url)("a", "parent", "seen", "parts", "blinds", "child")
    unique = {
        f"{each.schema}.{each.name}.{column.name}"
        for each in tables
        for column in each.columns.values()
        if column.is_unique
    }
    # What is said of citext is true of its own equality; its type is not let pass.
    assert unique == {"public.a.id", "public.parts.id"}
    assert {(each.schema, each.name) for each in tables} >= {("other", "parts"), ("public", "seen")}
    types = {column.type for each in tables for column in each.columns.values()}
    assert types == {"citext", "bigint", "json", "text"}


@pytest.mark.slow
@pytest.mark.parametrize("type_", KEYS)
def test_who_asks_once_is_answered_the_same(
    type_: str, store: Database, empty_database: Callable[[], str]
) -> None:
    url, keys = empty_database(), KEYS[type_]
    with psycopg.connect(url, row_factory=dict_row, cursor_factory=Counting) as conn:
        conn.execute(f"CREATE TABLE customer (id {type_} PRIMARY KEY, name text)".encode())
        conn.execute(f"CREATE TABLE asked (number serial, key {type_})".encode())
        for key in keys[1:]:
            conn.execute("INSERT INTO customer VALUES (%s, %s)", [key, f"name of {key}"])
        conn.commit()
        package = Package({"shop/orders.py": LOOP})
        (loop,) = loops_around(package, QUERY)
        batch = batch_of(package, loop, QUERY)
        after = batch.rewritten(reader(store, url)(*batch.tables)).files[0].after or ""
        # Nothing, a key without a row, each twice, and NULL.
        for asked in ([], keys[:1], [*keys, *keys], [None, *keys, None], [None]):
            conn.execute("TRUNCATE asked")
            for key in asked:
                conn.execute("INSERT INTO asked (key) VALUES (%s)", [key])
            before_said, before_asked = ran(LOOP, conn)
            after_said, after_asked = ran(after, conn)
            assert after_said == before_said
            assert (before_asked, after_asked) == (1 + len(asked), 2)


BEGINNING = """import psycopg


def report(conn):
    orders = conn.execute("SELECT id, customer FROM orders ORDER BY id").fetchall()"""
FORMS = {
    "unpacked": """
    found = {}
    for order, customer in orders:
        id_, n = conn.execute("SELECT id, name FROM customer WHERE id = %s", [customer]).fetchone()
        found[order] = f"{id_} {n}"
    return found
""",
    "by number": """
    with conn.cursor() as cursor:
        total = 0
        for order in orders:
            cursor.execute("SELECT name FROM customer WHERE id = %s", (order[1],))
            total += len(cursor.fetchone()[0])
    return total
""",
    "comprehended": """
    return [
        conn.execute("SELECT name AS n FROM customer AS c WHERE c.id = %s", (key,)).fetchone()[0]
        for _order, key in orders
    ]
""",
    "missed": """
    names = {
        conn.execute("SELECT name FROM customer WHERE id = %s", (each[0],)).fetchone()[0]
        for each in orders
    }
    return names
""",
}


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_loop_answers_the_same(
    form: str, store: Database, empty_database: Callable[[], str]
) -> None:
    url = empty_database()
    text = f"{BEGINNING}{FORMS[form]}"
    package = Package({"shop/orders.py": text})
    query = next(each for each in ASKED if loops_around(package, each))
    (loop,) = loops_around(package, query)
    with psycopg.connect(url, cursor_factory=Counting) as conn:
        conn.execute("CREATE TABLE customer (id bigint PRIMARY KEY, name text NOT NULL)")
        conn.execute("INSERT INTO customer SELECT n, 'c' || n FROM generate_series(1, 9) AS n")
        conn.execute("CREATE TABLE orders (id integer, customer smallint)")
        conn.execute("INSERT INTO orders SELECT n, 1 + n % 4 FROM generate_series(1, 12) AS n")
        conn.commit()
        batch = batch_of(package, loop, query)
        after = batch.rewritten(reader(store, url)(*batch.tables)).files[0].after or ""
        before_said, before_asked = ran(text, conn)
        after_said, after_asked = ran(after, conn)
        # Order 10 has no customer 10: both find nothing, and fail alike.
        assert (form == "missed") is before_said.startswith("TypeError")
    assert after_said == before_said
    assert after_asked == 2 < before_asked


ASKED = [
    "SELECT id, name FROM customer WHERE id = ?",
    "SELECT name FROM customer WHERE id = ?",
    "SELECT name AS n FROM customer AS c WHERE c.id = ?",
]


def ran(text: str, conn: psycopg.Connection[Any]) -> tuple[str, int]:
    """Return what the report says or raises, and how often it asked."""
    space: dict[str, Any] = {}
    exec(text, space)  # noqa: S102 - the example above, and what is made of it
    before = Counting.asked
    try:
        said = repr(space["report"](conn))
    except TypeError as error:
        said = repr(error)
    return said, Counting.asked - before


@pytest.mark.parametrize(
    ("id_", "key", "why"),
    [
        ("citext", "citext", "type of asked.key is citext"),
        ("citext", "text", "is citext, which is not equal"),
        ("character(3)", "text", "is character, which is not equal"),
        ("bigint", "text", "is bigint, and it is looked up by str"),
        ("uuid", "text", "is uuid, and it is looked up by str"),
    ],
)
def test_types_that_are_equal_otherwise_are_left(
    id_: str, key: str, why: str, store: Database, empty_database: Callable[[], str]
) -> None:
    url = empty_database()
    with psycopg.connect(url) as conn:
        conn.execute("CREATE EXTENSION citext")
        conn.execute(f"CREATE TABLE customer (id {id_} PRIMARY KEY, name text)".encode())
        conn.execute(f"CREATE TABLE asked (number serial, key {key})".encode())
    package = Package({"shop/orders.py": LOOP})
    (loop,) = loops_around(package, QUERY)
    with pytest.raises(NotCertain, match=why):
        batch_of(package, loop, QUERY).rewritten(reader(store, url)("customer", "asked"))


def test_a_row_that_names_no_database_is_told_so(store: Database) -> None:
    def read(**options: str) -> None:
        record = TargetRecord("shop", "/srv/shop", "", "repository", options)
        read_tables(record, store, Settings(), ["customer"])

    with pytest.raises(ConfigurationError, match="nobody has said") as unsaid:
        read()
    assert "--database" in unsaid.value.hint
    with pytest.raises(UnknownTarget):
        read(database="gone")
    add_target(store, TargetRecord("itself", "/srv/shop", "", "repository"))
    with pytest.raises(ConfigurationError, match="is no database"):
        read(database="itself")
