"""Tests that pass and fail on one commit are flaky; those that commits break are not."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from honed.testing.intake import IntakeServer

#: Reports the outcomes of one test on a commit; of another test, run or place where it is said so.
Ran = Callable[..., None]


@pytest.fixture
def ran(intake_server: IntakeServer) -> Ran:
    def report(commit: str, /, *outcomes: str, test: str = "test_a", **run: Any) -> None:
        tests = [{"test": test, "outcome": each, "version": "v1"} for each in outcomes]
        said = {"commit": commit, "run": commit, "branch": "main", "dirty": False, "tests": tests}
        body = json.dumps({**said, **run}).encode()
        assert intake_server.post("/api/v1/tests", body).status_code == 200

    return report


def flaky(server: IntakeServer) -> dict[str, dict[str, Any]]:
    return {row["test"]: row for row in server.rows("SELECT * FROM honed.flaky_test")}


def test_both_outcomes_on_one_commit_prove_it(intake_server: IntakeServer, ran: Ran) -> None:
    ran("c1", "failed", "passed", "error")
    ran("c1", "passed", run="again")
    ran("c2", "failed", "passed")
    ran("c1", "passed", "passed", test="test_b")
    ran("c1", "failed", test="test_c")
    (row,) = flaky(intake_server).values()
    assert (row["project"], row["test"], row["is_proven"]) == ("shop", "test_a", True)
    assert (row["commits"], row["commit_failures"], row["commit_passes"]) == (2, 3, 3)
    assert (row["results"], row["runs"], row["failure_share"]) == (6, 3, 0.5)
    assert row["first_seen_at"] <= row["last_seen_at"]


def test_skips_and_expected_failures_are_no_outcomes(intake_server: IntakeServer, ran: Ran) -> None:
    ran("c1", "failed", "skipped", "xfailed")
    ran("c2", "passed", "skipped", "xfailed")
    assert flaky(intake_server) == {}


def test_what_fails_elsewhere_may_be_right(intake_server: IntakeServer, ran: Ran) -> None:
    ran("c1", "failed", environment="CPython 3.11")
    ran("c1", "passed", environment="CPython 3.12")
    assert flaky(intake_server) == {}
    ran("c1", "passed", environment="CPython 3.11")
    assert flaky(intake_server)["test_a"]["environments"] == ["CPython 3.11", "CPython 3.12"]


@pytest.mark.parametrize("run", [{"dirty": True}, {"commit": ""}])
def test_code_that_nobody_knows_proves_nothing(
    intake_server: IntakeServer, ran: Ran, run: dict[str, Any]
) -> None:
    ran("c1", "failed", **run)
    ran("c1", "passed", **run)
    assert flaky(intake_server) == {}


def test_a_mistake_and_its_correction_are_two_turns(intake_server: IntakeServer, ran: Ran) -> None:
    for commit, outcome in (("c1", "passed"), ("c2", "failed"), ("c3", "failed")):
        ran(commit, outcome)
    assert flaky(intake_server) == {}
    ran("c4", "passed")
    row = flaky(intake_server)["test_a"]
    assert (row["is_proven"], row["flips"], row["commits"]) == (False, 2, 0)
    ran("c5", "failed")
    assert flaky(intake_server)["test_a"]["flips"] == 3


def test_commits_follow_each_other_as_they_were_made(intake_server: IntakeServer, ran: Ran) -> None:
    for day, outcome in ((1, "passed"), (3, "failed"), (2, "passed"), (4, "failed")):
        ran(f"c{day}", outcome, committed_at=f"2027-01-0{day}T00:00:00Z")
    assert flaky(intake_server) == {}


def test_a_test_that_was_changed_or_is_of_another_branch_begins_anew(
    intake_server: IntakeServer, ran: Ran
) -> None:
    ran("c1", "passed")
    ran("c2", "failed", branch="feature")
    ran("c3", "passed")
    changed = {"test": "test_a", "outcome": "failed", "version": "v2"}
    ran("c4", tests=[changed])
    unknown = {"test": "test_b", "version": ""}
    for commit, outcome in (("c1", "passed"), ("c2", "failed"), ("c3", "passed")):
        ran(commit, tests=[{**unknown, "outcome": outcome}])
    assert flaky(intake_server) == {}


def test_it_tells_what_was_said_last_and_where(intake_server: IntakeServer, ran: Ran) -> None:
    ran("c1", "passed")
    for number in (1, 2):
        failed = {"outcome": "failed", "message": f"late by {number} s", "file": "tests/test_a.py"}
        ran("c1", tests=[{"test": "test_a", "version": "v1", **failed}])
    row = flaky(intake_server)["test_a"]
    assert (row["message"], row["file"]) == ("late by 2 s", "tests/test_a.py")


def test_a_result_shows_of_what_it_is_one(intake_server: IntakeServer, ran: Ran) -> None:
    said = {"test": "test_a", "outcome": "failed", "attempt": 2, "worker": "gw1", "version": "v1"}
    ran("c1", tests=[said], environment="tox", committed_at="2027-01-01T00:00:00Z", dirty=True)
    (row,) = intake_server.rows("SELECT * FROM honed.test_result")
    assert (row["environment"], row["committed_at"]) == ("tox", "2027-01-01T00:00:00Z")
    assert (row["dirty"], row["attempt"], row["worker"]) == (True, 2, "gw1")
    assert row["fingerprint"]
    ran("c2", "passed", dirty=None)
    rows = intake_server.rows("SELECT dirty, fingerprint FROM honed.test_result ORDER BY signal_id")
    assert (rows[1]["dirty"], rows[1]["fingerprint"]) == (None, "")
