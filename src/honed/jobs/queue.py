"""Putting a message into a queue, and proving at commit that one still owns its job."""

from dataclasses import dataclass

from honed.errors import LostJob
from honed.jobs.messages import Message, parse
from honed.storage.db import Connection
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.jobs")


def defer(conn: Connection, message: Message, *, delay_s: float = 0.0) -> int | None:
    """Put ``message`` into its queue in the caller's transaction; return the id of its job.

    Workers see it once the transaction is committed, and never if it is rolled back. None: a
    message with the same ``queueing_lock`` waits already, so this one is not needed.

    Args:
        conn: the caller's transaction.

        message: what to do; checked against its contract once more.

        delay_s: real seconds before it is due; honed's settable clock does not move the queue.

    Raises:
        InvalidMessage: the message does not keep its contract.
    """
    text = message.model_dump_json()
    parse(type(message), text)
    (row,) = conn.execute(
        _QUERIES["defer_message"],
        {
            "queue": message.queue,
            "task": message.task,
            "message": text,
            "priority": message.priority,
            "lock": message.lock(),
            "queueing_lock": message.queueing_lock(),
            "delay_s": delay_s,
        },
    )
    job_id: int | None = row["job_id"]
    return job_id


@dataclass(frozen=True, slots=True)
class Fence:
    """Proof that a worker still owns its job; asked in the transaction that commits the result.

    A worker that was taken for dead may wake up and go on. Its job then has another worker, or
    another number of attempts, and its result must not be committed.
    """

    job_id: int
    worker_id: int
    attempts: int

    def check(self, conn: Connection) -> None:
        """Lock the job's row until the transaction ends. Call it first in the transaction.

        Raises:
            LostJob: another worker took the job over, or it is no longer being done.
        """
        if not self.holds(conn):
            msg = f"job {self.job_id} was taken over; its result is not committed"
            raise LostJob(msg)

    def holds(self, conn: Connection) -> bool:
        """Return whether the job is still owned; if so, its row is locked."""
        return self._find(conn, "lock_own_job")

    def is_held(self, conn: Connection) -> bool:
        """Return whether the job is owned at this moment; nothing is locked."""
        return self._find(conn, "find_own_job")

    def _find(self, conn: Connection, query: str) -> bool:
        own = {"job_id": self.job_id, "worker_id": self.worker_id, "attempts": self.attempts}
        return conn.execute(_QUERIES[query], own).fetchone() is not None

    def finish(self, conn: Connection) -> None:
        """Mark the job as done in the caller's transaction, together with its result.

        A handler that ends its last transaction with it is done exactly once: a crash after the
        commit does not bring the message back. Without it the worker marks the job as done after
        the handler returned, and a crash in between handles the message again.

        Raises:
            LostJob: another worker took the job over.
        """
        self.check(conn)
        conn.execute(_QUERIES["finish_job"], {"job_id": self.job_id})
