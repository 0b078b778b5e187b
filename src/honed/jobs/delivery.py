"""One job from fetch to its end: the message is checked, handled, and the outcome written once."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from honed.errors import HonedError, Interrupted, InvalidMessage, LostJob
from honed.jobs.deadletters import Cause, DeadLetter, bury
from honed.jobs.messages import Message, by_task, is_newer, parse
from honed.jobs.queue import Fence
from honed.storage.db import Connection
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.jobs")
_LOG = logging.getLogger(__name__)

#: Pause before the second try of a message that raised; four times as long before each further.
RETRY_DELAY_S = 2.0
#: No retry waits longer.
MAX_RETRY_DELAY_S = 300.0
#: A message that a newer honed may have sent is left to a newer worker: so often, with this pause,
#: before it is given up. Five minutes are enough to exchange workers one after the other.
STRANGE_ATTEMPTS = 10
STRANGE_DELAY_S = 30.0

#: Called in the transaction that buries a message, so that what waited for it learns of it.
OnBurial: TypeAlias = Callable[[Connection, DeadLetter], None]
#: Writes how a job ended, in the transaction that it is given.
Settle: TypeAlias = Callable[[Connection], None]


@dataclass(frozen=True, slots=True)
class FetchedJob:
    """A job as a worker took it from the queue; nothing of its message has been believed yet."""

    fence: Fence
    task: str
    #: The message as JSON text, whatever it is.
    text: str


@dataclass(frozen=True, slots=True)
class JobContext:
    """What a handler knows of the job that it handles."""

    #: Check it in every transaction that commits a result.
    fence: Fence
    #: 1 for the first try.
    attempt: int
    #: Raises Interrupted when the worker was told to end, LostJob when the job was taken over.
    #: Call it wherever a long handler can stop; what it did not commit is done again.
    stop_if_told: Callable[[], None]


#: Who handles which message. A handler that returns has handled it; one that raises is tried
#: again, later each time, and its message becomes a dead letter after ``settings.max_attempts``.
Handlers: TypeAlias = Mapping[type[Message], Callable[[JobContext, Any], None]]


class Delivery:
    """Hands messages to their handlers and says what to write about it."""

    def __init__(
        self, handlers: Handlers, *, max_attempts: int, on_burial: OnBurial | None
    ) -> None:
        """Keep the handlers.

        Raises:
            ValueError: two messages have the same task.
        """
        self._handlers = handlers
        self._message_types = by_task(handlers)
        self._max_attempts = max_attempts
        self._on_burial = on_burial

    def handle(self, job: FetchedJob, stop_if_told: Callable[[], None]) -> Settle:
        """Handle ``job`` and return what writes its outcome; whatever goes wrong, it returns."""
        context = JobContext(job.fence, job.fence.attempts + 1, stop_if_told)
        try:
            message = self._read(job)
            stop_if_told()
            self._handlers[type(message)](context, message)
        except InvalidMessage as error:
            if self._is_strange(job):
                return self._left_to_another(job, str(error))
            return self._contract_broken(job, str(error))
        except Interrupted:
            return lambda conn: _put_back(conn, job.fence, delay_s=0.0)
        except LostJob as error:
            _LOG.warning("job %d (%s): %s", job.fence.job_id, job.task, error)
            return lambda _conn: None
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a message must not end the loop
            _LOG.warning("job %d (%s) failed", job.fence.job_id, job.task, exc_info=True)
            return self._raised(job, _in_words(error))
        return lambda conn: _finish(conn, job.fence)

    def _read(self, job: FetchedJob) -> Message:
        message_type = self._message_types.get(job.task)
        if message_type is None:
            known = ", ".join(sorted(self._message_types))
            msg = f"{job.task}: no such task; known are {known}"
            raise InvalidMessage(msg)
        return parse(message_type, job.text)

    def _is_strange(self, job: FetchedJob) -> bool:
        """Return whether a newer honed may have sent the message."""
        message_type = self._message_types.get(job.task)
        return message_type is None or is_newer(message_type, job.text)

    def _left_to_another(self, job: FetchedJob, error: str) -> Settle:
        def settle(conn: Connection) -> None:
            if not job.fence.holds(conn):
                return
            if _count(conn, job.fence.job_id, "count_exception", error) >= STRANGE_ATTEMPTS:
                self._bury(conn, job.fence.job_id, Cause.CONTRACT, error)
            else:
                _LOG.warning("job %d (%s) is left to another worker", job.fence.job_id, job.task)
                _put_back(conn, job.fence, delay_s=STRANGE_DELAY_S)

        return settle

    def _contract_broken(self, job: FetchedJob, error: str) -> Settle:
        def settle(conn: Connection) -> None:
            if job.fence.holds(conn):
                self._bury(conn, job.fence.job_id, Cause.CONTRACT, error)

        return settle

    def _raised(self, job: FetchedJob, error: str) -> Settle:
        def settle(conn: Connection) -> None:
            if not job.fence.holds(conn):
                return
            exceptions = _count(conn, job.fence.job_id, "count_exception", error)
            if exceptions >= self._max_attempts:
                self._bury(conn, job.fence.job_id, Cause.EXCEPTIONS, error)
            else:
                delay_s = min(RETRY_DELAY_S * 4 ** (exceptions - 1), MAX_RETRY_DELAY_S)
                _put_back(conn, job.fence, delay_s=delay_s)

        return settle

    def take_over(self, conn: Connection, *, stalled_after_s: float) -> list[int]:
        """Put the jobs of dead workers back into their queues; return the ids of all such jobs.

        A job whose workers died ``max_attempts`` times becomes a dead letter, so that a message
        that kills its worker cannot kill workers for ever.

        Args:
            conn: the caller's transaction.

            stalled_after_s: a worker silent for longer is dead.
        """
        rows = conn.execute(
            _QUERIES["lock_stalled_jobs"], {"stalled_after_s": stalled_after_s}
        ).fetchall()
        for row in rows:
            fence = Fence(row["id"], row["worker_id"] or 0, row["attempts"])
            error = "the worker that handled it died or fell silent"
            _LOG.warning("job %d (%s): %s", fence.job_id, row["task_name"], error)
            crashes = _count(conn, fence.job_id, "count_crash", error)
            if crashes >= self._max_attempts:
                self._bury(conn, fence.job_id, Cause.CRASHES, error)
            else:
                _put_back_locked(conn, fence.job_id, delay_s=0.0)
        return [row["id"] for row in rows]

    def _bury(self, conn: Connection, job_id: int, cause: Cause, error: str) -> None:
        letter = bury(conn, job_id, cause=cause, error=error)
        _LOG.error("job %d (%s) is a dead letter: %s", job_id, letter.task, error)
        if self._on_burial is None:
            return
        try:
            with conn.transaction():
                self._on_burial(conn, letter)
        except Exception:  # noqa: BLE001 - the letter must be kept even if nobody can be told of it
            _LOG.exception("telling of dead letter %d failed", letter.dead_letter_id)


def put_back(conn: Connection, fence: Fence) -> bool:
    """Put a job that its own worker gives up back into its queue; return whether it was owned."""
    if not fence.holds(conn):
        return False
    _put_back_locked(conn, fence.job_id, delay_s=0.0)
    return True


def _put_back(conn: Connection, fence: Fence, *, delay_s: float) -> None:
    if fence.holds(conn):
        _put_back_locked(conn, fence.job_id, delay_s=delay_s)


def _put_back_locked(conn: Connection, job_id: int, *, delay_s: float) -> None:
    conn.execute(_QUERIES["put_back"], {"job_id": job_id, "delay_s": delay_s})


def _finish(conn: Connection, fence: Fence) -> None:
    # A handler that called fence.finish() itself has ended the job already.
    if fence.holds(conn):
        fence.finish(conn)


def _count(conn: Connection, job_id: int, query: str, error: str) -> int:
    (row,) = conn.execute(_QUERIES[query], {"job_id": job_id, "error": error})
    count: int = row["count"]
    return count


def _in_words(error: BaseException) -> str:
    if isinstance(error, HonedError):
        return f"{type(error).__name__}: {error} ({error.hint})"
    return f"{type(error).__name__}: {error}"
