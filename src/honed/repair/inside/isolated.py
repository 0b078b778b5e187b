"""Run a piece of work in a forked process that may do whatever it likes to itself."""

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Say = Callable[[Any], None]

#: Address space of a forked process; what needs more gets a MemoryError.
MEMORY_BYTES = 4 << 30
FILE_BYTES = 64 << 20
PROCESSES = 64
#: What a child may say; one that says more has run wild.
MOST_BYTES = 32 << 20

#: How long children that make children are killed.
LAST_S = 10.0

_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Make this process the parent of whatever its children leave behind (Linux)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def in_child(work: Callable[[Say], None], wall_s: float) -> tuple[list[Any], bool]:
    """Return what ``work`` said in a forked process, and whether it came to its end.

    All that it started is dead afterwards. False also where it left by ``os._exit``, was killed or
    had not ended after ``wall_s``; what it said until then is returned.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _work_and_leave(work, writing)
    os.close(writing)
    try:
        text = _read_all(reading, time.monotonic() + wall_s)
    finally:
        os.close(reading)
        _end(child)
    said = _parsed(text)
    has_ended = bool(said) and said[-1] == "end"
    return (said[:-1] if has_ended else said), has_ended


def _work_and_leave(work: Callable[[Say], None], writing: int) -> None:
    code = 1
    own = os.getpid()

    def say(each: Any) -> None:
        # What the work forks goes on with it, and would speak of what this one is at no more.
        if os.getpid() != own:
            os._exit(1)
        _write(writing, each)

    try:
        os.setsid()
        _limit()
        adopt_orphans()
        work(say)
        say("end")
        code = 0
    finally:
        # Whatever was raised: buffers, exit handlers and tests of the parent must not run twice.
        os._exit(code)


def _limit() -> None:
    for sort, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, FILE_BYTES),
        (resource.RLIMIT_NPROC, PROCESSES),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(sort)
        least = most if hard == resource.RLIM_INFINITY else min(most, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(sort, (least, hard))


def _write(writing: int, each: Any) -> None:
    data = memoryview(json.dumps(each).encode() + b"\n")
    while data:
        data = data[os.write(writing, data) :]


def _read_all(reading: int, until: float) -> bytes:
    """Read until the child says it has ended, its pipe is closed, or it is too late."""
    text = bytearray()
    while (left_s := until - time.monotonic()) > 0 and len(text) < MOST_BYTES:
        ready, _, _ = select.select([reading], [], [], left_s)
        part = os.read(reading, 1 << 16) if ready else b""
        if not part:
            break
        text += part
        if text.endswith(b'"end"\n'):
            break
    return bytes(text)


def _parsed(text: bytes) -> list[Any]:
    said = []
    for line in text.splitlines():
        try:
            said.append(json.loads(line))
        except ValueError:
            break
    return said


def has_children() -> bool:
    """Whether this process has children, also such as its children have left behind."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _end(child: int) -> None:
    """Kill the child, its process group, and what has left that group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(child, 0)
    # A fork bomb may be quicker than one look; each round kills a generation.
    until = time.monotonic() + LAST_S
    while time.monotonic() < until:
        orphans = _children()
        if not orphans:
            return
        for orphan in orphans:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(orphan, signal.SIGKILL)
        for orphan in orphans:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(orphan, 0)


def _children() -> list[int]:
    try:
        listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii")
    except OSError:
        return []
    return [int(pid) for pid in listed.split()]
