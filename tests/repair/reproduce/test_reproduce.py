"""Faults of a planted service come back as tests that are red each time, or it is said why not."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import pytest

from honed.core.answer import Answer
from honed.core.fault import Fault, Frame
from honed.core.fingerprint import fingerprint
from honed.core.gate import TestRun
from honed.core.testrun import Outcome
from honed.repair.reproduce.reproduce import reproduce
from honed.testing.faulty import FAULTS
from honed.testing.faulty.written import Written


@dataclass(frozen=True)
class Scripted(Written):
    """A side whose tests come to what was written down; it runs nothing."""

    script: Iterator[Outcome] = field(default_factory=lambda: iter(()))

    def with_files(self, files: Mapping[str, str]) -> Self:
        return type(self)({**self.files, **files}, self.script)

    def run_tests(self, tests: Sequence[str] = (), *, lines: bool = False) -> TestRun:
        return TestRun({tests[0]: next(self.script)}, 0.1)


def scripted(service: Written, script: str) -> Scripted:
    """Return the service with outcomes: P passed, F failed, S skipped, X expected, E error."""
    words = {"P": "passed", "F": "failed", "S": "skipped", "X": "xfailed", "E": "error"}
    return Scripted(service.files, iter([Outcome(words[letter]) for letter in script]))


def the(name: str, faults: Mapping[str, Mapping[str, Fault]], client: str = "sentry") -> Fault:
    return faults[client][name]


def test_there_are_many_sorts_of_faults(faults: Mapping[str, Mapping[str, Fault]]) -> None:
    assert len(FAULTS) >= 30
    for of_client in faults.values():
        assert set(of_client) == set(FAULTS)


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("S", "it is not red: the call returns"),
        ("X", "making them fails"),
        ("F", "another exception or elsewhere"),
        ("E", "the test does not run"),
        ("PFS", "flaky: it does not end in the same way"),
        ("PFPP", "flaky"),
        ("PFPFF", "flaky"),
        ("PPPFPF", "flaky"),
    ],
)
def test_anything_but_red_each_time_for_that_reason_is_refused(
    script: str, why: str, service: Written, faults: Mapping[str, Mapping[str, Fault]]
) -> None:
    found = reproduce(the("missing key", faults), scripted(service, script + "S" * 9))
    assert found.test is None
    assert not found.test_id
    assert why in found.why_not


def test_a_test_that_is_red_each_time_is_a_new_file(
    service: Written, faults: Mapping[str, Mapping[str, Fault]]
) -> None:
    fault = the("missing key", faults)
    found = reproduce(fault, scripted(service, "PFPFPF"))
    assert found.test is not None
    assert found.test.path == f"tests/test_honed_{fingerprint(fault)}.py"
    assert found.test.before is None
    assert found.test_id == f"{found.test.path}::test_rate_raises_no_key_error"
    assert found.outcomes == (Outcome.FAILED,) * 3
    assert not found.why_not
    ast.parse(found.test.after or "")


def test_a_failing_test_of_the_repository_is_preferred(
    service: Written, faults: Mapping[str, Mapping[str, Fault]]
) -> None:
    fault, other = the("missing key", faults), the("empty list", faults)
    failing = {"tests/test_a.py::test_a": other, "tests/test_b.py::test_b": fault}
    found = reproduce(fault, scripted(service, "FFF"), failing=failing)
    assert found.test is None
    assert found.test_id == "tests/test_b.py::test_b"
    assert found.outcomes == (Outcome.FAILED,) * 3
    flaky = reproduce(fault, scripted(service, "FPF" + "PFPFPF"), failing=failing)
    assert flaky.test is not None
    # What a person says is asserted, whatever tests fail.
    answered = Answer("shop.rates.other()", returns="1")
    told = reproduce(fault, scripted(service, "PFPFPF"), failing=failing, answers=[answered])
    assert told.test is not None


def test_where_the_innermost_function_does_not_fail_its_caller_is_tried(
    service: Written, faults: Mapping[str, Mapping[str, Fault]]
) -> None:
    found = reproduce(the("raised from another", faults), scripted(service, "SPFPFPF"))
    assert "test_handle_raises_no_order_error" in found.test_id


def test_a_fault_of_other_code_is_none_of_the_repository(service: Written) -> None:
    frames = (Frame("/usr/lib/other/x.py", "x", "f", 3, is_in_app=True), Frame("y.py", "y", "g"))
    for fault in (Fault("KeyError"), Fault("KeyError", frames=frames)):
        why_not = reproduce(fault, scripted(service, "")).why_not
        assert why_not == "no frame in the app is of the repository"
