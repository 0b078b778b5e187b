"""Trees of categories, some of which are no trees."""

# ruff: noqa: D103 - its bugs are what matters here

from collections.abc import Callable
from functools import partial


def render(category: dict) -> str:
    return category["name"] + render_all(category.get("children", []))


def render_all(categories: list[dict]) -> str:
    return "".join([render(category) for category in categories])


def weight(part: dict) -> float:
    if "parts" in part:
        return sum(weight(child) for child in part["parts"])
    return part["weight"] * 1.0


def depth(node: object) -> int:
    if isinstance(node, list):
        return 1 + max(depth(child) for child in node)
    return 0


def circular(length: int) -> dict:
    first: dict = {"name": "category 0"}
    last = first
    for number in range(1, length):
        last["children"] = [{"name": f"category {number}"}]
        last = last["children"][0]
    last["children"] = [first]
    return first


def nested(levels: int, leaf: dict) -> dict:
    return {"parts": [nested(levels - 1, leaf)]} if levels else leaf


def page(category: dict) -> str:
    return f"<ul>{render(category)}</ul>"


def parcel(levels: int, leaf: dict) -> float:
    return weight(nested(levels, leaf))


def deep(levels: int) -> list:
    return [deep(levels - 1)] if levels else []


FAULTS: dict[str, list[Callable[[], object]]] = {
    "a category contains itself": [
        partial(page, circular(1)),
        partial(page, circular(4)),
        partial(render_all, [circular(7)]),
        partial(render, circular(2)),
    ],
    "a part has no weight": [
        partial(parcel, 0, {"name": "screw"}),
        partial(parcel, 3, {"name": "bolt", "price": 3}),
        partial(parcel, 17, {}),
    ],
    "a part's weight is no number": [
        partial(parcel, 0, {"weight": None}),
        partial(parcel, 5, {"weight": "heavy"}),
        partial(parcel, 29, {"weight": [1]}),
    ],
    "a list is empty": [partial(depth, deep(1)), partial(depth, deep(9)), partial(depth, deep(22))],
}
