"""What a change of code is called after."""

import pytest

from honed.core.change import CodeChange, FileChange


@pytest.mark.parametrize(
    ("paths", "main"),
    [
        (["CHANGELOG.md", "shop/prices.py", "tests/test_prices.py"], "shop/prices.py"),
        (["CHANGELOG.md", "docs/prices.rst", "pyproject.toml"], "pyproject.toml"),
        (["pyproject.toml", "shop/a.py", "shop/b.py"], "shop/a.py"),
        (["conftest.py", "shop/testing/test_a.py", "zoo.py"], "zoo.py"),
        (["tests/test_a.py", "tests/test_b.py"], "tests/test_a.py"),
        ([], ""),
    ],
)
def test_a_change_is_called_after_its_first_module(paths: list[str], main: str) -> None:
    files = tuple(FileChange(path, "1\n", "2\n") for path in paths)
    assert CodeChange("a" * 40, files).main_path == main
