"""How often a function is called between two looks at the clock, and a first look at its time."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from honed.core.change import FileChange
from honed.repair.refactor.touched import ASYNCHRONOUS, touched_functions
from honed.repair.refactor.twins import Calls, Twins
from honed.stats.intervals import Interval, mean_interval

#: A turn takes at least so long: a look at the clock takes some 0.2 microseconds, and what a fork
#: touches for the first time is then a small part.
_TURN_S: Final = 0.004
_MOST_PASSES: Final = 20_000
#: A run of tests takes some ms beside what is timed.
_MOST_RUNS: Final = 20
_LEAST_PASSES: Final = 3
#: Of a first look.
_PAIRS: Final = 5
#: What a change gains is at least this, as everywhere.
_WORTHWHILE: Final = math.log1p(-0.02)
_ALPHA: Final = 0.1


@dataclass(frozen=True, slots=True)
class Paced:
    """A function with inputs, and how often each is called."""

    calls: Calls
    passes: int
    #: What one call with each input takes, as the code is.
    cpu_s: float
    #: How many inputs that is: those that return.
    inputs: int


def paced(twins: Twins, files: Sequence[FileChange], calls: Calls) -> Paced | str:
    """Return how often a function is called to be timed, or why it cannot be.

    Raises:
        SandboxEnded: what ran in the sandbox ended it.
    """
    once = twins.cpu_s(files, calls, 1, is_patched=False)
    if once.cpu_s is None:
        return once.why
    # One pass is too short to be sure of: again, with as many as it seemed to need.
    again = twins.cpu_s(files, calls, _passes(calls, once.cpu_s), is_patched=False)
    if again.cpu_s is None:
        return again.why
    return Paced(calls, _passes(calls, again.cpu_s), again.cpu_s, again.inputs)


def obstacle(calls: Calls) -> str:
    """Return why a function cannot be timed, neither by itself nor in tests; empty: it can."""
    if calls.function.obstacle == ASYNCHRONOUS:
        return calls.function.obstacle
    return "" if calls.count else "no test calls it"


def _passes(calls: Calls, cpu_s: float) -> int:
    most = _MOST_PASSES if calls.is_callable else _MOST_RUNS
    return min(most, max(_LEAST_PASSES, math.ceil(_TURN_S / max(cpu_s, 1e-9))))


def first_look(twins: Twins, files: Sequence[FileChange], pace: Paced) -> Interval | None:
    """Return the natural logarithm of time after over before in a few pairs; None: no telling.

    It tells what is worth a trial, and proves nothing.

    Raises:
        SandboxEnded: what ran in the sandbox ended it.
    """
    ratios = []
    for number in range(_PAIRS):
        order = (False, True) if number % 2 else (True, False)
        taken = {
            is_patched: twins.cpu_s(files, pace.calls, pace.passes, is_patched=is_patched)
            for is_patched in order
        }
        before, after = taken[False].cpu_s, taken[True].cpu_s
        if not before or not after or taken[False].inputs != taken[True].inputs:
            return None
        ratios.append(math.log(after / before))
    return mean_interval(ratios, alpha=_ALPHA)


def first_gain(twins: Twins, files: Sequence[FileChange]) -> dict[str, float] | None:
    """Return what a first look saw of a change; None: no gain, or its function cannot be timed.

    ``log_ratio`` is the natural logarithm of time after over before, ``log_ratio_high`` the upper
    end of its interval, ``inputs`` how many inputs were timed.

    Raises:
        SandboxEnded: what ran in the sandbox ended it.
    """
    for calls in twins.callings(touched_functions(files)):
        pace = obstacle(calls) or paced(twins, files, calls)
        gain = first_look(twins, files, pace) if isinstance(pace, Paced) else None
        if isinstance(pace, Paced) and gain is not None and gain.high < _WORTHWHILE:
            return {"log_ratio": gain.effect, "log_ratio_high": gain.high, "inputs": pace.inputs}
    return None
