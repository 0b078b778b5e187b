"""What functions take by themselves in tests."""

import cProfile
import time
from collections import defaultdict
from pathlib import Path
from types import CodeType
from typing import Any, Final

import _pytest
import pluggy
import pytest

from . import tests
from .isolated import Say, in_child
from .spectrum import is_repairable

#: More than the CPU time of a test that a busy machine may need of the wall's.
WALL_FACTOR = 6
#: What runs the tests is no part of what they take.
RUNNERS: Final = tuple(
    str(Path(each.__file__ or "/").parent) for each in (_pytest, pluggy, pytest, tests)
)


def profiled(server: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Return path, line, processor seconds and calls of each piece of code that tests ran.

    Calls of what is no Python count for who calls it. What is not the project's own, and its tests,
    are told together without a path. What fixtures take, and what runs the tests, is left out.
    Tests run one after the other, each in a process of its own, until the time is over.
    """
    cpu_s: dict[tuple[str, int], float] = defaultdict(float)
    counts: dict[tuple[str, int], int] = defaultdict(int)
    until = time.monotonic() + request["wall_s"]
    run = 0
    for key in request["tests"]:
        if time.monotonic() > until:
            break
        run += 1
        for path, line, seconds, count in _told(server, key, request["timeout_s"]):
            cpu_s[path, line] += seconds
            counts[path, line] += count
    found = [[*place, seconds, counts[place]] for place, seconds in cpu_s.items()]
    return {"functions": found, "tests": run}


def _told(server: Any, key: str, limit_s: float) -> list[Any]:
    def work(say: Say) -> None:
        profile = cProfile.Profile(time.thread_time)
        tests.on_time_out = lambda: say(_owned(profile, server.root))
        item = server.item(key)
        run = item.runtest

        def watched() -> None:
            with profile:
                run()

        item.runtest = watched
        server.run_test(key, limit_s)
        say(_owned(profile, server.root))

    said, _ = in_child(work, limit_s * WALL_FACTOR)
    return said[-1] if said else []


def _owned(profile: cProfile.Profile, root: str) -> list[Any]:
    found: dict[tuple[str, int], tuple[float, int]] = {}
    for entry in profile.getstats():
        code = entry.code
        if not isinstance(code, CodeType) or code.co_filename.startswith(RUNNERS):
            continue
        builtin_s = sum(each.totaltime for each in entry.calls or () if isinstance(each.code, str))
        own = is_repairable(code.co_filename, root)
        place = (code.co_filename, code.co_firstlineno) if own else ("", 0)
        seconds, count = found.get(place, (0.0, 0))
        found[place] = seconds + entry.inlinetime + builtin_s, count + entry.callcount
    return [[*place, *taken] for place, taken in found.items()]
