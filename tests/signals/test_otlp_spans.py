"""A span becomes one signal, an exception in it another, and nothing is told twice."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from honed.core.signal import Signal, SignalType
from honed.llm.prices import Prices
from honed.signals.otlp.reading import Reading
from honed.signals.otlp.spans import read_spans

RECEIVED = datetime(2026, 11, 21, 12, tzinfo=UTC)
NS = 10**9
BEGAN = int(RECEIVED.timestamp()) * NS
TRACEBACK = """Traceback (most recent call last):
  File "/srv/shop/cart.py", line 7, in total
    return sum(prices) / len(prices)
ZeroDivisionError: division by zero
"""
MODEL: dict[str, str | int] = {
    "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-6.2-sol", "gen_ai.usage.input_tokens": 10,
    "gen_ai.usage.output_tokens": 1,
}  # fmt: skip


def pairs(said: dict[str, str | int]) -> list[KeyValue]:
    return [
        KeyValue(
            key=key,
            value=AnyValue(string_value=value)
            if isinstance(value, str)
            else AnyValue(int_value=value),
        )
        for key, value in said.items()
    ]


def span(number: int = 1, parent: int = 0, **said: Any) -> Span:
    """Return a span with an id; what it says else are fields and ``attributes``."""
    attributes = pairs(said.pop("attributes", {}))
    events = [
        Span.Event(name="exception", time_unix_nano=BEGAN, attributes=pairs(each))
        for each in said.pop("exceptions", [])
    ]
    told = {"name": "work", "start_time_unix_nano": BEGAN, "end_time_unix_nano": BEGAN + 1, **said}
    return Span(
        trace_id=b"\1" * 16,
        span_id=bytes([number] * 8) if number else b"",
        parent_span_id=bytes([parent] * 8) if parent else b"",
        attributes=attributes,
        events=events,
        **told,
    )


def read(*spans: Span, resource: dict[str, str | int] | None = None) -> Reading:
    request = ExportTraceServiceRequest()
    each = request.resource_spans.add()
    each.resource.attributes.extend(pairs(resource or {}))
    scope = each.scope_spans.add()
    scope.scope.name = "shop"
    scope.spans.extend(spans)
    reading = Reading(RECEIVED, Prices.load())
    read_spans(request, reading)
    return reading


def one(given: Span) -> Signal:
    (signal,) = read(given).signals
    return signal


def test_a_span_says_where_it_belongs_and_how_long_it_took() -> None:
    said = span(
        2, 1, name="GET /cart", kind=Span.SPAN_KIND_SERVER, end_time_unix_nano=BEGAN + 2_500_000,
        attributes={"http.request.method": "GET"},
        status=Status(code=Status.STATUS_CODE_ERROR, message="too slow"),
    )  # fmt: skip
    signal = one(said)
    assert (signal.type, signal.subject, signal.at) == (SignalType.SPAN, "GET /cart", RECEIVED)
    assert signal.value == 2.5
    assert signal.body == {
        "trace_id": "01" * 16, "span_id": "02" * 8, "parent_span_id": "01" * 8, "kind": "server",
        "status": "error", "status_message": "too slow", "scope": "shop",
        "attributes": {"http.request.method": "GET"},
    }  # fmt: skip


@pytest.mark.parametrize("name", ["deployment.environment.name", "deployment.environment"])
def test_a_resource_says_who_sends(name: str) -> None:
    resource: dict[str, str | int] = {
        "service.name": "shop", "service.version": "1.2", name: "production", "host.name": "a",
    }  # fmt: skip
    (signal,) = read(span(), resource=resource).signals
    assert (signal.service, signal.release, signal.environment) == ("shop", "1.2", "production")


@pytest.mark.parametrize(
    ("began", "ended", "at", "took_ms"),
    [
        (0, 0, RECEIVED, None),
        (0, BEGAN + NS, RECEIVED + timedelta(seconds=1), None),
        (BEGAN, 0, RECEIVED, None),
        (BEGAN, BEGAN - 1, RECEIVED, None),
        (BEGAN, BEGAN, RECEIVED, 0.0),
        (2**64 - 1, 2**64 - 1, datetime(2554, 7, 21, 23, 34, 33, 709551, tzinfo=UTC), 0.0),
    ],
)
def test_times_that_cannot_be_are_not_made_up(
    began: int, ended: int, at: datetime, took_ms: float | None
) -> None:
    signal = one(span(start_time_unix_nano=began, end_time_unix_nano=ended))
    assert (signal.at, signal.value) == (at, took_ms)


@pytest.mark.parametrize("name", ["db.query.text", "db.statement"])
def test_a_query_is_kept_without_its_values(name: str) -> None:
    text = "SELECT * FROM users WHERE name = 'bob' AND id = 7"
    attributes: dict[str, str | int] = {
        name: text, "db.system": "postgresql", "db.query.parameter.0": "bob",
        "db.statement.parameters": "('bob', 7)",
    }  # fmt: skip
    reading = read(span(name=text, attributes=attributes))
    (signal,) = reading.signals
    kept = "SELECT * FROM users WHERE name = ? AND id = ?"
    assert (signal.subject, signal.body["query"]) == (kept, kept)
    assert signal.body["attributes"] == {"db.system": "postgresql"}
    assert reading.skipped == {"content": 2}


def test_a_long_query_is_kept_and_no_part_of_its_values() -> None:
    text = "SELECT 1 /* " + "x" * 5_000 + " */ WHERE a IN (" + "'bob', " * 5_000 + "'bob')"
    signal = one(span(attributes={"db.query.text": text, "db.system.name": "mysql"}))
    assert str(signal.body["query"]).startswith("SELECT ? WHERE a IN (?, ?, ")
    assert "bob" not in repr(signal)


def test_an_exception_becomes_a_signal_in_a_group() -> None:
    told: dict[str, str | int] = {
        "exception.type": "ZeroDivisionError", "exception.message": "division by zero",
        "exception.stacktrace": TRACEBACK,
    }  # fmt: skip
    work, signal = read(span(exceptions=[told])).signals
    assert work.type is SignalType.SPAN
    assert signal.type is SignalType.EXCEPTION
    assert signal.subject == "ZeroDivisionError at shop.cart.total"
    assert len(signal.fingerprint) == 32
    assert signal.body == {
        "span": "work", "trace_id": "01" * 16, "span_id": "01" * 8, "source": "span",
        "title": "ZeroDivisionError: division by zero", "culprit": "shop.cart.total",
        "files": ("/srv/shop/cart.py",),
        "exceptions": [{
            "type": "ZeroDivisionError", "message": "division by zero",
            "frames": [{
                "file": "/srv/shop/cart.py", "function": "total", "line": 7,
                "code": "return sum(prices) / len(prices)", "in_app": True,
            }],
        }],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("told", "subject", "title"),
    [
        ({"exception.type": "java.lang.Error"}, "java.lang.Error", "Error"),
        ({"exception.message": "boom"}, "Exception", "Exception: boom"),
        ({"exception.stacktrace": "at f (a.js:1)"}, "Exception", "Exception"),
    ],
)
def test_an_exception_that_says_little_is_still_one(
    told: dict[str, str | int], subject: str, title: str
) -> None:
    _, signal = read(span(exceptions=[told])).signals
    assert (signal.subject, signal.body["title"]) == (subject, title)


def test_an_exception_that_passes_through_spans_is_one() -> None:
    told: dict[str, str | int] = {"exception.type": "E", "exception.message": "boom"}
    other: dict[str, str | int] = {"exception.type": "F"}
    reading = read(
        span(1, 0, exceptions=[told]),
        span(2, 1, exceptions=[told, other]),
        span(3, 2, exceptions=[told]),
        span(4, 1),
    )
    found = [s.body["span_id"] for s in reading.signals if s.subject == "E"]
    assert found == ["03" * 8]
    assert [s.body["span_id"] for s in reading.signals if s.subject == "F"] == ["02" * 8]
    assert reading.skipped == {"repeated_exception": 2}


def test_spans_without_ids_are_not_taken_for_each_other() -> None:
    told: dict[str, str | int] = {"exception.type": "E"}
    reading = read(span(0, exceptions=[told]), span(0, exceptions=[told], attributes=MODEL))
    assert [s.type for s in reading.signals].count(SignalType.EXCEPTION) == 2
    assert [s.type for s in reading.signals].count(SignalType.INFERENCE) == 1


def test_a_span_that_asks_a_model_is_an_inference() -> None:
    said: dict[str, str | int] = {
        **MODEL, "gen_ai.input.messages": "who is bob", "gen_ai.request.temperature": 1,
        "error.type": "timeout",
    }  # fmt: skip
    status = Status(code=Status.STATUS_CODE_ERROR, message="it took too long")
    reading = read(span(attributes=said, end_time_unix_nano=BEGAN + 3_000_000, status=status))
    (signal,) = reading.signals
    assert (signal.type, signal.subject) == (SignalType.INFERENCE, "gpt-6.2-sol")
    assert signal.value == 3.0
    assert signal.body["cost_usd"] == pytest.approx(3e-5)
    assert signal.body["error"] == "timeout"
    assert signal.body["attributes"] == {"gen_ai.request.temperature": 1, "error.type": "timeout"}
    assert "bob" not in repr(signal)
    assert reading.skipped == {"content": 1}


def test_a_span_that_wraps_a_request_is_no_second_one() -> None:
    reading = read(span(2, 1, attributes=MODEL), span(1, 0, name="llm", attributes=MODEL))
    assert [(s.type, s.subject) for s in reading.signals] == [
        (SignalType.INFERENCE, "gpt-6.2-sol"), (SignalType.SPAN, "llm"),
    ]  # fmt: skip


def test_a_span_without_a_name_is_rejected() -> None:
    reading = read(span(name=""), span())
    assert len(reading.signals) == 1
    assert (reading.skipped, reading.rejections) == ({"no_name": 1}, {"no_name"})


def test_many_exceptions_of_a_span_are_bounded() -> None:
    told: list[dict[str, str | int]] = [{"exception.type": f"E{n}"} for n in range(50)]
    reading = read(span(exceptions=told))
    assert len(reading.signals) == 1 + 16
    assert reading.skipped == {"exceptions": 34}
