"""Loops that look up one row in each turn ask once where that is certain to be the same."""

import textwrap
from collections.abc import Sequence

import pytest

from honed.repair.refactor.asking.asked_in_loops import loops_around
from honed.repair.refactor.asking.batched import batch_of
from honed.repair.refactor.asking.lookups import Column, NotCertain, Table
from honed.repair.refactor.package import Package
from honed.repair.refactor.refactor import Proof, Refactor

QUERY = "SELECT name FROM customer WHERE id = ?"
ASK = 'conn.execute("SELECT name FROM customer WHERE id = %s", [order]).fetchone()'
HEAD = "def report(conn, orders: list[int], x=None):"
DELETE = "    conn.execute('DELETE FROM customer')\n"
LOOP = f"for order in orders:\n    row = {ASK}\n    found.append(row['name'])\n"


def table(called: str, in_: str = "public", **columns: str) -> Table:
    """Return a table; a type with a star tells every two rows apart."""
    found = {
        each: Column(each, type_.rstrip("*"), type_.endswith("*"))
        for each, type_ in columns.items()
    }
    return Table(in_, called, found)


CUSTOMER = table("customer", id="bigint*", name="text", note="jsonb", email="citext*", town="text")
ORDERS = table("orders", id="bigint*", customer_id="integer", label="text", number="uuid")


def asked_once(
    text: str, query: str = QUERY, tables: Sequence[Table] = (CUSTOMER, ORDERS), **files: str
) -> Refactor:
    sources = {"shop/orders.py": f"import psycopg\n\n{text}"}
    package = Package({**sources, **{f"shop/{name}.py": each for name, each in files.items()}})
    (loop,) = loops_around(package, query)
    batch = batch_of(package, loop, query)
    assert {each.name for each in tables} >= set(batch.tables)
    return batch.rewritten(tables)


def function(body: str, head: str = HEAD) -> str:
    inner = textwrap.indent(textwrap.dedent(body), "    ")
    return f"{head}\n    found = []\n{inner}    return found\n"


def after(change: Refactor) -> str:
    return (change.files[0].after or "").removeprefix("import psycopg\n\n")


def test_all_rows_are_looked_up_before_the_loop() -> None:
    change = asked_once(function(LOOP))
    assert (change.rule, change.proof) == ("ask_once", Proof.DECLARED)
    assert after(change) == function(
        """\
        customer_by_id = {
            row["id"]: row
            for row in conn.execute(
                "SELECT name, id FROM customer WHERE id = ANY(%s)",
                [list(orders)],
            )
        }
        for order in orders:
            row = customer_by_id.get(order)
            found.append(row['name'])
        """
    )


def test_rows_that_are_read_by_number_keep_their_numbers() -> None:
    body = f"for order in orders:\n    if x:\n        print(x)\n    found.append({ASK}[0])\n"
    said = after(asked_once(function(body)))
    assert "row[1]: row" in said
    assert "found.append(customer_by_id.get(order)[0])" in said


def test_what_a_query_returned_is_gone_through_by_its_columns() -> None:
    ask = ASK.replace("[order]", "[order['customer_id']]")
    rows = "orders = conn.execute('SELECT id, customer_id FROM orders ORDER BY id').fetchall()\n"
    body = f"{rows}return {{order['id']: {ask}['name'] for order in orders}}\n"
    change = asked_once(function(body, "def report(conn):"))
    assert change.proof is Proof.ANALYSED
    assert "[[order['customer_id'] for order in orders]]," in after(change)
    by_number = body.replace("for order in", "for _id, order in").replace("order['id']", "_id")
    by_number = by_number.replace("order['customer_id']", "order")
    assert "[[order for _id, order in orders]]," in after(
        asked_once(function(by_number, "def report(conn):"))
    )


def test_a_cursor_that_is_asked_and_then_fetched_from() -> None:
    query = "SELECT id, name FROM shop.customer AS c WHERE c.id = ? AND x = ?"
    text = f'''\
    QUERY = """
        {query.replace("id = ?", "id = %s").replace("= ?", "= 1")}
    """


    class Report:
        def names(self, orders: list[int]):
            with self.conn.cursor() as cursor:
                for order in orders:
                    cursor.execute(QUERY, (order,))
                    found, name = cursor.fetchone()
                    print(found, name)
    '''
    change = asked_once(
        textwrap.dedent(text),
        query,
        [CUSTOMER, table("customer", "shop", id="smallint*", name="text")],
    )
    assert after(change).endswith(
        """\
        with self.conn.cursor() as cursor:
            customer_by_id = {
                row[0]: row
                for row in cursor.execute(
                    "SELECT id, name FROM shop.customer AS c WHERE c.id = ANY(%s) AND x = 1",
                    [list(orders)],
                )
            }
            for order in orders:
                found, name = customer_by_id.get(order)
                print(found, name)
"""
    )


def test_a_list_of_another_name_is_not_called() -> None:
    said = after(asked_once(f"list = None\n\n{function(LOOP, HEAD.replace('list', 'set'))}"))
    assert "[[order for order in orders]]," in said


def why_not(text: str, **more: object) -> str:
    with pytest.raises(NotCertain) as left:
        asked_once(text, **more)  # type: ignore[arg-type]  # as the examples below have it
    return str(left.value)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        # The loop may write.
        (LOOP + DELETE, "may write"),
        (LOOP + "    conn.execute(x)\n", "may write"),
        (LOOP + "    save(order)\n", "calls save, which may write"),
        (LOOP + "    x.save()\n", "calls x.save, which may write"),
        (LOOP + "    found.sort(key=x)\n", "may write"),
        (LOOP + "    len = x\n    len(found)\n", "may write"),
        (LOOP + "    other = x\n    other.append(order)\n", "may write"),
        # It ends early, runs later or asks now and then.
        (LOOP + "    if row:\n        break\n", "may end early"),
        (LOOP + "    return found\n", "may end early"),
        (LOOP.replace("found.append(row['name'])", "yield row['name']"), "may end early"),
        (f"for order in orders:\n    if order:\n        print({ASK}['name'])\n", "condition holds"),
        (f"for order in orders:\n    print(order and {ASK}['name'])\n", "condition holds"),
        (f"for order in orders:\n    if order:\n        continue\n    x = {ASK}[0]\n", "condition"),
        (f"x = [{ASK}[0] for order in orders if order]\n", "has a name"),
        (f"x = ({ASK}[0] for order in orders)\n", "has a name"),
        (f"x = lambda: [{ASK}[0] for order in orders]\n", "later than it stands"),
        (f"while x:\n    order = x.pop()\n    print({ASK}[0])\n", "has a name"),
        (f"for x in x:\n    for order in orders:\n        print({ASK}[0])\n", "in another loop"),
        # What it goes through may be gone through once only, or change.
        (LOOP.replace("in orders", "in x"), "not known to be a list"),
        (LOOP.replace("in orders", "in x.orders"), "has a name"),
        (LOOP.replace("[order]", "[x]"), "something else than what it goes through"),
        (LOOP.replace("[order]", "[order + 1]"), "something else than what it goes through"),
        (LOOP + "    orders.append(order)\n", "calls orders.append"),
        (LOOP + "    x = orders\n", "changes what it goes through"),
        (LOOP + "    conn = x\n", "or whom it asks"),
        (f"for order in orders:\n    order = 1\n    print({ASK}[0])\n", "changes what it goes"),
        ("orders = [1, x]\n" + LOOP, "not known to be a list"),
        # Rows are handed on, or nobody knows how they are read.
        (LOOP.replace("row['name']", "row"), "handed on"),
        (LOOP + "    row['name'] = 1\n", "written to|not the row"),
        (LOOP.replace("row['name']", "row[x]"), "handed on"),
        (LOOP.replace("row['name']", "row[-1]"), "handed on"),
        (LOOP.replace("row['name']", "row['id']"), "how its rows are read"),
        (LOOP.replace("row['name']", "row[1]"), "how its rows are read"),
        (LOOP.replace("row['name']", "row is None"), "how its rows are read"),
        (LOOP + "    row = 1\n", "not the row alone"),
        (f"for order in orders:\n    (name,) = {ASK}\n", "without the key"),
        (f"for order in orders:\n    for name in {ASK}:\n        pass\n", "condition holds"),
        # It is asked otherwise.
        (f"for order in orders:\n    found.append(f'{{{ASK}[0]}}')\n", "f-string"),
        (LOOP.replace("fetchone", "fetchall"), "fetchone"),
        (LOOP.replace("[order])", "[order], prepare=True)"), "by execute"),
        (LOOP.replace("[order]", "order"), "by execute"),
        (LOOP.replace(".fetchone()", "").replace("row = ", ""), "fetchone"),
    ],
)  # fmt: skip
def test_what_is_not_certain_by_its_text(body: str, why: str) -> None:
    said = why_not(function(body))
    assert any(each in said for each in why.split("|")), said


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("= %s", "= %s FOR UPDATE", "locks"),
        ("= %s", "= %s LIMIT 1", "limit"),
        ("= %s", "= %s ORDER BY name", "order"),
        ("= %s", "= %s AND seen < now()", "currenttimestamp"),
        ("= %s", "= %s OR name IS NULL", "one column has to be equal"),
        ("= %s", "> %s", "one column has to be equal"),
        ("= %s", "= %s AND name = 'a  b'", "cannot be rewritten"),
        ("name FROM", "count(*) FROM", "count"),
        ("name FROM", "* FROM", "star"),
        ("name FROM", "name, town AS id FROM", "something else as id"),
        ("name FROM", "DISTINCT name FROM", "distinct"),
        ("customer", "customer JOIN town USING (town)", "joins"),
        ("id = %s", "id = %s AND name = (SELECT max(name) FROM town)", "subquery"),
    ],
)
def test_what_is_more_than_a_plain_look_up(old: str, new: str, why: str) -> None:
    query = QUERY.replace(old.replace("%s", "?"), new.replace("%s", "?"))
    text = function(
        LOOP.replace(QUERY.replace("?", "%s"), QUERY.replace("?", "%s").replace(old, new))
    )
    assert why in why_not(text, query=query.replace("'a  b'", "?"))


@pytest.mark.parametrize(
    ("tables", "why"),
    [
        ([], "no table called customer"),
        ([CUSTOMER, table("customer", "old", id="bigint*")], "more than one table"),
        ([table("customer", id="bigint", name="text")], "more than one row may have one"),
        ([table("customer", id="citext*", name="text")], "citext, which is not equal"),
        ([table("customer", id="character*", name="text")], "character, which is not equal"),
        ([table("customer", id="numeric*", name="text")], "numeric, which is not equal"),
        ([table("customer", id="text*", name="text")], "is text, and it is looked up by int"),
        ([table("customer", id="bigint*", name="jsonb")], "name is jsonb"),
        ([table("customer", id="bigint*")], "has no column name"),
    ],
)
def test_what_the_database_does_not_promise(tables: list[Table], why: str) -> None:
    package = Package({"shop/orders.py": f"import psycopg\n{function(LOOP)}"})
    (loop,) = loops_around(package, QUERY)
    with pytest.raises(NotCertain, match=why):
        batch_of(package, loop, QUERY).rewritten(tables)


@pytest.mark.parametrize("annotation", ["Iterable[int]", "Iterator[int]", "list", "list[object]"])
def test_annotations_that_promise_too_little(annotation: str) -> None:
    head = HEAD.replace("list[int]", annotation)
    assert "not known to be a list" in why_not(function(LOOP, head))


def test_what_else_may_be_behind_it() -> None:
    assert "psycopg is the driver" in why_not(function(LOOP), other="import sqlite3\n")
    assert "stands in no plain function" in why_not(f"orders = range(9)\n{LOOP}")
    assert "no plain function" in why_not(function(LOOP, f"async {HEAD}"))
    helper = f"def name(conn, order):\n    return {ASK}\n"
    text = f"{helper}\n{HEAD}\n    return [name(conn, order) for order in orders]\n"
    assert why_not(text) == "name asks, which the loop calls"
    twice = LOOP + f"    print({ASK}[0])\n"
    assert "more than one place" in why_not(function(twice))
    rows = "orders = conn.execute('SELECT id FROM orders').fetchall()\n"
    ask = LOOP.replace("[order]", "[order['id']]")
    for changed in ("orders.append(x)\n", "orders[0]['id'] = 'a'\n", "x = orders\n"):
        assert "may be changed" in why_not(function(rows + changed + ask, "def report(conn, x):"))
    by_text = rows.replace("SELECT id", "SELECT label AS id")
    assert "looked up by str" in why_not(function(by_text + ask, "def report(conn):"))
