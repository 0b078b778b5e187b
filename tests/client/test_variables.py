"""Values are told whole or not at all, and telling them runs nothing of the program."""

import json
from collections import deque
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honed.client.variables import FILTERED, Telling, is_secret


class Order:
    def __init__(self) -> None:
        self.number = 7
        self.token = str(7)
        self.lines = [{"price": 3}]

    def __repr__(self) -> str:
        raise AssertionError

    def __getattr__(self, name: str) -> Any:
        raise AssertionError

    def __bool__(self) -> bool:
        raise AssertionError


class Proxy:
    """As some libraries make them: everything that is asked of it runs something."""

    @property  # type: ignore[misc]  # it is the point that it cannot be read
    def __class__(self) -> type:
        raise AssertionError

    @property
    def __dict__(self) -> dict[str, Any]:  # type: ignore[override]  # likewise
        raise AssertionError


class Slotted:
    __slots__ = ("number",)


class Numbers(list[int]):
    def __iter__(self) -> Any:
        raise AssertionError


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "None"),
        (True, "True"),
        (1.5, "1.5"),
        ("it's", '"it\'s"'),
        (b"a", "b'a'"),
        (datetime(2027, 1, 1, tzinfo=UTC), None),
        (PurePosixPath("/srv"), "PurePosixPath('/srv')"),
        ([1, [2, [3, [4]]]], "[1, [2, [3, <list>]]]"),
        ((1,), "(1)"),
        (deque([1]), "[1]"),
        ({"a": 1, "password": "x"}, f"{{'a': 1, 'password': {FILTERED}}}"),
        (list(range(20)), "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ...]"),
        ("x" * 2_000, "<str>"),
        (10**1000, "<int>"),
        (json, "<module>"),
        (int, "<type>"),
    ],
)
def test_a_value_is_told_as_python_writes_it(value: object, text: str | None) -> None:
    assert Telling().text(value) == (repr(value) if text is None else text)


def test_values_of_the_program_are_not_asked() -> None:
    values = [Slotted(), Proxy(), Numbers([1]), Order()]
    assert [Telling().text(value).replace(f"{__name__}.", "") for value in values] == [
        "<Slotted>", "<Proxy>", "<Numbers>",
        "<Order number=7, token=[Filtered], lines=[{'price': 3}]>",
    ]  # fmt: skip


def test_variables_have_names() -> None:
    variables = {"a": 1, "api_key": "x", "__doc__": "", "json": json, "Order": Order, "len": len}
    assert Telling().variables(variables) == {"a": "1", "api_key": FILTERED}
    assert len(Telling().variables({f"v{n}": n for n in range(100)})) == 20


@pytest.mark.parametrize("name", ["password", "API_KEY", "authorization", "access_token", "DSN"])
def test_secrets_are_known_by_their_names(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize("name", ["author", "tokens", "passenger", "keyword", "compass"])
def test_other_names_are_none(name: str) -> None:
    assert not is_secret(name)


def test_all_together_is_bounded() -> None:
    telling = Telling()
    texts = [telling.text(["x" * 900] * 10) for _ in range(100)]
    assert sum(map(len, texts)) < 100_000
    assert texts[-1] == "..."


def test_json_stays_json_as_far_as_it_is() -> None:
    said = {"a": [1, 2.5, None, "x", (True,)], "token": "x", 7: {1}, "o": Slotted()}
    assert Telling().json(said) == {
        "a": [1, 2.5, None, "x", [True]], "token": FILTERED, "7": "{1}",
        "o": f"<{__name__}.Slotted>",
    }  # fmt: skip


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
)


@given(values)
def test_whatever_it_is_it_can_be_sent(value: object) -> None:
    assert isinstance(Telling().text(value), str)
    json.dumps(Telling().json(value))
