"""Sending over many kept connections: each sends its next body when it has its answer."""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

#: So long nobody is answered: then only those are left who wait for the store.
STILL_S = 5.0


@dataclass(frozen=True, slots=True)
class Door:
    """Where bodies are sent to."""

    port: int
    path: str
    headers: str


@dataclass(slots=True)
class Load:
    """What a turn of sending came to."""

    answers: Counter[int] = field(default_factory=Counter)
    #: Requests that have no answer yet.
    waiting: int = 0


def send(  # noqa: PLR0913 - what a turn is
    door: Door,
    bodies: Sequence[bytes],
    seconds: float,
    connections: int,
    *,
    most: int = sys.maxsize,
    patience: Callable[[], None] | None = None,
) -> Load:
    """Return what became of bodies that are sent in turn over kept connections.

    Args:
        door: where to.

        bodies: as they are sent.

        seconds: for so long.

        connections: each sends the next when it has its answer.

        most: no more than that many bodies.

        patience: called once all was offered, or nobody but those who wait is left.
    """
    head = f"POST {door.path} HTTP/1.1\r\n{door.headers}Content-Length: "
    requests = [f"{head}{len(body)}\r\n\r\n".encode() + body for body in bodies]
    turn = _Turn(door.port, requests, time.monotonic() + seconds, most)
    return asyncio.run(turn.play(connections, patience))


class _Turn:
    """One turn of sending."""

    def __init__(self, port: int, requests: Sequence[bytes], until: float, most: int) -> None:
        self._port = port
        self._requests = requests
        self._until = until
        self._most = most
        self._numbers = iter(range(most))
        self._load = Load()

    async def play(self, connections: int, patience: Callable[[], None] | None) -> Load:
        """Return what the turn came to."""
        releasing = asyncio.create_task(self._release(patience)) if patience else None
        await asyncio.gather(*(self._one(first) for first in range(connections)))
        if releasing:
            await releasing
        return self._load

    async def _one(self, first: int) -> None:
        """Send over one connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        for number in self._numbers:
            if time.monotonic() > self._until:
                break
            writer.write(self._requests[(first + number) % len(self._requests)])
            self._load.waiting += 1
            head = await reader.readuntil(b"\r\n\r\n")
            self._load.waiting -= 1
            self._load.answers[int(head[9:12])] += 1
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length or b"0"))
        writer.close()

    async def _release(self, patience: Callable[[], None]) -> None:
        load, seen, since = self._load, -1, time.monotonic()
        is_done = False
        while not is_done:
            await asyncio.sleep(0.2)
            answered = load.answers.total()
            if answered != seen:
                seen, since = answered, time.monotonic()
            is_full = load.answers[429] > 0 and time.monotonic() - since > STILL_S
            is_done = is_full or answered + load.waiting >= self._most
        patience()
