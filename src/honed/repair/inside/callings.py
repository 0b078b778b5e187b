"""What functions are called with in tests."""

import contextlib
import sys
import threading
import time
from collections import defaultdict
from types import FrameType
from typing import Any, Self

from . import tests
from .isolated import Say, in_child
from .spectrum import plain_arguments

#: Different inputs of one function that one test tells, and all tests together.
MOST_OF_TEST = 20
MOST = 60
#: Tests that are told of one function.
MOST_TESTS = 10
#: More than the CPU time of a test that a busy machine may need of the wall's.
WALL_FACTOR = 6


def callings(server: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Return for each of the functions how often tests call it, and with what, where that is plain.

    Tests run one after the other, each in a process of its own, until the time is over.
    """
    wanted = {(path, name) for path, name in request["functions"]}
    counts: dict[tuple[str, str], int] = defaultdict(int)
    inputs: dict[tuple[str, str], dict[tuple[str, ...], None]] = defaultdict(dict)
    callers: dict[tuple[str, str], list[str]] = defaultdict(list)
    until = time.monotonic() + request["wall_s"]
    run = 0
    for key in request["tests"]:
        if time.monotonic() > until:
            break
        run += 1
        for path, name, count, known in _told(server, key, wanted, request["timeout_s"]):
            counts[path, name] += count
            callers[path, name].append(key)
            for texts in known[: MOST - len(inputs[path, name])]:
                inputs[path, name][tuple(texts)] = None
    return {
        "functions": [
            {
                "path": path,
                "name": name,
                "count": counts[path, name],
                "inputs": list(inputs[path, name]),
                "tests": callers[path, name][:MOST_TESTS],
            }
            for path, name in sorted(wanted)
        ],
        "tests": run,
    }


def _told(server: Any, key: str, wanted: set[tuple[str, str]], limit_s: float) -> list[Any]:
    def work(say: Say) -> None:
        watch = _Watch(wanted)
        tests.on_time_out = lambda: say(watch.told())
        with watch, contextlib.suppress(tests.OutOfTime):
            server.run_test(key, limit_s)
        say(watch.told())

    said, _ = in_child(work, limit_s * WALL_FACTOR)
    return said[-1] if said else []


class _Watch:
    """A context in which calls of some functions are noted."""

    def __init__(self, wanted: set[tuple[str, str]]) -> None:
        self._wanted = wanted
        self._counts: dict[tuple[str, str], int] = defaultdict(int)
        self._inputs: dict[tuple[str, str], dict[tuple[str, ...], None]] = defaultdict(dict)

    def told(self) -> list[Any]:
        """Return path, name, count and inputs of each function that was called."""
        return [
            [path, name, count, list(self._inputs[path, name])]
            for (path, name), count in self._counts.items()
        ]

    def __enter__(self) -> Self:
        threading.setprofile(self._called)
        sys.setprofile(self._called)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)
        threading.setprofile(None)

    def _called(self, frame: FrameType, event: str, _argument: Any) -> None:
        if event != "call":
            return
        key = (frame.f_code.co_filename, frame.f_code.co_qualname)
        if key not in self._wanted:
            return
        self._counts[key] += 1
        if len(self._inputs[key]) < MOST_OF_TEST:
            texts = plain_arguments(frame)
            if texts is not None:
                self._inputs[key][tuple(texts)] = None
