"""Whatever comes on OpenTelemetry's paths is read, counted or malformed, and nothing else."""

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from math import isfinite
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from honed.core.intake import Request, Taken
from honed.errors import MalformedSignal
from honed.intake.otlp import OtlpIntake
from honed.signals.otlp.reading import MOST_ATTRIBUTES, MOST_ELEMENTS

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
RECEIVED = datetime(2026, 11, 21, 12, tzinfo=UTC)
REQUESTS: Mapping[str, type[Message]] = {
    "traces": ExportTraceServiceRequest,
    "metrics": ExportMetricsServiceRequest,
    "logs": ExportLogsServiceRequest,
}


def take(kind: str, body: bytes, content_type: str = PROTOBUF) -> Taken:
    headers = {"content-type": content_type}
    request = Request("POST", f"/v1/{kind}", headers=headers, body=body, received_at=RECEIVED)
    return OtlpIntake().take(request)


def as_json(span: Mapping[str, Any]) -> bytes:
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()


def encoded(kind: str, said: Mapping[str, Any]) -> bytes:
    """Return what OTLP's JSON says as protobuf; what is no id is left out, as the intake does."""
    plain = json.loads(json.dumps(said), object_hook=_base64)
    return json_format.ParseDict(plain, REQUESTS[kind]()).SerializeToString()


def _base64(said: dict[str, Any]) -> dict[str, Any]:
    digits = {"traceId": 32, "spanId": 16, "parentSpanId": 16}
    for name in said.keys() & digits.keys():
        raw = bytes.fromhex(said[name]) if len(said[name]) == digits[name] else b""
        said[name] = b64encode(raw).decode()
    return said


# Messages of any shape, which a sender could write who has OTLP's schema and no scruples.

BOUNDS = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
    FieldDescriptor.CPPTYPE_ENUM: (-(2**31), 2**31 - 1),
}
FLOATS = st.sampled_from([0.0, -0.0, 1.5, -1.5, 1e308, 5e-324, "NaN", "Infinity", "-Infinity"])
TEXTS = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        [
            "exception", "exception.type", "exception.message", "exception.stacktrace",
            "service.name", "db.query.text", "SELECT 'a\\'", "gen_ai.request.model", "x" * 5_000,
            "gen_ai.usage.input_tokens", 'Traceback (most recent call last):\n  File "a", line 1',
        ]
    ),
)  # fmt: skip


@st.composite
def shaped(draw: st.DrawFn, descriptor: Any, depth: int = 0) -> dict[str, Any]:
    """Return some message of this type as OTLP's JSON."""
    said: dict[str, Any] = {}
    told = {each.name: draw(st.sampled_from(list(each.fields))) for each in descriptor.oneofs}
    for each in descriptor.fields:
        if told.get(_choice(each), each) is not each:
            continue
        # The way down to the items is always there.
        is_left_out = depth > 3 and draw(st.booleans())
        if is_left_out or (each.message_type is not None and depth > 7):
            continue
        value = _value(each, depth)
        least = 1 if depth < 3 else 0
        some = st.lists(value, min_size=least, max_size=2)
        said[each.json_name] = draw(some if each.is_repeated else value)
    return said


def _choice(each: FieldDescriptor) -> str:
    return each.containing_oneof.name if each.containing_oneof else ""


def _value(each: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
    if each.message_type is not None:
        return shaped(each.message_type, depth + 1)
    if each.cpp_type in BOUNDS:
        low, high = BOUNDS[each.cpp_type]
        return st.one_of(st.sampled_from([0, 1, 9, 17, high, low]), st.integers(low, high))
    if each.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return st.booleans()
    if each.type == FieldDescriptor.TYPE_BYTES:
        return st.sampled_from(["", "00" * 8, "00" * 16, "EEE19B7EC3C1B174"])
    return TEXTS if each.cpp_type == FieldDescriptor.CPPTYPE_STRING else FLOATS


@pytest.mark.slow
@pytest.mark.parametrize("kind", REQUESTS)
@given(data=st.data())
@hypothesis_settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_the_schema_allows_is_read_or_counted(kind: str, data: st.DataObject) -> None:
    said = data.draw(shaped(REQUESTS[kind].DESCRIPTOR))
    taken = take(kind, json.dumps(said).encode(), JSON)
    assert taken.signals == take(kind, encoded(kind, said)).signals
    assert taken.signals or taken.skipped or not _has_items(said)
    for signal in taken.signals:
        assert signal.subject
        assert signal.value is None or isfinite(signal.value)
        json.dumps(signal.body, allow_nan=False)


def _has_items(said: Mapping[str, Any]) -> bool:
    """Return whether a request has a span, a record, or a point of a metric."""
    scopes = [scope for each in said.values() for resource in each for scope in _lists(resource)]
    items = [item for scope in scopes for item in _lists(scope)]
    return any(not _is_metric(item) or _points(item) for item in items)


def _lists(said: Mapping[str, Any]) -> Iterator[Any]:
    for value in said.values():
        if isinstance(value, list):
            yield from value


def _is_metric(item: Mapping[str, Any]) -> bool:
    return "unit" in item or "metadata" in item


def _points(metric: Mapping[str, Any]) -> bool:
    return any(isinstance(each, dict) and each.get("dataPoints") for each in metric.values())


@pytest.mark.parametrize("kind", REQUESTS)
@given(body=st.binary(max_size=300))
def test_bytes_are_read_or_malformed(kind: str, body: bytes) -> None:
    for content_type in (PROTOBUF, JSON):
        with suppress(MalformedSignal):
            take(kind, body, content_type)


@pytest.mark.parametrize(
    "said",
    [
        [], 1, "a", None, {"resourceSpans": {}}, {"resourceSpans": [1]},
        {"resourceSpans": [{"scopeSpans": [{"spans": [{"name": 7}]}]}]},
        {"resourceSpans": [{"scopeSpans": [{"spans": [{"startTimeUnixNano": "soon"}]}]}]},
        {"resourceSpans": [{"scopeSpans": [{"spans": [{"startTimeUnixNano": 2**64}]}]}]},
        {"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "\ud800"}]}]}]},
        {"resourceSpans": [{"scopeSpans": [{"spans": [{"attributes": {"a": 1}}]}]}]},
    ],
)  # fmt: skip
def test_wrong_types_are_malformed(said: Any) -> None:
    with pytest.raises(MalformedSignal, match="not the JSON"):
        take("traces", json.dumps(said).encode(), JSON)


def test_what_a_newer_sender_says_is_passed_over() -> None:
    taken = take("traces", as_json({"name": "a", "colour": {"name": "red"}}), JSON)
    assert [signal.subject for signal in taken.signals] == ["a"]


def test_deep_nesting_is_cut_or_malformed() -> None:
    def nested(depth: int) -> bytes:
        span = as_json({"name": "a", "attributes": [{"key": "deep", "value": {"HERE": 1}}]})
        before, after = b'"arrayValue": {"values": [{' * depth, b"}]}" * depth
        return span.replace(b'"HERE": 1', before + b'"stringValue": "bottom"' + after)

    taken = take("traces", nested(20), JSON)
    assert "bottom" not in repr(taken.signals)
    assert taken.skipped == {"attributes": 1}
    assert len(taken.signals) == 1
    assert take("traces", nested(50), JSON).skipped == {"attributes": 1}
    with pytest.raises(MalformedSignal):
        take("traces", nested(10_000), JSON)


def test_many_long_and_wide_attributes_are_bounded_and_counted() -> None:
    span = {
        "name": "a",
        "attributes": [
            {"key": "long", "value": {"stringValue": "x" * 5_000}},
            {"key": "wide", "value": {"arrayValue": {"values": [{"intValue": 1}] * 1_000}}},
            {"key": "k" * 1_000, "value": {"intValue": 1}},
            *({"key": f"k{number}", "value": {"intValue": number}} for number in range(1_000)),
        ],
    }
    (signal,) = (taken := take("traces", as_json(span), JSON)).signals
    kept = signal.body["attributes"]
    assert isinstance(kept, dict)
    assert len(kept) == MOST_ATTRIBUTES
    assert kept["long"] == "(5000 characters)"
    assert len(kept["wide"]) == MOST_ELEMENTS
    left_out = (1_000 - MOST_ELEMENTS) + 1 + (1_002 - MOST_ATTRIBUTES)
    assert taken.skipped == {"long_text": 1, "attributes": left_out}
