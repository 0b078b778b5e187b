"""The way in: runs a program in a box, where there is a sandbox that holds."""

from collections.abc import Sequence
from typing import Final

from honed.sandbox.box import Box, Ended, Limits
from honed.sandbox.probe import require
from honed.sandbox.running import Running

DEFAULT_LIMITS: Final = Limits()


def run(
    box: Box, argv: Sequence[str], *, limits: Limits = DEFAULT_LIMITS, stdin: bytes = b""
) -> Ended:
    """Return how ``argv`` ended, when it and everything that it started is gone.

    Raises:
        SandboxMissing: there is no sandbox that holds; nothing was run.
        SandboxFailed: this box could not be made, or the arguments are too long or not text.
        ConfigurationError: the box would see too much, or what it names is not there.
    """
    require()
    with Running(box, argv, limits) as running:
        return running.finish(stdin)


def start(box: Box, argv: Sequence[str], *, limits: Limits = DEFAULT_LIMITS) -> Running:
    """Return ``argv`` as it runs, to be asked things; use it in a ``with`` block.

    Raises:
        SandboxMissing: there is no sandbox that holds; nothing was run.
        SandboxFailed: the arguments are too long or not text.
        ConfigurationError: the box would see too much, or what it names is not there.
    """
    require()
    return Running(box, argv, limits)
