"""Expressions are counted by what they do, whatever their names are."""

import ast
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from honed.space.clones.ingredients import ingredients, modules, shapes


@settings(max_examples=30, deadline=None)
@given(st.permutations(["a", "b", "c", "d"]))
def test_renaming_all_names_keeps_the_shapes(names: list[str]) -> None:
    one, two, three, four = names
    text = f"{one}[{two}] - {three} * len({four})"
    assert shapes(ast.parse(text)) == shapes(ast.parse("w[x] - y * len(z)"))


def test_what_is_called_keeps_its_name() -> None:
    assert shapes(ast.parse("max(a)")) != shapes(ast.parse("min(a)"))
    assert shapes(ast.parse("a - b")) != shapes(ast.parse("a - a"))


def test_what_a_repository_writes_is_counted(tmp_path: Path) -> None:
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "other.py").write_text("x = a % b\n", encoding="utf-8")
    (tmp_path / "one.py").write_text("x = len(a) - 1\ny = len(b) - 1\n", encoding="utf-8")
    (tmp_path / "two.py").write_text("z = len(c) - 1\n", encoding="utf-8")
    (tmp_path / "bad.py").write_text("z = (\n", encoding="utf-8")
    assert [path.name for path in modules(tmp_path)] == ["bad.py", "one.py", "two.py"]
    found = ingredients(modules(tmp_path))
    assert sorted(found[each] for each in shapes(ast.parse("len(q) - 1"))) == [3, 3]
    assert not set(shapes(ast.parse("a % b"))) & set(found)
