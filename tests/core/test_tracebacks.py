"""Texts of tracebacks are read as Python wrote them; other texts are none."""

import ast
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from honed.core.fault import Fault, is_in_app
from honed.core.fingerprint import fingerprint
from honed.core.tracebacks import parse_traceback

REPRODUCIBLE = settings(derandomize=True, deadline=None)

LINES = st.sampled_from(
    [
        "Traceback (most recent call last):",
        "  + Exception Group Traceback (most recent call last):",
        '  File "/srv/shop/a.py", line 3, in f',
        '  |   File "/srv/shop/a.py", line 3, in f',
        "    code()",
        "    ^^^^",
        "  [Previous line repeated 9 more times]",
        "ValueError: bad",
        "  | ExceptionGroup: two (2 sub-exceptions)",
        "    | KeyError: 1",
        "  +-+---------------- 1 ----------------",
        "    +---------------- 2 ----------------",
        "    +------------------------------------",
        "",
        "The above exception was the direct cause of the following exception:",
        "During handling of the above exception, another exception occurred:",
    ]
)


def price(order: dict[str, int]) -> int:
    return order["price"]


def failing(order: dict[str, int]) -> int:
    try:
        return price(order)
    except KeyError as error:
        msg = "no price\nand no hope"
        raise ValueError(msg) from error


def handling() -> None:
    try:
        price({})
    except KeyError:
        int("seventeen")


def grouped() -> None:
    errors: list[Exception] = [TypeError("plain")]
    for act in (lambda: failing({}), handling):
        try:
            act()
        except ValueError as error:
            errors.append(error)
    inner = ExceptionGroup("inner", errors[1:])
    msg = "outer"
    raise ExceptionGroup(msg, [errors[0], inner])


def endless(number: int) -> int:
    return endless(number + 1)


def text_of(act: Callable[[], object]) -> str:
    """Return what Python prints for the error of ``act``."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - each act raises its own
        act()
    return "".join(traceback.format_exception(caught.value.with_traceback(caught.tb.tb_next)))


def parsed(act: Callable[[], object]) -> Fault:
    fault = parse_traceback(text_of(act))
    assert fault is not None
    return fault


def test_type_message_and_frames_are_read() -> None:
    fault = parsed(lambda: price({}))
    assert (fault.type, fault.message, fault.cause) == ("KeyError", "'price'", None)
    frame = fault.frames[-1]
    assert (frame.file, frame.function, frame.code) == (__file__, "price", 'return order["price"]')
    assert Path(__file__).read_text().splitlines()[frame.line - 1].strip() == frame.code
    assert frame.is_in_app


def test_a_cause_and_what_was_being_handled_are_told_apart() -> None:
    chained, handled = parsed(lambda: failing({})), parsed(handling)
    assert (chained.type, chained.message) == ("ValueError", "no price\nand no hope")
    assert (chained.is_cause_context, handled.is_cause_context) == (False, True)
    for fault in (chained, handled):
        assert fault.cause is not None
        assert (fault.cause.type, fault.cause.frames[-1].function) == ("KeyError", "price")


def test_members_of_groups_are_read_at_every_depth() -> None:
    outer = parsed(grouped)
    assert (outer.type, outer.message) == ("ExceptionGroup", "outer (2 sub-exceptions)")
    assert outer.frames[-1].function == "grouped"
    plain, inner = outer.members
    assert (plain.type, plain.message, plain.frames) == ("TypeError", "plain", ())
    assert [member.type for member in inner.members] == ["ValueError", "ValueError"]
    assert [member.is_cause_context for member in inner.members] == [False, True]
    assert inner.members[0].message == "no price\nand no hope"


def test_what_follows_a_group_belongs_to_the_outer_error() -> None:
    def translated() -> None:
        try:
            grouped()
        except ExceptionGroup as error:
            msg = "all failed"
            raise RuntimeError(msg) from error

    fault = parsed(translated)
    assert fault.type == "RuntimeError"
    assert fault.cause is not None
    assert len(fault.cause.members) == 2


def test_a_folded_recursion_and_an_own_module_are_read() -> None:
    fault = parsed(lambda: endless(0))
    assert fault.type == "RecursionError"
    assert {frame.code for frame in fault.frames[1:]} == {"return endless(number + 1)"}


def test_a_syntax_error_is_where_it_was_parsed() -> None:
    fault = parsed(lambda: ast.parse("a b"))
    assert (fault.type, fault.frames[-1].function) == ("SyntaxError", "parse")
    assert fault.frames[-1].code.startswith("return compile(")


def test_the_traceback_of_another_process_is_the_cause() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
        fault = parsed(pool.submit(price, {}).result)
    assert fault.cause is not None
    assert (fault.cause.type, fault.cause.frames[-1].function) == ("KeyError", "price")


@pytest.mark.parametrize("act", [lambda: failing({}), handling, grouped, lambda: endless(0)])
@pytest.mark.parametrize(
    "around",
    [
        lambda text: f"2026-11-21 ERROR shop: order 17 failed\n{text}",
        lambda text: "".join(f"      {line}\n" for line in text.splitlines()),
        lambda text: text.replace("\n", "\r\n"),
    ],
    ids=["after a log line", "indented", "windows"],
)
def test_where_a_traceback_stands_does_not_count(
    act: Callable[[], object], around: Callable[[str], str]
) -> None:
    text = text_of(act)
    plain, other = parse_traceback(text), parse_traceback(around(text))
    assert plain is not None
    assert other is not None
    assert fingerprint(other) == fingerprint(plain)
    assert len(other.members) == len(plain.members)


def test_the_first_of_two_tracebacks_is_read() -> None:
    fault = parse_traceback(text_of(lambda: price({})) + "\n" + text_of(lambda: int("x")))
    assert fault is not None
    assert fault.type == "KeyError"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ValueError: bad",
        "Traceback (most recent call last):",
        'Traceback (most recent call last):\n  File "a.py", line 3, in f\n    code()\n',
        'File "a.py", line 3, in f\nValueError: bad',
        "Traceback (most recent call last):\n  no frame\nno error either\n",
    ],
)
def test_a_text_without_a_whole_traceback_is_none(text: str) -> None:
    assert parse_traceback(text) is None


@REPRODUCIBLE
@given(st.lists(LINES | st.text(max_size=20), max_size=30).map("\n".join))
def test_every_text_is_a_fault_or_none(text: str) -> None:
    fault = parse_traceback(text)
    assert fault is None or len(fingerprint(fault)) == 32


@pytest.mark.parametrize(
    "line",
    [
        "a" * 1_000_000,
        "    code\n" * 100_000,
        "\n" * 1_000_000,
        " " * 1_000_000,
        "  | " * 250_000,
        '  File "a.py", line 3, in f\n' * 40_000,
        "  +-+---------------- 1 ----------------\n" * 20_000,
        "ValueError: " + "bad\n" * 250_000,
    ],
    ids=["word", "code", "empty", "blanks", "margins", "frames", "groups", "message"],
)
def test_a_megabyte_is_read_in_less_than_a_second(line: str) -> None:
    header = 'Traceback (most recent call last):\n  File "a.py", line 3, in f\n'
    start = time.process_time()
    parse_traceback(f"{header}{line}\nValueError: bad")
    assert time.process_time() - start < 1.0


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("/srv/shop/orders.py", True),
        ("C:\\shop\\orders.py", True),
        ("shop/orders.py", True),
        ("templates/index.html", True),
        ("/usr/lib/python3.11/json/decoder.py", False),
        ("/home/jan/.pyenv/versions/3.13.1/lib/python3.13t/json/decoder.py", False),
        ("C:\\Python311\\Lib\\json\\decoder.py", False),
        ("/usr/lib/python311.zip/json/decoder.py", False),
        ("/srv/venv/lib/python3.11/site-packages/httpx/_client.py", False),
        ("C:\\shop\\venv\\Lib\\site-packages\\httpx\\_client.py", False),
        ("/usr/lib/python3/dist-packages/yaml/loader.py", False),
        ("sklearn/tree/_tree.pyx", False),
        ("<frozen importlib._bootstrap>", False),
        ("<string>", False),
        ("", False),
    ],
)
def test_packages_and_python_itself_are_not_in_the_app(file: str, expected: object) -> None:
    assert is_in_app(file) is expected
