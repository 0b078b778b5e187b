"""A worker: takes messages one at a time, gives signs of life, and takes over from dead workers."""

import asyncio
import contextlib
import logging
import signal
import threading
import time
from collections.abc import Iterable, Iterator, Sequence

from procrastinate import App, PsycopgConnector, exceptions
from procrastinate import JobContext as QueueContext
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager
from procrastinate.worker import Worker as QueueWorker

from honed.config import Settings
from honed.errors import HonedError, Interrupted, LostJob, StoreUnavailable
from honed.jobs.delivery import Delivery, FetchedJob, Handlers, OnBurial, Settle, put_back
from honed.jobs.queue import Fence
from honed.storage.db import Connection, Database
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.jobs")
_LOG = logging.getLogger(__name__)
_TASK = "honed.deliver"

#: Messages that become due by the clock are noticed after this time at the latest.
POLL_S = 2.0
#: After it was told to end, a worker gives its handler this long before it puts the job back.
GRACE_S = 10.0
#: Jobs that ended are deleted after a week.
KEEP_JOBS_S = 7 * 86_400.0
_PURGE_EVERY_S = 600.0
_RECONNECT_S = 1.0


class Worker:
    """Handles the messages of some queues, one at a time, until it is told to end.

    Guarantees: every message is handled at least once, or is a dead letter; a worker that was
    taken for dead cannot commit (its handlers check the fence). Effects outside the database can
    happen twice: handlers inspect before they act again.
    """

    def __init__(
        self,
        database: Database,
        handlers: Handlers,
        settings: Settings,
        *,
        queues: Sequence[str] = (),
        on_burial: OnBurial | None = None,
    ) -> None:
        """Prepare a worker; nothing runs yet.

        Args:
            database: honed's own, in the daemon's role.

            handlers: who handles which message.

            settings: attempts, heartbeat and the silence after which a worker is dead.

            queues: only messages of these; empty: of all.

            on_burial: told of each new dead letter, in the transaction that keeps it.

        Raises:
            ValueError: two messages have the same task.
        """
        self._database = database
        self._settings = settings
        self._queues = list(queues) or None
        self._delivery = Delivery(
            handlers, max_attempts=settings.max_attempts, on_burial=on_burial
        )
        self._told_at: float | None = None
        self._told = threading.Event()
        self._ended = threading.Event()
        self._lost = threading.Event()
        self._inner: QueueWorker | None = None
        self._job: FetchedJob | None = None
