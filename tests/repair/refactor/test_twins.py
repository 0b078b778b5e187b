"""What the sandbox says is believed of nothing but what it was asked."""

from pathlib import Path
from typing import Any

import pytest

from honed.core.change import FileChange
from honed.errors import RepairFailed
from honed.repair.refactor.touched import Touched
from honed.repair.refactor.twins import Calls, Twins

FUNCTION = Touched("a.py", "work", "")
CALLS = Calls(FUNCTION, 1, (("1",),), ("test_a.py::test_it",))
FILES = [FileChange("a.py", "x = 1\n", "x = 2\n")]


class Liar:
    """Answers whatever it was told to."""

    tests = ("test_a.py::test_it", "test_b.py::test_it")

    def __init__(self, answer: object) -> None:
        self.answer = answer
        self.asked: dict[str, Any] = {}

    def ask(self, request: dict[str, Any]) -> Any:
        self.asked = request
        return self.answer


def twins(answer: object) -> Twins:
    return Twins(Liar(answer), Path("/code"))  # type: ignore[arg-type]  # it asks alike


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"functions": None},
        {"functions": [{}]},
        {"functions": [{"path": "/code/b.py", "name": "work", "count": 1, "inputs": []}]},
        {"functions": [{"path": "/code/a.py", "name": "work", "count": "many", "inputs": []}]},
    ],
)
def test_calls_that_nobody_asked_for_are_refused(answer: object) -> None:
    with pytest.raises(RepairFailed):
        twins(answer).callings([FUNCTION])


@pytest.mark.parametrize("rows", [1, [1], [["/etc/passwd", 1, 1.0, 1]], [["", "a", 1.0, 1]]])
def test_a_profile_of_other_files_is_refused(rows: object) -> None:
    with pytest.raises(RepairFailed):
        twins({"functions": rows}).profile()


@pytest.mark.parametrize("cpu_s", [0, -1.0, float("inf"), float("nan"), "1", None, []])
def test_what_is_no_time_is_none(cpu_s: object) -> None:
    said = {"cpu_s": cpu_s, "inputs": 1, "why": ""}
    assert twins(said).cpu_s(FILES, CALLS, 1, is_patched=True).cpu_s is None


def test_inputs_that_are_no_literals_are_refused() -> None:
    hostile = Calls(FUNCTION, 1, (("__import__('os')",),), ())
    with pytest.raises(RepairFailed):
        twins({}).likenesses(FILES, [hostile], 0)


def test_only_the_tests_that_are_named_are_profiled() -> None:
    liar = Liar({"functions": []})
    Twins(liar, Path("/code")).profile(["test_b.py"])  # type: ignore[arg-type]  # it asks alike
    assert liar.asked["tests"] == ["test_b.py::test_it"]
