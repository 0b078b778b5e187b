"""What is named stands for its tests that fail, in a real sandbox."""

import sys
from pathlib import Path

import pytest

from honed.config import Settings
from honed.repair.suite import Budget
from honed.sandbox.box import Limits
from honed.sandbox.probe import probe
from honed.targets.repository.judging.failing import with_failing
from honed.targets.repository.judging.judge import Court
from honed.targets.repository.judging.proposer import Bench, Trouble

TESTS = """import pytest


class TestTotal:
    def test_it(self):
        assert 1 == 2

    def test_none(self):
        assert not []


@pytest.mark.parametrize("size", [1, 2])
def test_size(size):
    assert size == 1
"""
IN_CLASS = "tests/test_a.py::TestTotal::test_it"
SIZE = "tests/test_a.py::test_size[2]"


@pytest.mark.parametrize(
    ("named", "failing"),
    [
        (("tests/test_a.py",), (IN_CLASS, SIZE)),
        (("./tests/",), (IN_CLASS, SIZE)),
        (("tests/test_a.py::TestTotal",), (IN_CLASS,)),
        (("tests/test_a.py::test_size", IN_CLASS), (IN_CLASS, SIZE)),
        ((SIZE,), (SIZE,)),
    ],
)
def test_a_file_a_class_or_an_id_stands_for_its_tests_that_fail(
    tmp_path: Path, named: tuple[str, ...], failing: tuple[str, ...]
) -> None:
    found = probe()
    if not found.is_safe:
        pytest.skip(f"no sandbox: {'; '.join(found.reasons)}")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_a.py").write_text(TESTS)
    court = Court(Path(sys.executable), Limits(cpu_s=60, wall_s=120))
    bench = Bench(court, Budget(), Settings(home=tmp_path / "home"))
    trouble = with_failing(Trouble(tmp_path, "a" * 40), bench, named)
    assert trouble.failing == failing
    assert all(trouble.messages[each] for each in failing)
