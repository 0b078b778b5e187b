"""Envelopes are taken item by item; what cannot be read is counted or malformed."""

import gzip
import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime

import brotli
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sentry_sdk.transport import _parse_rate_limits

from honed.config import Settings
from honed.core.intake import Request, Taken
from honed.errors import MalformedSignal
from honed.intake.sentry import SentryIntake
from honed.signals.sentry.envelope import MOST_ITEMS
from honed.storage.db import Database
from honed.testing.intake import IntakeContract, IntakeServer, intake_serving

ID = "9ec79c33ec9942ab8353589fcb2e04dc"
AT = datetime(2027, 1, 1, 8, tzinfo=UTC)
RECEIVED = datetime(2027, 1, 1, 9, tzinfo=UTC)


def item(type_: str, said: object, **header: object) -> bytes:
    payload = said if isinstance(said, bytes) else json.dumps(said).encode()
    return json.dumps({"type": type_, "length": len(payload), **header}).encode() + b"\n" + payload


def envelope(*items: bytes, **header: object) -> bytes:
    return b"\n".join([json.dumps(header).encode(), *items]) + b"\n"


def take(body: bytes, path: str = "/api/7/envelope/") -> Taken:
    return SentryIntake().take(Request("POST", path, body=body, received_at=RECEIVED))


def event(*exceptions: object, **also: object) -> dict[str, object]:
    return {"event_id": ID, "exception": {"values": exceptions}, **also}


def raised(type_: str, value: str, frame: Mapping[str, object]) -> dict[str, object]:
    return {"type": type_, "value": value, "stacktrace": {"frames": [frame]}}


class TestSentry(IntakeContract):
    content_type = "application/x-sentry-envelope"

    @pytest.fixture
    def intake(self) -> SentryIntake:
        return SentryIntake()

    def auth(self, key: str) -> Mapping[str, str]:
        return {"X-Sentry-Auth": f"Sentry sentry_key={key}, sentry_version=7"}

    def body(self, text: str) -> bytes:
        around: dict[str, object] = {
            "pre_context": text.split("\n"), "post_context": [text], "context_line": text,
            "vars": {"a": text, "b": [text, {text: repr(text)}]},
        }  # fmt: skip
        where = {
            "release": text, "environment": text, "server_name": text, "transaction": text,
            "tags": {"service": text, text: text}, "user": {"id": text, "email": text},
            "extra": {text: [text]}, "contexts": {"device": {text: text}},
            "breadcrumbs": {"values": [{"category": text, "message": text, "data": {"x": text}}]},
            "request": {"url": text, "headers": {"X-Any": text}, "data": text},
            "fingerprint": [text],
        }  # fmt: skip
        places = [{"function": text}, {"module": text}, {"filename": text, "abs_path": text}]
        failures = [event(raised("E", text, {**around, **place}), **where) for place in places]
        failures.append(event(raised(text, "no", around), raised("E", text, around)))
        said = {"message": text, "formatted": text, "params": [text]}
        attributes = {"logger.name": {"value": text}, text: {"value": text}}
        span = {"op": "db", "description": text, "data": {"x": text}, **times(0, 1)}
        return envelope(
            *[item("event", failure) for failure in failures],
            item("event", {"logentry": said, "logger": text, **where}),
            item("transaction", {**where, "spans": [span, {"op": text}], **times(0, 9)}),
            item("user_report", {"comments": text, "email": text, "name": text}),
            item("log", {"items": [{"body": text, "attributes": attributes}]}),
            event_id=ID,
        )


def times(start_ms: int, end_ms: int) -> dict[str, object]:
    start = AT.timestamp()
    return {"start_timestamp": start + start_ms / 1000, "timestamp": start + end_ms / 1000}


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({"x-sentry-auth": "Sentry sentry_key=k3y, sentry_version=7"}, {}),
        ({"x-sentry-auth": "Sentry sentry_version=7,sentry_key=k3y"}, {}),
        ({"authorization": "Sentry sentry_key=k3y"}, {}),
        ({}, {"sentry_key": "k3y", "sentry_version": "7"}),
    ],
)
def test_the_key_is_found(headers: dict[str, str], query: dict[str, str]) -> None:
    request = Request("POST", "/api/7/envelope/", headers=headers, query=query)
    assert SentryIntake().key(request) == "k3y"


def test_the_key_is_found_in_the_envelope() -> None:
    body = envelope(dsn="https://k3y@honed.example/7")
    assert SentryIntake().key(Request("POST", "/api/7/envelope/", body=body)) == "k3y"
    for other in (b"", b"{}", b"[]", b'{"dsn": 7}', b'{"dsn": "http://[k3y@"}'):
        assert SentryIntake().key(Request("POST", "/api/7/envelope/", body=other)) == ""


@pytest.mark.parametrize("encoding", ["identity", "gzip", "br"])
def test_an_sdk_behind_a_tunnel_shows_its_key_in_the_envelope(
    intake_server: IntakeServer, encoding: str
) -> None:
    pack = {"identity": bytes, "gzip": gzip.compress, "br": brotli.compress}[encoding]
    failure = item("event", event(raised("E", "no", {"function": "f"}), extra={"x": "y" * 50_000}))
    headers = {"Content-Encoding": encoding}

    def send(**header: object) -> httpx.Response:
        body = pack(envelope(failure, **header))
        return intake_server.post("/api/{project}/envelope/", body, headers)

    own = intake_server.project.public_key
    assert send(dsn=f"http://{own}@honed.example/7").status_code == 200
    assert len(intake_server.rows("SELECT FROM honed.signal")) == 1
    assert send(dsn=f"http://{'0' * 32}@honed.example/7").status_code == 401
    assert send().status_code == 401
    assert intake_server.counts("refused") == {"unknown_key": 1, "no_key": 1}
    assert intake_server.pipeline.queue.used_bytes == 0


def test_who_sends_too_much_is_told_so_as_sentry_tells_it(store: Database) -> None:
    with intake_serving(store, Settings(intake_queue_mb=16)) as server:
        server.pipeline.queue.reserve(16 * 2**20)
        headers = {"X-Sentry-Auth": f"Sentry sentry_key={server.project.public_key}"}
        answer = server.post("/api/{project}/envelope/", envelope(), headers)
        server.pipeline.queue.release(16 * 2**20)
    assert answer.status_code == 429
    limits = list(_parse_rate_limits(answer.headers["x-sentry-rate-limits"]))
    assert [category for category, _ in limits] == [None]
    assert answer.headers["x-sentry-rate-limits"].startswith(answer.headers["retry-after"] + ":")
    shown = answer.headers["access-control-expose-headers"].lower()
    assert {"retry-after", "x-sentry-rate-limits"} == set(shown.split(", "))


def test_what_is_left_out_is_counted_by_its_name() -> None:
    left_out = ["session", "client_report", "check_in", "profile", "attachment", "client_report"]
    items = [item(name, {}) for name in left_out]
    taken = take(envelope(*items, item("brand_new", {}), item("event", {"message": "hello"})))
    assert len(taken.signals) == 1
    assert taken.skipped == {
        "session": 1, "client_report": 2, "check_in": 1, "profile": 1, "attachment": 1,
        "unknown_item": 1,
    }  # fmt: skip


def test_an_event_that_says_nothing_is_counted() -> None:
    taken = take(envelope(item("event", event()), item("feedback", {}), item("user_report", {})))
    assert (taken.signals, taken.skipped) == ((), {"empty": 3})


def test_payloads_are_delimited_by_length_or_by_line() -> None:
    lines = json.dumps({"message": "two"}, indent=1).encode()
    by_line = b'{"type": "event"}\n{"message": "three"}'
    taken = take(
        envelope(item("event", {"message": "one"}), item("event", lines), by_line) + b"\n\n"
    )
    assert [signal.body["message"] for signal in taken.signals] == ["one", "two", "three"]
    assert take(b'{}\n{"type": "attachment", "length": 0}').skipped == {"attachment": 1}
    assert take(b'{}\n{"type": "attachment"}').skipped == {"attachment": 1}
    assert take(b"{}").signals == ()


@pytest.mark.parametrize(
    "rest",
    [
        b'{"type": "event", "length": 9999}\n{"message": "cut"}',
        b'{"type": "event", "length": 3}\n{"message": "longer"}',
        b'{"type": "event", "length": -1}\n{}',
        b'{"type": "event", "length": "2"}\n{}',
        b'{"type": "event", "length": 1e999}\n{}',
        b'{"type": "event", "length": 4}\nnull',
        b'{"type": "event", "length": 2}\n[]',
        b'["type"]\n{}',
        b"\n\nnonsense",
    ],
)
def test_what_cannot_be_read_is_counted_and_the_rest_is_taken(rest: bytes) -> None:
    with pytest.raises(MalformedSignal):
        take(envelope() + rest)
    taken = take(envelope(item("event", {"message": "hello"})) + rest)
    assert [signal.body["message"] for signal in taken.signals] == ["hello"]
    assert taken.skipped == {"malformed_item": 1}


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{", b"\n{}", b"\xff"])
def test_an_envelope_without_a_header_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedSignal, match="header") as refused:
        take(body)
    assert "first line" in refused.value.hint


def test_items_are_bounded() -> None:
    taken = take(envelope(*[item("event", {"message": "hello"})] * (MOST_ITEMS + 9)))
    assert len(taken.signals) == MOST_ITEMS
    assert taken.skipped == {"too_many_items": 1}


def test_the_answer_is_the_id() -> None:
    assert json.loads(take(envelope(event_id=ID)).answer) == {"id": ID}
    body = item("event", {"message": "hello", "event_id": ID})
    assert json.loads(take(envelope(body)).answer) == {"id": ID}
    for odd in ("<script>", 7, "x" * 32, None):
        assert json.loads(take(envelope(event_id=odd)).answer) == {}


def test_the_older_path_takes_an_event() -> None:
    said = json.dumps({"message": "hello", "event_id": ID}).encode()
    taken = take(said, "/api/7/store/")
    assert [signal.body["message"] for signal in taken.signals] == ["hello"]
    assert json.loads(taken.answer) == {"id": ID}
    with pytest.raises(MalformedSignal):
        take(b"[]", "/api/7/store/")


words = st.sampled_from(
    ["exception", "values", "stacktrace", "frames", "type", "value", "mechanism", "exception_id",
     "parent_id", "vars", "in_app", "lineno", "filename", "message", "logentry", "params", "tags",
     "contexts", "feedback", "trace", "spans", "op", "data", "start_timestamp", "timestamp",
     "items", "attributes", "body", "name", "fingerprint", "user", "breadcrumbs", "release"]
)  # fmt: skip
leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | words
anything = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=6)
)


@given(
    st.sampled_from(["event", "transaction", "feedback", "user_report", "log", "trace_metric"]),
    st.dictionaries(words, anything),
)
def test_whatever_is_said_becomes_signals_or_is_counted(
    type_: str, said: dict[str, object]
) -> None:
    taken = take(envelope(item(type_, said)))
    for signal in taken.signals:
        assert signal.subject
        assert signal.at.tzinfo


@given(st.binary())
def test_whatever_follows_a_header_is_taken_or_malformed(rest: bytes) -> None:
    with suppress(MalformedSignal):
        assert not take(b"{}\n" + rest).signals
