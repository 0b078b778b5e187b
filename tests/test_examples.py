"""Examples in docstrings are true."""

import doctest
import importlib
import pkgutil

import pytest

import honed


@pytest.mark.slow
def test_every_example_in_a_docstring_gives_what_it_says() -> None:
    names = [module.name for module in pkgutil.walk_packages(honed.__path__, "honed.")]
    # What is for the sandbox is imported nowhere else.
    names = [name for name in names if ".inside." not in name and not name.endswith("__main__")]
    modules = [importlib.import_module(name) for name in names]
    failed = {m.__name__: doctest.testmod(m).failed for m in modules}
    assert {name: count for name, count in failed.items() if count} == {}
