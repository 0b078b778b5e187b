"""The shop's database, behind one function that runs every query."""

# ruff: noqa: D103, S608 - its bugs are what matters here

import sqlite3
from collections.abc import Callable
from functools import partial

import psycopg

TABLES = """
create table orders (id integer primary key, price real, quantity integer);
create table customer (id integer primary key, name text not null, email text unique);
insert into customer values (1, 'Jan', 'jan@example.org');
"""


def query(sql: str, *parameters: object) -> list:
    database = sqlite3.connect(":memory:")
    try:
        database.executescript(TABLES)
        return database.execute(sql, parameters).fetchall()
    finally:
        database.close()


def turnover(year: int) -> list:
    return query(f"select sum(pric * quantity) from orders where id > {year}")


def quantities(low: int) -> list:
    return query("select quantty from orders where id > ?", low)


def waiting(limit: int) -> list:
    return query(f"select id from shipments order by id limit {limit}")


def add_customer(number: int, name: str | None, email: str) -> list:
    return query("insert into customer values (?, ?, ?)", number, name, email)


def import_customers(*rows: tuple) -> list:
    return [add_customer(*row) for row in rows]


def overview(year: int) -> dict:
    return {"turnover": turnover(year)}


def connect(conninfo: str) -> psycopg.Connection:
    return psycopg.connect(conninfo, connect_timeout=2)


def replica(port: int) -> psycopg.Connection:
    return connect(f"host=127.0.0.1 port={port} user=shop dbname=shop")


FAULTS: dict[str, list[Callable[[], object]]] = {
    "the turnover names a column that is not there": [
        partial(turnover, 2024),
        partial(turnover, 2025),
        partial(overview, 2026),
    ],
    "the quantities name a column that is not there": [
        partial(quantities, 1),
        partial(quantities, 22),
        partial(quantities, 333),
    ],
    "the shipments have no table": [partial(waiting, 10), partial(waiting, 25)],
    "two customers have one address": [
        partial(add_customer, 2, "Piet", "jan@example.org"),
        partial(import_customers, (3, "Klaas", "k@example.org"), (4, "Jan", "jan@example.org")),
        partial(import_customers, (5, "Jan J.", "jan@example.org")),
    ],
    "a customer is added without a name": [
        partial(add_customer, 2, None, "piet@example.org"),
        partial(import_customers, (3, None, "k@example.org")),
    ],
    "the replica refuses connections": [
        partial(replica, 1),
        partial(replica, 7),
        partial(connect, "host=127.0.0.1 port=9 user=report dbname=shop"),
    ],
    "the replica's address is malformed": [
        partial(connect, "host=127.0.0.1 port"),
        partial(connect, "127.0.0.1"),
        partial(connect, "host = shop-db 5432"),
    ],
}
