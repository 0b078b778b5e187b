"""Candidates may do whatever they like to themselves: the next one starts as if they had not."""

import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from honed.errors import Interrupted, RepairFailed
from honed.repair.base import look
from honed.repair.suite import Budget, Suite
from honed.repair.workers import Workers
from honed.sandbox.box import Box
from honed.sandbox.heeding import heeding
from honed.sandbox.probe import _is_left

MODULE = """\
LIMIT = 3


def twice(n, by=2):
    return n + by
"""
TESTS = """\
from module import twice


def test_twice():
    assert twice(2) == 4
    assert twice(3) == 6


def test_nothing():
    assert twice(-2) == 0
"""
RIGHT = "n * 2 if n >= 0 else 0"


@pytest.fixture
def suite(plant: Any) -> Suite:
    planted = plant({"module.py": MODULE, "test_module.py": TESTS})
    assert isinstance(planted, Suite)
    return planted


def tried(workers: Workers, suite: Suite, *texts: str, old: str = "n + by") -> list[dict[str, Any]]:
    """Return the results of candidates that write each of the texts in the place of ``old``."""
    base = look(workers, suite)
    path = suite.root / "module.py"
    start = path.read_text(encoding="utf-8").index(old)
    request = {
        "do": "try",
        "candidates": [{str(path): [[start, start + len(old), text]]} for text in texts],
        "failing": base.failing,
        "passing": base.passing,
        "limits": base.limits,
    }
    results: list[dict[str, Any]] = workers.ask(request)["results"]
    return results


@pytest.mark.parametrize(
    ("hostile", "ended"),
    [
        ("[n for _ in iter(int, 1)]", "timeout"),
        ("__import__('os')._exit(0)", "died"),
        ("__import__('os').kill(__import__('os').getpid(), 9)", "died"),
        ("[__import__('os').fork() for _ in range(12)]", "ran"),
        ("__import__('os').fork() or __import__('time').sleep(600)", "ran"),
        (f"({RIGHT}) if __import__('os').fork() == 0 else 0", "ran"),
        ("print('{\"results\": []}', flush=True)", "ran"),
        ("__import__('os').write(1, b'[]')", "ran"),
        ("__import__('shutil').rmtree('.', ignore_errors=True)", "ran"),
        ("bytearray(1 << 40)", "ran"),
        ("__import__('sys').exit(0)", "ran"),
        ("(", "invalid"),
    ],
)
def test_a_hostile_candidate_fails_alone(
    started: Any, suite: Suite, hostile: str, ended: str
) -> None:
    before = sorted(path.name for path in suite.root.iterdir())
    first, bad, last = tried(started(suite), suite, RIGHT, hostile, RIGHT)
    assert bad["ended"] == ended
    assert not bad.get("is_plausible")
    assert first["is_plausible"]
    assert last["is_plausible"], last
    assert sorted(path.name for path in suite.root.iterdir()) == before


SPIN = """\
def spin():
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass
"""


def test_what_swallows_every_exception_is_ended_all_the_same(started: Any, suite: Suite) -> None:
    (suite.root / "spin.py").write_text(SPIN, encoding="utf-8")
    bad, good = tried(started(suite), suite, "__import__('spin').spin()", RIGHT)
    assert bad["ended"] == "timeout"
    assert good["is_plausible"]


def test_what_a_candidate_does_to_parameters_harms_no_other(plant: Any, started: Any) -> None:
    module = "def total(values):\n    return sum(values) + n\n".replace("+ n", "+ by")
    tests = (
        "import pytest\nfrom module import total\n\n\n"
        "@pytest.mark.parametrize(('values', 'wanted'), [([1, 2], 3), ([4], 4)])\n"
        "def test_total(values, wanted):\n    assert total(values) == wanted\n"
    )
    suite = plant({"module.py": "by = 1\n" + module, "test_module.py": tests})
    results = tried(
        started(suite), suite, "values.clear() or 0", "sum(values)", old="sum(values) + by"
    )
    assert [each["is_plausible"] for each in results] == [False, True]


def test_a_candidate_does_not_pass_by_what_an_earlier_one_left(started: Any, suite: Suite) -> None:
    leaves = "__import__('sys').modules.setdefault('left', n) and 0"
    profits = f"({RIGHT}) if 'left' in __import__('sys').modules else 0"
    *_, last = tried(started(suite), suite, leaves, profits)
    assert not last["is_plausible"]


def test_defaults_and_values_of_modules_are_made_anew(started: Any, suite: Suite) -> None:
    old, new = "by=2):\n    return n + by", f"by=3):\n    return {RIGHT}"
    (of_default,) = tried(started(suite), suite, new, old=old)
    assert of_default["is_plausible"]
    text = "LIMIT = 2\n\n\ndef twice(n, by=2):\n    return max(0, n * LIMIT)\n"
    (of_module,) = tried(started(suite), suite, text, old=MODULE)
    assert of_module["is_plausible"]


LONG = """\
import time

from module import twice


def test_long():
    until = time.process_time() + 0.1
    while time.process_time() < until:
        pass
    assert twice(3) == 6


def test_short():
    assert twice(2) == 5 - 1
    assert twice(-2) == 0
"""


def test_a_long_test_is_run_only_where_short_ones_pass(plant: Any, started: Any) -> None:
    suite = plant({"module.py": MODULE.replace("by=2", "by=1"), "test_module.py": LONG})
    workers = started(suite)
    bad, good = tried(workers, suite, "n - 7", RIGHT)
    told = {key for key, *_ in bad["where"]}
    assert "test_module.py::test_short" in told
    assert "test_module.py::test_long" not in told
    assert good["is_plausible"]


def test_what_takes_long_to_fail_may_take_as_long_to_pass(plant: Any, started: Any) -> None:
    suite = plant({"module.py": MODULE, "test_module.py": LONG}, timeout_s=0.3)
    base = look(started(suite), suite)
    assert base.took["test_module.py::test_long"] >= 0.1
    assert base.limits["test_module.py::test_long"] == 0.3


def test_partial_progress_is_told(started: Any, suite: Suite) -> None:
    workers = started(suite)
    (half,) = tried(workers, suite, "n * 2 if n < 3 else 0")
    assert half["flipped"] == []
    (other,) = tried(workers, suite, "6")
    assert [key.rpartition("@")[2] for key in other["flipped"]] == ["6"]


def test_decorated_functions_methods_and_closures_get_new_code(plant: Any, started: Any) -> None:
    module = """\
        import functools


        class Box:
            def __init__(self, n):
                self.n = n

            @property
            def twice(self):
                return self.n + 2

            @staticmethod
            @functools.cache
            def thrice(n):
                def inner():
                    return n + 3
                return inner()
        """
    tests = "from module import Box\n\n\ndef test_it():\n    assert Box(5).twice == 10\n\n\n"
    tests += "def test_other():\n    assert Box.thrice(5) == 15\n"
    suite = plant({"module.py": textwrap.dedent(module), "test_module.py": tests})
    workers = started(suite)
    for old, new, count in (("self.n + 2", "self.n * 2", 1), ("n + 3", "n * 3", 1)):
        (result,) = tried(workers, suite, new, old=old)
        assert len(result["flipped"]) == count


def test_who_has_no_failing_test_is_told(plant: Any, started: Any) -> None:
    well = plant({"module.py": "X = 1\n", "test_x.py": "def test_x():\n    assert True\n"})
    workers = started(well)
    with pytest.raises(RepairFailed, match="no test fails"):
        look(workers, well)
    with pytest.raises(RepairFailed, match=r"not among the tests that are run: test_y\.py"):
        look(workers, replace(well, failing=("test_y.py",)))


def test_tests_that_cannot_be_collected_are_told(plant: Any, box: Box) -> None:
    suite = plant({"test_x.py": "import nothing_of_that_name\n"})
    with (
        Workers(suite, box, Budget(processes=1)) as workers,
        pytest.raises(RepairFailed),
    ):
        look(workers, suite)


def test_all_workers_end_when_whoever_asks_is_told_to_stop(plant: Any, box: Box) -> None:
    mark = uuid4().hex
    waits = '[sys.executable, "-I", "-c", "import time; time.sleep(3600)", "{mark}"]'
    text = f"import subprocess, sys\nsubprocess.run({waits.format(mark=mark)})\n"
    suite = plant({"test_x.py": text})

    def stop_if_told() -> None:
        if _is_left(mark):
            raise Interrupted

    with heeding(stop_if_told), pytest.raises(Interrupted):
        Workers(suite, box, Budget(processes=2)).__enter__()
    assert not _is_left(mark)


def test_nothing_is_written_beside_the_code(started: Any, suite: Suite) -> None:
    look(started(suite), suite)
    written = {path for path in suite.root.rglob("*") if path.suffix == ".pyc"}
    assert written == set()
    assert {path.name for path in suite.root.iterdir()} == {"module.py", "test_module.py"}
    assert isinstance(suite.root, Path)


def test_one_that_breaks_a_test_of_another_module_is_in_nobodys_way(plant: Any, box: Box) -> None:
    red = "from module import twice\n\n\ndef test_red():\n    assert twice(3) == 6\n"
    green = """\
from module import twice


def test_one():
    assert twice(2) == 4


def test_two():
    assert twice(2.0) == 4.0
"""
    files = {"module.py": MODULE, "tests/test_red.py": red, "tests/test_green.py": green}
    suite: Suite = plant(files)
    with Workers(suite, box, Budget(processes=1)) as workers:
        results = tried(workers, suite, "6", "n * 2")
    assert [each["is_plausible"] for each in results] == [False, True]
    assert results[0]["broken"] is not None


def test_a_change_of_the_module_is_made_also_behind_one_of_a_function(plant: Any, box: Box) -> None:
    text = "FACTOR = 1\n\n\ndef times(n):\n    return n * FACTOR\n"
    red = "from module import times\n\n\ndef test_red():\n    assert times(2) == 6\n"
    suite: Suite = plant({"module.py": text, "test_module.py": red})
    path = str(suite.root / "module.py")
    edits = [(text.index(old), len(old), new) for old, new in (("n * F", "n + F"), ("1", "3"))]
    with Workers(suite, box, Budget(processes=1)) as workers:
        base = look(workers, suite)
        request = {
            "do": "try",
            "candidates": [{path: [[at, at + size, new]]} for at, size, new in edits],
            "failing": base.failing,
            "passing": base.passing,
            "limits": base.limits,
        }
        results = workers.ask(request)["results"]
    assert [each["is_plausible"] for each in results] == [False, True]
