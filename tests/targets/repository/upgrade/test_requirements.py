"""One requirement is raised, and nothing else of the file changes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honed.targets.repository.upgrade.requirements import (
    Declared,
    declared,
    edited,
    is_declaring,
    names,
    why_no_upgrade,
)

PROJECT = """[build-system]
requires = ["hatchling>=1.0"]

[project]
name = "shop"
dependencies = [
    "requests[socks]>=2.31,<3 ; python_version >= '3.8'",  # talks
    'Tiny.Money == 1.0',
]

[project.optional-dependencies]
fast = ["uvloop~=0.20"]

[dependency-groups]
dev = ["pytest>=8", {include-group = "more"}]
more = []
"""
LINES = """# what runs
-r base.txt
--index-url https://index
requests>=2.31  # talks
tiny-money==1.0 ; python_version > "3"
git+https://forge/x.git
other @ https://forge/other.whl
./local
"""


def test_what_a_project_declares_is_found_but_not_what_builds_it() -> None:
    found = {each.name for each in declared("pyproject.toml", PROJECT)}
    assert found == {"requests", "tiny-money", "uvloop", "pytest"}


def test_of_lines_those_with_a_name_are_requirements() -> None:
    found = [each.name for each in declared("requirements.txt", LINES)]
    assert found == ["requests", "tiny-money"]


@pytest.mark.parametrize("text", ["", "[project", "project = 3", "[project]\ndependencies = 3\n"])
def test_an_odd_project_declares_nothing(text: str) -> None:
    assert declared("pyproject.toml", text) == []


@pytest.mark.parametrize(
    ("text", "version", "raised"),
    [
        ("a==1.0", "1.2", "a==1.2"),
        ("a == 1.0", "1.2.post1", "a == 1.2.post1"),
        ("a>=1.0,<2", "1.5", "a>=1.5,<2"),
        ("a<2,>=1.0", "1.5", "a<2,>=1.5"),
        ("a~=1.4", "1.6.2", "a~=1.6"),
        ("a~=1.4.1", "1.6", "a~=1.6.0"),
        ("a[x]>=1 ; python_version >= '3.8'", "2", "a[x]>=2 ; python_version >= '3.8'"),
        ("a", "2", ""),
        ("a<2", "1.5", ""),
        ("a==1.*", "1.5", ""),
        ("a!=1.3", "1.5", ""),
    ],
)
def test_a_pin_or_a_lower_bound_is_raised(text: str, version: str, raised: str) -> None:
    assert Declared("requirements.txt", text).raised(version) == raised


@pytest.mark.parametrize(
    ("path", "text", "name", "version", "line"),
    [
        ("pyproject.toml", PROJECT, "tiny-money", "1.2", "    'Tiny.Money == 1.2',"),
        (
            "pyproject.toml",
            PROJECT,
            "requests",
            "2.32",
            """    "requests[socks]>=2.32,<3 ; python_version >= '3.8'",  # talks""",
        ),
        ("pyproject.toml", PROJECT, "uvloop", "0.21.3", 'fast = ["uvloop~=0.21"]'),
        ("requirements.txt", LINES, "requests", "2.32.1", "requests>=2.32.1  # talks"),
    ],
)
def test_one_line_changes(path: str, text: str, name: str, version: str, line: str) -> None:
    one = next(each for each in declared(path, text) if each.name == name)
    after = edited(text, one, version)
    before_lines, after_lines = text.splitlines(), after.splitlines()
    changed = [new for old, new in zip(before_lines, after_lines, strict=True) if old != new]
    assert changed == [line]
    assert why_no_upgrade(path, text, after) == ""


def test_what_stands_twice_is_left_to_a_person() -> None:
    text = '[project]\ndependencies = ["a==1"]\n[project.optional-dependencies]\nx = ["a==1"]\n'
    assert edited(text, declared("pyproject.toml", text)[0], "2") == ""


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("hatchling>=1.0", "hatchling>=2.0", "more than one requirement"),
        ('name = "shop"', 'name = "evil"', "more than one requirement"),
        ("# talks", "# walks", "more than one requirement"),
        ("Tiny.Money == 1.0", "Tiny.Monkey == 1.0", "more than its version"),
        ("Tiny.Money == 1.0", "Tiny.Money >= 1.0", "more than its version"),
        ("Tiny.Money == 1.0", "Tiny.Money[x] == 1.1", "more than its version"),
        ("'Tiny.Money == 1.0'", "'Tiny.Money @ https://evil/x.whl'", "more than one requirement"),
        ("'Tiny.Money == 1.0',", "'Tiny.Money == 1.1', 'evil == 1'", "more than one requirement"),
        ("    'Tiny.Money == 1.0',\n", "    'Tiny.Money == 1.1',\n    'evil',\n", "one line"),
        ("'Tiny.Money == 1.0',", "'Tiny.Money == 1.1', # more", "more than the requirement"),
        ("'3.8'\"", "'3.9'\"", "more than its version"),
        ('"uvloop~=0.20"]', '"uvloop~=0.21"]\nscripts = 1', "one line"),
    ],
)
def test_an_edit_of_more_than_a_version_is_told(old: str, new: str, why: str) -> None:
    assert old in PROJECT
    assert why in why_no_upgrade("pyproject.toml", PROJECT, PROJECT.replace(old, new))


@pytest.mark.parametrize(
    ("new", "why"),
    [
        ("requests>=2.31\n-r evil.txt\n", "one line"),
        ("-r evil.txt\n", "more than one requirement"),
        ("requests>=2.32 --config-settings=x\n", "more than one requirement"),
        ("requests>=2.32  # evil\n", "more than the requirement"),
        ("evil>=2.32\n", "more than its version"),
    ],
)
def test_an_edit_of_lines_is_one_of_a_version(new: str, why: str) -> None:
    assert why in why_no_upgrade("requirements.txt", "requests>=2.31\n", new)


@pytest.mark.parametrize(
    ("path", "is_one"),
    [
        ("pyproject.toml", True),
        ("requirements.txt", True),
        ("requirements-dev.txt", True),
        ("requirements/base.txt", True),
        ("docs/requirements.txt", True),
        ("sub/pyproject.toml", False),
        ("uv.lock", False),
        ("setup.cfg", False),
        ("notes.txt", False),
    ],
)
def test_files_that_declare(path: str, *, is_one: bool) -> None:
    assert is_declaring(path) is is_one


@given(st.sampled_from(["==", ">=", "~="]), st.integers(0, 30), st.integers(0, 30))
def test_what_is_raised_is_allowed(operator: str, minor: int, more: int) -> None:
    raised = Declared("requirements.txt", f"a{operator}1.{minor}").raised(f"1.{minor + more}")
    assert Declared("", raised).requirement.specifier.contains(f"1.{minor + more}")


@pytest.mark.parametrize(
    ("text", "is_named"),
    [
        ('name = "tiny-money"', True),
        ('name = "Tiny_Money"', True),
        ("tiny.money==1", True),
        ('name = "tiny-money-more"', False),
        ('name = "my-tiny-money"', False),
    ],
)
def test_a_lock_file_names_a_package_however_it_is_spelled(text: str, *, is_named: bool) -> None:
    assert names(text, "tiny-money") is is_named
