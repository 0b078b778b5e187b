"""A catalogue that is kept in a database, a cache and files."""

# ruff: noqa: D101, D102, D103, S608 - its bugs are what matters here

import sqlite3
from collections.abc import Callable
from functools import cached_property, partial
from types import SimpleNamespace

from packaging.requirements import Requirement
from packaging.version import Version
from sortedcontainers import SortedDict, SortedList


class Item:
    def __init__(self, sku: str, price: float | None, supplier: object = None) -> None:
        self.sku = sku
        self.price = price
        self.supplier = supplier

    @property
    def gross(self) -> float:
        return self.price * 1.21

    @cached_property
    def contact(self) -> str:
        return self.supplier.contact.email

    def __lt__(self, other: "Item") -> bool:
        return self.price < other.price


def listed(items: list[Item]) -> list[float]:
    return [item.gross for item in items]


def basket(*items: Item) -> float:
    return sum(item.gross for item in items)


def letter(item: Item) -> str:
    return f"Dear {item.contact}"


def ranked(items: list[Item]) -> SortedList:
    return SortedList(items)


def position(items: list[str], sku: str) -> int:
    return items.index(sku)


def related(skus: list[str], sku: str, distance: int) -> str:
    return skus[position(skus, sku) + distance]


def cheapest(prices: dict[str, float]) -> str:
    return min(prices, key=prices.get)


def after(prices: SortedDict, number: int) -> tuple:
    return prices.peekitem(number)


class Store:
    def __init__(self) -> None:
        self.database = sqlite3.connect(":memory:", isolation_level=None)
        self.database.execute(
            "create table item (sku text primary key, price real check (price > 0))"
        )

    def add(self, sku: str, price: float) -> None:
        self.database.execute("insert into item values (?, ?)", (sku, price))

    def close(self) -> None:
        self.database.close()

    def find(self, sku: str) -> float:
        row = self.database.execute("select price from item where sku = ?", (sku,)).fetchone()
        return row[0]

    def search(self, clause: str) -> list:
        return self.database.execute(f"select sku from item where {clause}").fetchall()


def filled(*rows: tuple) -> Store:
    store = Store()
    for row in rows:
        store.add(*row)
    return store


def stale(sku: str) -> float:
    store = filled((sku, 1.0))
    store.close()
    return store.find(sku)


def supported(version: str, requirement: str) -> bool:
    return Version(version) in Requirement(requirement).specifier


def outdated(versions: list[str]) -> list[bool]:
    return [supported(version, "shop>=2") for version in versions]


LAMP = Item("lamp", 12.5)

FAULTS: dict[str, list[Callable[[], object]]] = {
    "an item has no price": [
        partial(listed, [LAMP, Item("desk", None)]),
        partial(basket, Item("chair", None), LAMP),
        partial(basket, Item("sofa", None)),
    ],
    "an item has no supplier": [partial(letter, LAMP), partial(letter, Item("desk", 3.0))],
    "a supplier has no contact": [
        partial(letter, Item("desk", 3.0, SimpleNamespace(contact=None))),
        partial(letter, Item("sofa", 3.0, SimpleNamespace(contact=None, name="acme"))),
    ],
    "an item without a price is ranked": [
        partial(ranked, [LAMP, Item("desk", None)]),
        partial(ranked, [Item("desk", None), LAMP, Item("sofa", 2.0)]),
    ],
    "an item is not in the list": [
        partial(position, ["a", "b"], "c"),
        partial(related, ["a"], "desk lamp", 1),
    ],
    "an item has no neighbour": [
        partial(related, ["a", "b"], "b", 1),
        partial(related, ["a", "b", "c"], "a", 17),
    ],
    "nothing is cheapest": [partial(cheapest, {}), partial(cheapest, {})],
    "there are fewer prices": [
        partial(after, SortedDict({"a": 1}), 1),
        partial(after, SortedDict(), 4),
    ],
    "an item is added twice": [
        partial(filled, ("a", 1.0), ("a", 2.0)),
        partial(filled, ("lamp", 1.0), ("desk", 2.0), ("lamp", 3.0)),
    ],
    "a price is not positive": [partial(filled, ("a", -1.0)), partial(filled, ("b", 1), ("c", 0))],
    "an item is not in the store": [
        lambda: filled(("a", 1.0)).find("b"),
        lambda: filled().find("lamp"),
    ],
    "the store is closed": [partial(stale, "a"), partial(stale, "lamp")],
    "a search names an unknown column": [
        lambda: filled().search("colour = 'red'"),
        lambda: filled().search("size > 3"),
    ],
    "a search is cut": [
        lambda: filled().search("price >"),
        lambda: filled().search("price > 3 and"),
    ],
    "a version is no version": [
        partial(supported, "latest", "shop"),
        partial(outdated, ["2.1", "two"]),
    ],
    "a requirement is malformed": [
        partial(supported, "1.0", "shop >> 2"),
        partial(supported, "1.0", "-shop"),
    ],
}
