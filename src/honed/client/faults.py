"""An exception with the calls that led to it, as results of tests tell it."""

from collections.abc import Sequence
from itertools import dropwhile
from pathlib import Path
from typing import Any, Final

from honed.client.raised import LONGEST_LINE, Call, calls, cause, members, message

#: Innermost calls of an error, and errors in a chain; more are left out.
_MOST_FRAMES: Final = 50
_MOST_CAUSES: Final = 8
_RUNNERS: Final = frozenset({"_pytest", "pluggy", "pytest"})


def told_fault(error: BaseException, folder: Path, room: int = _MOST_CAUSES) -> dict[str, Any]:
    """Return ``error`` as ``POST /api/v1/tests`` takes it; files in ``folder`` relative to it.

    Values of variables are not told; what is told is scrubbed by the server.
    """
    told: dict[str, Any] = {
        "type": _type(type(error)),
        "message": message(error),
        "frames": [_frame(call, folder) for call in _own(calls(error))[-_MOST_FRAMES:]],
    }
    below = cause(error)
    if below is not None and room:
        told["cause"] = told_fault(below, folder, room - 1)
        told["is_cause_context"] = error.__cause__ is None
    group = members(error)
    if group and room:
        told["members"] = [told_fault(each, folder, min(room - 1, 1)) for each in group]
    return told


def relative(file: str, folder: Path) -> str:
    """Return the path of a file as it is in every checkout, where it lies in ``folder``."""
    try:
        return Path(file).relative_to(folder).as_posix()
    except ValueError:
        return file


def _type(kind: type[BaseException]) -> str:
    module = kind.__module__
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"


def _own(every: Sequence[Call]) -> list[Call]:
    """Return the calls without those of the test runner, which lead to every test."""
    return list(dropwhile(lambda call: call.module.partition(".")[0] in _RUNNERS, every))


def _frame(call: Call, folder: Path) -> dict[str, Any]:
    lines = call.lines
    code = lines[call.line - 1].strip() if 0 < call.line <= len(lines) else ""
    return {
        "file": relative(call.file, folder),
        "module": call.module,
        "function": call.frame.f_code.co_qualname,
        "line": call.line,
        "code": code if len(code) <= LONGEST_LINE else "",
    }
