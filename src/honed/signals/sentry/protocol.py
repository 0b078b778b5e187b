"""The habits of Sentry's protocol: where it says things, and in how many ways.

What is asked here is whether something is a dictionary, as JSON is read to: to ask for a Mapping
takes ten times as long.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from honed.core.canonical import Json
from honed.core.signal import Signal
from honed.core.wire import parse_json, parse_time, text_in
from honed.errors import MalformedSignal
from honed.llm.prices import Prices

#: An event's id: a UUID, with dashes or without.
_ID: Final = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NEVER: Final = datetime.min.replace(tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)


@dataclass(slots=True)
class Reading:
    """One request while its items are read."""

    received_at: datetime
    #: Of requests to models.
    prices: Prices
    #: Of the item that is read now.
    size_bytes: int = 0
    signals: list[Signal] = field(default_factory=list)
    #: How many things were left out, by reason.
    skipped: Counter[str] = field(default_factory=Counter)

    def take(self, signal: Signal | None, otherwise: str) -> None:
        """Add a signal; where there is none, count why."""
        if signal is None:
            self.skipped[otherwise] += 1
        else:
            self.signals.append(signal)


def parse_object(payload: bytes) -> Mapping[str, Json]:
    """Return what a payload says.

    Raises:
        MalformedSignal: it is not a JSON object.
    """
    said = parse_json(payload)
    if not isinstance(said, dict):
        msg = "it is not a JSON object"
        raise MalformedSignal(msg)
    return said


def object_in(said: Mapping[str, Json], key: str) -> Mapping[str, Json]:
    """Return the object that an object holds by that name; empty where it holds none."""
    value = said.get(key)
    return value if isinstance(value, dict) else {}


def objects_in(said: Mapping[str, Json], key: str) -> list[Mapping[str, Json]]:
    """Return the objects of a list, which may stand there or in ``values``; else an empty list."""
    value = said.get(key)
    if isinstance(value, dict):
        value = value.get("values")
    each = value if isinstance(value, list) else []
    return [item for item in each if isinstance(item, dict)]


def whole_in(said: Mapping[str, Json], key: str) -> int | None:
    """Return the whole number that an object holds by that name; None where it holds none."""
    value = said.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def tags_in(said: Mapping[str, Json]) -> dict[str, Json]:
    """Return the tags, which may be an object or a list of pairs."""
    tags = said.get("tags")
    if isinstance(tags, dict):
        return dict(tags)
    pairs = tags if isinstance(tags, list) else []
    return {
        pair[0]: pair[1]
        for pair in pairs
        if isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str)  # noqa: PLR2004
    }


def event_id(said: Mapping[str, Json]) -> str:
    """Return the id of an event; empty where it says none, or something else."""
    told = text_in(said, "event_id")
    return told if _ID.fullmatch(told) else ""


def lasted(said: Mapping[str, Json], end: str) -> tuple[datetime, float] | None:
    """Return when a span began and for how many ms it lasted; None where it does not say."""
    began = parse_time(said.get("start_timestamp"), _NEVER)
    ended = parse_time(said.get(end), _NEVER)
    if began is _NEVER or ended is _NEVER or ended < began:
        return None
    return began, (ended - began) / _MS


def told(said: Mapping[str, Json]) -> dict[str, Json]:
    """Return an object without what says nothing: null, and empty texts, lists and objects."""
    # No and nothing are said: they equal 0, and an empty text or list does not.
    return {key: value for key, value in said.items() if value or value == 0}
