"""`honed serve` is killed or flooded while services send: what it answered 200 is in the store."""

import gzip
import http.client
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from honed.signals.projects import Project, add_project
from honed.storage.db import Database
from honed.testing.commandline import CommandLine

ANSWER_S = 60.0
SENDERS = 12
QUEUE_MB = 16


@dataclass
class Serving:
    """The real server in a process of its own."""

    process: "subprocess.Popen[str]"
    port: int
    project: Project

    def memory_mb(self) -> float:
        """Return the most memory that it ever had."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) / 1024


@dataclass
class Senders:
    """Threads that send feedback, each with a number of its own, and keep what was answered."""

    port: int
    key: str
    #: What each says beside its number.
    words: str = ""
    #: No more than so many.
    most: int = sys.maxsize
    answered: set[int] = field(default_factory=set)
    statuses: Counter[int] = field(default_factory=Counter)
    #: Set when a number of them were answered 200.
    enough: threading.Event = field(default_factory=threading.Event)
    enough_at: int = sys.maxsize
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self, senders: int) -> None:
        self._threads = [threading.Thread(target=self._send) for _ in range(senders)]
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    def _send(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_S)
        headers = {"X-Honed-Key": self.key, "Content-Encoding": "gzip"}
        try:
            for number in self._numbers:
                if number >= self.most:
                    break
                said = {"text": f"{number} {self.words}", "rating": number}
                body = gzip.compress(json.dumps(said).encode(), 1)
                connection.request("POST", "/api/v1/feedback", body, headers)
                answer = connection.getresponse()
                answer.read()
                self.statuses[answer.status] += 1
                if answer.status == 429:
                    assert int(answer.headers["Retry-After"]) >= 1
                if answer.status == 200:
                    self.answered.add(number)
                if len(self.answered) >= self.enough_at:
                    self.enough.set()
        except (OSError, http.client.HTTPException):
            # The server is gone.
            self.enough.set()
        finally:
            connection.close()


@contextmanager
def serving(cli: CommandLine, store: Database, **settings: str) -> Iterator[Serving]:
    """Hand out `honed serve` on the store of ``cli``; whatever is left of it is killed."""
    cli.text("config", "apply")
    with store.transaction() as conn:
        project = add_project(conn, f"shop{random.getrandbits(32)}")
    environment = {**os.environ, **cli.env, "HONED_API_PORT": "0", **settings}
    command = [sys.executable, "-m", "honed", "serve", "--json"]
    with (
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process,
        ExitStack() as ending,
    ):
        ending.callback(process.kill)
        assert process.stdout is not None
        yield Serving(process, json.loads(process.stdout.readline())["port"], project)


def stored(store: Database) -> Counter[int]:
    """Return the numbers that are in the store, and how often each is."""
    with store.transaction() as conn:
        rows = conn.execute("SELECT rating::int AS number FROM honed.user_feedback").fetchall()
    return Counter(row["number"] for row in rows)


@pytest.mark.parametrize("after", [1, 40, 200, 700])
def test_what_was_answered_survives_a_kill(cli: CommandLine, store: Database, after: int) -> None:
    with serving(cli, store) as server:
        senders = Senders(server.port, server.project.public_key, enough_at=after)
        senders.start(SENDERS)
        assert senders.enough.wait(ANSWER_S)
        server.process.kill()
        senders.join()
        assert server.process.wait() == -signal.SIGKILL
    assert len(senders.answered) >= after
    assert set(senders.statuses) == {200}
    found = stored(store)
    assert senders.answered - set(found) == set()
    assert set(found.values()) == {1}
    # One more for each sender may be stored whose answer never came.
    assert len(found) - len(senders.answered) <= SENDERS


def test_an_orderly_end_answers_what_it_stores(cli: CommandLine, store: Database) -> None:
    with serving(cli, store) as server:
        senders = Senders(server.port, server.project.public_key, enough_at=100)
        senders.start(SENDERS)
        assert senders.enough.wait(ANSWER_S)
        server.process.send_signal(signal.SIGTERM)
        senders.join()
        assert server.process.wait(ANSWER_S) == 0
    found = stored(store)
    assert senders.answered - set(found) == set()


@pytest.mark.slow
def test_ten_times_as_much_as_there_is_room_for_is_turned_away_in_bounded_memory(
    cli: CommandLine, store: Database
) -> None:
    chance = random.Random(20261121)  # noqa: S311 - it hides nothing
    words = "".join(chance.choices("abcdefgh \u00e9", k=300_000))
    with serving(cli, store, HONED_INTAKE_QUEUE_MB=str(QUEUE_MB)) as server:
        first = Senders(server.port, server.project.public_key, words=words, most=20)
        first.start(2)
        first.join()
        before_mb = server.memory_mb()
        offered = 10 * QUEUE_MB * 2**20 // len(words.encode())
        flood = Senders(server.port, server.project.public_key, words=words, most=offered)
        with psycopg.connect(store.url) as held:
            held.execute("LOCK TABLE honed.signal IN ACCESS EXCLUSIVE MODE")
            flood.start(150)
            while flood.statuses.total() < offered - 200:
                assert not flood.enough.wait(0.05)
            held.rollback()
        flood.join()
        after_mb = server.memory_mb()
    assert flood.statuses[429] > offered / 2
    assert set(flood.statuses) == {200, 429}
    found = stored(store)
    assert flood.answered - set(found) == set()
    assert found.total() == len(flood.answered) + len(first.answered)
    assert after_mb - before_mb < 4 * QUEUE_MB + 100
