"""Orders, of which some lack what is needed to price them."""

# ruff: noqa: D103, PLW0108 - its bugs are what matters here

from collections.abc import Callable
from decimal import Decimal
from functools import partial

ALBUM = {"sku": "a-17", "price": "12.50", "quantity": 2}


def total(order: dict) -> Decimal:
    price = order["price"]
    quantity = order["quantity"]
    return as_money(price) * quantity


def as_money(text: str) -> Decimal:
    return Decimal(text).quantize(Decimal("0.01"))


def checkout(order: dict) -> dict:
    return {"sku": order["sku"], "total": total(order)}


def nightly(orders: list[dict]) -> Decimal:
    return sum((total(order) for order in orders), start=Decimal())


def dearest(orders: list[dict]) -> dict:
    return max(orders, key=lambda order: total(order))


def first_names(customers: list[dict]) -> list[str]:
    return [customer["name"].split()[0] for customer in customers]


def greet(*customers: dict) -> str:
    return "Dear " + ", ".join(first_names(list(customers)))


def _without(field: str, sku: str) -> dict:
    return {name: value for name, value in (ALBUM | {"sku": sku}).items() if name != field}


FAULTS: dict[str, list[Callable[[], object]]] = {
    "an order has no price": [
        partial(checkout, _without("price", "b-1")),
        partial(nightly, [ALBUM, _without("price", "c-22")]),
        partial(dearest, [ALBUM, ALBUM, _without("price", "d-3")]),
    ],
    "an order has no quantity": [
        partial(checkout, _without("quantity", "b-1")),
        partial(nightly, [_without("quantity", "c-22")]),
        partial(dearest, [ALBUM, _without("quantity", "d-3")]),
    ],
    "a price is no number": [
        partial(checkout, ALBUM | {"price": "free"}),
        partial(nightly, [ALBUM, ALBUM | {"price": "12,50"}]),
        partial(dearest, [ALBUM | {"price": ""}, ALBUM]),
    ],
    "a customer has no name": [
        partial(greet, {"name": "Jan Jansen"}, {"name": None}),
        partial(first_names, [{"name": None}]),
        partial(greet, {"name": 17}),
    ],
    "a customer's name is empty": [
        partial(greet, {"name": "Jan Jansen"}, {"name": ""}),
        partial(first_names, [{"name": "  "}]),
        partial(greet, {"name": ""}),
    ],
}
