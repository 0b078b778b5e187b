"""One transaction of Sentry as spans: itself, with a summary of all below it, and its queries."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from honed.core.canonical import Json
from honed.core.signal import Signal, SignalType
from honed.core.wire import text_in
from honed.signals.sentry.protocol import (
    Read,
    event_id,
    lasted,
    object_in,
    objects_in,
    tags_in,
)
from honed.signals.sentry.source import Source, source_of_event

#: Queries of one transaction that become spans of their own; the summary counts all.
MOST_QUERIES: Final = 100
#: Operations that a summary tells apart.
_MOST_OPERATIONS: Final = 50
_OTHER: Final = "other"


def read_transaction(event: Mapping[str, Json], received_at: datetime) -> Read:
    """Return a span for the transaction and one for each of its queries."""
    read = Read()
    source = source_of_event(event, received_at)
    spans = objects_in(event, "spans")
    trace = object_in(object_in(event, "contexts"), "trace")
    name = text_in(event, "transaction") or text_in(trace, "op") or "transaction"
    body: dict[str, Json] = {
        **_told_span(trace),
        "event_id": event_id(event),
        "is_segment": True,
        "server": text_in(event, "server_name"),
        "tags": tags_in(event),
        "measurements": object_in(event, "measurements"),
        "spans": summary(spans),
    }
    _add(read, span_signal(name, event, "timestamp", source, body))
    queries = [span for span in spans if is_query(text_in(span, "op"), object_in(span, "data"))]
    for span in queries[:MOST_QUERIES]:
        about: dict[str, Json] = {**_told_span(span), "segment": name}
        subject = text_in(span, "description") or text_in(span, "op") or "query"
        _add(read, span_signal(subject, span, "timestamp", source, about))
    if len(queries) > MOST_QUERIES:
        read.skipped["too_many_spans"] += len(queries) - MOST_QUERIES
    return read


def span_signal(
    name: str, said: Mapping[str, Json], end: str, source: Source, body: Mapping[str, Json]
) -> Signal | None:
    """Return a span; None where it does not say how long it lasted.

    Args:
        name: what it is called.

        said: what has its times.

        end: the name of the time at which it ended.

        source: where it comes from.

        body: all else.
    """
    times = lasted(said, end)
    if times is None:
        return None
    began, took_ms = times
    return replace(source, at=began).signal(SignalType.SPAN, name, body, took_ms)


def is_query(operation: str, attributes: Mapping[str, Json]) -> bool:
    """Return whether a span is one of a database, by its operation or what is said of it."""
    first = operation.partition(".")[0]
    return first == "db" or "db.system" in attributes or "db.system.name" in attributes


def summary(spans: Sequence[Mapping[str, Json]]) -> Json:
    """Return how many spans there are of each operation, and how many ms they took together."""
    found: dict[str, tuple[int, float]] = {}
    for span in spans:
        times = lasted(span, "timestamp")
        name = text_in(span, "op") or _OTHER
        if name not in found and len(found) >= _MOST_OPERATIONS:
            name = _OTHER
        count, total_ms = found.get(name, (0, 0.0))
        found[name] = count + 1, total_ms + (times[1] if times else 0.0)
    return {
        name: {"count": count, "total_ms": round(total_ms, 3)}
        for name, (count, total_ms) in found.items()
    }


def _told_span(said: Mapping[str, Json]) -> dict[str, Json]:
    return {
        "op": text_in(said, "op"),
        "status": text_in(said, "status"),
        "trace_id": text_in(said, "trace_id"),
        "span_id": text_in(said, "span_id"),
        "parent_span_id": text_in(said, "parent_span_id"),
        "attributes": object_in(said, "data"),
    }


def _add(read: Read, signal: Signal | None) -> None:
    if signal is None:
        read.skipped["no_times"] += 1
    else:
        read.signals.append(signal)
