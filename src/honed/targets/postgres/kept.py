"""One connection to a target that stays open between the looks that are taken every second."""

import select
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

from honed.config import Settings
from honed.storage.db import Connection
from honed.targets.postgres.connection import dial, only_reading, target_errors


class KeptConnection:
    """Hands out connections as ``reading`` does, and keeps one of them open for the next time.

    A connection costs its server several times as much as a glance does. Any thread may ask at any
    time: who comes while the kept one is in use gets another, which is closed afterwards. One over
    which anything went wrong is not kept, and one that the server ended meanwhile is not used, so
    that a target that comes back is reached, and one that is away gives the errors of a new
    connection.
    """

    def __init__(self) -> None:
        """Open nothing yet."""
        self._idle: list[Connection] = []
        self._lock = threading.Lock()
        self._is_closed = False
        # Also where nobody closes it.
        weakref.finalize(self, _close_all, self._idle)

    def close(self) -> None:
        """Close what is kept; what is in use now is closed when it comes back."""
        with self._lock:
            self._is_closed = True
            _close_all(self._idle)

    @contextmanager
    def reading(self, url: str, settings: Settings, *, search_path: str) -> Iterator[Connection]:
        """Hand out a connection in a transaction that can only read; ``reading`` says the rest."""
        with target_errors():
            connection = self._take() or dial(url)
            try:
                # Through a pooler the kept connection may lead to another session each time.
                connection.prepare_threshold = None
                with only_reading(connection, settings, search_path):
                    yield connection
            except BaseException:
                connection.close()
                raise
            self._give_back(connection)

    def _take(self) -> Connection | None:
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        if connection is None or _is_silent(connection):
            return connection
        connection.close()
        return None

    def _give_back(self, connection: Connection) -> None:
        with self._lock:
            if not self._is_closed and not self._idle:
                self._idle.append(connection)
                return
        connection.close()


def _is_silent(connection: Connection) -> bool:
    """Return whether an idle connection is still there: what a server says to one is that it ends.

    It may also be news of a setting; then a new connection does no harm.
    """
    if connection.closed:
        return False
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return not poll.poll(0)


def _close_all(connections: list[Connection]) -> None:
    while connections:
        connections.pop().close()
