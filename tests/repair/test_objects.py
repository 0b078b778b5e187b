"""Simple objects are told as calls, varied by their attributes, and made again."""

import datetime as dt
import decimal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from honed.repair.engine import repair
from honed.repair.inputs import mutated
from honed.repair.inside.behaviour import canonical
from honed.repair.inside.made import Made, Untold, attributes_of, living, read, told
from honed.repair.suite import Budget, Suite
from honed.sandbox.box import Box

SHOP = """\
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Order:
    number: int
    note: str | None
    due: date


class Basket:
    def __init__(self, articles):
        self.count = len(articles)
        self.articles = articles


class Node:
    def __init__(self, below):
        self.below = below
"""
DAY = dt.date(2026, 5, 2)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Any]:
    module: Any = ModuleType("shop")
    module.__file__ = str(tmp_path / "shop.py")
    sys.modules["shop"] = module
    exec(SHOP, vars(module))  # noqa: S102 - of a text above
    yield module
    del sys.modules["shop"]


def test_simple_objects_are_told_and_made_again(shop: Any, tmp_path: Path) -> None:
    order, basket = shop.Order(3, None, DAY), shop.Basket(["pen"])
    text = repr(told([order, basket], str(tmp_path)))
    assert text == (
        "[shop.Order(number=3, note=None, due=datetime.date(2026, 5, 2)), "
        "shop.Basket(count=1, articles=['pen'])]"
    )
    made, other = living(read(text))
    assert made == order
    assert (type(other), vars(other)) == (shop.Basket, vars(basket))


@pytest.mark.parametrize(
    "value",
    [
        dt.datetime(2026, 5, 2, 12, 30, tzinfo=dt.UTC),
        dt.timedelta(days=2, seconds=1),
        dt.datetime(2026, 5, 2, 12, 30, 1, tzinfo=dt.timezone(dt.timedelta(hours=2))),
        decimal.Decimal("1.50"),
        {"a": (DAY, None, -1.5)},
        frozenset({1}),
        [set()],
    ],
)
def test_values_of_the_library_are_told_and_made_again(value: object) -> None:
    assert living(read(repr(told(value, "/code/")))) == value


def test_texts_are_for_people() -> None:
    noon = dt.datetime(2026, 5, 2, 12, tzinfo=dt.UTC)
    said = "datetime.datetime(2026, 5, 2, 12, 0, tzinfo=datetime.timezone.utc)"
    assert repr(told(noon, "/code/")) == said


def test_what_is_not_simple_is_not_told(shop: Any, tmp_path: Path) -> None:
    inner = shop.Node(None)
    for value in (shop.Node(inner), object(), print, Path("a"), [shop]):
        with pytest.raises(Untold):
            told(value, str(tmp_path))
    with pytest.raises(Untold):
        told(inner, "/elsewhere/")
    for text in ("print", "__import__('os').getcwd()()", "(lambda: 1)()", "a.b(*c)"):
        with pytest.raises((ValueError, TypeError)):
            living(read(text))


def test_attributes_are_varied_within_what_calls_showed() -> None:
    calls = [
        ["shop.Order(number=3, note='a', due=datetime.date(2026, 5, 2))"],
        ["shop.Order(number=9, note=None, due=datetime.date(2026, 7, 30))"],
    ]
    found = [read(text) for (text,) in mutated(calls, 80, seed=3)]
    assert all(isinstance(each, Made) and each.kind == "shop.Order" for each in found)
    orders = [dict(each.named) for each in found]
    assert len({each["number"] for each in orders}) > 5
    assert {type(each["note"]) for each in orders} == {str, type(None)}
    assert len({each["due"].given for each in orders}) > 5
    assert all(living(each["due"]).year in range(2026, 2035) for each in orders)


def test_objects_whose_attributes_raise_hold_up_nobody(shop: Any) -> None:
    class Hostile:
        @property
        def __dict__(self) -> dict[str, object]:  # type: ignore[override]
            raise OSError

    Hostile.__module__ = "shop"
    assert attributes_of(Hostile()) == {}
    assert canonical(Hostile()) == "Hostile{}"
    node = shop.Node(None)
    for _ in range(40):
        node = shop.Node([node] * 6)
    assert len(canonical(node)) < 2000


def test_what_is_in_an_object_is_part_of_an_answer(shop: Any) -> None:
    assert canonical(shop.Basket(["a"])) != canonical(shop.Basket(["b"]))
    assert canonical(DAY) != canonical(DAY.replace(day=3))


BOOKING = """\
from dataclasses import dataclass


@dataclass
class Booking:
    due: int
    returned: int | None = None


def is_late(booking):
    return booking.returned is not None or booking.returned > booking.due
"""


def test_patches_of_a_function_of_objects_are_compared(plant: Any, box: Box) -> None:
    tests = "from booking import Booking, is_late\n\n\n" + "\n\n".join(
        f"def test_{number}():\n    assert is_late(Booking({booking})) is {late}\n"
        for number, (booking, late) in enumerate(
            [("5", False), ("5, 7", True), ("4, 9", True), ("8, 6", False), ("3, 3", False)]
        )
    )
    suite: Suite = plant({"booking.py": BOOKING, "test_booking.py": tests})
    outcome = repair(suite, box, Budget(seconds=60.0, processes=1, most_candidates=300))
    assert "is not None and booking.returned > booking.due" in outcome.patches[0].after
    assert not outcome.abstained
