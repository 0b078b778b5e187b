"""Loops that are made faster do the same on every input, and what is not certain is left alone."""

import contextlib
import io
import textwrap
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from honed.repair.refactor.loops import faster_loops
from honed.repair.refactor.package import read_module
from honed.repair.refactor.refactor import Proof, Refactor

WORK = """
def work(values, count):
    words = sorted(values)
    out = ""
    i = 0
    while i < len(words):
        if i in (1, 2, 3, 4) or str(i) not in ["a", "b", "7", "8"]:
            out += (str(i) + ",")  # kept
        for c in "abc":
            if c in ["a", "b", "d", "e"]:
                out += f"{c}{words[i]!r}"
            if i > count:
                break
        i += 1
        if len(words) > 20:
            return i
    total = 0
    for word in words:
        total += len(words) + len(out)
    return out, total, [n for n in range(len(words))]
"""


def found(text: str) -> list[Refactor]:
    module = read_module("a.py", textwrap.dedent(text))
    return [] if module is None else faster_loops(module)


def rules(body: str, head: str = "def f(x, n):") -> list[str]:
    return [
        each.rule for each in found(f"{head}\n{textwrap.indent(textwrap.dedent(body), '    ')}\n")
    ]


def outcome(text: str, *arguments: object) -> tuple[Any, str]:
    space: dict[str, Any] = {}
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(text, space)  # noqa: S102 - the examples above
        try:
            return space["work"](*arguments), said.getvalue()
        except (TypeError, IndexError) as error:
            return repr(error), said.getvalue()


@settings(deadline=None)
@given(st.lists(st.integers() | st.none(), max_size=25), st.integers(-3, 12))
def test_each_change_alone_does_the_same(values: list[int | None], count: int) -> None:
    changes = found(WORK)
    assert [each.rule for each in changes] == [
        "hoist_length", "hoist_length", "hoist_length", "constant_set", "constant_set",
        "constant_set", "join_texts",
    ]  # fmt: skip
    expected = outcome(WORK, values, count)
    for each in changes:
        (file,) = each.files
        assert file.after is not None
        assert outcome(file.after, values, count) == expected


@settings(deadline=None, max_examples=20)
@given(st.permutations(range(7)))
def test_changes_that_are_made_one_after_the_other_do_the_same(choice: list[int]) -> None:
    text = WORK
    for number in choice:
        changes = found(text)
        if number < len(changes):
            text = changes[number].files[0].after or ""
    assert outcome(text, [3, 1, 2], 1) == outcome(WORK, [3, 1, 2], 1)


def test_a_text_that_grows_is_joined_behind_the_loop() -> None:
    (change,) = found(
        'def f():\n\ts = "x"  # so\n\tfor i in range(9):\n\t\ts += str(i)\n\treturn s\n'
    )
    assert change.files[0].after == (
        'def f():\n\ts_parts = ["x"]  # so\n\tfor i in range(9):\n\t\ts_parts.append(str(i))\n'
        '\ts = "".join(s_parts)\n\treturn s\n'
    )


def test_ends_of_lines_and_form_feeds_stay() -> None:
    text = "\f\ndef f():\n    s = ''\n    for i in range(9):\n        s += str(i)\n    return s\n"
    (change,) = found(text.replace("\n", "\r\n"))
    after = change.files[0].after or ""
    assert after.startswith("\f\r\ndef f():\r\n    s_parts = []\r\n")
    assert "\n" not in after.replace("\r\n", "")


@pytest.mark.parametrize(
    "body",
    [
        # The text is read while it grows, in the loop or by what catches.
        "s = ''\nfor i in range(9):\n    s += str(i)\n    print(s)\nreturn s",
        "s = ''\nwhile len(s) < 9:\n    s += str(len(s))\nreturn s",
        "s = ''\ntry:\n    for i in range(9):\n        s += str(i)\nexcept OSError:\n    n = s",
        "s = ''\nfor i in range(9):\n    s += str(i)\nelse:\n    return s",
        "s = ''\ndef g():\n    return s\nfor i in range(9):\n    s += str(i)\n    g()\nreturn s",
        # It may be something else than a text.
        "s = ''\nfor i in x:\n    s += i\nreturn s",
        "s = ''\nfor i in x:\n    s += f'{i}'\nreturn s",
        "s = ''\nfor i in x:\n    s += str(i)\nreturn s",
        "s = x\nfor i in range(9):\n    s += str(i)\nreturn s",
        "s: str = ''\nfor i in range(9):\n    s += str(i)\nreturn s",
        "global s\ns = ''\nfor i in range(9):\n    s += str(i)\nreturn s",
        "s = ''\nfor i in range(9):\n    s += str(i)\n    locals()\nreturn s",
        "s = t = ''\nfor i in range(9):\n    s += str(i)\nreturn s, t",
        "s = ''\nprint(s)\nfor i in range(9):\n    s += (  # why\n        str(i))\nreturn s",
        "str = repr\ns = ''\nfor i in range(9):\n    s += str(i)\nreturn s",
    ],
)
def test_a_text_that_may_be_seen_or_be_something_else_stays(body: str) -> None:
    assert "join_texts" not in rules(body)


@pytest.mark.parametrize(
    "body",
    [
        "for i in x:\n    n += len(x)\nreturn n",
        "y = list(x)\nfor i in y:\n    y.append(n)\n    n += len(y)\nreturn n",
        "y = list(x)\nz = y\nfor i in x:\n    z.append(n)\n    n += len(y)\nreturn n",
        "y = list(x)\nn.keep(y)\nfor i in x:\n    n.work(i, len(y))\nreturn n",
        "y = [x]\nfor i in x:\n    y = [*y, i]\n    n += len(y)\nreturn n",
        "y = [x]\ndef g():\n    y.append(1)\nfor i in x:\n    g()\n    n += len(y)\nreturn n",
        "y = {}\nfor i in x:\n    y[i] = len(y)\nreturn y",
        "if n:\n    y = [x]\nfor i in x:\n    n += len(y)\nreturn n",
        "y = [x]\nlen = n\nfor i in x:\n    n += len(y)\nreturn n",
        "y = [x]\nfor i in range(len(y)):\n    n += i\nreturn n",
        "y = [x]\nfor i in x:\n    del y[0]\n    n += len(y)\nreturn n",
        "y = [x]\nfor i in x:\n    (y := [i, i])\n    n += len(y)\nreturn n",
        "y = [x]\nfor i in x:\n    match i:\n        case [*y]:\n            n += len(y)\nreturn n",
        "y = [x]\nfor i in x:\n    exec(i)\n    n += len(y)\nreturn n",
    ],
)
def test_a_length_that_may_change_is_taken_each_time(body: str) -> None:
    assert rules(body) == []


@pytest.mark.parametrize(
    "body",
    [
        "for i in x:\n    if i in [1, 2, 3, 4]:\n        return i",
        "for i in range(9):\n    if i in [1, 2, 3]:\n        return i",
        "for i in range(9):\n    if i in [1, 2, 3, 1]:\n        return i",
        "for i in range(9):\n    if i in [1, 2, 3, n]:\n        return i",
        "for i in range(9):\n    if i in [1, 2, 3, 4.0]:\n        return i",
        "for i in range(9):\n    i = x\n    if i in [1, 2, 3, 4]:\n        return i",
        "i = 7\nreturn i in [1, 2, 3, 4]",
        "for i in range(9):\n    for i in x:\n        print(i in [1, 2, 3, 4])",
        "for i in range(9):\n    print([i in (1, 2, 3, 4) for i in x])",
        "for i in range(9):\n    print((lambda i: i in (1, 2, 3, 4))(x))",
    ],
)
def test_what_may_have_no_hash_or_stands_in_no_loop_is_searched_in_a_list(body: str) -> None:
    assert rules(body) == []


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("indent", ["\t", "  "])
def test_any_indentation_is_kept(end: str, indent: str) -> None:
    lines = [
        "def f():",
        "{0}y = [1]",
        "{0}for i in range(3):",
        "{0}{0}print(len(y))",
        "{0}return y",
        "",
    ]
    (change,) = [
        each
        for each in faster_loops_of(end.join(lines).format(indent))
        if each.rule == "hoist_length"
    ]
    assert f"{end}{indent}y_length = len(y){end}{indent}for" in (change.files[0].after or "")


def faster_loops_of(text: str) -> list[Refactor]:
    module = read_module("a.py", text)
    assert module is not None
    return faster_loops(module)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 5000, "-" * 9000 + "1", "x" + ".a" * 9000, "1" + "+1" * 9000, "\0", "def f(:",
        "\ufeffx = 1\n", "# coding: latin-1\nx = 'é'\n", "x = 1\ry = 2\n", "x = '\udcff'\n", "",
        "if x:\n" + "".join(" " * n + "if x:\n" for n in range(1, 99)),
    ],
)  # fmt: skip
def test_hostile_files_are_left_alone(text: str) -> None:
    assert found(text) == []


@given(st.text() | st.text("():[]{}'\"\\\n\t\f #:=f1x@", max_size=60))
def test_any_text_is_looked_at_without_an_error(text: str) -> None:
    assert isinstance(found(text), list)


@pytest.mark.parametrize(
    ("head", "body", "expected"),
    [
        ("w: str", "for c in w:\n    print(c in ['a', 'b', 'c', 'd'])", ["constant_set"]),
        ("w: list[str]", "for c in w:\n    print(c in ['a', 'b', 'c', 'd'])", ["constant_set"]),
        ("w: Iterable[int]", "for c in w:\n    print(c in (1, 2, 3, 4))", ["constant_set"]),
        ("n: int, w", "for c in w:\n    print(n in (1, 2, 3, 4))", ["constant_set"]),
        ("w: str", "for c in w:\n    print(len(w))", ["hoist_length"]),
        # Others may change it, and a text of another class adds in its own way.
        ("w: list[str]", "for c in w:\n    print(len(w))", []),
        ("w: str", "s = ''\nfor c in w:\n    s += c\nreturn s", []),
        ("w: Text", "for c in w:\n    print(c in ['a', 'b', 'c', 'd'])", []),
        ("w: list[Text]", "for c in w:\n    print(c in ['a', 'b', 'c', 'd'])", []),
        ("w: str | None", "for c in w:\n    print(c in ['a', 'b', 'c', 'd'])", []),
        ("*w: str", "for c in w:\n    print(c in ['a', 'b', 'c', 'd'])", []),
        ("n: int, w", "for n in w:\n    print(n in (1, 2, 3, 4))", []),
        ("n: int, w", "for c in w:\n    n = w.n\n    print(n in (1, 2, 3, 4))", []),
        ("n: int, w", "def g():\n    nonlocal n\nfor c in w:\n    n in (1, 2, 3, 4)", []),
        ("n: float, w", "for c in w:\n    print(n in (1, 2, 3, 4))", []),
    ],
)
def test_annotations_are_believed_of_lengths_and_searches(
    head: str, body: str, expected: list[str]
) -> None:
    changes = found(f"def f({head}):\n{textwrap.indent(body, '    ')}\n")
    assert [each.rule for each in changes] == expected
    assert {each.proof for each in changes} <= {Proof.DECLARED}


def test_what_is_certain_is_said_once_and_as_such() -> None:
    changes = found(
        "def f(n: int):\n    for c in 'abc':\n"
        "        print(c in ['a', 'b', 'c', 'd'], n in (1, 2, 3, 4))\n"
    )
    assert [each.proof for each in changes] == [Proof.ANALYSED, Proof.DECLARED]
