"""Spans: operations of a service, requests to models among them, and the exceptions in them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from honed.core.canonical import Json
from honed.core.query_text import without_values
from honed.core.signal import Signal, SignalType
from honed.signals.genai import CONTENT, Inference, read_inference
from honed.signals.otlp.faults import Told, exception_signal, read_exception
from honed.signals.otlp.reading import Origin, Reading, without_empty

_KINDS: Final = {1: "internal", 2: "server", 3: "client", 4: "producer", 5: "consumer"}
_STATUSES: Final = {Status.STATUS_CODE_OK: "ok", Status.STATUS_CODE_ERROR: "error"}
_MILLISECOND: Final = 1_000_000
_MOST_EXCEPTIONS: Final = 16
#: Names of attributes that are remembered: every span has the same few.
_NAMES: Final = 4_096
#: So much of two texts in common, and they are the same.
_BEGINNING: Final = 32

#: The text of a query, by its name now and the one before; and what system was asked.
_QUERIES: Final = ("db.query.text", "db.statement")
_WHOLE: Final = frozenset(_QUERIES)
_SYSTEMS: Final = ("db.system.name", "db.system")
#: Values of a query: they are left out as those in its text are.
_QUERY_VALUES: Final = (
    "db.query.parameter",
    "db.operation.parameter",
    "db.statement.parameters",
    "db.sql.parameters",
)


@dataclass(slots=True)
class _Item:
    """A span on its way."""

    span: Span
    origin: Origin
    scope: str
    attributes: dict[str, Json]
    inference: Inference | None
    exceptions: list[tuple[int, Told]]

    @property
    def key(self) -> tuple[bytes, bytes]:
        return self.span.trace_id, self.span.span_id

    @property
    def parent(self) -> tuple[bytes, bytes]:
        return self.span.trace_id, self.span.parent_span_id


def read_spans(request: ExportTraceServiceRequest, reading: Reading) -> None:
    """Add the signals of a request to those of its reading.

    A span that asks a model is an inference and no span. Where one such span holds another, the
    outer only wraps it, and is a span. An exception that passes through several spans is told by
    each; it is taken once, from the innermost, as far as they are in one request.
    """
    items = list(_items(request, reading))
    # Most spans only took their time.
    telling = [item for item in items if item.inference or item.exceptions]
    within = [item for item in telling if item.span.parent_span_id]
    wrappers = {item.parent for item in within if item.inference}
    below = {(item.parent, told.fingerprint) for item in within for _, told in item.exceptions}
    for item in items:
        reading.signals.append(
            _inference(item, item.inference, reading)
            if item.inference and item.key not in wrappers
            else _span(item, reading)
        )
        for time, told in item.exceptions:
            if (item.key, told.fingerprint) in below:
                reading.skipped["repeated_exception"] += 1
            else:
                reading.signals.append(_exception(item, time, told, reading))


def _items(request: ExportTraceServiceRequest, reading: Reading) -> Iterator[_Item]:
    for resource in request.resource_spans:
        origin = Origin.of(resource.resource)
        for scope in resource.scope_spans:
            for span in scope.spans:
                if not reading.admits():
                    continue
                if not span.name:
                    reading.reject("no_name")
                    continue
                attributes = reading.attributes(span.attributes, _WHOLE)
                yield _Item(
                    span=span,
                    origin=origin,
                    scope=scope.scope.name,
                    attributes=attributes,
                    inference=read_inference(attributes),
                    exceptions=list(_exceptions(span, reading)) if span.events else [],
                )


def _exceptions(span: Span, reading: Reading) -> Iterator[tuple[int, Told]]:
    found = 0
    for event in span.events:
        if event.name != "exception":
            continue
        if found == _MOST_EXCEPTIONS:
            reading.skipped["exceptions"] += 1
        elif told := read_exception(event.attributes):
            found += 1
            yield event.time_unix_nano, told


def _span(item: _Item, reading: Reading) -> Signal:
    span = item.span
    name, query = _query(item)
    return Signal(
        type=SignalType.SPAN,
        subject=name,
        at=reading.time(span.start_time_unix_nano, span.end_time_unix_nano),
        service=item.origin.service,
        environment=item.origin.environment,
        release=item.origin.release,
        value=_duration_ms(span),
        body=without_empty(
            {
                **_place(item, reading),
                "query": query,
                "attributes": _kept(item, reading),
            }
        ),
    )


def _inference(item: _Item, inference: Inference, reading: Reading) -> Signal:
    at = reading.time(item.span.start_time_unix_nano, item.span.end_time_unix_nano)
    place = _place(item, reading)
    error = ""
    if place.get("status") == "error":
        kind = item.attributes.get("error.type")
        error = kind if isinstance(kind, str) else str(place.get("status_message") or "error")
    body = {
        **place,
        "name": item.span.name,
        "error": error,
        "attributes": _kept(item, reading, inference.read),
    }
    return Signal(
        type=SignalType.INFERENCE,
        subject=inference.model,
        at=at,
        service=item.origin.service,
        environment=item.origin.environment,
        release=item.origin.release,
        value=_duration_ms(item.span),
        # A cost that is not known is said not to be.
        body={**without_empty(body), **inference.body(reading.prices, at)},
    )


def _exception(item: _Item, time: int, told: Told, reading: Reading) -> Signal:
    span = item.span
    at = reading.time(time, span.end_time_unix_nano, span.start_time_unix_nano)
    where = {"span": _query(item)[0], **_ids(span), "source": "span"}
    return exception_signal(told, at, item.origin, where, reading)


def _place(item: _Item, reading: Reading) -> dict[str, Json]:
    span, status = item.span, item.span.status
    return {
        **_ids(span),
        "parent_span_id": span.parent_span_id.hex(),
        "kind": _KINDS.get(span.kind, ""),
        "status": _STATUSES.get(status.code, ""),
        "status_message": reading.text(status.message),
        "scope": item.scope,
    }


def _ids(span: Span) -> dict[str, Json]:
    return {"trace_id": span.trace_id.hex(), "span_id": span.span_id.hex()}


def _duration_ms(span: Span) -> float | None:
    """Return how long it took; None where its end is not told, or lies before its beginning."""
    began, ended = span.start_time_unix_nano, span.end_time_unix_nano
    return (ended - began) / _MILLISECOND if began and ended >= began else None


def _query(item: _Item) -> tuple[str, str]:
    """Return the name of the span, and the query that it is; neither holds the query's values."""
    text = _first_text(item.attributes, _QUERIES)
    name = item.span.name
    if not text:
        return name, ""
    system = _first_text(item.attributes, _SYSTEMS)
    # Some name the span as the query begins.
    if name[:_BEGINNING] in text or text[:_BEGINNING] in name:
        name = without_values(name, system) or system or "query"
    return name, without_values(text, system)


def _first_text(attributes: dict[str, Json], names: tuple[str, ...]) -> str:
    for name in names:
        if isinstance(text := attributes.get(name), str):
            return text
    return ""


def _kept(item: _Item, reading: Reading, read: frozenset[str] = frozenset()) -> dict[str, Json]:
    """Return the attributes without what is told elsewhere, and without what is not to be kept."""
    kept: dict[str, Json] = {}
    for name, value in item.attributes.items():
        if _is_content(name):
            reading.skipped["content"] += 1
        elif name not in _WHOLE and name not in read:
            kept[name] = value
    return kept


@lru_cache(_NAMES)
def _is_content(name: str) -> bool:
    """Return whether an attribute holds what was said to a model, or values of a query."""
    return name.startswith(_QUERY_VALUES) or CONTENT.match(name) is not None
