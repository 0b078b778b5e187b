"""What is known of an exception, whichever wire it is told on: its words, its causes, its calls."""

import linecache
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Final

#: Members of a group that are told; more are left out.
_MOST_MEMBERS: Final = 8
#: A longer line of code is not told, and a longer message loses its end.
LONGEST_LINE: Final = 500
LONGEST_MESSAGE: Final = 8_192


@dataclass(frozen=True, slots=True)
class Call:
    """One call that led to an exception."""

    frame: FrameType
    line: int

    @property
    def file(self) -> str:
        """Where its code lies, as Python says it."""
        return self.frame.f_code.co_filename

    @property
    def module(self) -> str:
        """What its module is called; empty: it says no text."""
        module = self.frame.f_globals.get("__name__")
        return module if isinstance(module, str) else ""

    @property
    def lines(self) -> list[str]:
        """The lines of its file; none where it cannot be read."""
        return linecache.getlines(self.file, self.frame.f_globals)


def message(error: BaseException) -> str:
    """Return the words of an exception, bounded; empty where it fails to say them."""
    try:
        return bounded(str(error))
    except Exception:  # noqa: BLE001 - whatever it raises, it says nothing
        return ""


def bounded(text: str) -> str:
    """Return a text that is not too long, cut between words: half of a secret is not seen as one.

    What cannot be written as UTF-8 becomes a question mark.
    """
    text = text.encode(errors="replace").decode()
    if len(text) <= LONGEST_MESSAGE:
        return text
    head = text[:LONGEST_MESSAGE].rstrip()
    return f"{head[: len(head) - len(head.split()[-1])]}..." if head else "..."


def cause(error: BaseException) -> BaseException | None:
    """Return what an exception comes from: what it was raised from, else what was being handled."""
    if error.__cause__ is not None:
        return error.__cause__
    return None if error.__suppress_context__ else error.__context__


def members(error: BaseException) -> tuple[BaseException, ...]:
    """Return the first members of a group; of any other exception none."""
    return error.exceptions[:_MOST_MEMBERS] if isinstance(error, BaseExceptionGroup) else ()


def calls(error: BaseException) -> list[Call]:
    """Return the calls that led to an exception, the innermost last."""
    found: list[Call] = []
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        found.append(Call(trace.tb_frame, trace.tb_lineno))
        trace = trace.tb_next
    return found
