"""Values are made again from what they said of themselves, and nothing of that is executed."""

import ast
import builtins
import collections
import datetime as dt
import decimal
import enum
import fractions
import importlib
import ipaddress
import pathlib
import sys
import types
import uuid
import zoneinfo
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sentry_sdk.serializer import serialize

from honed.client.variables import Telling
from honed.core.canonical import Json
from honed.repair.reproduce.classes import Classes
from honed.repair.reproduce.imports import MAKE, Imports
from honed.repair.reproduce.placeholders import harmless
from honed.repair.reproduce.refusal import NotRebuilt
from honed.repair.reproduce.values import Values
from honed.testing.faulty import FILES
from honed.testing.faulty.written import Written

NEAR = "src/shop/service.py"
CLASSES = Classes(Written(FILES))

LIBRARY: list[Any] = [
    dt.datetime(2027, 3, 4, 5, 6, tzinfo=dt.UTC),
    dt.datetime(2027, 3, 4, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")),
    dt.date(2027, 3, 4),
    dt.timedelta(days=-1, seconds=5),
    decimal.Decimal("1.20"),
    fractions.Fraction(1, 3),
    uuid.UUID(int=7),
    pathlib.PurePosixPath("/a/b"),
    ipaddress.ip_address("127.0.0.1"),
    collections.deque([1, 2], maxlen=3),
    collections.Counter("aab"),
    collections.OrderedDict(a=1),
    collections.defaultdict(int, a=1),
    types.SimpleNamespace(a=1, b="x"),
    frozenset({1, 2}),
    range(1, 9, 2),
    bytearray(b"ab"),
    float("inf"),
    -1.5,
    1 - 2j,
    None,
    ...,
]


def texts(most: int) -> st.SearchStrategy[str]:
    """Return texts that stand for themselves: what is hidden comes back as something harmless."""
    return st.text(max_size=most).filter(lambda text: harmless(text) == text)


PLAIN = (
    st.none()
    | st.booleans()
    | st.integers(-(2**200), 2**200)
    | st.floats(allow_nan=False)
    | texts(40)
    | st.binary(max_size=40)
    | st.datetimes()
    | st.dates()
    | st.timedeltas()
    | st.decimals(allow_nan=False)
    | st.uuids()
)
NESTED = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(texts(8) | st.integers(), inner, max_size=4)
        | st.frozensets(PLAIN, max_size=4)
    ),
    max_leaves=12,
)
#: What no text may lead to.
HOSTILE = [
    "__import__('os').system('id')",
    "open('/etc/passwd').read()",
    "eval('1')",
    "exec('import os')",
    "(lambda: 1)()",
    "[x for x in (1,)]",
    "f'{1}'",
    "Money.__init__.__globals__",
    "Money(amount=eval('1'), currency='x')",
    "UUID(__import__('os').name)",
    "<shop.cart.Cart a=eval('1')>",
    "<shop.cart.Cart a=1); import os; (b=2>",
    "<class 'os.system'>",
    "<shop.service.login object at 0x7f>",
    "datetime.datetime.now()",
    "os.system",
    "shop.service",
    "getattr(1, 'real')",
    "().__class__",
    "'a' 'b' if 1 else 2",
    "1 << 99999",
    "'a' * 10**9",
    "(" * 500,
    "-" * 5000 + "1",
    "<" * 3000,
    "'",
    "",
    "[...]",
    "9" * 5000,
]


def made(told: Json, shape: str = "") -> tuple[str, list[str], bool]:
    imports = Imports()
    values = Values(CLASSES, imports, NEAR)
    annotation = ast.parse(shape, mode="eval").body if shape else None
    return values.expression(told, annotation), imports.lines(), values.makes_objects


def rebuilt(told: Json, shape: str = "") -> Any:
    text, lines, makes_objects = made(told, shape)
    scope: dict[str, Any] = {}
    if makes_objects:
        scope[MAKE] = lambda kind, **held: _made(kind, held)
    exec("\n".join(lines), scope)  # noqa: S102 - what this test has written
    return eval(text, scope)  # noqa: S307 - likewise


def _made(kind: type, held: dict[str, Any]) -> Any:
    value: Any = object.__new__(kind)
    for name, each in held.items():
        object.__setattr__(value, name, each)
    return value


@pytest.fixture
def shop(planted: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return what imports modules of the service, which are forgotten afterwards."""
    monkeypatch.syspath_prepend(str(planted / "src"))
    _forget_shop()
    yield importlib.import_module
    _forget_shop()


def _forget_shop() -> None:
    for name in [each for each in sys.modules if each.partition(".")[0] == "shop"]:
        del sys.modules[name]


@pytest.mark.parametrize("value", LIBRARY[:-1], ids=lambda value: type(value).__name__)
def test_values_of_the_library_come_back(value: Any) -> None:
    assert rebuilt(repr(value)) == value


def test_values_of_honeds_client_come_back() -> None:
    values: list[Any] = [[1, {"a": (2, 3)}], {"k": b"x"}, decimal.Decimal(1), {1, 2}]
    for value in values:
        assert rebuilt(Telling().text(value)) == value


@given(NESTED)
def test_what_python_writes_comes_back(value: Any) -> None:
    assert rebuilt(repr(value)) == value


@given(
    st.recursive(
        st.none() | st.integers(-(2**60), 2**60) | texts(9) | st.binary(max_size=9),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts(5), inner),
        max_leaves=8,
    )
)
def test_what_sentrys_sdk_tells_comes_back(value: Any) -> None:
    told = serialize({"v": value}, is_vars=True)["v"]
    if "..." not in str(told) and str(value).count("[") < 4 and str(value).count("{") < 4:
        assert rebuilt(told) == value


def test_an_annotation_says_what_a_list_was() -> None:
    assert rebuilt(["1", "'a'"], "tuple[int, str]") == (1, "a")
    assert rebuilt(["1"], "set[int] | None") == {1}
    assert rebuilt([], "'frozenset[int]'") == frozenset()
    assert rebuilt([["1", "2"]], "list[tuple[int, ...]]") == [(1, 2)]
    assert rebuilt({"1": "'a'", "-2": "'b'"}, "dict[int, str]") == {1: "a", -2: "b"}
    assert rebuilt({"('a', 1)": "2"}, "Mapping[tuple[str, int], int]") == {("a", 1): 2}
    assert rebuilt("(1)", "tuple[int]") == (1,)
    assert rebuilt("{}", "set[int]") == set()


def test_records_come_back_from_both_clients(shop: Any) -> None:
    model = shop("shop.model")
    when = dt.datetime(2027, 3, 4, tzinfo=dt.UTC)
    line = model.Line("tea", model.Money(decimal.Decimal("1.5"), "EUR"))
    order = model.Order(uuid.UUID(int=3), when, model.Status.LOST, [line])
    assert rebuilt(repr(order)) == order
    assert rebuilt(Telling().text(order, deep=9)) == order
    assert rebuilt(repr(model.Point(1.0, 2.0))) == model.Point(1.0, 2.0)


def test_objects_come_back_with_their_attributes_and_without_their_constructor(shop: Any) -> None:
    stock = shop("shop.cart").Stock({"tea": 1}, 2)
    stock.limit = 0
    again = rebuilt(Telling().text(stock))
    assert type(again) is type(stock)
    assert vars(again) == vars(stock)


def test_an_object_at_an_address_is_made_anew_only_where_that_needs_nothing() -> None:
    assert made("<shop.cart.Cart object at 0x7f00>")[0] == "Cart()"
    with pytest.raises(NotRebuilt, match="what a Stock held was not told"):
        made("<shop.cart.Stock object at 0x7f00>")


@pytest.mark.parametrize("text", HOSTILE)
def test_what_is_no_value_is_refused(text: str) -> None:
    with pytest.raises(NotRebuilt):
        made(text)


@given(
    st.lists(
        st.sampled_from(
            [
                *"()[]{}<>,:='\"\\.\n ",
                "Cart",
                "Money",
                "eval",
                "_made",
                "1",
                "...",
                "x=",
                "<shop.cart.Cart ",
                "UUID(",
                "<email:00000000>",
                "<class '",
                "object at 0x1",
            ]
        )
        | texts(3),
        max_size=14,
    ).map("".join)
)
def test_whatever_a_text_says_only_known_types_are_called(text: str) -> None:
    try:
        expression, lines, _ = made(text)
    except NotRebuilt:
        return
    known = {
        alias.asname or alias.name
        for line in lines
        for each in ast.parse(line).body
        if isinstance(each, (ast.ImportFrom, ast.Import))
        for alias in each.names
    }
    harmless = {name for name, each in vars(builtins).items() if _is_harmless(each)}
    for node in ast.walk(ast.parse(expression, mode="eval")):
        assert not isinstance(node, (ast.Lambda, ast.ListComp, ast.Await, ast.JoinedStr))
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func).partition(".")[0] in known | harmless | {MAKE}
    assert expression.isascii()


def _is_harmless(value: object) -> bool:
    holders = (set, frozenset, range, bytearray, complex, slice, list)
    return value in holders or (isinstance(value, type) and issubclass(value, Exception))


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("'<email:3fa9c1d2>'", "git@u3fa9c1d2.example"),
        ("'from <ip:0000c1d2>, <phone:00000001>'", "from 127.0.193.210, +00 0000001"),
        ("'<card:3fa9c1d2>'", "0" * 16),
        ("<hidden:3fa9c1d2>", "hidden"),
        ("[Filtered]", "hidden"),
        ({"<email:3fa9c1d2>": "1"}, {"git@u3fa9c1d2.example": 1}),
    ],
)
def test_scrubbed_values_become_harmless_ones_of_the_same_form(told: Json, expected: Json) -> None:
    assert rebuilt(told) == expected


def test_other_persons_stay_other_persons() -> None:
    first, second = rebuilt("['<email:3fa9c1d2>', '<email:3fa9c1d3>']")
    assert first != second


def test_a_collection_that_was_cut_keeps_what_was_told() -> None:
    assert rebuilt("[1, 2, ...]") == [1, 2]
    assert rebuilt("{'a': 1, ...}") == {"a": 1}


class _Level(enum.Enum):
    LOW = 1


def test_a_class_that_the_repository_does_not_have_is_refused() -> None:
    values: list[Any] = [
        _Level.LOW,
        object(),
        iter([1]),
        (each for each in "ab"),
        type("T", (), {})(),
    ]
    for value in values:
        with pytest.raises(NotRebuilt):
            made(repr(value))
