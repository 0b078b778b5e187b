"""The body of a request to an intake: read in bounded time and memory, and inflated."""

import zlib
from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias

import brotli
from starlette.types import Message, Receive

from honed.core.intake import Refusal
from honed.errors import MalformedSignal
from honed.interfaces.http.deadlines import Deadlines

#: Largest body as it is sent, and inflated.
MAX_BODY_BYTES = 1024 * 1024
MAX_INFLATED_BYTES = 10 * 1024 * 1024
#: Longest wait for the whole of a body: who is slow keeps memory that others need.
BODY_S = 10.0

#: Values of zlib's ``wbits``: with the head of gzip, with that of zlib, and with none, as some
#: clients send what they call deflate.
_GZIP, _ZLIB, _RAW = 31, 15, -15


class Refused(Exception):
    """A request is turned away: what the sender is told, and the reason that is counted."""

    def __init__(
        self, status: int, reason: str, error: str, hint: str, *, retry_after_s: int = 0
    ) -> None:
        """Keep all of it; ``retry_after_s`` is 0 where trying again makes no sense."""
        super().__init__(error)
        self.reason = reason
        self.refusal = Refusal(status, error, hint, retry_after_s)


class Larger(Exception):
    """A body inflates to more than was asked for."""

    def __init__(self, head: bytes) -> None:
        """Keep how it begins."""
        super().__init__()
        self.head = head


class Room(Protocol):
    """Where the memory of bodies is counted."""

    def reserve(self, size_bytes: int) -> None:
        """Count some more, or raise Overloaded."""

    def release(self, size_bytes: int) -> None:
        """Count so much less."""


async def read_body(
    receive: Receive, headers: Mapping[str, str], room: Room, deadlines: Deadlines
) -> bytes:
    """Return the whole body as it was sent; its memory is counted until it is there.

    Raises:
        Refused: it is too large, it does not come, or the sender has left.
        Overloaded: there is no room for it.
    """
    announced = headers.get("content-length", "")
    if announced.isdecimal() and (len(announced) > 9 or int(announced) > MAX_BODY_BYTES):  # noqa: PLR2004 - digits of a number that int() may take
        raise _too_large(MAX_BODY_BYTES)
    size = reserved = 0
    parts: list[bytes] = []
    try:
        with deadlines.within(BODY_S):
            is_last = False
            while not is_last:
                part, is_last = _part(await receive())
                # Most bodies come in one part, which its request answers for.
                if not is_last or parts:
                    room.reserve(len(part))
                    reserved += len(part)
                parts.append(part)
                size += len(part)
                if size > MAX_BODY_BYTES:
                    raise _too_large(MAX_BODY_BYTES)
            return parts[0] if len(parts) == 1 else b"".join(parts)
    except TimeoutError:
        msg = f"the body did not come within {BODY_S:.0f} s"
        raise Refused(408, "slow_body", msg, "send it at once") from None
    finally:
        if reserved:
            room.release(reserved)


def _part(message: Message) -> tuple[bytes, bool]:
    """Return a part of the body, and whether it is the last."""
    if message["type"] != "http.request":
        raise Refused(400, "left", "the sender has left", "send the whole body")
    return message.get("body", b""), not message.get("more_body", False)


def check_encoding(encoding: str) -> None:
    """Return if bodies of this Content-Encoding can be read.

    Raises:
        Refused: they cannot.
    """
    if encoding not in _INFLATES:
        known = ", ".join(sorted(name for name in _INFLATES if name))
        msg = f"bodies that are encoded as {encoding[:40]!r} are not read"
        raise Refused(415, "encoding", msg, f"send them as one of {known}")


def inflate(body: bytes, encoding: str, most_bytes: int = MAX_INFLATED_BYTES) -> bytes:
    """Return what the body says; never more than ``most_bytes`` are held.

    Raises:
        Larger: it says more.
        MalformedSignal: it is not of this encoding, or ends before its end.
    """
    return _INFLATES[encoding](body, most_bytes)


def inflate_head(body: bytes, encoding: str, most_bytes: int) -> bytes:
    """Return how the body begins, at most ``most_bytes``; nothing where it cannot be inflated."""
    try:
        return inflate(body, encoding, most_bytes)
    except Larger as larger:
        return larger.head[:most_bytes]
    except MalformedSignal:
        return b""


def too_large_inflated() -> Refused:
    """Return how a body is turned away that inflates to too much."""
    return _too_large(MAX_INFLATED_BYTES)


def _too_large(most_bytes: int) -> Refused:
    how = "inflates to" if most_bytes == MAX_INFLATED_BYTES else "takes"
    error = f"the body {how} more than {most_bytes} bytes"
    return Refused(413, "too_large", error, "send fewer at once")


def _identity(body: bytes, most_bytes: int) -> bytes:
    if len(body) > most_bytes:
        raise Larger(body)
    return body


def _gunzip(body: bytes, most_bytes: int) -> bytes:
    return _inflated(body, _GZIP, most_bytes)


def _deflate(body: bytes, most_bytes: int) -> bytes:
    # The name means the head of zlib (RFC 9110, 8.4.1.2); many senders leave it out. That head
    # begins with method 8, and is a multiple of 31 (RFC 1950, 2.2).
    has_head = len(body) > 1 and body[0] & 15 == 8 and int.from_bytes(body[:2]) % 31 == 0  # noqa: PLR2004 - likewise
    return _inflated(body, _ZLIB if has_head else _RAW, most_bytes)


def _inflated(body: bytes, wbits: int, most_bytes: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    rest = body
    # gzip may have several members, one after the other (RFC 1952, 2.2).
    while rest or not parts:
        inflater = zlib.decompressobj(wbits)
        try:
            part = inflater.decompress(rest, most_bytes + 1 - size)
        except zlib.error as error:
            msg = "the body is not compressed as its Content-Encoding says"
            raise MalformedSignal(msg) from error
        size += len(part)
        if size > most_bytes:
            raise Larger(b"".join((*parts, part)))
        if not inflater.eof:
            msg = "the compressed body ends before its end"
            raise MalformedSignal(msg)
        parts.append(part)
        rest = inflater.unused_data if wbits == _GZIP else b""
    return b"".join(parts)


def _unbrotli(body: bytes, most_bytes: int) -> bytes:
    inflater = brotli.Decompressor()
    try:
        part = inflater.process(body, output_buffer_limit=most_bytes + 1)
        parts = [part]
        size = len(part)
        while part and not inflater.is_finished() and size <= most_bytes:
            part = inflater.process(b"", output_buffer_limit=most_bytes + 1 - size)
            parts.append(part)
            size += len(part)
    except brotli.error as error:
        msg = "the body is not compressed as its Content-Encoding says"
        raise MalformedSignal(msg) from error
    if size > most_bytes:
        raise Larger(b"".join(parts))
    if not inflater.is_finished():
        msg = "the compressed body ends before its end"
        raise MalformedSignal(msg)
    return b"".join(parts)


_Inflate: TypeAlias = Callable[[bytes, int], bytes]

_INFLATES: Mapping[str, _Inflate] = {
    "": _identity,
    "identity": _identity,
    "gzip": _gunzip,
    "x-gzip": _gunzip,
    "deflate": _deflate,
    "br": _unbrotli,
}
