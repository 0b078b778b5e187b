"""The captured frame becomes a call of the repository's function as it is now."""

from collections.abc import Mapping

import pytest

from honed.core.canonical import Json
from honed.core.fault import Frame
from honed.repair.reproduce.calls import Call, call_of
from honed.repair.reproduce.classes import Classes
from honed.repair.reproduce.places import path_of
from honed.repair.reproduce.refusal import NotRebuilt
from honed.testing.faulty.written import Written

SOURCE = """
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property


def plain(a, /, b, *rest, c, d=4, **more):
    return a


def some(a, b=2):
    return a


async def later(a):
    return a


def each(a):
    yield a


async def each_later(a):
    yield a


@contextmanager
def within(a):
    yield a


def around(a):
    def inner(b):
        return b

    return inner(a)


class Shelf:
    def __init__(self):
        self.books = []

    def put(self, book):
        self.books.append(book)

    @staticmethod
    def fold(a):
        return a

    @classmethod
    def made(cls, a):
        return cls()

    @cached_property
    def first(self):
        return self.books[0]

    def __hidden(self):
        return 1

    class Board:
        def fit(self, a):
            return a


class Full(Shelf):
    def __init__(self, books):
        self.books = books


def put(book):
    return book
"""


def written(function: str, variables: Mapping[str, Json], code: str = "") -> list[str]:
    classes = Classes(Written({"lib/app.py": SOURCE}))
    frame = Frame("/srv/lib/app.py", "lib.app", function, code=code, variables=variables)
    call = call_of(frame, classes)
    return [*call.imports.lines(), *call.lines]


@pytest.mark.parametrize(
    ("function", "variables", "expected"),
    [
        ("plain", {"a": "1", "b": "2", "rest": [], "c": "3", "more": {}}, "plain(1, b=2, c=3)"),
        (
            "plain",
            {"a": "1", "b": "2", "rest": ["7"], "c": "3", "d": "4", "more": {"e": "5"}},
            "plain(1, 2, *[7], c=3, d=4, **{'e': 5})",
        ),
        ("some", {"a": "1"}, "some(a=1)"),
        ("later", {"a": "1"}, "asyncio.run(later(a=1))"),
        ("each", {"a": "1"}, "list(each(a=1))"),
        ("Shelf.fold", {"a": "1"}, "Shelf.fold(a=1)"),
        ("Shelf.made", {"cls": "<class 'lib.app.Full'>", "a": "1"}, "Full.made(a=1)"),
        ("Shelf.made", {"cls": "<class 'x.Y'>", "a": "1"}, "Shelf.made(a=1)"),
        ("Shelf.put", {"self": "<lib.app.Shelf object at 0x1>", "book": "1"},
         "Shelf().put(book=1)"),
        ("Shelf.put", {"self": "<lib.app.Full books=[2]>", "book": "1"},
         "_made(Full, books=[2]).put(book=1)"),
        ("Shelf.first", {"self": "<lib.app.Full books=[]>"}, "_made(Full, books=[]).first"),
        ("Shelf.Board.fit", {"self": "<lib.app.Shelf.Board object at 0x1>", "a": "1"},
         "Shelf.Board().fit(a=1)"),
        ("Full.__init__", {"self": "<lib.app.Full>", "books": "None"}, "Full(books=None)"),
    ],
)  # fmt: skip
def test_each_sort_of_function_is_called_as_such(
    function: str, variables: Mapping[str, Json], expected: str
) -> None:
    assert written(function, variables)[-1] == expected


def test_a_context_manager_is_entered() -> None:
    assert written("within", {"a": "1"})[-2:] == ["with within(a=1):", "    pass"]


def test_a_module_that_fails_is_imported() -> None:
    assert written("<module>", {}) == ["import importlib", "importlib.import_module('lib.app')"]


def test_long_calls_have_a_line_for_each_argument() -> None:
    lines = written("some", {"a": repr("x" * 50), "b": repr("y" * 50)})
    assert lines[1:] == ["some(", f"    a='{'x' * 50}',", f"    b='{'y' * 50}',", ")"]


@pytest.mark.parametrize(
    ("function", "variables", "why"),
    [
        ("some", {}, "a was not told"),
        ("some", {"a": "<generator object f at 0x1>"}, "a cannot be made again"),
        ("gone", {}, "no function gone"),
        ("inner", {"b": "1"}, "function within a function"),
        ("each_later", {"a": "1"}, "asynchronous generator"),
        ("__hidden", {"self": "<lib.app.Shelf object at 0x1>"}, "private"),
        ("Full.put", {"self": "<a.B object at 0x1>"}, "book was not told"),
    ],
)
def test_what_cannot_be_called_says_why(
    function: str, variables: Mapping[str, Json], why: str
) -> None:
    with pytest.raises(NotRebuilt, match=why):
        written(function, variables)


def test_of_two_functions_of_one_name_the_line_of_code_tells() -> None:
    variables: dict[str, Json] = {"self": "<lib.app.Shelf object at 0x1>", "book": "1"}
    assert "Shelf()" in written("put", variables, code="self.books.append(book)")[-1]
    assert written("put", {"book": "1"}, code="return book")[-1] == "put(book=1)"


@pytest.mark.parametrize(
    ("file", "module", "expected"),
    [
        ("shop/cart.py", "shop.cart", "src/shop/cart.py"),
        ("/srv/app/src/shop/cart.py", "shop.cart", "src/shop/cart.py"),
        ("C:\\app\\shop\\cart.py", "", "src/shop/cart.py"),
        ("run.py", "__main__", "run.py"),
        ("tools/cart.py", "tools.cart", "tools/cart.py"),
        ("cart.py", "cart", ""),
        ("/usr/lib/other/cart.py", "other.cart", ""),
        ("../../etc/passwd", "", ""),
    ],
)
def test_a_file_is_found_wherever_it_was_installed(file: str, module: str, expected: str) -> None:
    paths = ("src/shop/__init__.py", "src/shop/cart.py", "tools/cart.py", "run.py")
    classes = Classes(Written(dict.fromkeys(paths, "")))
    assert path_of(Frame(file, module), classes) == expected


@pytest.mark.parametrize(
    ("path", "told", "expected"),
    [
        ("src/shop/cart.py", "", "shop.cart"),
        ("src/shop/__init__.py", "", "shop"),
        ("backend/app/views.py", "", "app.views"),
        ("backend/app/views.py", "app.views", "app.views"),
        ("tools/cart.py", "", "tools.cart"),
        ("src/run.py", "", "run"),
        ("run.py", "", "run"),
        ("tools/cart.py", "cart", "cart"),
        ("tools/cart.py", "os", "tools.cart"),
    ],
)
def test_a_module_is_imported_by_the_name_that_it_has(path: str, told: str, expected: str) -> None:
    files = dict.fromkeys(("src/shop/__init__.py", "backend/app/__init__.py", path), "")
    assert Classes(Written(files)).module(path, told) == expected


def test_of_two_classes_of_one_name_that_counts_which_the_module_imports() -> None:
    files = {
        "one.py": "class Cart:\n    pass\n",
        "two.py": "class Cart:\n    pass\n",
        "app.py": "from two import Cart\n\n\ndef f(a):\n    return a\n",
    }
    frame = Frame("app.py", "app", "f", variables={"a": "<Cart object at 0x1>"})
    assert "from two import Cart" in call_of(frame, Classes(Written(files))).imports.lines()
    unknown = {**files, "app.py": "def f(a):\n    return a\n"}
    with pytest.raises(NotRebuilt, match="more than one class"):
        call_of(frame, Classes(Written(unknown)))


_CONFTEST = """
import pytest
from pytest import fixture


@pytest.fixture(scope="module")
def conn():
    yield 1


@fixture(name="clock")
def make_clock():
    return 2


def plain_function():
    return 3
"""


def called(variables: Mapping[str, Json], files: Mapping[str, str]) -> Call:
    classes = Classes(Written({"lib/app.py": SOURCE, **files}))
    return call_of(Frame("/srv/lib/app.py", "lib.app", "some", variables=variables), classes)


@pytest.mark.parametrize("path", ["conftest.py", "tests/conftest.py"])
def test_what_cannot_be_made_again_is_the_fixture_of_its_name(path: str) -> None:
    source = _CONFTEST.replace("def conn", "def b").replace('name="clock"', 'name="a"')
    found = called(
        {"a": "<clock.Clock object at 0x1>", "b": "<psycopg.Connection>"}, {path: source}
    )
    assert found.lines == ("some(a=a, b=b)",)
    assert found.fixtures == ("a", "b")


def test_what_can_be_made_again_needs_no_fixture() -> None:
    source = _CONFTEST.replace("def conn", "def a")
    found = called({"a": "7", "b": "8"}, {"tests/conftest.py": source})
    assert (found.lines, found.fixtures) == (("some(a=7, b=8)",), ())


@pytest.mark.parametrize("name", ["conn", "plain_function", "make_clock"])
def test_no_other_name_is_a_fixture(name: str) -> None:
    source = SOURCE.replace("def some(a, b=2)", f"def some({name}, b=2)")
    files = {"lib/app.py": source, "tests/unit/conftest.py": _CONFTEST}
    if name != "conn":
        files["tests/conftest.py"] = _CONFTEST
    with pytest.raises(NotRebuilt, match=f"{name} cannot be made again"):
        called({name: "<psycopg.Connection>"}, files)
