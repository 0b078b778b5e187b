"""Warehouses, whose code raises errors of its own."""

# ruff: noqa: D103, EM102, TRY003 - its bugs are what matters here

from collections.abc import Callable
from functools import partial

STOCK = {"Rotterdam": 40, "New York": 0}


class OutOfStock(LookupError):
    """There is none left."""


def reserve(city: str, number: int) -> int:
    if city not in STOCK:
        msg = f"no warehouse in {city}"
        raise LookupError(msg)
    if number > STOCK[city]:
        msg = f"only {STOCK[city]} of {number} are left in {city}"
        raise LookupError(msg)
    return STOCK[city] - number


def customer(name: str) -> int:
    raise LookupError(f"no customer is called {name}")


def pick(sku: str, *, shelf: str | None = None) -> str:
    assert shelf is not None, f"{sku} has no shelf"
    return shelf


def dispatch(cities: list[str]) -> list[int]:
    return [reserve(city, 1) for city in cities]


def move(source: str, target: str, number: int) -> tuple[int, int]:
    return reserve(source, number), reserve(target, 0)


def letter(name: str) -> str:
    return f"Dear customer {customer(name)}"


def pick_all(skus: set[str]) -> list[str]:
    return [pick(sku) for sku in sorted(skus)]


def carrier(parcels: list[dict]) -> list[str]:
    return [getattr(parcel, "carrier", parcel.sender) for parcel in parcels]


def manifest(*parcels: object) -> str:
    return ", ".join(carrier(list(parcels)))


def load(sku: str) -> str:
    raise OutOfStock(sku)


FAULTS: dict[str, list[Callable[[], object]]] = {
    "an order goes to a city without a warehouse": [
        partial(reserve, "Utrecht", 1),
        partial(dispatch, ["San Francisco"]),
        partial(dispatch, ["Rotterdam", "Rio de Janeiro"]),
        partial(move, "Rotterdam", "Alphen aan den Rijn", 2),
    ],
    "a warehouse has too few": [
        partial(reserve, "Rotterdam", 41),
        partial(dispatch, ["New York"]),
        partial(move, "Rotterdam", "New York", 400),
    ],
    "a letter goes to an unknown customer": [
        partial(letter, "Jan"),
        partial(letter, "Piet de Vries"),
        partial(customer, "anna maria van der berg"),
    ],
    "an item has no shelf": [
        partial(pick, "a-17"),
        partial(pick_all, {"desk lamp", "chair"}),
        partial(pick, "garden table"),
    ],
    "a parcel has no sender": [
        partial(carrier, [{"to": "Jan"}]),
        partial(manifest, "a parcel"),
        partial(manifest, None),
    ],
    "an item is out of stock": [
        partial(load, "a-17"),
        partial(load, "garden table"),
        partial(load, "Lamp, green"),
    ],
}
