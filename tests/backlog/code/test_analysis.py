"""What is said of a repository is so: planted troubles are found, what is well is left alone."""

import ast
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honed.backlog.code.dead import dead_code
from honed.backlog.code.duplicates import duplicates, fold
from honed.backlog.code.lint import Complaint, complaints, complex_functions, unused_names
from honed.backlog.code.repository import Repository, read_repository
from honed.backlog.code.trouble import Deadline
from honed.backlog.code.untested import reached, untested
from honed.errors import SourceFailed

#: Writes files into an empty repository and reads it.
Write = Callable[[dict[str, str]], Repository]

COPY = """
def total(prices, vat):
    '''Return what they cost.'''
    result = 0
    for price in prices:
        if price > limit:
            result += price * (1 + vat)
        else:
            result += price + audit.log(price)
    return round(result, 2)
"""
#: The same with other names, another text and another number.
RENAMED = """
def sum_of(items: list[float], tax: float) -> float:
    amount = 1
    for item in items:
        if item > limit:
            amount += item * (7 + tax)
        else:
            amount += item + audit.log(item)
    return round(amount, 3)
"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(files: dict[str, str]) -> Repository:
        for name, text in files.items():
            path = tmp_path / "shop" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return read_repository(tmp_path / "shop", Deadline(60))

    return written


def long(body: str = "    return 1\n") -> str:
    """Return a module that is worth a test."""
    return "def f():\n" + body + "\n" * 20


def test_foreign_hidden_and_linked_files_are_not_read(write: Write, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.py").write_text("x = 1\n")
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "link.py").symlink_to(tmp_path / "elsewhere.py")
    (tmp_path / "shop" / "loop").symlink_to(tmp_path / "shop")
    repository = write(
        {
            "src/shop/__init__.py": "",
            "src/shop/cart.py": "x = 1\n",
            "env/pyvenv.cfg": "",
            "env/lib/other.py": "x = 1\n",
            "node_modules/m.py": "x = 1\n",
            ".hidden/m.py": "x = 1\n",
            "notes.txt": "x = 1\n",
        }
    )
    assert [module.path for module in repository.modules] == [
        "src/shop/__init__.py",
        "src/shop/cart.py",
    ]
    assert repository.modules[1].names[0] == "shop.cart"


def test_what_is_no_python_is_skipped_and_the_rest_is_read(write: Write, tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "bytes.py").write_bytes(b"\xff\xfe\x00")
    deep = "x = " + "(" * 5000 + ")" * 5000
    repository = write(
        {"good.py": "x = '\\d'\n", "bad.py": "def (", "deep.py": deep, "large.py": "#" * 2_000_000}
    )
    assert [module.path for module in repository.modules] == ["good.py"]
    assert set(repository.skipped) == {"bad.py", "bytes.py", "deep.py", "large.py"}


def test_a_path_that_is_no_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceFailed, match="nowhere is no folder") as refused:
        read_repository(tmp_path / "nowhere", Deadline(1))
    assert "code_path" in refused.value.hint


def test_an_analysis_ends_in_time(write: Write) -> None:
    repository = write({"a.py": COPY})
    late = Deadline(-1)
    for analysis in (
        lambda: read_repository(repository.folder, late),
        lambda: duplicates(repository, late),
        lambda: dead_code(repository, {}, late),
        lambda: complaints(repository, late),
        lambda: complaints(repository, Deadline(1e-4)),
    ):
        with pytest.raises(SourceFailed, match="took longer than") as refused:
            analysis()
        assert "code_scan_timeout_s" in refused.value.hint


def branching(branches: int) -> str:
    arms = "".join(f"    if x == {n}:\n        return {n}\n" for n in range(branches))
    return f"class Cart:\n  def total(self, x):\n{arms.replace('    ', '      ')}      return 0\n"


def test_a_complex_function_is_one_trouble_with_its_number(write: Write) -> None:
    repository = write({"cart.py": branching(20), "test_cart.py": branching(20)})
    said = complaints(repository, Deadline(60))
    (trouble,) = complex_functions(repository, said, frozenset())
    assert trouble.place == "cart.py:Cart.total"
    assert (trouble.facts.complexity, trouble.facts.is_tested) == (21, False)
    assert trouble.evidence["lines"] == 42
    assert {each.code for each in said} >= {"C901", "PLR0911"}
    (trouble,) = complex_functions(repository, said, frozenset({"cart.py"}))
    assert trouble.facts.is_tested


def test_the_repository_cannot_change_how_it_is_judged_nor_is_it_written(
    write: Write,
) -> None:
    repository = write({"cart.py": branching(20), "ruff.toml": 'lint.ignore = ["ALL"]\n'})
    before = sorted(repository.folder.rglob("*"))
    assert complex_functions(repository, complaints(repository, Deadline(60)), frozenset())
    assert sorted(repository.folder.rglob("*")) == before


def test_unused_names_are_told_by_file(write: Write) -> None:
    repository = write({"cart.py": "import os\n", "shop/__init__.py": "import os\n"})
    unused = unused_names(complaints(repository, Deadline(60)))
    assert unused == {"cart.py": ["line 1: `os` imported but unused"]}


def test_what_nothing_uses_is_dead(write: Write) -> None:
    repository = write(
        {
            "cart.py": "def unused():\n    return 1\n\n\ndef used():\n    return 2\n",
            "shop.py": "import cart\n\n\ncart.used()\n",
        }
    )
    (trouble,) = dead_code(repository, {"shop.py": []}, Deadline(60))
    assert (trouble.place, trouble.files) == ("cart.py", ("cart.py",))
    assert "unused function 'unused'" in trouble.title
    (trouble, other) = dead_code(repository, {"shop.py": ["line 1: unused"]}, Deadline(60))
    assert (trouble.place, other.place) == ("cart.py", "shop.py")


@pytest.mark.parametrize(
    "files",
    [
        {"cart.py": "@route\ndef handler():\n    return 1\n"},
        {"cart.py": "def main():\n    return 1\n", "pyproject.toml": "cart = 'cart:main'\n"},
        {"cart.py": "class Cart:\n    def on_add(self):\n        return 1\n\n\nCart()\n"},
        {"cart.py": "def __getattr__(name):\n    return name\n"},
        {"test_cart.py": "def test_it():\n    assert True\n"},
    ],
    ids=["decorated", "entry point", "method", "module hook", "test"],
)
def test_what_somebody_else_may_call_is_left_alone(write: Write, files: dict[str, str]) -> None:
    assert dead_code(write(files), {}, Deadline(60)) == []


def test_copies_under_other_names_are_found(write: Write) -> None:
    repository = write({"a.py": COPY, "b/c.py": RENAMED, "test_copy.py": COPY})
    (trouble,) = duplicates(repository, Deadline(60))
    assert trouble.place == "a.py:total"
    assert trouble.evidence["functions"] == ["a.py:total", "b/c.py:sum_of"]
    assert trouble.files == ("a.py", "b/c.py")


def shape(text: str) -> str:
    (function,) = ast.parse(text).body
    assert isinstance(function, ast.FunctionDef)
    return fold(function)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("audit.log", "audit.note"),
        ("audit.log", "journal.log"),
        ("price > limit", "price >= limit"),
        ("result += price * (1 + vat)", "result += price * (1 + result)"),
        ("limit", "'limit'"),
    ],
)
def test_what_does_something_else_is_no_copy(before: str, after: str) -> None:
    assert shape(COPY)
    assert shape(COPY.replace(before, after)) != shape(COPY)


NAMES = st.lists(
    st.from_regex(r"[a-z]{3,8}_own", fullmatch=True), min_size=5, max_size=5, unique=True
)


@given(NAMES)
def test_its_own_names_do_not_matter(names: list[str]) -> None:
    renamed = COPY
    for old, new in zip(("total", "prices", "vat", "result", "price"), names, strict=True):
        tree = ast.parse(renamed)
        for node in ast.walk(tree):
            for field in ("id", "arg", "name"):
                if getattr(node, field, None) == old:
                    setattr(node, field, new)
        renamed = ast.unparse(tree)
    assert shape(renamed) == shape(COPY)


def test_small_functions_are_alike_without_being_copies() -> None:
    assert shape("def f(x):\n    return x\n") == ""


def test_modules_that_no_test_imports_are_told_by_folder(write: Write) -> None:
    repository = write(
        {
            "src/shop/__init__.py": "",
            "src/shop/cart.py": "from . import prices\n" + long(),
            "src/shop/prices.py": "from .taxes import vat\n" + long(),
            "src/shop/taxes.py": long(),
            "src/shop/lost.py": long(),
            "src/shop/tiny.py": "def f():\n    return 1\n",
            "src/shop/words.py": "A = 1\n" * 50,
            "tests/test_cart.py": "from shop.cart import f\n",
        }
    )
    paths = reached(repository)
    assert paths >= {"src/shop/cart.py", "src/shop/prices.py", "src/shop/taxes.py"}
    (trouble,) = untested(repository, paths)
    assert trouble.place == "src/shop/"
    assert trouble.evidence == {
        "not_reached": ["src/shop/lost.py"],
        "only_through_others": ["src/shop/prices.py", "src/shop/taxes.py"],
    }
    assert trouble.facts.is_tested is False
    assert "lost.py, prices.py, taxes.py" in trouble.title


@pytest.mark.parametrize(
    "statement",
    ["import shop.cart", "from shop import cart", "from shop.cart import f", "import cart"],
)
def test_every_way_of_importing_counts(write: Write, statement: str) -> None:
    files = {"shop/cart.py": long(), "test_cart.py": f"def test_it():\n    {statement}\n"}
    if statement != "import cart":
        files["shop/__init__.py"] = ""
    repository = write(files)
    assert untested(repository, reached(repository)) == []


def test_a_complaint_about_a_file_that_was_skipped_is_no_trouble(write: Write) -> None:
    said = [Complaint("C901", "`f` is too complex (12 > 10)", "gone.py", 1)]
    assert complex_functions(write({"a.py": COPY}), said, frozenset()) == []
