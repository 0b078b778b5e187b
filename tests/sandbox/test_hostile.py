"""Nothing that a program in a box does reaches beyond it, or lasts longer than it."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path

import pytest

from honed.sandbox import probe as probing
from honed.sandbox.box import Box, Ended, Limits
from honed.sandbox.command import prefixes
from honed.sandbox.probe import probe
from honed.sandbox.run import start
from honed.storage.server import PORT, Server

PYTHON = Path(sys.executable)
MIB = 1 << 20
InBox = Callable[..., Ended]
Said = Callable[[str], str]
#: Those of the attempts that only a filter stops that every machine lets through without one.
_UNFILTERED = (
    "hides memory in memfds",
    "hides memory in shared mappings",
    "hides memory in mappings of /dev/zero",
    "makes a system call that shall be refused",
)


def test_a_hostile_program_gets_through_with_nothing(sandbox: str) -> None:
    assert sandbox.startswith("bubblewrap")
    assert probe().reasons == ()


@pytest.mark.parametrize(
    "attempt",
    [
        "opens a TCP connection to the host",
        "connects to a Unix socket of the host",
        "connects to an abstract socket of the host",
        "reads a file of the host",
        "sees processes of the host",
        "sees honed's environment",
        *_UNFILTERED,
    ],
)
def test_the_same_program_gets_through_without_a_box(attempt: str) -> None:
    # Else the probe's good verdict would say nothing.
    script = resources.files("honed.sandbox.inside").joinpath("hostile.py").read_bytes()
    with probing._host() as told:
        told["attempts"] = [attempt]
        argv = [sys.executable, "-I", "-", json.dumps(told)]
        env = {**os.environ, "SECRET": "1"}
        done = subprocess.run(argv, input=script, env=env, capture_output=True, check=True)
        found = json.loads(done.stdout)
        assert probing._is_left(told["mark"])
        os.kill(found["left"], signal.SIGKILL)
    assert found["through"] == [attempt]


def test_a_fork_bomb_stops_at_its_limit(in_box: InBox) -> None:
    bomb = """
import os, time
count = 0
try:
    while True:
        if os.fork() == 0:
            time.sleep(60)
        count += 1
except OSError:
    print(count)
"""
    ended = in_box(bomb, limits=Limits(processes=32, wall_s=30.0))
    # The box's first process and the bomb itself count as well.
    assert (ended.ended_by, int(ended.out)) == ("exit", 30)


def test_bombs_in_two_boxes_do_not_count_against_each_other(in_box: InBox, box: Box) -> None:
    fork = "import os; print(int(os.fork() >= 0), flush=True); input()"
    limits = Limits(processes=4, wall_s=30.0)
    with start(box, [str(PYTHON), "-I", "-c", fork], limits=limits) as first:
        assert first.ask(None) == 1
        assert in_box("import os; os.fork(); os._exit(0)", limits=limits).is_success


def test_an_endless_loop_ends_by_its_cpu_time(in_box: InBox) -> None:
    ended = in_box("while True: pass", limits=Limits(cpu_s=1.0, wall_s=60.0))
    assert ended.ended_by == "cpu"
    assert 0.5 < ended.cpu_s < 3.0


@pytest.mark.slow
def test_loops_in_many_processes_end_by_the_cpu_time_of_all(in_box: InBox) -> None:
    loops = "import os\nfor _ in range(3): os.fork()\nwhile True: pass"
    ended = in_box(loops, limits=Limits(cpu_s=2.0, wall_s=60.0))
    assert ended.ended_by == "cpu"


@pytest.mark.slow
def test_who_ignores_the_warning_of_too_much_cpu_time_is_killed(in_box: InBox) -> None:
    deaf = "import signal; signal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass"
    assert in_box(deaf, limits=Limits(cpu_s=1.0, wall_s=60.0)).ended_by == "cpu"


def test_a_sleeper_ends_by_the_clock(in_box: InBox) -> None:
    ended = in_box("import time; time.sleep(60)", limits=Limits(wall_s=0.5))
    assert ended.ended_by == "wall"
    assert ended.wall_s < 5.0


def test_memory_beyond_the_limit_is_refused(in_box: InBox) -> None:
    ended = in_box("bytearray(1_500_000_000)")
    assert ended.ended_by == "exit"
    assert b"MemoryError" in ended.err


def test_memory_of_all_processes_together_is_limited(in_box: InBox) -> None:
    hoard = """
import os, time
for _ in range(8):
    if os.fork() == 0:
        hoard = b"x" * 60_000_000
        time.sleep(60)
time.sleep(60)
"""
    ended = in_box(hoard, limits=Limits(memory_bytes=256 * MIB, wall_s=30.0))
    assert ended.ended_by == "memory"


def test_memory_that_processes_share_counts_once(in_box: InBox) -> None:
    share = """
import os, time
hoard = b"x" * 60_000_000
for _ in range(8):
    if os.fork() == 0:
        time.sleep(1)
        os._exit(0)
for _ in range(8):
    os.wait()
"""
    assert in_box(share, limits=Limits(memory_bytes=256 * MIB, wall_s=30.0)).is_success


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_flood_of_output_is_cut(in_box: InBox, stream: str) -> None:
    flood = f"import sys\nwhile True: sys.{stream}.write('x' * 1000)"
    ended = in_box(flood, limits=Limits(output_bytes=50_000, wall_s=30.0))
    assert ended.ended_by == "output"
    assert len(ended.out) + len(ended.err) == 50_000


@pytest.mark.parametrize(
    "place", ["/x", "/usr/x", "/etc/x", "/dev/x", "/root/x", "/proc/sys/kernel/hostname"]
)
def test_nothing_of_the_system_is_written(in_box: InBox, place: str) -> None:
    ended = in_box(f"open({place!r}, 'w')")
    assert ended.code == 1
    assert not Path("/x").exists()


def test_what_the_box_reads_cannot_be_written(in_box: InBox, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("as it was")
    tmp_path.chmod(0o777)
    write = f"open('{tmp_path}/file', 'w')"
    ended = in_box(write, box=Box(PYTHON, reads=(tmp_path,)))
    assert b"Read-only file system" in ended.err
    assert (tmp_path / "file").read_text() == "as it was"


def test_each_box_has_a_tmp_of_its_own(said: Said) -> None:
    said("open('/tmp/honed-left', 'w').close()")
    # The interpreter itself may lie below the host's, and is shown where it is.
    shown = sorted({path.parts[2] for path in prefixes(PYTHON) if path.parts[1] == "tmp"})
    assert said("import os; print(sorted(os.listdir('/tmp')))") == str(shown)
    assert not (Path(tempfile.gettempdir()) / "honed-left").exists()


@pytest.fixture
def listener() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_there_is_no_network_but_its_own_loopback(said: Said, listener: int) -> None:
    reach = """
import socket
def reaches(host, port):
    try:
        socket.create_connection((host, port), 2).close()
    except OSError:
        return False
    return True
own = socket.create_server(("127.0.0.1", 0))
"""
    asked = f"[reaches('127.0.0.1', {listener}), reaches('1.1.1.1', 53)"
    assert said(f"{reach}\nprint({asked}, reaches('localhost', own.getsockname()[1])])") == (
        "[False, False, True]"
    )


def test_honeds_own_database_is_out_of_reach(said: Said, postgres_server: Server) -> None:
    path = postgres_server.socket_dir / f".s.PGSQL.{PORT}"
    assert path.is_socket()
    connect = f"socket.socket(socket.AF_UNIX).connect({str(path)!r})"
    attempt = f"import socket\ntry:\n    {connect}\nexcept FileNotFoundError:\n    print('none')"
    assert said(attempt) == "none"


def test_a_variable_of_honeds_is_not_seen(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HONED_TARGET_SHOP_PASSWORD", "hunter2")
    assert "hunter2" not in said("import os; print(dict(os.environ))")


def test_a_box_gains_no_privileges(said: Said) -> None:
    status = said("print(open('/proc/self/status').read())")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(fields[name], 16) == 0
    assert fields["NoNewPrivs"] == "1"
    assert "0" not in fields["Uid"].split()
