"""What never runs is taken out, and only that."""

import textwrap
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from honed.core.change import FileChange
from honed.repair.refactor.dead import without_dead_code
from honed.repair.refactor.package import Package
from honed.repair.refactor.propose import faster, shrinkage, simpler
from honed.repair.refactor.refactor import Proof, Refactor
from honed.repair.refactor.tidy import tidied


def dead(text: str, **others: str) -> list[Refactor]:
    files = {"p/a.py": text, **{f"p/{name}.py": each for name, each in others.items()}}
    return without_dead_code(Package(files))


def only(changes: list[Refactor]) -> str:
    (change,) = changes
    return change.files[0].after or ""


def tidy(text: str, name: str = "a.py", **others: str) -> list[Refactor]:
    files = {f"p/{name}": text, "p/__init__.py": ""}
    return tidied(Package(files | {f"p/{each}.py": other for each, other in others.items()}))


def test_what_stands_behind_a_return_goes() -> None:
    text = (
        "def f(x):\n    if x:\n        return 1  # so\n        x()\n\n        x()\n    return 2\n"
    )
    assert only(dead(text)) == "def f(x):\n    if x:\n        return 1  # so\n    return 2\n"


@pytest.mark.parametrize("end", ["return", "raise ValueError"])
@pytest.mark.parametrize("behind", ["print(x)", "y = 1\n    print(y)", "while x:\n        pass"])
def test_any_end_of_a_block_counts(end: str, behind: str) -> None:
    text = f"def f(x):\n    {end}\n    {behind}\n"
    assert only(dead(text)) == f"def f(x):\n    {end}\n"


def test_what_stands_behind_break_goes_with_its_ends_of_lines() -> None:
    text = "def f(x):\r\n\tfor y in x:\r\n\t\tbreak\r\n\t\tprint(y)\r\n"
    assert only(dead(text)) == "def f(x):\r\n\tfor y in x:\r\n\t\tbreak\r\n"


@pytest.mark.parametrize(
    "body",
    [
        "return\nyield",
        "return y\ny = 1",
        "def g():\n    return y\nreturn g\ny = 1",
        "return len(x)\nimport len",
        "return len(x)\ndef len(x): pass",
        "return y\nglobal y",
        "return 1; print(x)",
        "return locals()\nprint(x)",
        "return y\nwith x as y:\n    pass",
        "return y\nfor y in x:\n    pass",
    ],
)
def test_what_would_change_what_a_name_means_stays(body: str) -> None:
    assert dead(f"def f(x):\n{textwrap.indent(body, '    ')}\n") == []


def test_a_private_function_that_nothing_names_goes_with_its_comment() -> None:
    text = "X = 1\n\n\n# So.\ndef _count(n):\n    return n\n\n\ndef f():\n    return X\n"
    (change,) = [each for each in dead(text) if each.rule == "unused_function"]
    assert change.proof is Proof.UNNAMED
    assert change.files[0].after == "X = 1\n\n\ndef f():\n    return X\n"


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("def _f():\n    return 1\n\n\nf = _f\n", ""),
        ("def _f():\n    return 1\n", "from p.a import _f\n"),
        ("def _f():\n    return 1\n", "NAMES = ['p.a._f']\n"),
        ("def _f():\n    return 1\n", "# see _f\n"),
        ("def _f():\n    return 1\n", "import p.a as a\ngetattr(a, input())()\n"),
        ("def _f():\n    return 1\n\n\nprint(globals())\n", ""),
        ("@print\ndef _f():\n    return 1\n", ""),
        ("def _f(x=print(1)):\n    return 1\n", ""),
        ("def _f():\n    return 1\n", "def broken(:\n"),
        ("def __f__():\n    return 1\n", ""),
        ("def f():\n    return 1\n", ""),
        ("if 1:\n    def _f():\n        return 1\n", ""),
    ],
)
def test_what_may_be_named_stays(text: str, other: str) -> None:
    assert [each for each in dead(text, b=other) if each.rule == "unused_function"] == []


def test_what_other_files_mention_stays() -> None:
    files = {"p/a.py": "def _f():\n    return 1\n"}
    assert without_dead_code(Package(files, frozenset({"_f"}))) == []
    assert without_dead_code(Package(files)) != []


def test_unused_imports_of_the_standard_library_go() -> None:
    text = '"""A."""\n\nimport os\nimport json as j  # kept\n\n\ndef f():\n    return j\n'
    assert only(tidy(text)) == '"""A."""\n\nimport json as j  # kept\n\n\ndef f():\n    return j\n'


@pytest.mark.parametrize(
    ("text", "name", "other"),
    [
        ("import os\n", "__init__.py", ""),
        ("import os\n", "conftest.py", ""),
        ("import readline\n", "a.py", ""),
        ("import seaborn\n", "a.py", ""),
        ("from p import b\n", "a.py", "print('effect')\n"),
        ("import os\n", "a.py", "from p.a import os\n"),
        ("import os\n", "a.py", "from .a import *\n"),
        ("import os\n", "a.py", "import p.a\np.a.os.getcwd()\n"),
        ("import os\n", "a.py", "def test(mock):\n    mock.patch('p.a.os.getcwd')\n"),
        ("import os\nprint(vars())\n", "a.py", ""),
        ("import os\n__all__ = ['os']\n", "a.py", ""),
        ("import os  # noqa: F401\n", "a.py", ""),
    ],
)
def test_an_import_that_may_be_wanted_stays(text: str, name: str, other: str) -> None:
    changes = tidy(text, name, b=other)
    assert [each for each in changes if each.files[0].path == f"p/{name}"] == []


def test_a_module_that_only_defines_need_not_be_imported() -> None:
    text = "from p import b\n\nX = 1\n"
    assert only(tidy(text, b="def f():\n    return 1\n")) == "\nX = 1\n"


def test_clutter_goes() -> None:
    text = "def f(x):\n    '''Text.'''\n    pass\n    return not x in [f'a'];\n"
    assert only(tidy(text)) == "def f(x):\n    '''Text.'''\n    return x not in ['a']\n"


STATEMENTS = st.sampled_from(
    [
        "n += 1",
        "return n",
        "if n > 2:\n    return 0\n    n = 5",
        "print(n)",
        "import os",
        "y = n",
        "for i in range(n):\n    break\n    n += 7",
        "raise ValueError(n)\nn = 2",
        "pass",
        "n = f'a' and 3",
    ]
)


@settings(deadline=None, max_examples=25)
@given(st.lists(STATEMENTS, min_size=1, max_size=8), st.integers(-2, 5))
def test_every_change_does_the_same(statements: list[str], value: int) -> None:
    text = f"import json\n\n\ndef work(n):\n{textwrap.indent(chr(10).join(statements), '    ')}\n"
    package = Package({"p/a.py": text})
    for change in (*simpler(package), *faster(package)):
        assert outcome(change.files[0].after or "", value) == outcome(text, value)


def outcome(text: str, value: int) -> str:
    space: dict[str, Any] = {"print": repr}
    exec(text, space)  # noqa: S102 - the statements above
    try:
        return repr(space["work"](value))
    except ValueError as error:
        return repr(error)


HOSTILE = (
    "(" * 5000, "-" * 9000 + "1", "x" + ".a" * 9000, "\0", "def f(:", "\ufeffimport os\n", "",
    "# coding: latin-1\nimport os\n", "x = 1\rimport os\n", "x = '\udcff'\n", "\f\timport os\n",
    "if (x := 1):\n\timport os\n", "match 1:\n    case [*_]:\n        import os\n", "import os\\\n",
    "import os; x = 1\n", "@(lambda f: f)\ndef _f(): return; x\n", "def f():\n return\n\f\n x\n",
)  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_files_raise_nothing(text: str) -> None:
    package = Package({"a.py": text, "b.py": "import a\n"})
    for change in (*simpler(package), *faster(package)):
        assert change.files[0].diff


def test_what_is_simpler_is_smaller_and_the_surest_is_first() -> None:
    text = "import json\n\n\ndef work(n):\n    return f'a'\n    print(n)\n"
    changes = simpler(Package({"p/a.py": text}))
    assert [each.rule for each in changes] == ["unreachable", "unused_names", "clutter"]
    sizes = [shrinkage(each.files) for each in changes]
    assert all(-1 < size < 0 for size in sizes)
    # Nothing is simpler for a semicolon less, or for another line.
    assert simpler(Package({"p/a.py": "x = 1;\n"})) == []
    assert shrinkage([FileChange("a.py", "x = [1,\n 2]\n", "x = [1, 2]  # two\n")]) == 0
