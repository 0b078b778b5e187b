"""OTLP over HTTP is taken as it is sent, and answered as the specification says."""

import json
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from honed.config import Settings
from honed.core.intake import Request, Taken
from honed.errors import ConfigurationError, MalformedSignal
from honed.intake.otlp import OtlpIntake
from honed.signals.otlp.reading import MOST_ITEMS
from honed.storage.db import Database
from honed.testing.intake import IntakeContract, IntakeServer, intake_serving

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
RECEIVED = datetime(2026, 11, 21, 12, tzinfo=UTC)
NS = int(RECEIVED.timestamp()) * 10**9
REQUESTS: Mapping[str, type[Message]] = {
    "traces": ExportTraceServiceRequest,
    "metrics": ExportMetricsServiceRequest,
    "logs": ExportLogsServiceRequest,
}


def attributes(**said: str) -> list[dict[str, Any]]:
    return [{"key": key, "value": {"stringValue": value}} for key, value in said.items()]


def everywhere(text: str) -> list[dict[str, Any]]:
    """Return attributes with a text wherever one may stand."""
    nested = {
        "arrayValue": {"values": [{"stringValue": text}, {"kvlistValue": {"values": [
            {"key": text, "value": {"stringValue": text}},
        ]}}]},
    }  # fmt: skip
    return [
        {"key": text, "value": {"stringValue": text}},
        {"key": "plain", "value": {"stringValue": text}},
        {"key": "nested", "value": nested},
    ]


def exception(text: str) -> list[dict[str, Any]]:
    trace = (
        "Traceback (most recent call last):\n"
        f'  File "/srv/shop/cart.py", line 7, in total\n    raise E({text!r})\nE: {text}\n'
    )
    return [
        {"key": "exception.type", "value": {"stringValue": "E"}},
        {"key": "exception.message", "value": {"stringValue": text}},
        {"key": "exception.stacktrace", "value": {"stringValue": trace}},
    ]


def resource(text: str) -> dict[str, Any]:
    names = ("service.name", "service.version", "deployment.environment.name", "host.name")
    return {"attributes": attributes(**dict.fromkeys(names, text))}


def traces(text: str) -> dict[str, Any]:
    """Return a request with ``text`` wherever its sender writes what he wants."""
    span = {
        "traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "EEE19B7EC3C1B174", "name": text,
        "kind": 3, "startTimeUnixNano": str(NS), "endTimeUnixNano": str(NS + 1_500_000),
        "attributes": everywhere(text), "status": {"code": 2, "message": text},
        "events": [{"name": "exception", "attributes": exception(text)},
                   {"name": text, "attributes": everywhere(text)}],
    }  # fmt: skip
    query = attributes(**{"db.query.text": f"SELECT {text}", "db.system.name": "postgresql"})
    model = attributes(**{"gen_ai.request.model": text, "gen_ai.provider.name": text})
    foreign = attributes(**{"exception.type": text, "exception.stacktrace": f"at {text} (a.js:1)"})
    spans = [
        span,
        {**span, "spanId": "0101010101010101", "name": "query", "attributes": query, "events": []},
        {**span, "spanId": "0202020202020202", "attributes": model, "events": []},
        {
            **span,
            "spanId": "0303030303030303",
            "events": [{"name": "exception", "attributes": foreign}],
        },
    ]
    scopes = [{"scope": {"name": text}, "spans": spans}]
    return {"resourceSpans": [{"resource": resource(text), "scopeSpans": scopes}]}


def metrics(text: str) -> dict[str, Any]:
    point = {"timeUnixNano": str(NS), "asDouble": 1.5, "attributes": everywhere(text)}
    found = [
        {"name": text, "unit": text, "description": text, "gauge": {"dataPoints": [point]}},
        {"name": "n", "unit": text, "sum": {"dataPoints": [point], "aggregationTemporality": 1}},
    ]
    scopes = [{"scope": {"name": text}, "metrics": found}]
    return {"resourceMetrics": [{"resource": resource(text), "scopeMetrics": scopes}]}


def logs(text: str) -> dict[str, Any]:
    record = {
        "timeUnixNano": str(NS), "severityNumber": 17, "severityText": text,
        "body": {"stringValue": text}, "attributes": everywhere(text), "eventName": text,
    }  # fmt: skip
    body = {"kvlistValue": {"values": everywhere(text)}}
    records = [record, {**record, "body": body}, {**record, "attributes": exception(text)}]
    scopes = [{"scope": {"name": text}, "logRecords": records}]
    return {"resourceLogs": [{"resource": resource(text), "scopeLogs": scopes}]}


def encoded(kind: str, said: Mapping[str, Any]) -> bytes:
    """Return what OTLP's JSON says as protobuf."""
    plain = json.loads(json.dumps(said), object_hook=_base64)
    return json_format.ParseDict(plain, REQUESTS[kind]()).SerializeToString()


def _base64(said: dict[str, Any]) -> dict[str, Any]:
    return {
        key: b64encode(bytes.fromhex(value)).decode() if key in {"traceId", "spanId"} else value
        for key, value in said.items()
    }


def take(kind: str, body: bytes, content_type: str = PROTOBUF) -> Taken:
    headers = {"content-type": content_type}
    request = Request("POST", f"/v1/{kind}", headers=headers, body=body, received_at=RECEIVED)
    return OtlpIntake().take(request)


class Contract(IntakeContract):
    @pytest.fixture
    def intake(self) -> OtlpIntake:
        return OtlpIntake()


class TestTraces(Contract):
    content_type = PROTOBUF

    def body(self, text: str) -> bytes:
        return encoded("traces", traces(text))


class TestTracesAsJson(Contract):
    content_type = JSON

    def body(self, text: str) -> bytes:
        return json.dumps(traces(text)).encode()


class TestMetrics(Contract):
    content_type = PROTOBUF

    def path(self, intake: OtlpIntake) -> str:  # type: ignore[override]  # it is this one
        return "/v1/metrics"

    def body(self, text: str) -> bytes:
        return encoded("metrics", metrics(text))


class TestLogsAsJson(Contract):
    content_type = f"{JSON}; charset=utf-8"

    def path(self, intake: OtlpIntake) -> str:  # type: ignore[override]  # likewise
        return "/v1/logs"

    def body(self, text: str) -> bytes:
        return json.dumps(logs(text)).encode()


@pytest.mark.parametrize(
    ("kind", "said"), [("traces", traces), ("metrics", metrics), ("logs", logs)]
)
def test_both_encodings_say_the_same(kind: str, said: Any) -> None:
    ours = take(kind, json.dumps(said("hello")).encode(), JSON)
    theirs = take(kind, encoded(kind, said("hello")))
    assert ours.signals == theirs.signals
    assert ours.signals
    assert (ours.answer, ours.content_type) == (b"{}", JSON)
    assert (theirs.answer, theirs.content_type) == (b"", PROTOBUF)


def test_ids_are_hexadecimal_in_json() -> None:
    said = traces("hello")
    spans = said["resourceSpans"][0]["scopeSpans"][0]["spans"]
    for name in ("xyz", "EEE19B", 7, None, ""):
        spans[1]["spanId"] = name
        signal = next(s for s in take("traces", json.dumps(said).encode(), JSON).signals
                      if s.subject == "query")  # fmt: skip
        assert "span_id" not in signal.body
        assert signal.body["trace_id"] == "5b8efff798038103d269b633813fc60c"


@pytest.mark.parametrize("content_type", ["application/x-protobuf", "application/protobuf", ""])
def test_protobuf_has_several_names(content_type: str) -> None:
    assert take("traces", encoded("traces", traces("hello")), content_type).signals


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded"])
def test_another_encoding_is_refused_with_a_hint(content_type: str) -> None:
    with pytest.raises(MalformedSignal, match="neither protobuf nor JSON") as refused:
        take("traces", b"{}", content_type)
    assert PROTOBUF in refused.value.hint


def test_an_empty_request_is_a_success() -> None:
    for kind in REQUESTS:
        assert take(kind, b"") == Taken((), {}, b"", PROTOBUF)
        assert take(kind, b"{}", JSON) == Taken((), {}, b"{}", JSON)


def test_what_cannot_be_kept_is_said_in_the_answer() -> None:
    said = traces("hello")
    spans = said["resourceSpans"][0]["scopeSpans"][0]["spans"]
    spans[:] = [{"name": ""}, {"name": "kept"}, {}]
    answer = json.loads(take("traces", json.dumps(said).encode(), JSON).answer)
    assert answer == {
        "partialSuccess": {"rejectedSpans": "2", "errorMessage": "left out: no_name (2)"}
    }
    taken = take("traces", encoded("traces", said))
    response = ExportTraceServiceResponse.FromString(taken.answer)
    assert response.partial_success.rejected_spans == 2
    assert taken.skipped == {"no_name": 2}


def test_a_request_of_many_items_is_bounded_and_answered() -> None:
    span = Span(name="s", trace_id=b"\1" * 16, span_id=b"\2" * 8)
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.extend([span] * (MOST_ITEMS + 3))
    taken = take("traces", request.SerializeToString())
    assert len(taken.signals) == MOST_ITEMS
    assert taken.skipped == {"over_limit": 3}
    response = ExportTraceServiceResponse.FromString(taken.answer)
    assert response.partial_success.rejected_spans == 3
    assert "over_limit (3)" in response.partial_success.error_message


def test_who_is_refused_gets_a_status(intake_server: IntakeServer) -> None:
    body = encoded("traces", traces("hello"))
    headers = {"Content-Type": PROTOBUF, "X-Honed-Key": "0" * 32}
    answer = intake_server.post("/v1/traces", body, headers)
    assert (answer.status_code, answer.headers["content-type"]) == (401, PROTOBUF)
    status = Status.FromString(answer.content)
    assert status.message.startswith("the key is of no project: ")


def test_who_sends_json_is_refused_in_json(intake_server: IntakeServer) -> None:
    for key, body, status in (("0" * 32, b"{}", 401), ("", b"{}", 401), (None, b"{", 400)):
        shown = intake_server.project.public_key if key is None else key
        headers = {"Content-Type": "application/json; charset=utf-8", "X-Honed-Key": shown}
        answer = intake_server.post("/v1/traces", body, headers)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json")
        assert json_format.Parse(answer.content, Status()).message == answer.json()["message"] != ""
    headers = {"Content-Type": "text/plain", "X-Honed-Key": intake_server.project.public_key}
    answer = intake_server.post("/v1/traces", b"{}", headers)
    assert "neither protobuf nor JSON" in Status.FromString(answer.content).message


def test_who_sends_too_much_is_told_when_to_come_again(store: Database) -> None:
    with intake_serving(store, Settings(intake_queue_mb=16)) as server:
        server.pipeline.queue.reserve(16 * 2**20)
        headers = {"Content-Type": PROTOBUF, "X-Honed-Key": server.project.public_key}
        answer = server.post("/v1/traces", encoded("traces", traces("hello")), headers)
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) > 0
        server.pipeline.queue.release(16 * 2**20)
        assert server.post("/v1/traces", b"", headers).status_code == 200


def test_the_key_is_that_of_the_path_or_a_header() -> None:
    intake = OtlpIntake()
    assert intake.key(Request("POST", "/v1/logs", headers={"x-honed-key": "a"})) == "a"
    assert intake.key(Request("POST", "/v1/logs", headers={"authorization": "Bearer b"})) == "b"
    in_path = Request("POST", "/otlp/c/v1/logs", {"key": "c"}, {"x-honed-key": "a"})
    assert intake.key(in_path) == "c"


def test_settings_say_what_is_kept_and_what_it_costs(tmp_path: Path) -> None:
    prices = tmp_path / "prices.toml"
    prices.write_text(
        '[[price]]\nprovider = "acme"\nmodel = "m"\nvalid_from = 2026-01-01\nsource = "ours"\n'
        "input_usd = 1.0\noutput_usd = 2.0\n"
    )
    said = traces("m")
    span = said["resourceSpans"][0]["scopeSpans"][0]["spans"][2]
    span["attributes"] = [
        *attributes(**{"gen_ai.provider.name": "acme", "gen_ai.request.model": "m"}),
        {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "1000000"}},
        {"key": "gen_ai.usage.output_tokens", "value": {"intValue": "1"}},
    ]
    line = logs("hello")
    line["resourceLogs"][0]["scopeLogs"][0]["logRecords"] = [
        {"severityNumber": 9, "body": {"stringValue": "started"}}
    ]
    intake = OtlpIntake()
    settings = Settings(price_file=prices, otlp_log_level="info")
    intake.configure(settings.model_dump(mode="json"))
    request = Request("POST", "/v1/traces", body=encoded("traces", said), received_at=RECEIVED)
    (inference,) = [s for s in intake.take(request).signals if s.type == "inference"]
    assert inference.body["cost_usd"] == pytest.approx(1.000002)
    request = Request("POST", "/v1/logs", body=encoded("logs", line), received_at=RECEIVED)
    assert [s.body["message"] for s in intake.take(request).signals] == ["started"]
    assert take("logs", encoded("logs", line)).skipped == {"below_level": 1}
    with pytest.raises(ConfigurationError, match="price_file"):
        intake.configure({"price_file": str(tmp_path / "none.toml")})


def test_a_sender_whose_clock_is_ahead_is_taken_and_counted(intake_server: IntakeServer) -> None:
    said = traces("hello")
    for span in said["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        span |= {"startTimeUnixNano": 2**64 - 2, "endTimeUnixNano": 2**64 - 1, "events": []}
    headers = {"Content-Type": JSON, "X-Honed-Key": intake_server.project.public_key}
    assert intake_server.post("/v1/traces", json.dumps(said).encode(), headers).status_code == 200
    assert intake_server.counts("adjusted") == {"clock_ahead": 4}
    assert intake_server.rows("SELECT FROM honed.signal WHERE at > honed.now()") == []
