"""One transaction of Sentry as spans: itself, with a summary of all below it, and what matters."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from honed.core.canonical import Json
from honed.core.wire import text_in
from honed.signals.sentry.protocol import (
    Reading,
    event_id,
    lasted,
    object_in,
    objects_in,
    tags_in,
)
from honed.signals.sentry.source import source_of_event
from honed.signals.sentry.spans import Span, is_asking_a_model, telling

#: Queries and requests to models that one transaction tells of one by one; the summary counts all.
MOST_SPANS: Final = 100
#: Operations that a summary tells apart.
_MOST_OPERATIONS: Final = 50
_OTHER: Final = "other"


def read_transaction(event: Mapping[str, Json], reading: Reading) -> None:
    """Add a span for the transaction, and one for each query and request to a model in it.

    Where one such request holds another, the outer only wraps it: its tokens are those within.
    """
    source = source_of_event(event, reading.received_at)
    spans = objects_in(event, "spans")
    whole = _whole(event, spans)
    below = [_span(said, whole.name) for said in spans]
    wrappers = {each.place["parent_span_id"] for each in below if is_asking_a_model(each)} - {""}
    whole = replace(whole, is_wrapper=whole.place["span_id"] in wrappers)
    reading.take(telling(whole, event, "timestamp", source, reading), "no_times")
    taken = 0
    for found, said in zip(below, spans, strict=True):
        span = replace(found, is_wrapper=True) if found.place["span_id"] in wrappers else found
        if not (span.is_query or is_asking_a_model(span)):
            continue
        if taken == MOST_SPANS:
            reading.skipped["too_many_spans"] += 1
            continue
        taken += 1
        reading.take(telling(span, said, "timestamp", source, reading), "no_times")


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


def _whole(event: Mapping[str, Json], spans: Sequence[Mapping[str, Json]]) -> Span:
    trace = object_in(object_in(event, "contexts"), "trace")
    operation = text_in(trace, "op")
    place: dict[str, Json] = {
        **_place(trace),
        "event_id": event_id(event),
        "is_segment": True,
        "server": text_in(event, "server_name"),
        "tags": tags_in(event),
        "measurements": object_in(event, "measurements"),
        "spans": summary(spans),
    }
    name = text_in(event, "transaction") or operation or "transaction"
    return Span(name, operation, object_in(trace, "data"), place)


def _span(said: Mapping[str, Json], segment: str) -> Span:
    place = {**_place(said), "segment": segment}
    return Span(text_in(said, "description"), text_in(said, "op"), object_in(said, "data"), place)


def _place(said: Mapping[str, Json]) -> dict[str, Json]:
    return {
        name: text_in(said, name) for name in ("status", "trace_id", "span_id", "parent_span_id")
    }
