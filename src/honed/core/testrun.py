"""A run of tests: what each test came to, as every source of results tells it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from honed.core.canonical import Json
from honed.core.fault import Fault, Frame
from honed.core.fingerprint import files, fingerprint
from honed.core.signal import Signal, SignalType
from honed.core.wire import parse_time

#: More causes and members of a group, and the outermost of more frames, are left out of what is
#: kept of an error.
_MOST_CAUSES: Final = 8
_MOST_MEMBERS: Final = 8
_MOST_FRAMES: Final = 50
#: What a type of errors is called, in Python and elsewhere.
_NAME: Final = re.compile(r"[\w.$]+")


class Outcome(StrEnum):
    """What a test came to."""

    PASSED = "passed"
    #: It found that something is not as it should be.
    FAILED = "failed"
    #: It could not be run to its end: its preparation, its clearing away, its import.
    ERROR = "error"
    SKIPPED = "skipped"
    #: It failed, as it was said that it would.
    XFAILED = "xfailed"


#: Outcomes that say that something is wrong.
BROKEN: Final = frozenset({Outcome.FAILED, Outcome.ERROR})


@dataclass(frozen=True, slots=True)
class Run:
    """One run of tests, and of what it was one; what is not known is empty."""

    run: str = ""
    commit: str = ""
    #: When the commit was made, in UTC.
    committed_at: datetime | None = None
    branch: str = ""
    #: Whether files differed from the commit; None: it is not known.
    is_dirty: bool | None = None
    service: str = ""
    #: What it ran on: the same commit may fail on another.
    environment: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What one test came to, in one attempt."""

    #: Its name within the repository, the same in every run.
    test: str
    outcome: Outcome
    at: datetime
    duration_ms: float | None = None
    #: 1 is the first in its run; 0: it is not known.
    attempt: int = 0
    #: Which of several processes ran it.
    worker: str = ""
    file: str = ""
    line: int = 0
    #: A digest of the test itself: another one is another version of it.
    version: str = ""
    #: Why it failed, or was skipped.
    message: str = ""
    fault: Fault | None = None


def signal_of(run: Run, result: Result) -> Signal:
    """Return a result as a signal; one that is broken belongs to the group of its fault.

    Without a fault with a place in the application, the test itself is the place: two tests that
    fail with the same words are not one fault.
    """
    body = _body(run, result)
    group = ""
    if result.outcome in BROKEN:
        group = fingerprint(_placed(result))
        body |= _broken(result)
    return Signal(
        type=SignalType.TEST_RESULT,
        subject=result.test,
        at=result.at,
        service=run.service,
        environment=run.environment,
        value=result.duration_ms,
        fingerprint=group,
        body=body,
    )


def moment(said: Json) -> datetime | None:
    """Return the time in UTC that a JSON value says, as ``parse_time``; None: it says none."""
    never = datetime.max.replace(tzinfo=UTC)
    try:
        found = parse_time(said, never).astimezone(UTC)
    except OverflowError:
        return None
    return None if found == never else found


def _letters(at: datetime) -> str:
    return f"{at.replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def _body(run: Run, result: Result) -> dict[str, Json]:
    said: dict[str, Json] = {
        "outcome": result.outcome.value,
        "run": run.run,
        "commit": run.commit,
        # In the order of its letters, so that nobody need read it to compare.
        "committed_at": _letters(run.committed_at) if run.committed_at else "",
        "branch": run.branch,
        "attempt": result.attempt,
        "worker": result.worker,
        "file": result.file,
        "line": result.line,
        "version": result.version,
        "message": result.message,
    }
    known: dict[str, Json] = {name: value for name, value in said.items() if value}
    return known if run.is_dirty is None else {**known, "dirty": run.is_dirty}


def _broken(result: Result) -> dict[str, Json]:
    """Return what names the group of a broken result, and its fault.

    Whatever was told stays whole until it is scrubbed: half of a secret is not seen as one.
    """
    fault = result.fault or Fault(result.outcome.value, result.message)
    in_app = [frame for frame in fault.frames if frame.is_in_app]
    kind = f"{fault.type}: " * (_NAME.fullmatch(fault.type) is not None)
    return {
        "title": f"{kind}{_first_line(fault.message or result.message)}".removesuffix(": "),
        "culprit": f"{in_app[-1].function} in {in_app[-1].file}" if in_app else result.test,
        "files": files(fault) or [result.file] * bool(result.file),
        **({"fault": _told(fault)} if result.fault else {}),
    }


def _placed(result: Result) -> Fault:
    """Return the fault of a broken result, with at least one frame in the application."""
    fault = result.fault or Fault(result.outcome.value, result.message)
    if any(frame.is_in_app for frame in fault.frames):
        return fault
    # Whatever its parameters are.
    file, _, name = result.test.partition("[")[0].partition("::")
    place = Frame(result.file or file, "", name.replace("::", "."), result.line, is_in_app=True)
    message = fault.message or result.message
    return replace(fault, message=message, frames=(place, *fault.frames))


def _told(fault: Fault, room: int = _MOST_CAUSES) -> Mapping[str, Json]:
    """Return an error as JSON."""
    told: dict[str, Json] = {
        "type": fault.type,
        "message": fault.message,
        "frames": [_told_frame(frame) for frame in fault.frames[-_MOST_FRAMES:]],
    }
    if fault.cause and room:
        told["cause"] = _told(fault.cause, room - 1)
        told["is_cause_context"] = fault.is_cause_context
    if fault.members and room:
        told["members"] = [_told(each, room - 1) for each in fault.members[:_MOST_MEMBERS]]
    return told


def _told_frame(frame: Frame) -> Mapping[str, Json]:
    return {
        "file": frame.file,
        "line": frame.line,
        "function": frame.function,
        "code": frame.code,
        "in_app": frame.is_in_app,
    }


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]
