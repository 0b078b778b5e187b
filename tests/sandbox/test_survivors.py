"""Whatever ends a box, or honed, nothing of it lives on."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from honed.errors import Interrupted
from honed.sandbox.box import Box, Ended, Limits
from honed.sandbox.heeding import heeding
from honed.sandbox.run import run, start

PYTHON = str(Path(sys.executable))
DEADLINE_S = 60.0
PAUSE_S = 0.05
DAEMON = """
import os, subprocess, sys
def sleeper():
    return subprocess.Popen([sys.executable, "-I", "-c", "import time; time.sleep(90)", {mark!r}])
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        sleeper()
        if os.fork() == 0:
            sleeper().wait()
        os._exit(0)
    os.wait()
sleeper()
"""
STARTER = """
import sys
from pathlib import Path
from honed.sandbox.box import Box, Limits
from honed.sandbox.running import Running
print("started", flush=True)
running = Running(Box(Path(sys.executable)), [sys.executable, "-I", "-c", sys.argv[1]], Limits())
running.finish()
"""


def alive(mark: str) -> int:
    """Return how many processes have ``mark`` among their arguments."""
    found = 0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += mark.encode() in path.read_bytes()
        except OSError:
            continue
    return found


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        # No signal is waited for: it is a pause, in which those who are waited for can run.
        signal.sigtimedwait([], PAUSE_S)


def test_daemons_die_with_the_program(in_box: Callable[..., Ended]) -> None:
    mark = uuid4().hex
    assert in_box(DAEMON.format(mark=mark)).is_success
    assert alive(mark) == 0


def test_daemons_die_with_a_program_that_is_killed(box: Box) -> None:
    mark = uuid4().hex
    stay = f"{DAEMON.format(mark=mark)}\nprint(1, flush=True)\ninput()\ninput()"
    with start(box, [PYTHON, "-I", "-c", stay], limits=Limits(wall_s=60.0)) as running:
        assert running.ask(None) == 1
        # Seven sleepers, and those whose text holds the mark.
        until(lambda: alive(mark) >= 7)
    assert alive(mark) == 0


@pytest.mark.parametrize("delay_s", [None, *(step / 50 for step in range(8))])
@pytest.mark.usefixtures("sandbox")
def test_all_dies_with_honed(delay_s: float | None) -> None:
    mark = uuid4().hex
    stay = f"{DAEMON.format(mark=mark)}\nimport time; time.sleep(90)"
    with subprocess.Popen([PYTHON, "-c", STARTER, stay], stdout=subprocess.PIPE) as honed:
        assert honed.stdout
        assert honed.stdout.readline() == b"started\n"
        if delay_s is None:
            until(lambda: alive(mark) >= 7)
        else:
            # While the box is made: each moment of that has to be safe.
            signal.sigtimedwait([], delay_s)
        honed.kill()
    until(lambda: alive(mark) == 0)


def test_all_dies_when_whoever_waits_for_it_is_told_to_stop(box: Box) -> None:
    mark = uuid4().hex
    stay = f"{DAEMON.format(mark=mark)}\nimport time; time.sleep(90)"

    def stop_if_told() -> None:
        if alive(mark) >= 7:
            raise Interrupted

    with heeding(stop_if_told), pytest.raises(Interrupted):
        run(box, [PYTHON, "-I", "-c", stay], limits=Limits(wall_s=60.0))
    assert alive(mark) == 0
    assert run(box, [PYTHON, "-I", "-c", ""]).is_success


@pytest.mark.parametrize("looks", range(4))
def test_a_box_that_is_being_made_ends_when_told_to_stop(box: Box, looks: int) -> None:
    mark = uuid4().hex
    before = sorted(Path("/proc/self/fd").iterdir())
    asked: list[int] = []

    def stop_if_told() -> None:
        asked.append(alive(mark))
        if len(asked) > looks:
            raise Interrupted

    with heeding(stop_if_told), pytest.raises(Interrupted):
        run(box, [PYTHON, "-I", "-c", "import time; time.sleep(90)", mark])
    assert alive(mark) == 0
    assert sorted(Path("/proc/self/fd").iterdir()) == before


def test_a_run_leaves_no_open_file(in_box: Callable[..., Ended]) -> None:
    in_box("pass")
    before = sorted(Path("/proc/self/fd").iterdir())
    for limits in (Limits(wall_s=30.0), Limits(wall_s=0.01), Limits(output_bytes=1, wall_s=30.0)):
        in_box("print('much')", limits=limits)
    assert sorted(Path("/proc/self/fd").iterdir()) == before
