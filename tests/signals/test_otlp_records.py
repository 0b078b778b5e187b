"""Errors of a log are grouped, with or without an exception; other lines are kept if wanted."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue, KeyValueList
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, SeverityNumber

from honed.core.signal import SignalType
from honed.llm.prices import Prices
from honed.signals.otlp.reading import LEVELS, Reading
from honed.signals.otlp.records import read_records

RECEIVED = datetime(2026, 11, 21, 12, tzinfo=UTC)
AT = int(RECEIVED.timestamp()) * 10**9
INFO, WARN = SeverityNumber.SEVERITY_NUMBER_INFO, SeverityNumber.SEVERITY_NUMBER_WARN
ERROR, FATAL = SeverityNumber.SEVERITY_NUMBER_ERROR, SeverityNumber.SEVERITY_NUMBER_FATAL


def record(body: str = "cart 17 is broken", **said: Any) -> LogRecord:
    pairs = [
        KeyValue(key=key, value=AnyValue(string_value=value))
        for key, value in said.pop("attributes", {}).items()
    ]
    told = {"severity_number": ERROR, "body": AnyValue(string_value=body), **said}
    return LogRecord(attributes=pairs, **told)


def read(*records: LogRecord, level: str = "error") -> Reading:
    request = ExportLogsServiceRequest()
    scope = request.resource_logs.add().scope_logs.add()
    scope.scope.name = "shop.cart"
    scope.log_records.extend(records)
    reading = Reading(RECEIVED, Prices(), LEVELS[level])
    read_records(request, reading)
    return reading


def test_an_error_is_a_line_in_a_group() -> None:
    said = record(
        "cart 17 is broken\nsecond line", trace_id=b"\1" * 16, span_id=b"\2" * 8, time_unix_nano=AT,
        attributes={"code.file.path": "/srv/shop/cart.py", "owner": "a"},
    )  # fmt: skip
    (signal,) = read(said).signals
    assert (signal.type, signal.subject, signal.at) == (SignalType.LOG, "shop.cart", RECEIVED)
    assert signal.body == {
        "logger": "shop.cart", "level": "error", "trace_id": "01" * 16, "span_id": "02" * 8,
        "attributes": {"code.file.path": "/srv/shop/cart.py", "owner": "a"},
        "title": "cart 17 is broken", "culprit": "shop.cart", "files": ["/srv/shop/cart.py"],
        "message": "cart 17 is broken\nsecond line",
    }  # fmt: skip


def test_lines_that_differ_in_values_are_one_group() -> None:
    lines = [f"cart {number} is broken" for number in range(20)]
    groups = {signal.fingerprint for signal in read(*map(record, lines)).signals}
    assert len(groups) == 1
    (other,) = read(record("the shop is closed")).signals
    assert other.fingerprint not in groups


def test_an_error_with_an_exception_is_an_exception() -> None:
    told = {"exception.type": "E", "exception.message": "boom", "owner": "a"}
    (signal,) = read(record("checkout failed", attributes=told)).signals
    assert (signal.type, signal.subject) == (SignalType.EXCEPTION, "E")
    assert signal.body == {
        "logger": "shop.cart", "level": "error", "attributes": {"owner": "a"}, "source": "log",
        "message": "checkout failed", "title": "E: boom",
        "exceptions": [{"type": "E", "message": "boom"}],
    }  # fmt: skip
    assert signal.fingerprint


@pytest.mark.parametrize(
    ("said", "level"),
    [
        ({"severity_number": FATAL}, "fatal"),
        ({"severity_number": 20}, "error"),
        ({"severity_number": 0, "severity_text": "CRITICAL"}, "fatal"),
        ({"severity_number": 0, "severity_text": "Error"}, "error"),
        ({"severity_number": 99, "severity_text": "SEVERE"}, "error"),
    ],
)
def test_how_severe_it_is_may_be_a_number_or_a_word(said: dict[str, Any], level: str) -> None:
    (signal,) = read(record(**said)).signals
    assert signal.body["level"] == level
    assert signal.fingerprint


def test_what_is_less_severe_is_counted_unless_it_is_wanted() -> None:
    lines = [record(severity_number=number) for number in (1, INFO, WARN)]
    lines.append(record(severity_number=0))
    reading = read(*lines)
    assert (reading.signals, reading.skipped) == ([], {"below_level": 4})
    # Nothing is wrong with them: the sender is not told.
    assert reading.rejections == set()
    kept = read(*lines, level="info").signals
    assert [signal.body.get("level") for signal in kept] == ["info", "warn", None]
    assert {signal.fingerprint for signal in kept} == {""}


def test_an_exception_of_unknown_severity_is_one() -> None:
    told = {"exception.type": "E"}
    (signal,) = read(record(severity_number=0, attributes=told)).signals
    assert signal.type is SignalType.EXCEPTION
    assert read(record(severity_number=WARN, attributes=told)).skipped == {"below_level": 1}


def test_the_time_may_be_that_of_who_observed_it() -> None:
    later = AT + 10**9
    told: dict[datetime, list[dict[str, Any]]] = {
        RECEIVED: [{"time_unix_nano": AT, "observed_time_unix_nano": later}, {}],
        RECEIVED + timedelta(seconds=1): [{"observed_time_unix_nano": later}],
    }
    for at, said in ((at, said) for at, each in told.items() for said in each):
        (signal,) = read(record(**said)).signals
        assert signal.at == at


def test_a_message_may_be_an_object_or_only_a_name() -> None:
    pair = KeyValue(key="event", value=AnyValue(string_value="boom"))
    said = AnyValue(kvlist_value=KeyValueList(values=[pair]))
    (signal,) = read(LogRecord(severity_number=ERROR, body=said)).signals
    assert (signal.body["message"], signal.body["title"]) == (
        {"event": "boom"},
        '{"event": "boom"}',
    )
    (signal,) = read(LogRecord(severity_number=ERROR, event_name="boom")).signals
    assert (signal.body["message"], signal.body["event"]) == ("boom", "boom")


def test_a_line_that_says_nothing_is_rejected() -> None:
    reading = read(record(""), record(" \n"), LogRecord(severity_number=ERROR))
    assert (reading.signals, reading.skipped) == ([], {"no_message": 3})
    assert reading.rejections == {"no_message"}


def test_a_huge_message_is_left_out_as_a_whole() -> None:
    reading = read(record("x" * 40_000), record("y" * 30_000))
    assert [signal.body["message"] for signal in reading.signals] == [
        "(40000 characters)", "y" * 30_000,
    ]  # fmt: skip
    assert reading.skipped == {"long_text": 1}


@pytest.mark.parametrize(
    "said",
    [
        {"event_name": "gen_ai.user.message"},
        {"attributes": {"event.name": "gen_ai.choice"}, "event_name": "x"},
        {"body_is": "", "attributes": {"gen_ai.input.messages": "who is bob"}},
    ],
)
def test_what_was_said_to_a_model_is_not_kept(said: dict[str, Any]) -> None:
    told = dict(said)
    line = record(told.pop("body_is", "who is bob"), severity_number=INFO, **told)
    line.event_name = line.event_name or "asked"
    (signal,) = read(line, level="info").signals
    assert "bob" not in repr(signal)
