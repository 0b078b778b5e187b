"""Which tests a change is said to have broken."""

import socket
from itertools import product
from pathlib import Path

import pytest

from honed.core.gate import TestRun
from honed.core.privacy import Scrubber
from honed.core.testrun import Outcome
from honed.errors import EvaluatorFailed
from honed.storage.db import Database
from honed.targets.repository.evidence.suites import compared, lost, suspects
from honed.testing.repository_worlds import (
    RepositoryPlan,
    make_repository_world,
    require_sandbox,
)

TEST = "tests/test_cart.py::test_total"
SCRUBBER = Scrubber(b"k" * 32)


def run(*, fails: bool) -> TestRun:
    return TestRun({TEST: Outcome.FAILED if fails else Outcome.PASSED}, 0.1)


def is_lost(fails: tuple[bool, ...]) -> bool:
    """Return whether a test is said to be lost that ended so, thrice before and thrice after."""
    runs = [run(fails=each) for each in fails]
    before, after = (compared(runs[n], runs[n + 1], SCRUBBER) for n in (0, 3))
    return bool(lost(suspects(before, after), runs[2], runs[5]))


def chance(share: float) -> float:
    """Return how probably a test is said to be lost that fails in a share of all runs."""
    every = product([True, False], repeat=6)
    return sum(
        share ** sum(fails) * (1 - share) ** (6 - sum(fails)) for fails in every if is_lost(fails)
    )


def test_what_breaks_is_lost() -> None:
    assert is_lost((False, False, False, True, True, True))
    assert not is_lost((True, True, True, True, True, True))


@pytest.mark.parametrize("share", [0.01, 0.3, 0.7])
def test_a_flaky_test_costs_a_revert_in_less_than_one_watch_of_a_hundred(share: float) -> None:
    assert chance(share) == pytest.approx(share**3 * (1 - share) ** 3)
    assert chance(share) < 0.01


def test_no_flaky_test_costs_more_than_one_that_fails_in_half_of_its_runs() -> None:
    assert max(chance(share / 10) for share in range(11)) == chance(0.5) == 1 / 64


def test_tests_that_do_not_come_to_their_end_are_run_once(store: Database, tmp_path: Path) -> None:
    require_sandbox()
    place = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as calls:
        calls.bind(str(place))
        place.chmod(0o777)
        calls.listen()
        calls.settimeout(0)
        text = (
            "import os, socket\n\n\n"
            "def test_it():\n"
            f"    socket.socket(socket.AF_UNIX).connect({str(place)!r})\n"
            "    os._exit(3)\n"
        )
        plan = RepositoryPlan({"tests/test_it.py": text}, options={"sockets": [str(place)]})
        world = make_repository_world(plan, store, tmp_path)
        with pytest.raises(EvaluatorFailed, match="ended with code 3"):
            world.findings()
        calls.accept()[0].close()
        with pytest.raises(BlockingIOError):
            calls.accept()
