"""What a run in the sandbox wrote down and how it ended, read as the hostile data that it is."""

import json
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from honed.core.gate import TestRun
from honed.core.testrun import Outcome
from honed.sandbox.box import Ended

#: The longest text of a run, or file of a repository, that is read.
LARGEST_TEXT_BYTES: Final = 4 << 20
#: pytest's exit codes that say that tests ran, or that there were none.
_RAN: Final = frozenset({0, 1, 5})
#: What a run may meet, in words for a person.
_LIMITS: Final = {"cpu": "processor time", "wall": "time", "memory": "memory", "output": "output"}
_LAST_WORDS: Final = 500
_ID: Final = 200
_MESSAGE: Final = 2_000


def read_run(place: Path, ended: Ended) -> TestRun:
    """Return what a run wrote down; it is hostile, so nothing of it is believed without a look."""
    try:
        said: Any = json.loads(read_report(place))
        tests = {_test(name): each for name, each in said["tests"].items()}
        outcomes = {test: Outcome(each["outcome"]) for test, each in tests.items()}
        messages = {test: str(each.get("message", ""))[-_MESSAGE:] for test, each in tests.items()}
        lines = {str(path): frozenset(map(int, each)) for path, each in said["lines"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return TestRun({}, ended.cpu_s, error=_why(place, ended))
    error = "" if ended.ended_by == "exit" and ended.code in _RAN else _why(place, ended)
    messages = {test: words for test, words in messages.items() if words}
    return TestRun(outcomes, ended.cpu_s, error, lines, messages)


def read_report(place: Path) -> bytes:
    """Return the bytes of a file, if it is one: no link, and nothing that one would wait for.

    Raises:
        OSError: it is not there, or a link.
        ValueError: it is no file, or too long.
    """
    number = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(number, "rb") as file:
        status = os.fstat(number)
        if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST_TEXT_BYTES:
            msg = "the report is no file, or too long"
            raise ValueError(msg)
        return file.read(LARGEST_TEXT_BYTES)


def _test(name: str) -> str:
    """Return the id of a test, if it can be one.

    Raises:
        ValueError: it would be taken for an option, or holds what no id does.
    """
    if name.startswith("-") or not name.isprintable():
        msg = f"{name!r} is no id of a test"
        raise ValueError(msg)
    return name


def _why(place: Path, ended: Ended) -> str:
    """Return why a run of tests ended, and in which test, if it said so."""
    why = why_it_ended(ended)
    with suppress(OSError, ValueError):
        now = _test(read_report(place.with_name("now")).decode())[:_ID]
        if now and ended.ended_by in _LIMITS:
            return f"{why}, in {now}"
    return why


def why_it_ended(ended: Ended) -> str:
    """Return why a run came to no end of its own, with its last words."""
    if ended.ended_by in _LIMITS:
        after = f" after {ended.wall_s:.0f} s" if ended.ended_by == "wall" else ""
        return f"the run of tests met its limit of {_LIMITS[ended.ended_by]}{after}"
    words = (ended.err or ended.out).decode(errors="replace").strip()[-_LAST_WORDS:]
    return f"the run of tests ended with code {ended.code}: {words}"
