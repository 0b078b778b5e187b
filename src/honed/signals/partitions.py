"""The partitions of signals: one a day, made ahead, dropped when the time of their day is over."""

import logging
import threading
from types import TracebackType
from typing import Self

from honed.errors import HonedError
from honed.storage.db import Connection, Database
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.signals")
_LOG = logging.getLogger(__name__)

#: Pause between two looks at what is too old.
RETENTION_S = 1800.0


def make_partitions(conn: Connection) -> int:
    """Make the partitions from yesterday to three days ahead; return how many are new.

    One for which there is no lock within a second is left for the next time.

    Raises:
        NotAllowed: the login is no intake.
    """
    (row,) = conn.execute(_QUERIES["make_partitions"])
    made: int = row["made"]
    return made


def drop_partitions(conn: Connection, retention_days: int) -> int:
    """Drop the partitions that are older than that; return how many.

    One that somebody reads for longer than a second stays until the next time.

    Raises:
        NotAllowed: the login is no daemon: an intake takes nothing away.
    """
    (row,) = conn.execute(_QUERIES["drop_partitions"], {"retention_days": retention_days})
    dropped: int = row["dropped"]
    return dropped


class Retention:
    """Drops what is too old, in a thread of its own, while it is open."""

    def __init__(self, store: Database, days: int) -> None:
        """Prepare to drop from ``store``, as the daemon; nothing is dropped yet."""
        self._store = store
        self._days = days
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._repeat, name="retention", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._ending.set()
        self._thread.join()

    def drop(self) -> None:
        """Drop what is too old now; what keeps it from that is logged."""
        try:
            with self._store.transaction() as conn:
                drop_partitions(conn, self._days)
        except HonedError as error:
            _LOG.warning("old signals were not dropped: %s", error)

    def _repeat(self) -> None:
        while not self._ending.is_set():
            self.drop()
            self._ending.wait(RETENTION_S)
