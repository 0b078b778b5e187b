"""A desk in front of a real queue: send messages, let a worker handle them, look at what is left.

Load it with ``pytest_plugins = [..., "honed.testing.desk"]``.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, LiteralString

import pytest

from honed.config import Settings
from honed.jobs.delivery import Handlers, JobContext, OnBurial
from honed.jobs.messages import Message
from honed.jobs.queue import defer
from honed.jobs.worker import Worker
from honed.storage.db import Database


class Probe(Message):
    """A message whose handler does what the test says."""

    queue: ClassVar[LiteralString] = "analyze"
    task: ClassVar[LiteralString] = "probe"

    number: int
    #: Whether it is handled while no other such message is.
    alone: bool = False

    def lock(self) -> str | None:
        """Return the one key of messages that are handled alone."""
        return "probe" if self.alone else None


class Single(Message):
    """A message of which one may wait."""

    queue: ClassVar[LiteralString] = "learn"
    task: ClassVar[LiteralString] = "single"

    def queueing_lock(self) -> str:
        """Return the one key of such messages."""
        return "single"


def _nothing(_context: JobContext, _message: Message) -> None:
    pass


@dataclass
class Desk:
    """A worker in this process, whose handler of ``Probe`` does what the test says."""

    store: Database
    daemon: Database
    #: Numbers of the probes that were handed to the handler, in order.
    seen: list[int] = field(default_factory=list)
    on_probe: Callable[[JobContext, Probe], None] = _nothing
    on_single: Callable[[JobContext, Single], None] = _nothing
    settings: Settings = field(default_factory=Settings)
    on_burial: OnBurial | None = None

    def send(self, *messages: Message, delay_s: float = 0.0) -> list[int | None]:
        """Put messages into their queues in one transaction; return the ids of their jobs."""
        with self.daemon.transaction() as conn:
            return [defer(conn, message, delay_s=delay_s) for message in messages]

    def worker(self) -> Worker:
        """Return a worker of every queue."""
        handlers: Handlers = {Probe: self._probe, Single: self._single}
        return Worker(self.daemon, handlers, self.settings, on_burial=self.on_burial)

    def work(self) -> None:
        """Handle messages until none is due."""
        self.worker().run(until_idle=True)

    def make_due(self) -> None:
        """Let the time pass for which messages are delayed."""
        with self.store.transaction() as conn:
            conn.execute("UPDATE honed.procrastinate_jobs SET scheduled_at = NULL")

    def rows(self, statement: LiteralString, *values: object) -> list[dict[str, Any]]:
        """Return what a query of the store's owner returns."""
        with self.store.transaction() as conn:
            return conn.execute(statement, values).fetchall()

    def statuses(self) -> list[str]:
        """Return the state of every job, in the order in which they were sent."""
        return [
            row["status"]
            for row in self.rows("SELECT status::text FROM honed.procrastinate_jobs ORDER BY id")
        ]

    def _probe(self, context: JobContext, message: Probe) -> None:
        self.seen.append(message.number)
        self.on_probe(context, message)

    def _single(self, context: JobContext, message: Single) -> None:
        self.on_single(context, message)


@pytest.fixture
def desk(store: Database, daemon: Database) -> Desk:
    """Return a desk on the test's own store."""
    return Desk(store, daemon)
