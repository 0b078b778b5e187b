"""What waits to be stored: bounded by bytes and by number, handed out in batches."""

import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from honed.errors import HonedError, Overloaded, StoreUnavailable
from honed.signals.rows import Prepared

#: Told once: None when the signals are stored for good, else why they are not.
Then: TypeAlias = Callable[[HonedError | None], None]

#: Requests that may wait at once, however small.
MOST_WAITING = 20_000
#: What a request takes beside its rows: its own objects and those of its connection.
_OVERHEAD_BYTES = 2_048
#: Rows and bytes of one batch: enough to make COPY pay, few enough that nobody waits long.
_BATCH_ROWS = 5_000
_BATCH_BYTES = 4 * 1024 * 1024
#: Where requests came together, the next ones are given this long to come together again.
_LINGER_S = 0.005


@dataclass(slots=True)
class Waiting:
    """What one request brought, and who waits for it."""

    prepared: Prepared
    then: Then
    #: What it takes of memory, nearly.
    size_bytes: int
    is_told: bool = False


class Queue:
    """A bounded queue between those who receive and the one who writes."""

    def __init__(self, most_bytes: int) -> None:
        """Hold no more than ``most_bytes``, bodies that are being read among them."""
        self._most_bytes = most_bytes
        self._used_bytes = 0
        self._waiting: deque[Waiting] = deque()
        self._changed = threading.Condition()
        #: Why nothing is taken, in words; empty: it is.
        self._trouble = ""
        self._is_over = False
        self._last_batch = 0

    @property
    def used_bytes(self) -> int:
        """What waits and what is being read."""
        return self._used_bytes

    def check(self) -> None:
        """Return if something can be taken now.

        Raises:
            Overloaded: too much waits.
            StoreUnavailable: the store is away, or honed is about to end.
        """
        if self._trouble:
            raise StoreUnavailable(self._trouble)
        if self._used_bytes >= self._most_bytes or len(self._waiting) >= MOST_WAITING:
            raise Overloaded(_FULL)

    def reserve(self, size_bytes: int) -> None:
        """Count memory that a body takes while it is read; ``release`` gives it back.

        Raises:
            Overloaded: there is no room for it.
        """
        with self._changed:
            if self._used_bytes + size_bytes > self._most_bytes:
                raise Overloaded(_FULL)
            self._used_bytes += size_bytes

    def release(self, size_bytes: int) -> None:
        """Give memory back."""
        with self._changed:
            self._used_bytes -= size_bytes

    def put(self, prepared: Prepared, then: Then) -> None:
        """Let it wait; ``then`` is called by the writer's thread.

        Raises:
            Overloaded: as ``check``, and so is the other.
        """
        evidence = sum(len(group.sample) for group in prepared.groups)
        each = Waiting(prepared, then, len(prepared.rows) + evidence + _OVERHEAD_BYTES)
        with self._changed:
            self.check()
            self._used_bytes += each.size_bytes
            self._waiting.append(each)
            if len(self._waiting) == 1:
                self._changed.notify()

    def take(self, timeout_s: float) -> list[Waiting]:
        """Return what is to be written next; nothing if nothing comes. ``done`` gives it back."""
        with self._changed:
            if not self._waiting and not self._is_over:
                self._changed.wait(timeout_s)
            if self._last_batch > 1 and self._waiting and not self._is_over:
                # Nobody notifies of a second one, so this waits.
                self._changed.wait(_LINGER_S)
            batch: list[Waiting] = []
            rows = size_bytes = 0
            while self._waiting and rows < _BATCH_ROWS and size_bytes < _BATCH_BYTES:
                batch.append(self._waiting.popleft())
                rows += batch[-1].prepared.row_count
                size_bytes += batch[-1].size_bytes
            self._last_batch = len(batch)
            return batch

    def done(self, batch: Iterable[Waiting], error: HonedError | None = None) -> None:
        """Give back what a batch took, and tell who waits for it and was not told yet."""
        left = [each for each in batch if not each.is_told]
        self.release(sum(each.size_bytes for each in left))
        for each in left:
            each.is_told = True
            each.then(error)

    def close_for(self, trouble: str) -> None:
        """Take nothing until ``open``, and tell everybody who waits why."""
        with self._changed:
            self._trouble = trouble
            left = list(self._waiting)
            self._waiting.clear()
        self.done(left, StoreUnavailable(trouble))

    def open(self) -> None:
        """Take what comes."""
        with self._changed:
            if not self._is_over:
                self._trouble = ""

    def end(self) -> None:
        """Take nothing more; what waits is still written."""
        with self._changed:
            self._is_over = True
            self._trouble = "honed is about to end"
            self._changed.notify_all()

    @property
    def is_over(self) -> bool:
        """Whether the end has come, and nothing waits."""
        return self._is_over and not self._waiting

    @property
    def is_ending(self) -> bool:
        """Whether nothing more will come."""
        return self._is_over


_FULL = "more signals wait than there is room for"
