"""Sentry's envelope: one line of header, then items, each with a line of header and a payload.

A payload is as long as its header says, or else ends with its line
(develop.sentry.dev/sdk/data-model/envelopes).
"""

from collections import Counter
from collections.abc import Mapping
from typing import Final

import msgspec

from honed.core.canonical import Json
from honed.core.wire import text_in
from honed.errors import MalformedSignal
from honed.signals.sentry.protocol import parse_object, whole_in

#: Items of one envelope that are read.
MOST_ITEMS: Final = 100
#: Reasons for which items are left out.
MALFORMED: Final = "malformed_item"
TOO_MANY: Final = "too_many_items"
_HINT: Final = "the first line of an envelope is a JSON object, and so is the first of each item"
_NEWLINE: Final = ord("\n")


class Item(msgspec.Struct, frozen=True):
    """One thing that an envelope holds."""

    type: str
    payload: bytes


class Envelope(msgspec.Struct, frozen=True):
    """What came in one request."""

    header: Mapping[str, Json]
    items: tuple[Item, ...] = ()
    #: How many items could not be read, by reason.
    skipped: Mapping[str, int] = msgspec.field(default_factory=dict)


def parse_envelope(body: bytes) -> Envelope:
    """Return the envelope; what follows an item that cannot be read is lost with it, and counted.

    Raises:
        MalformedSignal: it has no header.
    """
    header, at = _line(body, 0)
    if header is None:
        msg = "the envelope has no header"
        raise MalformedSignal(msg, hint=_HINT)
    items: list[Item] = []
    skipped: Counter[str] = Counter()
    while at < len(body) and (body[at] != _NEWLINE or body[at:].strip()):
        if len(items) == MOST_ITEMS:
            skipped[TOO_MANY] += 1
            break
        said, begin = _line(body, at)
        end = None if said is None else _end(said, body, begin)
        if said is None or end is None:
            skipped[MALFORMED] += 1
            break
        items.append(Item(text_in(said, "type"), body[begin:end]))
        at = end + 1
    return Envelope(header, tuple(items), skipped)


def _line(body: bytes, at: int) -> tuple[Mapping[str, Json] | None, int]:
    """Return what the line that begins there says, None if nothing, and where the next begins."""
    end = body.find(b"\n", at)
    end = len(body) if end < 0 else end
    try:
        return parse_object(body[at:end]), end + 1
    except MalformedSignal:
        return None, end + 1


def _end(header: Mapping[str, Json], body: bytes, begin: int) -> int | None:
    """Return where the payload ends; None where that cannot be."""
    if header.get("length") is None:
        end = body.find(b"\n", begin)
        return max(begin, len(body)) if end < 0 else end
    length = whole_in(header, "length")
    if length is None or not 0 <= length <= len(body) - begin:
        # A header without a payload may be the last line: there the payload has no bytes.
        return begin if length == 0 else None
    end = begin + length
    return end if end == len(body) or body[end] == _NEWLINE else None
