"""The text of a value makes an equal value again, or there is none."""

import ast
import datetime as dt
import decimal
import enum
from collections import namedtuple
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honed.repair.characterise.inside.guess import Guess
from honed.repair.characterise.inside.texts import Unwritable, namespace, written

PLAIN = st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.binary(max_size=8)
VALUES = st.recursive(
    PLAIN | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(PLAIN, inner, max_size=3)
        | st.sets(PLAIN, max_size=3)
    ),
    max_leaves=6,
)


class Colour(enum.Enum):
    RED = 1


@dataclass
class Line:
    name: str
    cents: int = 3


Pair = namedtuple("Pair", "first second")  # noqa: PYI024 - older code has them


@given(VALUES)
def test_plain_values_come_back(value: object) -> None:
    try:
        text, imports = written(value)
    except Unwritable:
        assert len(repr(value)) > 100 or str(value).count("[") > 4
        return
    assert eval(text, {}) == value  # noqa: S307 - it is ours
    assert imports == []
    assert text.isascii()


@pytest.mark.parametrize(
    "value",
    [
        Colour.RED,
        [Line("a"), Line("b", 4)],
        Pair(1, (2,)),
        decimal.Decimal("1.50"),
        dt.date(2024, 2, 29),
        dt.timedelta(hours=1),
        float("inf"),
        frozenset(),
        {"x": set()},
    ],
)
def test_values_of_classes_come_back(value: object) -> None:
    text, imports = written(value)
    assert eval(text, namespace(imports)) == value  # noqa: S307 - it is ours


@pytest.mark.parametrize(
    "value",
    [object(), float("nan"), lambda: 1, iter([]), "x" * 300, [[[[[[[1]]]]]]], print],
)
def test_of_what_has_an_address_or_no_end_there_is_no_text(value: object) -> None:
    with pytest.raises(Unwritable):
        written(value)


def price(cents: int, level: str, *, lines: list[Line] | None = None) -> int:
    return len(level) + cents + len(lines or [])


def calls(function: Any, seen: dict[str, Any], *constants: object) -> list[dict[str, str]]:
    found = Guess({"names": {}, "calls": {}, "literals": {}, **seen}, seed=0).calls(
        "f", function, None, constants
    )
    return [
        {parameter.name: made.text for parameter, made in given}
        for _, given in zip(range(30), (each for _, each in found), strict=False)
    ]


def test_arguments_fit_what_is_annotated_and_hold_what_is_compared() -> None:
    found = calls(price, {}, "gold", 100)
    assert found[0] == {"cents": "100", "level": '"gold"', "lines": "None"}
    assert {type(ast.literal_eval(each["cents"])) for each in found} == {int}
    assert any("Line(" in each["lines"] for each in found)


def test_nothing_is_guessed_for_what_cannot_be_made() -> None:
    def takes(what: Any, connection: type(print)) -> None:  # type: ignore[valid-type]
        """Take what nobody can make."""

    assert calls(takes, {}) == []


def test_the_same_seed_guesses_the_same() -> None:
    assert calls(price, {}, 3) == calls(price, {}, 3)
