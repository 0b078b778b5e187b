"""Transactions of Sentry, and what comes in lists, are read as spans, logs and metrics."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from honed.core.canonical import Json
from honed.core.signal import SignalType
from honed.llm.prices import Price, Prices
from honed.signals.sentry.lists import MOST_LISTED, read_logs, read_metrics, read_spans
from honed.signals.sentry.protocol import Reading
from honed.signals.sentry.transactions import MOST_SPANS, read_transaction

AT = datetime(2027, 1, 1, 8, tzinfo=UTC)
RECEIVED = datetime(2027, 1, 1, 9, tzinfo=UTC)


def read(reader: Callable[[dict[str, Json], Reading], None], said: dict[str, Json]) -> Reading:
    price = Price("openai", "gpt-4o", AT.date(), "a list", input_usd=2.5, output_usd=10.0)
    reading = Reading(RECEIVED, Prices([price]))
    reader(said, reading)
    return reading


def times(start_ms: int, end_ms: int) -> dict[str, Json]:
    start = AT.timestamp()
    return {"start_timestamp": start + start_ms / 1000, "timestamp": start + end_ms / 1000}


def test_a_transaction_is_a_span_with_a_summary() -> None:
    trace = {"op": "http.server", "status": "ok", "trace_id": "t", "span_id": "s"}
    said: dict[str, Json] = {
        "type": "transaction", "transaction": "GET /cart", "contexts": {"trace": trace},
        "release": "1.2", "tags": [["service", "shop"]], **times(0, 250),
        "spans": [
            {"op": "db.query", "description": "SELECT 1", "span_id": "q", **times(10, 30)},
            {"op": "db.query", "description": "SELECT 1", **times(40, 70)},
            {"op": "http.client", "description": "GET /", **times(70, 170)},
            {"op": "other", "description": "GET 'u:7'", "data": {"db.system": "redis"},
             **times(170, 171)},
        ],
    }  # fmt: skip
    whole, *queries = read(read_transaction, said).signals
    assert (whole.type, whole.subject, whole.service) == (SignalType.SPAN, "GET /cart", "shop")
    assert whole.value == pytest.approx(250, abs=0.01)
    assert whole.at == AT
    assert whole.body["spans"] == {
        "db.query": {"count": 2, "total_ms": pytest.approx(50, abs=0.01)},
        "http.client": {"count": 1, "total_ms": pytest.approx(100, abs=0.01)},
        "other": {"count": 1, "total_ms": pytest.approx(1, abs=0.01)},
    }
    assert [(query.subject, query.body["segment"]) for query in queries] == [
        ("SELECT ?", "GET /cart"), ("SELECT ?", "GET /cart"), ("GET", "GET /cart"),
    ]  # fmt: skip
    assert queries[0].value == pytest.approx(20, abs=0.01)
    assert (queries[0].body["span_id"], queries[0].body["query"]) == ("q", "SELECT ?")


def test_queries_are_bounded_and_counted() -> None:
    spans: list[Json] = [{"op": "db", **times(0, 1)}] * 500
    reading = read(read_transaction, {"spans": spans, **times(0, 9)})
    assert len(reading.signals) == 1 + MOST_SPANS
    assert reading.skipped == {"too_many_spans": 500 - MOST_SPANS}
    assert reading.signals[0].body["spans"] == {
        "db": {"count": 500, "total_ms": pytest.approx(500, rel=0.01)}
    }


def test_a_request_to_a_model_is_an_inference_and_says_nothing_of_what_was_said() -> None:
    data: dict[str, Json] = {
        "gen_ai.system": "openai", "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.input_tokens": 1_000, "gen_ai.usage.output_tokens": 100,
        "gen_ai.request.messages": "my words", "gen_ai.response.text": "its words",
        "gen_ai.request.temperature": 0.5,
    }  # fmt: skip
    spans: list[Json] = [
        {"op": "gen_ai.invoke_agent", "description": "agent", "data": data, **times(0, 9)},
        {"op": "gen_ai.chat", "description": "chat gpt-4o", "data": data, **times(0, 8)},
        {"op": "gen_ai.responses", "status": "internal_error", "data": data, **times(0, 8)},
    ]
    reading = read(read_transaction, {"spans": spans, **times(0, 9)})
    _, asked, failed = reading.signals
    assert (asked.type, asked.subject) == (SignalType.INFERENCE, "gpt-4o")
    assert asked.value == pytest.approx(8, abs=0.01)
    assert (asked.body["provider"], asked.body["operation"]) == ("openai", "chat")
    assert (asked.body["input_tokens"], asked.body["output_tokens"]) == (1_000, 100)
    assert asked.body["cost_usd"] == pytest.approx(0.0035)
    assert asked.body["attributes"] == {"gen_ai.request.temperature": 0.5}
    assert (failed.body["operation"], failed.body["error"]) == ("chat", "internal_error")
    assert reading.skipped == {"content": 4}


def test_older_operations_of_sentry_are_requests_to_models_too() -> None:
    data: dict[str, Json] = {
        "ai.model_id": "command-r", "gen_ai.usage.input_tokens": 7,
        "gen_ai.usage.output_tokens": 3, "gen_ai.usage.output_tokens.reasoning": 2,
        "ai.input_messages": "my words",
    }  # fmt: skip
    spans: list[Json] = [
        {"op": op, "data": data, **times(0, 8)}
        for op in (
            "ai.chat_completions.create.cohere",
            "ai.embeddings.create.cohere",
            "ai.messages.create.anthropic",
            "ai.pipeline.answer",
            "ai.run.langchain",
        )
    ]
    _, *asked = read(read_transaction, {"spans": spans, **times(0, 9)}).signals
    assert {each.type for each in asked} == {SignalType.INFERENCE}
    assert [(each.body["provider"], each.body["operation"]) for each in asked] == [
        ("cohere", "chat"), ("cohere", "embeddings"), ("anthropic", "chat"),
    ]  # fmt: skip
    assert {each.subject for each in asked} == {"command-r"}
    assert asked[0].body["reasoning_tokens"] == 2
    assert "my words" not in str(asked)


def test_a_request_that_wraps_another_is_counted_once() -> None:
    data: dict[str, Json] = {"gen_ai.request.model": "gpt-4o", "gen_ai.usage.input_tokens": 9}
    outer: dict[str, Json] = {"op": "gen_ai.chat", "data": data, "span_id": "b", **times(0, 8)}
    inner: dict[str, Json] = {**outer, "span_id": "c", "parent_span_id": "b", **times(1, 7)}
    trace: dict[str, Json] = {"op": "gen_ai.chat", "span_id": "a", "data": data}
    event: dict[str, Json] = {
        "contexts": {"trace": trace},
        "spans": [{**outer, "parent_span_id": "a"}, inner],
        **times(0, 9),
    }
    whole, asked = read(read_transaction, event).signals
    assert (whole.type, asked.type) == (SignalType.SPAN, SignalType.INFERENCE)
    assert asked.body["span_id"] == "c"


def test_values_of_queries_are_not_kept() -> None:
    said: dict[str, Json] = {
        "op": "db", "description": "SELECT * FROM users WHERE name = 'bob'",
        "data": {"db.system": "postgresql", "db.params": ["bob"], "db.name": "shop"},
        **times(0, 1),
    }  # fmt: skip
    _, query = read(read_transaction, {"spans": [said], **times(0, 9)}).signals
    assert query.subject == query.body["query"] == "SELECT * FROM users WHERE name = ?"
    assert query.body["attributes"] == {"db.system": "postgresql", "db.name": "shop"}


@pytest.mark.parametrize("said", [{}, times(9, 0), {"start_timestamp": "then", "timestamp": True}])
def test_a_span_without_times_is_counted(said: dict[str, Json]) -> None:
    reading = read(read_transaction, said)
    assert (reading.signals, reading.skipped) == ([], {"no_times": 1})


def test_logs_and_metrics_come_in_lists() -> None:
    attributes: dict[str, Json] = {
        "logger.name": {"value": "shop.cart", "type": "string"},
        "sentry.message.template": {"value": "no order %d", "type": "string"},
        "sentry.message.parameter.0": {"value": 7, "type": "integer"},
        "sentry.release": {"value": "shop@1.2"},
        "process.pid": {"value": 7},
        "plan": "free",
    }
    line: dict[str, Json] = {"timestamp": AT.timestamp(), "level": "error", "body": "no order 7"}
    metric: dict[str, Json] = {
        "timestamp": AT.timestamp(),
        "name": "carts",
        "type": "counter",
        "value": 3,
    }
    (logged,) = read(read_logs, {"items": [{**line, "attributes": attributes}]}).signals
    (counted,) = read(read_metrics, {"items": [metric]}).signals
    assert (logged.type, logged.subject, logged.at) == (SignalType.LOG, "shop.cart", AT)
    assert (logged.service, logged.release, logged.fingerprint) == ("shop", "shop@1.2", "")
    assert logged.body == {
        "message": "no order 7", "template": "no order %d", "params": {"0": 7}, "level": "error",
        "logger": "shop.cart", "attributes": {"logger.name": "shop.cart", "plan": "free"},
    }  # fmt: skip
    assert (counted.type, counted.subject, counted.value) == (SignalType.METRIC, "carts", 3.0)


def test_streamed_spans_are_those_that_matter() -> None:
    def span(name: str, *, is_segment: bool = False, **attributes: str) -> dict[str, Json]:
        values: dict[str, Json] = {
            key.replace("_", "."): {"value": value} for key, value in attributes.items()
        }
        lasted = {"start_timestamp": AT.timestamp(), "end_timestamp": AT.timestamp() + 1}
        return {"name": name, "is_segment": is_segment, "attributes": values, **lasted}

    spans: list[Json] = [
        span("GET /cart", is_segment=True, sentry_op="http.server"),
        span("SELECT 1", sentry_op="db", sentry_segment_name="GET /cart"),
        span("SELECT 2 + 2", db_system="postgresql"),
        span("render", sentry_op="template"),
        {"name": "never", "is_segment": True},
    ]
    reading = read(read_spans, {"version": 2, "items": spans})
    assert [(signal.subject, signal.value) for signal in reading.signals] == [
        ("GET /cart", 1000.0), ("SELECT ?", 1000.0), ("SELECT ? + ?", 1000.0),
    ]  # fmt: skip
    assert reading.signals[1].body["segment"] == "GET /cart"
    assert reading.skipped == {"child_span": 1, "no_times": 1}


def test_lists_are_bounded_and_what_says_nothing_is_counted() -> None:
    reading = read(read_logs, {"items": [{"body": "a"}] * (MOST_LISTED + 9)})
    assert (len(reading.signals), reading.skipped) == (MOST_LISTED, {"too_many_listed": 9})
    assert read(read_logs, {"items": [{}, {"body": 7}, "a"]}).skipped == {"empty": 2}
    unusable: list[Json] = [{"name": "a"}, {"value": 1}, {"name": "a", "value": float("nan")}]
    assert read(read_metrics, {"items": unusable}).skipped == {"empty": 3}
