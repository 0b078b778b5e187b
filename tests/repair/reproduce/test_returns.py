"""What a function says of its result is asked of a call; what is not certain is not."""

import ast

import pytest

from honed.core.fault import Fault, Frame
from honed.repair.reproduce.calls import call_of
from honed.repair.reproduce.classes import Classes
from honed.repair.reproduce.returns import promised
from honed.repair.reproduce.writing import test_text
from honed.testing.faulty.written import Written

test_text.__test__ = False  # type: ignore[attr-defined]  # it writes tests, and is none


def function(head: str) -> ast.FunctionDef | ast.AsyncFunctionDef:
    (found,) = ast.parse(f"{head}:\n    ...\n").body
    assert isinstance(found, (ast.FunctionDef, ast.AsyncFunctionDef))
    return found


@pytest.mark.parametrize(
    ("returns", "conditions"),
    [
        ("int", ["isinstance(it, int)"]),
        ("float", ["isinstance(it, (int, float))"]),
        ("'str'", ["isinstance(it, str)"]),
        ("list[str]", ["isinstance(it, list)"]),
        ("typing.Dict[str, int]", ["isinstance(it, dict)"]),
        ("tuple[int, ...]", ["isinstance(it, tuple)"]),
        (
            "tuple[str, Money]",
            ["isinstance(it, tuple)", "len(it) == 2", "isinstance(it[0], str)"],
        ),
        ("tuple[int | None, bool]", [
            "isinstance(it, tuple)", "len(it) == 2", "isinstance(it[1], bool)"
        ]),
    ],
)  # fmt: skip
def test_sorts_that_are_certain_are_asked_for(returns: str, conditions: list[str]) -> None:
    assert promised(function(f"def f() -> {returns}"), "it") == conditions
    assert promised(function(f"async def f() -> {returns}"), "it") == conditions
    kept = function(f"@staticmethod\ndef f() -> {returns}")
    assert promised(kept, "it") == conditions


@pytest.mark.parametrize(
    "returns",
    ["None", "int | None", "Optional[int]", "Union[int, str]", "Money", "Iterator[int]", "'(('"],
)
def test_nothing_else_is(returns: str) -> None:
    assert promised(function(f"def f() -> {returns}"), "it") == []
    assert promised(function("def f()"), "it") == []
    assert promised(function(f"@cached(60)\ndef f() -> {returns}"), "it") == []
    assert promised(function("@contextmanager\ndef f() -> int"), "it") == []


def test_a_test_asks_for_them() -> None:
    code = "def rate(table, name) -> float:\n    return table[name]\n"
    frame = Frame("rates.py", "rates", "rate", 2, "", is_in_app=True, variables={
        "table": {"EUR": "1.0"}, "name": "'GBP'",
    })  # fmt: skip
    fault = Fault("KeyError", "'GBP'", (frame,))
    text = test_text(call_of(frame, Classes(Written({"rates.py": code}))), fault)
    assert text.endswith(
        "    returned = rate(table={'EUR': 1.0}, name='GBP')\n"
        "    assert isinstance(returned, (int, float))\n"
    )
    # A function of that name is called, and nothing is asked of what it returns.
    taken = code.replace("def rate", "def returned")
    named = Frame("rates.py", "rates", "returned", 2, "", variables=frame.variables)
    text = test_text(call_of(named, Classes(Written({"rates.py": taken}))), fault)
    assert text.endswith("    returned(table={'EUR': 1.0}, name='GBP')\n")
