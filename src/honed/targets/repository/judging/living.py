"""One side of a change, alive in a sandbox: its functions can be called, compared and timed."""

from collections.abc import Iterator
from contextlib import contextmanager

from honed.core.gate import Side
from honed.errors import EvaluatorFailed, RepairFailed, SandboxEnded
from honed.repair.refactor.touched import Touched
from honed.repair.refactor.twins import Twins, twins
from honed.repair.suite import Suite
from honed.sandbox.box import Box
from honed.targets.repository.judging.judge import Checkout


@contextmanager
def living(side: Side) -> Iterator[Twins]:
    """Hand out the functions of a side, and of changes of it, in one sandbox.

    Raises:
        EvaluatorFailed: its tests cannot be collected, or what runs there ends the sandbox.
        SandboxMissing: there is no sandbox, so nothing is run.
    """
    if not isinstance(side, Checkout):
        msg = "this side of a change has no files that could be run"
        raise EvaluatorFailed(msg)
    court = side.court
    suite = Suite(side.folder, court.python, court.tests)
    box = Box(court.python, sockets=court.sockets, environment=court.environment or {})
    added = {path: text for path, text in side.files.items() if text is not None}
    try:
        with twins(suite, box, added) as found:
            yield found
    except (RepairFailed, SandboxEnded) as error:
        msg = f"the functions cannot be called by themselves: {error}"
        raise EvaluatorFailed(msg) from error


def place_of(function: Touched) -> str:
    """Return what gates call a function by: its file and its name."""
    return f"{function.path}: {function.name}"
