"""Exceptions are told as Sentry's SDK tells them, so that the server reads both alike."""

import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honed.client.events import Origin, told_exceptions
from honed.client.faults import told_fault
from honed.client.raised import bounded
from honed.client.variables import Telling
from honed.core.fault import Fault
from honed.signals.sentry.faults import fault, thrown

CART = """
import json

def load(order):
    return json.loads(order)

def total(order):
    currency = "EUR"
    try:
        return load(order)
    except ValueError as error:
        raise RuntimeError("no order") from error

def other(order):
    try:
        load(order)
    except ValueError:
        return missing

def many():
    raise ExceptionGroup("many", [KeyError("a"), OSError("b")])

def deep(number):
    return deep(number + 1)
"""


@pytest.fixture
def cart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the module shop.cart of an application."""
    package = tmp_path / "shop"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "cart.py").write_text(CART, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("shop", "shop.cart"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    from shop import cart  # type: ignore[import-not-found]  # noqa: PLC0415 - made just now

    assert isinstance(cart, ModuleType)
    return cart


def told(module: ModuleType, function: str, *arguments: object) -> list[dict[str, object]]:
    with pytest.raises(Exception) as raised:  # noqa: PT011 - whatever it is
        getattr(module, function)(*arguments)
    exceptions = told_exceptions(raised.value, Telling(), "generic")
    json.dumps(exceptions)
    return exceptions


def read(exceptions: list[dict[str, object]]) -> Fault:
    said = {"exception": {"values": json.loads(json.dumps(exceptions))}}
    found = fault(thrown(said), "python")
    assert found is not None
    return found


def test_the_cause_is_told_with_its_calls_and_variables(cart: ModuleType) -> None:
    exceptions = told(cart, "total", "{")
    found = read(exceptions)
    assert (found.type, found.message, found.is_cause_context) == (
        "RuntimeError",
        "no order",
        False,
    )
    last = found.frames[-1]
    assert (last.file, last.module, last.function) == ("shop/cart.py", "shop.cart", "total")
    assert (last.code, last.is_in_app) == ('raise RuntimeError("no order") from error', True)
    assert found.cause is not None
    assert found.cause.type == "json.decoder.JSONDecodeError"
    inner = found.cause.frames[-1]
    assert (inner.function, inner.is_in_app) == ("JSONDecoder.raw_decode", False)
    stack = exceptions[-1]["stacktrace"]
    assert isinstance(stack, dict)
    frame = stack["frames"][-1]
    assert frame["vars"]["currency"] == "'EUR'"
    assert frame["pre_context"][0] == "def total(order):"


def test_what_was_only_being_handled_is_told_as_such(cart: ModuleType) -> None:
    found = read(told(cart, "other", "{"))
    assert (found.type, found.is_cause_context) == ("NameError", True)


def test_members_of_groups_are_told(cart: ModuleType) -> None:
    found = read(told(cart, "many"))
    assert [member.type for member in found.members] == ["KeyError", "OSError"]


def test_deep_recursion_is_bounded(cart: ModuleType) -> None:
    exceptions = told(cart, "deep", 0)
    assert len(read(exceptions).frames) == 100
    assert len(json.dumps(exceptions)) < 300_000


def test_an_exception_without_words_or_calls_is_told() -> None:
    class Silent(Exception):
        def __str__(self) -> str:
            raise OSError

    (said,) = told_exceptions(Silent(), Telling(), "generic")
    assert (said["value"], said["stacktrace"]) == ("", {"frames": []})


def test_both_wires_tell_the_same_of_an_exception(cart: ModuleType) -> None:
    folder = Path(str(cart.__file__)).parent
    for name, *arguments in (("other", "{"), ("many",), ("deep", 0)):
        with pytest.raises(BaseException) as raised:  # noqa: PT011 - whatever it is
            getattr(cart, name)(*arguments)
        error = raised.value
        event = told_exceptions(error, Telling(), "generic")[-1]
        fault = told_fault(error, folder)
        frames = event["stacktrace"]["frames"][-50:]
        assert event["value"] == fault["message"]
        assert [(each["function"], each["lineno"]) for each in frames][-len(fault["frames"]) :] == [
            (each["function"], each["line"]) for each in fault["frames"]
        ]


def test_causes_in_a_circle_end() -> None:
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert len(told_exceptions(first, Telling(), "generic")) == 16


def test_an_event_says_where_it_comes_from() -> None:
    event = Origin("cart", "production", "1.2").event({"tags": {"plan": "free"}})
    assert (event["environment"], event["release"]) == ("production", "1.2")
    assert event["tags"] == {"service": "cart", "plan": "free"}
    assert len(event["event_id"]) == 32


@given(st.text(), st.integers(0, 20_000))
def test_a_message_is_bounded_and_no_word_is_cut(text: str, times: int) -> None:
    long = f"{text} " * times
    short = bounded(long)
    assert len(short) <= 8_192 + len(" ...")
    assert short == long or long.startswith(short.removesuffix("..."))
