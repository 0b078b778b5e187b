"""Results of tests are taken as pytest's plug-in tells them."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from honed.core.intake import Request, Taken
from honed.core.signal import SignalType
from honed.errors import MalformedSignal
from honed.intake.pytest_report import PytestIntake
from honed.testing.intake import IntakeContract, IntakeServer

TEST = "tests/test_cart.py::test_total"


def take(said: object) -> Taken:
    body = json.dumps(said).encode()
    return PytestIntake().take(Request("POST", "/api/v1/tests", body=body))


def fault(message: str, function: str = "total") -> dict[str, Any]:
    return {
        "type": "ValueError",
        "message": message,
        "frames": [
            {"file": "tests/test_cart.py", "line": 7, "function": "test_total", "code": "total(1)"},
            {
                "file": "shop/cart.py",
                "line": 3,
                "function": function,
                "code": "raise ValueError(n)",
            },
            {"file": "/venv/lib/python3.11/site-packages/lib/a.py", "line": 1, "function": "b"},
        ],
    }


def failed(message: str, **said: Any) -> dict[str, Any]:
    return {"test": TEST, "outcome": "failed", "fault": fault(message), **said}


class TestPytestIntake(IntakeContract):
    @pytest.fixture
    def intake(self) -> PytestIntake:
        return PytestIntake()

    def body(self, text: str) -> bytes:
        frame = {"file": text, "module": text, "function": text, "line": 3, "code": text}
        told = {"type": text, "message": text, "frames": [frame]}
        test = {
            "test": text, "outcome": "failed", "worker": text, "file": text, "version": text,
            "message": text, "fault": {**told, "cause": told, "members": [told]},
        }  # fmt: skip
        run = {
            "run": text, "commit": text, "committed_at": text, "branch": text, "service": text,
            "environment": text, "tests": [test, {**test, "outcome": "skipped"}],
        }  # fmt: skip
        return json.dumps(run).encode()


def test_only_a_name_and_an_outcome_are_needed() -> None:
    (signal,) = take({"tests": [{"test": TEST, "outcome": "passed"}]}).signals
    assert (signal.type, signal.subject) == (SignalType.TEST_RESULT, TEST)
    assert signal.body == {"outcome": "passed"}
    assert (signal.value, signal.fingerprint) == (None, "")


def test_all_that_may_be_said_is_kept() -> None:
    run = {
        "run": "r1", "commit": "c0ffee", "committed_at": "2027-01-01T09:00:00+01:00",
        "branch": "main", "dirty": False, "service": "shop", "environment": "CPython 3.11",
    }  # fmt: skip
    test = {
        "test": TEST, "outcome": "xfailed", "duration_ms": 12.5, "at": 1_800_000_000,
        "attempt": 2, "worker": "gw1", "file": "tests/test_cart.py", "line": 6,
        "version": "9f86d081", "message": "not yet",
    }  # fmt: skip
    (signal,) = take({**run, "tests": [test]}).signals
    assert (signal.service, signal.environment) == ("shop", "CPython 3.11")
    assert (signal.value, signal.at) == (12.5, datetime.fromtimestamp(1_800_000_000, UTC))
    assert signal.body == {
        "outcome": "xfailed", "run": "r1", "commit": "c0ffee",
        "committed_at": "2027-01-01T08:00:00Z", "branch": "main", "dirty": False,
        "attempt": 2, "worker": "gw1", "file": "tests/test_cart.py", "line": 6,
        "version": "9f86d081", "message": "not yet",
    }  # fmt: skip


def test_what_cannot_be_read_is_counted_and_its_result_is_kept() -> None:
    odd = {"test": TEST, "outcome": "passed", "at": "then", "duration_ms": "long"}
    fine = {"test": TEST, "outcome": "passed", "at": None, "duration_ms": 0}
    taken = take({"dirty": "maybe", "committed_at": [], "tests": [odd, fine]})
    assert taken.skipped == {
        "bad_dirty": 1, "bad_committed_at": 1, "bad_at": 1, "bad_duration_ms": 1,
    }  # fmt: skip
    assert [signal.body for signal in taken.signals] == [{"outcome": "passed"}] * 2


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("2027-01-01T00:30:00+01:00", "2026-12-31T23:30:00Z"),
        (1_800_000_000, "2027-01-15T08:00:00Z"),
        ("yesterday", None),
        ("0001-01-01T00:00:00+14:00", None),
        (None, None),
    ],
)
def test_times_of_commits_are_in_the_order_of_their_letters(said: object, kept: str | None) -> None:
    (signal,) = take({"committed_at": said, "tests": [{"test": TEST, "outcome": "passed"}]}).signals
    assert signal.body.get("committed_at") == kept


def test_a_failure_tells_its_fault_and_where() -> None:
    (signal,) = take({"tests": [failed("no 1 in cart")]}).signals
    assert signal.body["title"] == "ValueError: no 1 in cart"
    assert signal.body["culprit"] == "total in shop/cart.py"
    assert signal.body["files"] == ("shop/cart.py", "tests/test_cart.py")
    told = signal.body["fault"]
    assert isinstance(told, dict)
    assert [frame["in_app"] for frame in told["frames"]] == [True, True, False]


def test_failures_of_one_fault_are_one_group_whichever_tests_they_are_of() -> None:
    tests = [
        failed("no 1 in cart"),
        failed("no 2 in cart", test="tests/test_order.py::test_order[3]"),
        failed("no 1 in cart", fault=fault("no 1 in cart", "count")),
    ]
    one, two, other = (signal.fingerprint for signal in take({"tests": tests}).signals)
    assert one == two != other


def test_failures_without_a_place_are_one_group_for_each_test() -> None:
    words = {"outcome": "failed", "message": "assert 1 == 2"}
    names = [f"{TEST}[1]", f"{TEST}[2]", "tests/test_order.py::test_total"]
    groups = [
        signal.fingerprint
        for signal in take({"tests": [{"test": name, **words} for name in names]}).signals
    ]
    assert groups[0] == groups[1] != groups[2]
    assert all(groups)


def test_what_caused_a_failure_is_kept_as_deep_as_it_is_read() -> None:
    deep = fault("root")
    for depth in range(40):
        deep = {**fault(f"level {depth}"), "cause": deep, "members": [fault("one")] * 40}
    (signal,) = take({"tests": [failed("top", fault=deep)]}).signals
    told, depth = signal.body["fault"], 0
    while isinstance(told, dict) and "cause" in told:
        told, depth = told["cause"], depth + 1
    assert depth == 8


def test_what_says_nothing_is_counted() -> None:
    taken = take(
        {"tests": [{"test": TEST}, {"outcome": "passed"}, 7, {"test": TEST, "outcome": 1}]}
    )
    assert not taken.signals
    assert taken.skipped == {"no_test": 2, "no_outcome": 2}
    assert json.loads(taken.answer) == {"accepted": 0, "skipped": dict(taken.skipped)}


def test_more_than_a_run_has_is_left_out() -> None:
    tests = [{"test": f"t{number}", "outcome": "passed"} for number in range(50_002)]
    taken = take({"tests": tests})
    assert (len(taken.signals), taken.skipped) == (50_000, {"too_many": 2})


@pytest.mark.parametrize("said", [7, None, [], {}, {"tests": {}}, {"tests": None}])
def test_what_lists_no_tests_is_malformed(said: object) -> None:
    with pytest.raises(MalformedSignal, match="list of tests") as refused:
        take(said)
    assert '"tests"' in refused.value.hint


@pytest.mark.parametrize(
    "odd",
    [
        {"attempt": "1", "line": -3, "duration_ms": "long", "fault": 7, "worker": {}},
        {"attempt": 10**400, "line": True, "at": "yesterday", "fault": {}},
        {"fault": {"frames": 7, "members": "x", "cause": [1]}},
        {"fault": {"frames": [None, {"file": 7, "line": []}], "members": [None]}},
    ],
)
def test_what_is_odd_is_left_out_and_the_result_taken(odd: dict[str, Any]) -> None:
    (signal,) = take({"tests": [{"test": TEST, "outcome": "error", **odd}]}).signals
    assert signal.body["outcome"] == "error"
    assert not {"attempt", "line", "worker"} & set(signal.body)
    assert signal.value is None


def test_failures_are_counted_in_their_group(intake_server: IntakeServer) -> None:
    for message in ("no 1 in cart", "no 2 in cart"):
        body = json.dumps({"tests": [failed(message), {"test": TEST, "outcome": "passed"}]})
        assert intake_server.post("/api/v1/tests", body.encode()).status_code == 200
    (group,) = intake_server.rows("SELECT * FROM honed.signal_group")
    assert (group["type"], group["event_count"]) == ("test_result", 2)
    assert group["title"] == "ValueError: no 1 in cart"
    assert group["files"] == ["shop/cart.py", "tests/test_cart.py"]
    rows = intake_server.rows("SELECT outcome FROM honed.test_result ORDER BY signal_id")
    assert [row["outcome"] for row in rows] == ["failed", "passed"] * 2
