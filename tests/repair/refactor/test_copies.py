"""Copies become one function that keeps every name, signature and behaviour, or stay."""

import ast
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from honed.repair.refactor.extract import shared_code
from honed.repair.refactor.merge import merged_copies
from honed.repair.refactor.package import Package
from honed.repair.refactor.refactor import Proof, Refactor

BODY = """\
    total = 0  # so far
    for row in rows:
        if row > 10:
            total += row * rate
        else:
            total -= math.floor(row)
    return total
"""
HEAD = "def work(rows, rate=2):\n"
ONE = f'"""A."""\n\nimport math\n\n\n# about it\n{HEAD}    """It works."""\n{BODY}'
LAST = "def last():\n    return again([1])\n"
AGAIN = f"# again\ndef again(rows, rate=2):\n{BODY}"
OTHER = f"import math\n\nLIMIT = 3\n\n\n{AGAIN}\n\n{LAST}"
CALL = """
import importlib, json, sys
rows, names = json.loads(sys.argv[1])
print([getattr(importlib.import_module(module), name)(rows) for module, name in names])
"""


def files(one: str = ONE, other: str = OTHER) -> dict[str, str]:
    return {"p/__init__.py": "", "p/a.py": one, "p/b.py": other}


def merged(texts: Mapping[str, str]) -> list[Refactor]:
    return merged_copies(Package(texts))


def after(change: Refactor, texts: Mapping[str, str]) -> dict[str, str]:
    return {**texts, **{each.path: each.after or "" for each in change.files}}


def called(texts: Mapping[str, str], rows: list[int], names: list[tuple[str, str]]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        for path, text in texts.items():
            (Path(folder) / path).parent.mkdir(exist_ok=True)
            (Path(folder) / path).write_text(text)
        arguments = [sys.executable, "-c", CALL, json.dumps([rows, names])]
        done = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_copy_in_another_module_becomes_an_import_that_keeps_its_name() -> None:
    (change,) = merged(files())
    assert (change.rule, change.proof) == ("merge_copies", Proof.SAME_CODE)
    assert after(change, files())["p/b.py"] == (
        f"import math\nfrom p.a import work as again\n\nLIMIT = 3\n\n\n{LAST}"
    )


def test_a_copy_in_the_same_module_becomes_another_name() -> None:
    (change,) = merged(
        {"a.py": f"import math\n\n\n{HEAD}{BODY}\n\ndef again(rows, rate=2):\n{BODY}"}
    )
    assert change.files[0].after == f"import math\n\n\n{HEAD}{BODY}\n\nagain = work\n"


def test_what_differs_in_constants_shares_a_function_that_is_told_them() -> None:
    other = (
        OTHER.replace("> 10", "> 99").replace("total", "amount").replace("rate=2", "rate: int = 3")
    )
    (change,) = shared_code(Package(files(other=other)))
    made = after(change, files())
    assert made["p/a.py"] == (
        '"""A."""\n\nimport math\n\n\ndef _work_with(rows, rate, number):\n'
        + BODY.replace("> 10", "> number")
        + f'\n\n# about it\n{HEAD}    """It works."""\n    return _work_with(rows, rate, 10)\n'
    )
    assert (
        "def again(rows, rate: int = 3):\n    return _work_with(rows, rate, 99)\n" in made["p/b.py"]
    )
    assert "from p.a import _work_with\n" in made["p/b.py"]


@settings(deadline=None, max_examples=4)
@given(st.lists(st.integers(-50, 150), max_size=9))
def test_every_name_does_what_it_did(rows: list[int]) -> None:
    names = [("p.a", "work"), ("p.b", "again")]
    near = files(other=OTHER.replace("> 10", "> 99"))
    for texts, changes in ((files(), merged(files())), (near, shared_code(Package(near)))):
        (change,) = changes
        assert called(after(change, texts), rows, names) == called(texts, rows, names)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_ends_of_lines_stay(end: str) -> None:
    texts = {path: text.replace("\n", end) for path, text in files().items()}
    near = {**texts, "p/b.py": texts["p/b.py"].replace("> 10", "> 9")}
    for change in (*merged(texts), *shared_code(Package(near))):
        for each in change.files:
            assert ("\r\n" in (each.after or "")) == (end == "\r\n")
            assert "\n" not in (each.after or "").replace(end, "")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("import math", "from cmath import math"),
        ("import math", "math = object()"),
        ("import math", "import math\nif LIMIT:\n    math = None"),
        ("# about it", "@print"),
        ("def work(rows, rate=2)", "def work(rows, rate=[])"),
        ("math.floor(row)", "work([row])"),
        ("math.floor(row)", "print(__name__)"),
        ("math.floor(row)", "LIMIT"),
        ("import math", "import math\nfrom p import b"),
        ("import math", "import math\nimport p.b"),
        ("import math", "import math\nprint('effect')"),
        ("import math", "import math\nfrom unknown import thing"),
        ('"""A."""', "def again(): return globals()"),
        ('"""A."""', "work.state = 1"),
        ("import math", "from math import *"),
    ],
)
def test_what_may_mean_something_else_stays(one: str, other: str) -> None:
    assert one in ONE
    is_inside = one in BODY
    texts = files(ONE.replace(one, other), OTHER.replace(one, other) if is_inside else OTHER)
    assert merged(texts) == []


@pytest.mark.parametrize(
    "other",
    [
        OTHER.replace("LIMIT = 3", "again = print"),
        OTHER.replace("return again([1])", "global again; again = 1"),
        OTHER.replace("return again([1])", "return again.calls"),
        OTHER.replace("rate=2):", "rate=2):\n    '''Something else.'''"),
        OTHER.replace("import math", "import math\nimport importlib"),
    ],
)
def test_a_name_that_may_be_bound_anew_stays(other: str) -> None:
    assert merged(files(other=other)) == []


def test_modules_outside_of_a_package_import_nothing_from_each_other() -> None:
    assert merged({"a.py": ONE, "b.py": OTHER}) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("total = 0", "total = f'{rows}0'"),
        ("total = 0", "total = yield 0"),
        ("rate=2):", "rate=2, *more):"),
        ("rate=2):", "*, rate=2):"),
        ("        if row > 10:", "        match row:\n            case 10: pass\n        if row:"),
    ],
)
def test_what_no_call_can_stand_for_stays(one: str, other: str) -> None:
    near = OTHER.replace(one, other).replace("10", "99").replace("0'", "1'")
    texts = files(ONE.replace(one, other), near.replace("yield 0", "yield 1"))
    assert Package(texts).modules.keys() == texts.keys()
    assert shared_code(Package(texts)) == []


def test_four_constants_are_too_many() -> None:
    one = f"import math\n\n\n{HEAD}    a = 1\n    b = 2\n    c = 3\n    d = 4\n    return a\n"
    other = one.replace("1", "5").replace("= 2\n", "= 6\n").replace("3", "7")
    assert len(shared_code(Package({"p/__init__.py": "", "p/a.py": one, "p/b.py": other}))) == 1
    assert shared_code(Package(files(one, other.replace("4", "8")))) == []


@given(st.text("():[]{}'\"\\\n\t\f #:=f1x@", max_size=60))
def test_any_text_is_looked_at_without_an_error(text: str) -> None:
    for made in (ONE + text, text + ONE):
        for change in merged(files(made)) + shared_code(Package(files(made))):
            assert all(ast.parse(each.after or "") for each in change.files)
