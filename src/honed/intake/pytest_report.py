"""Results of tests, as pytest's plug-in tells them.

What it does: it takes what the tests of a run came to at `POST /api/v1/tests`: an object that says
of the run `run` (its id), `commit`, `committed_at`, `branch`, `dirty`, `service` and `environment`,
and in `tests` lists the results. Each has `test` (its id) and `outcome` (passed, failed, error,
skipped or xfailed), and optionally `duration_ms`, `at` (ISO 8601 or Unix seconds), `attempt`,
`worker`, `file`, `line`, `version` (a digest of the test), `message` and `fault`: an object with
`type`, `message`, `frames` (each with `file`, `line`, `function` and `code`, innermost last),
`cause`, `is_cause_context` and `members`. The project's key stands in the header `X-Honed-Key`.
Installed with honed, the plug-in sends all that by itself where `HONED_DSN` is set.

Why it helps: tests that fail, and tests that pass and fail on the same commit, are seen over time
and become tickets.

Risk and rollback: it only stores; what fails is scrubbed before it is written. What has no name or
no outcome is left out and counted; so is a value that cannot be read (`bad_dirty` and the like),
while its result is kept. The setting `intake_sources_off` turns the source off.

How it is measured: the view `honed.test_result` shows each, `honed.flaky_test` those that are
flaky; `honed intake status` counts them.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import islice
from typing import ClassVar

from honed.core.canonical import Json
from honed.core.fault import Fault, Frame, is_in_app
from honed.core.intake import Intake, Request, Taken
from honed.core.testrun import Outcome, Result, Run, moment, signal_of
from honed.core.wire import number_in, parse_json, parse_time, text_in
from honed.errors import MalformedSignal

#: More results of one request are left out; the plug-in sends fewer.
_MOST_TESTS = 50_000
#: Of more frames the innermost are read; likewise causes, and members of a group.
_MOST_FRAMES = 200
_MOST_CAUSES = 16
_MOST_MEMBERS = 16
#: The largest number of an attempt or a line.
_LARGEST = 2**31


class PytestIntake(Intake):
    """Takes results of tests, run by run."""

    name: ClassVar[str] = "pytest"
    paths: ClassVar[tuple[str, ...]] = ("/api/v1/tests",)

    def take(self, request: Request) -> Taken:
        """Return one signal for each result.

        Raises:
            MalformedSignal: the body is no object with a list of tests.
        """
        said = parse_json(request.body)
        tests = said.get("tests") if isinstance(said, Mapping) else None
        if not isinstance(said, Mapping) or not isinstance(tests, list):
            msg = "results of tests are a JSON object with a list of tests"
            hint = (
                'send {"tests": [{"test": "tests/test_cart.py::test_total", "outcome": "passed"}]}'
            )
            raise MalformedSignal(msg, hint=hint)
        run = _run(said)
        results: list[Result] = []
        skipped = _unread(said)
        for each in islice(tests, _MOST_TESTS):
            if not isinstance(each, Mapping) or not text_in(each, "test"):
                skipped["no_test"] += 1
            elif text_in(each, "outcome") not in set(Outcome):
                skipped["no_outcome"] += 1
            else:
                results.append(_result(each, request))
                skipped.update(_unread(each))
        skipped["too_many"] += max(0, len(tests) - _MOST_TESTS)
        signals = tuple(signal_of(run, result) for result in results)
        answer = {"accepted": len(signals), "skipped": dict(+skipped)}
        return Taken(signals, +skipped, json.dumps(answer).encode())


def _unread(said: Mapping[str, Json]) -> Counter[str]:
    """Return by reason what is said and cannot be read: it is left out, and the rest is taken."""
    return Counter(
        f"bad_{name}"
        for name, read in _READ.items()
        if said.get(name) not in (None, "") and read(said[name]) is None
    )


def _bool(said: Json) -> bool | None:
    return said if isinstance(said, bool) else None


#: What may be said in another form than it is read in.
_READ: Mapping[str, Callable[[Json], object | None]] = {
    "dirty": _bool,
    "committed_at": moment,
    "at": moment,
    "duration_ms": lambda said: number_in({"said": said}, "said"),
}


def _run(said: Mapping[str, Json]) -> Run:
    return Run(
        run=text_in(said, "run"),
        commit=text_in(said, "commit"),
        committed_at=moment(said.get("committed_at")),
        branch=text_in(said, "branch"),
        is_dirty=_bool(said.get("dirty")),
        service=text_in(said, "service"),
        environment=text_in(said, "environment"),
    )


def _result(said: Mapping[str, Json], request: Request) -> Result:
    fault = said.get("fault")
    return Result(
        test=text_in(said, "test"),
        outcome=Outcome(text_in(said, "outcome")),
        at=parse_time(said.get("at"), request.received_at),
        duration_ms=number_in(said, "duration_ms"),
        attempt=_whole(said, "attempt"),
        worker=text_in(said, "worker"),
        file=text_in(said, "file"),
        line=_whole(said, "line"),
        version=text_in(said, "version"),
        message=text_in(said, "message"),
        fault=_fault(fault, _MOST_CAUSES) if isinstance(fault, Mapping) else None,
    )


def _fault(said: Mapping[str, Json], room: int) -> Fault:
    cause, frames, members = said.get("cause"), said.get("frames"), said.get("members")
    told = frames[-_MOST_FRAMES:] if isinstance(frames, list) else []
    group = members[:_MOST_MEMBERS] if isinstance(members, list) and room else []
    return Fault(
        type=text_in(said, "type") or "Exception",
        message=text_in(said, "message"),
        frames=tuple(_frame(each) for each in told if isinstance(each, Mapping)),
        cause=_fault(cause, room - 1) if isinstance(cause, Mapping) and room else None,
        is_cause_context=said.get("is_cause_context") is True,
        members=tuple(_fault(each, 0) for each in group if isinstance(each, Mapping)),
    )


def _frame(said: Mapping[str, Json]) -> Frame:
    file = text_in(said, "file")
    return Frame(
        file=file,
        module=text_in(said, "module"),
        function=text_in(said, "function"),
        line=_whole(said, "line"),
        code=text_in(said, "code"),
        is_in_app=is_in_app(file),
    )


def _whole(said: Mapping[str, Json], key: str) -> int:
    number = number_in(said, key)
    return int(number) if number is not None and 0 <= number <= _LARGEST else 0
