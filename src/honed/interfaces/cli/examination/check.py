"""What `honed doctor` says of one thing."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from honed.errors import HonedError


class Status(StrEnum):
    """How one thing is."""

    OK = "ok"
    #: honed works without it, but not all of it.
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    #: What: stable, for programs.
    name: str
    status: Status
    #: What was seen.
    seen: str
    #: What to do about it; empty: nothing.
    fix: str = ""


def guarded(name: str, look: Callable[..., Check], *about: object) -> Check:
    """Return what ``look`` sees; an error that honed can explain is what it sees, too."""
    try:
        return look(*about)
    except HonedError as error:
        return failed(name, error)


def failed(name: str, error: HonedError) -> Check:
    """Return that it could not be looked at, and why."""
    return Check(name, Status.FAIL, str(error), error.hint)
