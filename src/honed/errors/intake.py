"""Errors about what services send."""

from honed.errors.base import HonedError


class IntakeError(HonedError):
    """Something about the intake of signals."""


class MalformedSignal(IntakeError):
    """What was sent cannot be read."""

    hint = (
        "send it as docs/reference/intakes.md says; `honed intake status` counts what was refused"
    )


class UnknownProject(IntakeError):
    """There is no such project."""

    hint = "`honed project list` shows the projects; `honed project add` adds one"
    exit_code = 2


class Overloaded(IntakeError):
    """More signals arrive than can be stored; those of this request were not taken."""

    hint = "send them again later; `honed intake status` counts what was turned away"

    def __init__(self, message: str = "", *, retry_after_s: int = 1, hint: str = "") -> None:
        """Keep how soon it makes sense to try again, in seconds."""
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s
