"""Workers die, freeze, wake up and are told to end: no message is lost, none is committed twice."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString

import pytest

from honed.jobs.deadletters import Cause, dead_letters
from honed.storage.server import Server
from honed.testing.desk import Desk, Probe

PROGRAM = Path(__file__).with_name("worker_process.py")
#: The times of the defaults, divided by twenty.
FAST = {"heartbeat_s": 0.25, "stalled_after_s": 1.0}
DEFAULTS: dict[str, float] = {}
DEADLINE_S = 60.0
POISON, POLITE, STUBBORN = 666, 100, 200


@dataclass
class Process:
    """A worker in a process of its own."""

    process: "subprocess.Popen[str]"

    def expect(self, what: str, number: int = 0) -> None:
        """Wait until the worker says this; anything else is wrong."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the worker ended before it said {what!r}"
        assert json.loads(line) == {"what": what, "number": number}

    def go_on(self) -> None:
        """Let the handler go on."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def wait(self) -> int:
        """Wait for the end; return the exit code."""
        return self.process.wait(DEADLINE_S)


Start = Callable[..., Process]


@pytest.fixture
def start(desk: Desk) -> Iterator[Start]:
    """Return what starts a worker; all of them are killed at the end."""
    started: list[subprocess.Popen[str]] = []
    with desk.store.transaction() as conn:
        conn.execute("CREATE TABLE public.record (worker integer, number integer)")
        conn.execute("GRANT INSERT ON public.record TO honed_daemon")

    def start_one(settings: dict[str, float] = FAST, grace_s: float = 30.0) -> Process:
        process = subprocess.Popen(
            [sys.executable, PROGRAM, desk.store.url, json.dumps(settings), str(grace_s)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return Process(process)

    yield start_one
    for process in started:
        process.kill()
        process.communicate()


def records(desk: Desk) -> list[tuple[int, int]]:
    """Return which process has committed which message."""
    return [
        (row["worker"], row["number"])
        for row in desk.rows("SELECT worker, number FROM public.record")
    ]


def wait_for(desk: Desk, condition: LiteralString) -> None:
    """Wait until a query returns a row."""
    deadline = time.monotonic() + DEADLINE_S
    while not desk.rows(condition):
        assert time.monotonic() < deadline, condition
        desk.rows("SELECT pg_sleep(0.02)")


def trouble(desk: Desk) -> tuple[int, int]:
    """Return how many exceptions and crashes the only message has had."""
    (row,) = desk.rows("SELECT exceptions, crashes FROM honed.job_trouble")
    return row["exceptions"], row["crashes"]


def killed_worker_is_replaced(desk: Desk, start: Start, settings: dict[str, float]) -> float:
    """Return the seconds from ``kill -9`` of a worker until another one has its message."""
    first = start(settings)
    desk.send(Probe(number=1, alone=True), Probe(number=2, alone=True))
    first.expect("begins", 1)
    second = start(settings)
    wait_for(desk, "SELECT 1 FROM honed.procrastinate_workers HAVING count(*) = 2")
    first.send(signal.SIGKILL)
    killed_at = time.monotonic()
    second.expect("begins", 1)
    took_s = time.monotonic() - killed_at
    assert trouble(desk) == (0, 1)
    second.go_on()
    second.expect("done", 1)
    second.expect("begins", 2)
    second.go_on()
    second.expect("done", 2)
    assert records(desk) == [(second.process.pid, 1), (second.process.pid, 2)]
    return took_s


def test_the_job_of_a_killed_worker_is_taken_over(desk: Desk, start: Start) -> None:
    # Silence, one look for it and one reconnect: 35 s with the defaults, a twentieth of it here;
    # the rest is for a machine that does something else as well.
    assert killed_worker_is_replaced(desk, start, FAST) < 35 / 20 + 8


@pytest.mark.slow
def test_the_job_of_a_killed_worker_is_taken_over_within_35_s(desk: Desk, start: Start) -> None:
    assert killed_worker_is_replaced(desk, start, DEFAULTS) < 35


def test_a_worker_that_wakes_up_too_late_cannot_commit(desk: Desk, start: Start) -> None:
    first = start()
    desk.send(Probe(number=1))
    first.expect("begins", 1)
    first.send(signal.SIGSTOP)
    second = start()
    second.expect("begins", 1)
    first.send(signal.SIGCONT)
    first.go_on()
    first.expect("lost", 1)
    second.go_on()
    second.expect("done", 1)
    assert records(desk) == [(second.process.pid, 1)]
    wait_for(desk, "SELECT 1 FROM honed.procrastinate_jobs WHERE status = 'succeeded'")


def test_a_worker_that_wakes_up_too_late_works_on(desk: Desk, start: Start) -> None:
    first = start()
    desk.send(Probe(number=1))
    first.expect("begins", 1)
    first.send(signal.SIGSTOP)
    second = start()
    second.expect("begins", 1)
    second.go_on()
    second.expect("done", 1)
    wait_for(desk, "SELECT 1 FROM honed.procrastinate_jobs WHERE status = 'succeeded'")
    second.send(signal.SIGTERM)
    second.expect("ended")
    # The next worker that starts forgets workers that were silent; the first one must notice.
    desk.rows("DELETE FROM honed.procrastinate_workers RETURNING id")
    first.send(signal.SIGCONT)
    first.go_on()
    first.expect("lost", 1)
    desk.send(Probe(number=2))
    first.expect("begins", 2)
    first.go_on()
    first.expect("done", 2)
    assert records(desk) == [(second.process.pid, 1), (first.process.pid, 2)]


@pytest.mark.slow
def test_a_long_handler_keeps_its_job(desk: Desk, start: Start) -> None:
    first = start()
    desk.send(Probe(number=1))
    first.expect("begins", 1)
    second = start()
    # Three times the silence after which a worker is dead.
    wait_for(
        desk,
        """
        SELECT 1 FROM honed.procrastinate_workers HAVING min(last_heartbeat) >
          (SELECT max(at) + interval '3 s' FROM honed.procrastinate_events WHERE type = 'started')
          AND count(*) = 2
        """,
    )
    first.go_on()
    first.expect("done", 1)
    wait_for(desk, "SELECT 1 FROM honed.procrastinate_jobs WHERE status = 'succeeded'")
    assert desk.rows("SELECT 1 FROM honed.job_trouble") == []
    second.send(signal.SIGTERM)
    second.expect("ended")


def let_the_harmless_one_go_first(worker: Process, number: int) -> None:
    """Wait until ``worker`` begins a message; when it gets to the harmless one is nobody's word."""
    assert worker.process.stdout is not None
    if json.loads(worker.process.stdout.readline())["number"] == 1:
        worker.go_on()
        worker.expect("done", 1)
        worker.expect("begins", number)


@pytest.mark.slow
def test_a_message_that_kills_its_worker_is_poison_after_three(desk: Desk, start: Start) -> None:
    desk.send(Probe(number=POISON), Probe(number=1))
    for _ in range(3):
        victim = start()
        let_the_harmless_one_go_first(victim, POISON)
        assert victim.wait() == -signal.SIGKILL
    survivor = start()
    wait_for(desk, "SELECT 1 FROM honed.dead_letter")
    with desk.daemon.transaction() as conn:
        (letter,) = dead_letters(conn)
    assert (letter.cause, letter.crashes, letter.exceptions) == (Cause.CRASHES, 3, 0)
    desk.send(Probe(number=2))
    let_the_harmless_one_go_first(survivor, 2)
    survivor.go_on()
    survivor.expect("done", 2)
    assert 1 in {number for _, number in records(desk)}


def test_a_worker_told_to_end_finishes_what_it_does(desk: Desk, start: Start) -> None:
    worker = start()
    desk.send(Probe(number=1), Probe(number=2))
    worker.expect("begins", 1)
    worker.send(signal.SIGTERM)
    worker.go_on()
    worker.expect("done", 1)
    worker.expect("ended")
    assert worker.wait() == 0
    assert desk.statuses() == ["succeeded", "todo"]
    assert desk.rows("SELECT 1 FROM honed.procrastinate_workers") == []


def test_a_handler_that_listens_gives_its_job_back(desk: Desk, start: Start) -> None:
    worker = start()
    desk.send(Probe(number=POLITE))
    worker.expect("begins", POLITE)
    worker.send(signal.SIGTERM)
    worker.expect("ended")
    assert worker.wait() == 0
    assert desk.statuses() == ["todo"]
    assert desk.rows("SELECT 1 FROM honed.job_trouble") == []


def test_the_job_of_a_handler_that_does_not_end_is_put_back(desk: Desk, start: Start) -> None:
    worker = start(grace_s=0.1)
    desk.send(Probe(number=1))
    worker.expect("begins", 1)
    worker.send(signal.SIGTERM)
    wait_for(desk, "SELECT 1 FROM honed.procrastinate_jobs WHERE status = 'todo'")
    worker.go_on()
    worker.expect("lost", 1)
    worker.expect("ended")
    assert desk.rows("SELECT 1 FROM honed.job_trouble") == []
    assert records(desk) == []


def test_a_second_signal_ends_the_process(desk: Desk, start: Start) -> None:
    worker = start()
    desk.send(Probe(number=STUBBORN))
    worker.expect("begins", STUBBORN)
    worker.send(signal.SIGTERM)
    worker.expect("told", STUBBORN)
    worker.send(signal.SIGTERM)
    assert worker.wait() == -signal.SIGTERM


def test_a_worker_survives_the_loss_of_its_connections(desk: Desk, start: Start) -> None:
    worker = start()
    desk.send(Probe(number=1))
    worker.expect("begins", 1)
    desk.rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    worker.go_on()
    worker.expect("done", 1)
    desk.send(Probe(number=2))
    worker.expect("begins", 2)
    worker.go_on()
    worker.expect("done", 2)


def test_a_stopped_worker_in_a_thread_ends(desk: Desk, postgres_server: Server) -> None:
    assert postgres_server.is_running()
    worker = desk.worker()
    desk.on_probe = lambda _context, _message: worker.stop()
    desk.send(Probe(number=1), Probe(number=2))
    worker.run()
    assert desk.statuses() == ["succeeded", "todo"]
