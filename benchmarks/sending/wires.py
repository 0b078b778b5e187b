"""What is sent on each wire: bodies as the real SDKs and exporters make them, from a seed."""

import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from honed.core.wire import parse_json

#: Spans in one body.
OTLP_SPANS = 100


@dataclass(frozen=True, slots=True)
class Wire:
    """One wire: what is sent, and what a bare endpoint would parse of it."""

    path: str
    make: Callable[[random.Random], bytes]
    parse: Callable[[bytes], object]
    content_type: str = "application/json"
    #: Signals in each body.
    events: int = 1


def feedback_body(chance: random.Random) -> bytes:
    """Return what a user says, in some words of his own."""
    words = " ".join(chance.choices(("slow", "cart", "pay", "again", "never", "works"), k=20))
    said = {
        "text": f"{words} {chance.randrange(10**6)}",
        "rating": chance.randint(1, 5),
        "user": f"u-{chance.randrange(10**5)}",
        "page": f"/shop/{chance.randrange(50)}",
        "service": "shop",
        "environment": "production",
        "release": "1.4.2",
        "properties": {"plan": "free", "items": chance.randrange(20)},
    }
    return json.dumps(said).encode()


def sentry_body(chance: random.Random) -> bytes:
    """Return the envelope in which the real SDK reports an exception of a small program."""
    import sentry_sdk  # noqa: PLC0415 - of this wire alone
    from sentry_sdk.envelope import Envelope  # noqa: PLC0415 - likewise
    from sentry_sdk.transport import Transport  # noqa: PLC0415 - likewise

    sent: list[bytes] = []

    class Kept(Transport):
        def capture_envelope(self, envelope: Envelope) -> None:
            sent.append(envelope.serialize())

    sentry_sdk.init(dsn="http://key@localhost/1", transport=Kept, release="shop@1.4.2")
    try:
        order(chance, {"id": chance.randrange(10**6), "items": ["book", "pen"]})
    except (KeyError, ValueError, ZeroDivisionError):
        sentry_sdk.capture_exception()
    return sent[0]


def order(chance: random.Random, cart: dict[str, Any]) -> float:
    """Raise one of three faults, some calls down, with values that differ each time."""
    customer = f"u-{chance.randrange(10**5)}"
    total = price(chance, cart, customer, depth=chance.randint(3, 6))
    return total / cart["id"]


def price(chance: random.Random, cart: dict[str, Any], customer: str, depth: int) -> float:
    """Go ``depth`` calls down and fail there."""
    rebate = chance.random()
    if depth:
        return price(chance, cart, customer, depth - 1) * rebate
    fault = chance.randrange(3)
    if fault == 0:
        return 1 / (cart["id"] - cart["id"])
    if fault == 1:
        return float(cart[customer])
    msg = f"order {cart['id']} has no price"
    raise ValueError(msg)


def parse_envelope(inflated: bytes) -> object:
    """Return the lines of an envelope, parsed as what they are: JSON."""
    return [parse_json(line) for line in inflated.split(b"\n") if line]


def otlp_body(chance: random.Random) -> bytes:
    """Return 100 spans of a shop, as an exporter sends them: a third each of three sorts."""
    spans = [span(chance, number) for number in range(OTLP_SPANS)]
    resource = {"service.name": "shop", "deployment.environment": "production"}
    resource |= {"service.version": "1.4.2", "telemetry.sdk.language": "python"}
    scope = ScopeSpans(scope=InstrumentationScope(name="shop.http", version="1"), spans=spans)
    traced = ResourceSpans(resource=Resource(attributes=attributes(resource)), scope_spans=[scope])
    return ExportTraceServiceRequest(resource_spans=[traced]).SerializeToString()


def span(chance: random.Random, number: int) -> Span:
    """Return a request, a query or a call of another service."""
    began = time.time_ns() - chance.randrange(10**9)
    route = f"/shop/{chance.randrange(20)}"
    name, said = (
        (f"GET {route}", {"http.request.method": "GET", "http.route": route,
                          "url.path": f"{route}/{chance.randrange(10**6)}", "url.scheme": "http",
                          "http.response.status_code": 200, "server.address": "shop"}),
        ("SELECT orders", {"db.system.name": "postgresql", "db.namespace": "shop",
                           "db.query.text": "SELECT id, total FROM orders WHERE customer = $1",
                           "server.address": "db", "server.port": 5432}),
        ("charge", {"rpc.system": "grpc", "rpc.service": "Payments", "rpc.method": "Charge",
                    "rpc.grpc.status_code": 0, "server.address": "pay"}),
    )[number % 3]  # fmt: skip
    return Span(
        trace_id=chance.randbytes(16),
        span_id=chance.randbytes(8),
        parent_span_id=chance.randbytes(8),
        name=name,
        kind=(Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CLIENT, Span.SPAN_KIND_CLIENT)[number % 3],
        start_time_unix_nano=began,
        end_time_unix_nano=began + chance.randrange(10**8),
        attributes=attributes(said),
    )


def attributes(said: dict[str, Any]) -> list[KeyValue]:
    """Return attributes as OTLP has them."""
    return [
        KeyValue(key=key, value=AnyValue(int_value=value))
        if isinstance(value, int)
        else KeyValue(key=key, value=AnyValue(string_value=value))
        for key, value in said.items()
    ]


WIRES = {
    "feedback": Wire("/api/v1/feedback", feedback_body, parse_json),
    "otlp": Wire(
        "/v1/traces",
        otlp_body,
        ExportTraceServiceRequest.FromString,
        "application/x-protobuf",
        OTLP_SPANS,
    ),
    "sentry": Wire(
        "/api/{project}/envelope/",
        sentry_body,
        parse_envelope,
        "application/x-sentry-envelope",
    ),
}
