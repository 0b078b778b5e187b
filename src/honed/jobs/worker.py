"""A worker: takes messages one at a time, gives signs of life, and takes over from dead workers."""

import asyncio
import logging
import threading
import time

from procrastinate import App, PsycopgConnector
from procrastinate.worker import Worker as QueueWorker

from honed.config import Settings
from honed.errors import Interrupted, LostJob, StoreUnavailable
from honed.jobs.delivery import Delivery, FetchedJob, Handlers, OnBurial, put_back
from honed.jobs.fetcher import EVERYTHING, TASK, Fetcher, Only
from honed.jobs.signals import on_signal
from honed.storage.db import Connection, Database
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.jobs")
_LOG = logging.getLogger(__name__)

#: Messages that become due by the clock are noticed after this time at the latest.
POLL_S = 2.0
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

    #: After it was told to end, a handler has this long before its job is put back.
    grace_s = 10.0

    def __init__(
        self,
        database: Database,
        handlers: Handlers,
        settings: Settings,
        *,
        only: Only = EVERYTHING,
        on_burial: OnBurial | None = None,
    ) -> None:
        """Prepare a worker; nothing runs yet.

        Args:
            database: honed's own, in the daemon's role.

            handlers: who handles which message.

            settings: attempts, heartbeat and the silence after which a worker is dead.

            only: the messages that it takes.

            on_burial: told of each new dead letter, in the transaction that keeps it.

        Raises:
            ValueError: two messages have the same task.
        """
        self._database = database
        self._settings = settings
        self._only = only
        self._delivery = Delivery(handlers, max_attempts=settings.max_attempts, on_burial=on_burial)
        self._told = threading.Event()
        self._told_at = 0.0
        self._ended = threading.Event()
        self._inner: QueueWorker | None = None
        self._job: FetchedJob | None = None
        # The job that was taken over while its handler still runs.
        self._lost: FetchedJob | None = None

    def run(self, *, until_idle: bool = False) -> None:
        """Handle messages until ``stop`` is called, or SIGTERM or SIGINT arrives.

        A running handler may finish within ``grace_s``; then its job is put back, and what it
        does after that cannot be committed. A second signal ends the process at once. Signals are
        only heard in the main thread.

        Args:
            until_idle: end as soon as no message is due.

        Raises:
            StoreError: only with ``until_idle``; otherwise the worker tries again.
        """
        self._ended.clear()
        keeper = threading.Thread(target=self._keep, name="honed keeper", daemon=True)
        keeper.start()
        try:
            asyncio.run(self._serve(until_idle=until_idle))
        finally:
            self._ended.set()
            keeper.join()

    def stop(self) -> None:
        """Tell the worker to end; return at once. Any thread may call it, any number of times."""
        if not self._told.is_set():
            self._told_at = time.monotonic()
            self._told.set()
        self._leave_queue()

    # -- the queue's loop, in the thread that called run() --

    async def _serve(self, *, until_idle: bool) -> None:
        with on_signal(self.stop):
            while not self._told.is_set():
                try:
                    await self._serve_connected(until_idle=until_idle)
                except Exception as error:
                    if until_idle:
                        raise
                    _LOG.warning("the queue is out of reach, trying again: %s", error)
                    await asyncio.sleep(_RECONNECT_S)
                if until_idle:
                    return

    async def _serve_connected(self, *, until_idle: bool) -> None:
        connector = PsycopgConnector(
            conninfo=self._database.url,
            kwargs={"options": _options(self._database.role)},
            min_size=1,
            max_size=4,
        )
        app = App(connector=connector)
        app.job_manager = Fetcher(
            connector,
            only=self._only,
            fetched=self._fetched,
            unsettled=self._unsettled,
        )
        app.task(name=TASK)(self._deliver)
        async with app.open_async():
            self._inner = QueueWorker(
                app,
                queues=list(self._only.queues) or None,
                wait=not until_idle,
                listen_notify=not until_idle,
                fetch_job_polling_interval=POLL_S,
                install_signal_handlers=False,
                update_heartbeat_interval=self._settings.heartbeat_s,
                stalled_worker_timeout=self._settings.stalled_after_s,
            )
            try:
                await self._inner.run()  # type: ignore[no-untyped-call]  # likewise
            finally:
                self._inner = None

    def _fetched(self, job: FetchedJob) -> None:
        self._job = job

    def _unsettled(self, job_id: int) -> None:
        # Giving the worker's name up makes the job one of a dead worker, and it is taken over.
        _LOG.error("the outcome of job %d could not be written", job_id)
        self._leave_queue()

    def _leave_queue(self) -> None:
        inner = self._inner
        if inner is not None:
            inner.stop()  # type: ignore[no-untyped-call]  # procrastinate's

    # -- one job, in a thread of its own --

    def _deliver(self) -> None:
        job = self._job
        if job is None:
            return
        try:
            settle = self._delivery.handle(job, self._stop_if_told)
            while True:
                try:
                    with self._database.transaction() as conn:
                        settle(conn)
                except StoreUnavailable as error:
                    if self._told.wait(_RECONNECT_S):
                        raise
                    _LOG.warning("job %d waits for the store: %s", job.fence.job_id, error)
                else:
                    return
        finally:
            self._job = None

    def _stop_if_told(self) -> None:
        job = self._job
        if job is not None and job == self._lost:
            msg = f"job {job.fence.job_id} was taken over"
            raise LostJob(msg)
        if self._told.is_set():
            raise Interrupted

    # -- signs of life and take-over, in a thread with a connection of its own --

    def _keep(self) -> None:
        pause_s = min(self._settings.heartbeat_s, self._settings.stalled_after_s / 4)
        while not self._ended.is_set():
            try:
                with self._database.connect(autocommit=True) as conn:
                    purge_at = time.monotonic() + _PURGE_EVERY_S
                    while not self._ended.is_set():
                        self._keep_once(conn)
                        if time.monotonic() > purge_at:
                            conn.execute(_QUERIES["purge_jobs"], {"older_than_s": KEEP_JOBS_S})
                            purge_at += _PURGE_EVERY_S
                        self._ended.wait(pause_s)
            except Exception as error:
                _LOG.warning("no sign of life could be given, trying again: %s", error)
                # The queue's listener may have lost the store too, and does not notice by itself.
                self._leave_queue()
                self._ended.wait(_RECONNECT_S)

    def _keep_once(self, conn: Connection) -> None:
        inner, job = self._inner, self._job
        if inner is not None and inner.worker_id is not None:
            conn.execute(_QUERIES["send_heartbeat"], {"worker_id": inner.worker_id})
        if job is not None:
            self._look_after(conn, job)
        if self._told.is_set():
            self.stop()
        with conn.transaction():
            self._delivery.take_over(conn, stalled_after_s=self._settings.stalled_after_s)

    def _look_after(self, conn: Connection, job: FetchedJob) -> None:
        if not job.fence.is_held(conn):
            self._lost = job
        elif self._told.is_set() and time.monotonic() - self._told_at > self.grace_s:
            _LOG.warning("job %d does not end; it goes back to its queue", job.fence.job_id)
            with conn.transaction():
                put_back(conn, job.fence)


def _options(role: str) -> str:
    search_path = "-c search_path=honed,public"
    return f"{search_path} -c role={role}" if role else search_path
