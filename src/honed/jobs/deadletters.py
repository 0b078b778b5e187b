"""Messages that are no longer tried: kept whole, shown, replayed or discarded, never lost."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from honed.errors import UnknownDeadLetter
from honed.storage.db import Connection
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.jobs")


class Cause(StrEnum):
    """Why a message is no longer tried."""

    #: It does not keep its contract, so trying again would change nothing.
    CONTRACT = "contract"
    #: Its handler raised ``max_attempts`` times.
    EXCEPTIONS = "exceptions"
    #: Its worker died ``max_attempts`` times.
    CRASHES = "crashes"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that is no longer tried, as it was found."""

    dead_letter_id: int
    job_id: int
    queue: str
    task: str
    #: JSON text, whatever was in the queue: it may break every contract, and Python's parser too.
    message: str
    cause: Cause
    #: What was wrong, the last time.
    error: str
    exceptions: int
    crashes: int
    buried_at: datetime
    #: ``replayed``, ``discarded``, or empty while nothing was decided.
    resolution: str
    resolved_by: str
    resolved_at: datetime | None
    #: The job that a replay put into the queue; 0: none.
    replay_job_id: int

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "DeadLetter":
        """Return the dead letter of one row of ``honed.dead_letter``."""
        return cls(**{**row, "cause": Cause(row["cause"])})


def bury(conn: Connection, job_id: int, *, cause: Cause, error: str) -> DeadLetter:
    """Turn a job, whose row the caller has locked, into a dead letter in his transaction."""
    (row,) = conn.execute(
        _QUERIES["bury"], {"job_id": job_id, "cause": cause.value, "error": error}
    )
    conn.execute(_QUERIES["fail_job"], {"job_id": job_id})
    conn.execute(_QUERIES["forget_trouble"], {"job_id": job_id})
    return DeadLetter.from_row(row)


def dead_letters(conn: Connection, *, resolved: bool = False, limit: int = 100) -> list[DeadLetter]:
    """Return the newest dead letters, newest first.

    Args:
        conn: a transaction of a role that may read.

        resolved: also those that were replayed or discarded.

        limit: no more than these.
    """
    rows = conn.execute(_QUERIES["list_dead_letters"], {"resolved": resolved, "limit": limit})
    return [DeadLetter.from_row(row) for row in rows]


def dead_letter(conn: Connection, dead_letter_id: int) -> DeadLetter:
    """Return one dead letter.

    Raises:
        UnknownDeadLetter: there is none with this id.
    """
    row = conn.execute(_QUERIES["get_dead_letter"], {"dead_letter_id": dead_letter_id}).fetchone()
    if row is None:
        msg = f"there is no dead letter {dead_letter_id}"
        raise UnknownDeadLetter(msg)
    return DeadLetter.from_row(row)


def replay(conn: Connection, dead_letter_id: int) -> int:
    """Put the message back into its queue with a clean slate; return the id of its new job.

    It calls ``honed.replay_dead_letter``, so the role must be an operator. If the cause is still
    there, the message will become a dead letter again.

    Raises:
        UnknownDeadLetter: there is none with this id.
        WrongState: it was replayed or discarded before, or an equal message waits already.
    """
    dead_letter(conn, dead_letter_id)
    (row,) = conn.execute(_QUERIES["replay"], {"dead_letter_id": dead_letter_id})
    job_id: int = row["job_id"]
    return job_id


def discard(conn: Connection, dead_letter_id: int) -> None:
    """Settle that the message will not be handled; its row stays.

    It calls ``honed.discard_dead_letter``, so the role must be an operator.

    Raises:
        UnknownDeadLetter: there is none with this id.
        WrongState: it was replayed or discarded before.
    """
    dead_letter(conn, dead_letter_id)
    conn.execute(_QUERIES["discard"], {"dead_letter_id": dead_letter_id})
