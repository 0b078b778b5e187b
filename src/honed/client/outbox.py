"""What waits to be sent, and the one thread that sends it; the program never waits for it."""

import json
import os
import threading
import time
import weakref
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from honed.client.dsn import Dsn

#: Things that wait at most, and that one request carries.
MOST_WAITING: Final = 200
_MOST_TOGETHER: Final = 50
#: Bytes that one request carries before they are compressed, and of one thing at most.
_MOST_BYTES: Final = 1_000_000
_LARGEST: Final = 4_000_000
#: Longest wait for the server to connect, and for its answer.
TIMEOUT_S: Final = 10.0
#: Pauses after the first failures, unless the server says how long; then a thing is lost.
PAUSES_S: Final = (1.0, 2.0, 4.0, 8.0)
_LONGEST_PAUSE_S: Final = 300.0

#: Reasons for which things are lost.
QUEUE_FULL: Final = "queue_overflow"
NETWORK: Final = "network_error"
REFUSED: Final = "send_error"
TOO_LARGE: Final = "too_large"
BROKEN: Final = "internal_error"

#: What Sentry calls the sorts of things that may be lost.
_CATEGORIES: Final = {"event": "error", "feedback": "feedback", "log": "log_item"}
_OK: Final = range(200, 300)
#: Answers after which it is sent again: too much now, or the store is away.
_AGAIN: Final = frozenset({429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Thing:
    """One item of an envelope."""

    type: str
    said: Mapping[str, Any]


#: The type of a thing and what it says.
_Encoded: TypeAlias = tuple[str, bytes]


class Outbox:
    """A bounded queue and the thread that empties it; any thread may put things in."""

    def __init__(self, dsn: Dsn, pauses_s: Sequence[float] = PAUSES_S) -> None:
        """Send to ``dsn``, again after ``pauses_s``; the thread starts with the first thing."""
        self._dsn = dsn
        self._pauses_s = pauses_s
        self._lost: Counter[tuple[str, str]] = Counter()
        self._begin()
        if hasattr(os, "register_at_fork"):
            this = weakref.WeakMethod(self._begin)
            os.register_at_fork(after_in_child=lambda: (begin := this()) and begin())

    def _begin(self) -> None:
        """Begin empty, also in a process that was forked: what waits is the parent's to send."""
        self._changed = threading.Condition()
        self._waiting: deque[Thing] = deque()
        self._sending = 0
        self._thread: threading.Thread | None = None

    @property
    def is_full(self) -> bool:
        """Whether what is put in now would be lost."""
        return len(self._waiting) >= MOST_WAITING

    @property
    def lost(self) -> Mapping[str, int]:
        """How many things were lost since the last time that the server was told, by reason."""
        counts: Counter[str] = Counter()
        with self._changed:
            for (_, reason), number in self._lost.items():
                counts[reason] += number
        return counts

    def lose(self, type_: str, reason: str, number: int = 1) -> None:
        """Count things that are lost."""
        with self._changed:
            self._lost[_CATEGORIES.get(type_, "default"), reason] += number

    def put(self, thing: Thing) -> bool:
        """Let a thing wait to be sent, and return at once whether it does."""
        with self._changed:
            if self.is_full:
                self.lose(thing.type, QUEUE_FULL)
                return False
            self._waiting.append(thing)
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="honed", daemon=True)
                thread.start()
                self._thread = thread
            self._changed.notify_all()
            return True

    def flush(self, timeout_s: float) -> bool:
        """Return whether everything is sent or lost; wait for it no longer than that."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while self._waiting or self._sending:
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    return False
                self._changed.wait(left_s)
            return True

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    self._changed.wait()
                some = range(min(_MOST_TOGETHER, len(self._waiting)))
                things = [self._waiting.popleft() for _ in some]
                self._sending = len(things)
            try:
                for batch in self._batches(things):
                    self._send(batch)
            except Exception:  # noqa: BLE001 - the thread must live on, whatever one batch does
                self.lose("", BROKEN, len(things))
            finally:
                with self._changed:
                    self._sending = 0
                    self._changed.notify_all()

    def _batches(self, things: Sequence[Thing]) -> Iterator[list[_Encoded]]:
        batch: list[_Encoded] = []
        size_bytes = 0
        for thing in things:
            try:
                payload = _encoded(thing.said)
            except (TypeError, ValueError, RecursionError):
                self.lose(thing.type, BROKEN)
                continue
            if len(payload) > _LARGEST:
                self.lose(thing.type, TOO_LARGE)
                continue
            batch.append((thing.type, payload))
            size_bytes += len(payload)
            if size_bytes > _MOST_BYTES:
                yield batch
                batch, size_bytes = [], 0
        if batch:
            yield batch

    def _send(self, batch: Sequence[_Encoded]) -> None:
        """Return when the server has a batch, or it is lost."""
        with self._changed:
            told = self._lost.copy()
        body = _envelope(batch, told)
        reason = NETWORK
        for pause_s in (*self._pauses_s, None):
            status, wait_s = self._post(body)
            if status in _OK:
                with self._changed:
                    self._lost -= told
                return
            if status and status not in _AGAIN:
                reason = REFUSED
                break
            if pause_s is not None:
                time.sleep(min(max(wait_s, pause_s), _LONGEST_PAUSE_S))
        for type_, _ in batch:
            self.lose(type_, reason)

    def _post(self, body: bytes) -> tuple[int, float]:
        """Return the status of the answer, 0 if there is none, and for how many s to wait."""
        # Imported by the thread, so that the program starts without them.
        import gzip  # noqa: PLC0415
        from http.client import HTTPConnection, HTTPException, HTTPSConnection  # noqa: PLC0415

        connect = HTTPSConnection if self._dsn.scheme == "https" else HTTPConnection
        headers = {
            "Content-Type": "application/x-sentry-envelope",
            "Content-Encoding": "gzip",
            "X-Sentry-Auth": f"Sentry sentry_key={self._dsn.key}, sentry_version=7",
        }
        connection = connect(self._dsn.host, timeout=TIMEOUT_S)
        try:
            connection.request("POST", self._dsn.envelope_path, gzip.compress(body, 6), headers)
            answer = connection.getresponse()
            answer.read(_LARGEST)
            after = answer.getheader("Retry-After") or ""
            return answer.status, float(after) if after.isdecimal() else 0.0
        except (OSError, HTTPException, ValueError):
            return 0, 0.0
        finally:
            connection.close()


def _encoded(said: Mapping[str, Any]) -> bytes:
    return json.dumps(said, separators=(",", ":"), ensure_ascii=False).encode(errors="replace")


def _envelope(batch: Sequence[_Encoded], lost: Mapping[tuple[str, str], int]) -> bytes:
    """Return things as an envelope of Sentry, with a report of those that are lost."""
    items = list(batch)
    if lost:
        discarded = [
            {"category": category, "reason": reason, "quantity": number}
            for (category, reason), number in lost.items()
        ]
        report = {"timestamp": time.time(), "discarded_events": discarded}
        items.append(("client_report", _encoded(report)))
    lines = [b"{}"]
    for type_, payload in items:
        lines += [_encoded({"type": type_, "length": len(payload)}), payload]
    return b"\n".join(lines)
