"""What a change is about, and that its edits make of the file before the file after."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honed.core.change import FileChange
from honed.repair.refactor.touched import Touched, edits, touched_functions
from honed.repair.source import applied

BEFORE = """LIMIT = 3


def plain(n):
    def inner():
        return n
    return inner() + LIMIT


class Cart:
    @staticmethod
    def fixed(n):
        return n

    def total(self):
        return 1


async def later(n):
    return n


@property
def odd(n):
    return n


def many(*n):
    return n
"""

TEXTS = st.text(alphabet="ab\n\x0c\r\u2028é", max_size=30)


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ("LIMIT = 3", "LIMIT = 4", []),
        ("inner() + LIMIT", "inner()", ["plain"]),
        ("n\n    return", "-n\n    return", ["plain", "plain.<locals>.inner"]),
        ("def fixed(n):\n        return n", "def fixed(n):\n        return -n", ["Cart.fixed"]),
        ("class Cart", "def new():\n    pass\n\n\nclass Cart", []),
        ("        return 1\n", "        return 1\n        return 2\n", ["Cart.total"]),
        ("return 1", "return 2", ["Cart.total"]),
        ("@property\n", "", ["odd"]),
        ("def many(*n):\n", "def many(*n):\n    n = n\n", ["many"]),
    ],
)  # fmt: skip
def test_functions_are_those_around_what_changes(old: str, new: str, names: list[str]) -> None:
    file = FileChange("a.py", BEFORE, BEFORE.replace(old, new, 1))
    assert [each.name for each in touched_functions([file])] == names


def test_what_cannot_be_called_says_why() -> None:
    every = touched_functions([FileChange("a.py", BEFORE, "")])
    callable_ = [each.name for each in every if not each.obstacle]
    assert callable_ == ["plain", "Cart.fixed"]
    assert Touched("a.py", "later", "it is asynchronous") in every
    assert {each.name for each in every} == {
        *("plain", "plain.<locals>.inner", "Cart.fixed", "Cart.total", "later", "odd", "many"),
    }


def test_what_is_no_python_or_new_has_none() -> None:
    files = [FileChange("a.md", BEFORE, ""), FileChange("a.py", None, BEFORE)]
    assert touched_functions([*files, FileChange("b.py", "def f(:", "")]) == []


@given(TEXTS, TEXTS)
def test_edits_make_the_file_after(before: str, after: str) -> None:
    made = applied(before.encode(), edits(FileChange("a.py", before, after)))
    assert made.decode() == after
