"""An exception with the calls that led to it, as JSON."""

import linecache
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

#: Innermost calls of an error, errors in a chain, members of a group; more are left out.
_MOST_FRAMES = 50
_MOST_CAUSES = 8
_MOST_MEMBERS = 8
#: A longer message loses its end; a longer line of code is not told.
_LONGEST_MESSAGE = 8_192
_LONGEST_LINE = 500


def told_fault(error: BaseException, folder: Path, room: int = _MOST_CAUSES) -> dict[str, Any]:
    """Return ``error`` as ``POST /api/v1/tests`` takes it; files in ``folder`` relative to it.

    Values of variables are not told; what is told is scrubbed by the server.
    """
    told: dict[str, Any] = {
        "type": _type(type(error)),
        "message": bounded(_message(error)),
        "frames": list(_frames(error.__traceback__, folder))[-_MOST_FRAMES:],
    }
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None and room:
        told["cause"] = told_fault(cause, folder, room - 1)
        told["is_cause_context"] = error.__cause__ is None
    if isinstance(error, BaseExceptionGroup) and room:
        members = error.exceptions[:_MOST_MEMBERS]
        told["members"] = [told_fault(each, folder, min(room - 1, 1)) for each in members]
    return told


def bounded(text: str) -> str:
    """Return a text that is not too long, cut between words: half of a secret is not seen as one.

    What cannot be written as UTF-8 becomes a question mark.
    """
    text = text.encode(errors="replace").decode()
    if len(text) <= _LONGEST_MESSAGE:
        return text
    head = text[:_LONGEST_MESSAGE].rstrip()
    return f"{head[: len(head) - len(head.split()[-1])]}..." if head else "..."


def _type(kind: type[BaseException]) -> str:
    module = kind.__module__
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - an exception may fail to say what it is
        return ""


def _frames(trace: TracebackType | None, folder: Path) -> Iterator[dict[str, Any]]:
    is_runner = True
    while trace is not None:
        code = trace.tb_frame.f_code
        # Those of the test runner lead to every test.
        is_runner = is_runner and _is_runner(trace.tb_frame.f_globals.get("__name__", ""))
        if not is_runner:
            line = linecache.getline(code.co_filename, trace.tb_lineno).strip()
            yield {
                "file": relative(code.co_filename, folder),
                "module": str(trace.tb_frame.f_globals.get("__name__", "")),
                "function": code.co_qualname,
                "line": trace.tb_lineno,
                "code": line if len(line) <= _LONGEST_LINE else "",
            }
        trace = trace.tb_next


def _is_runner(module: object) -> bool:
    return str(module).partition(".")[0] in {"_pytest", "pluggy", "pytest"}


def relative(file: str, folder: Path) -> str:
    """Return the path of a file as it is in every checkout, where it lies in ``folder``."""
    try:
        return Path(file).relative_to(folder).as_posix()
    except ValueError:
        return file
