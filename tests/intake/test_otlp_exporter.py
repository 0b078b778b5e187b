"""OpenTelemetry's own SDK and exporters, unmodified and told by the environment alone, report."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from honed.config import Settings
from honed.intake.prometheus import PrometheusIntake
from honed.llm.prices import Prices
from honed.testing.intake import IntakeServer

HOWTO = Path(__file__).parents[2] / "docs" / "howto" / "send-traces.md"
FENCED = re.compile(r"^ *```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
#: A service with OpenTelemetry's API and nothing of honed.
SERVICE = """
import logging

from opentelemetry import metrics, trace

tracer, meter = trace.get_tracer("shop"), metrics.get_meter("shop")
log = logging.getLogger("shop.cart")


def total(prices):
    return sum(prices) / len(prices)


def checkout():
    with tracer.start_as_current_span("POST /checkout", kind=trace.SpanKind.SERVER):
        with tracer.start_as_current_span("load", kind=trace.SpanKind.CLIENT) as span:
            span.set_attribute("db.system.name", "postgresql")
            span.set_attribute("db.query.text", "SELECT * FROM cart WHERE owner = 'bob' AND n > 7")
        with tracer.start_as_current_span("chat gpt-6.2-sol") as span:
            span.set_attribute("gen_ai.operation.name", "chat")
            span.set_attribute("gen_ai.provider.name", "openai")
            span.set_attribute("gen_ai.request.model", "gpt-6.2-sol")
            span.set_attribute("gen_ai.usage.input_tokens", 1000)
            span.set_attribute("gen_ai.usage.output_tokens", 100)
            span.set_attribute("gen_ai.input.messages", "what bob has said")
        total([])


def main():
    meter.create_counter("orders", unit="1").add(3, {"shop": "north"})
    took = meter.create_histogram("checkout", unit="ms")
    for ms in (10, 20, 90):
        took.record(ms)
    log.info("nobody wants this line")
    log.error("cart 17 is broken")
    try:
        checkout()
    except ZeroDivisionError:
        log.exception("checkout failed")


main()
"""
EXPORTERS = {"protobuf": "otlp_proto_http", "json": "otlp_json_http"}


def run(folder: Path, **environment: str) -> None:
    """Run the service under opentelemetry-instrument until it has ended and reported."""
    program = folder / "service.py"
    program.write_text(SERVICE, encoding="utf-8")
    command = [str(Path(sys.executable).with_name("opentelemetry-instrument")), sys.executable]
    plain = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run(
        [*command, str(program)],
        env={**plain, "NO_PROXY": "127.0.0.1", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "Failed to export" not in done.stderr, done.stderr


def told(server: IntakeServer, exporter: str) -> dict[str, str]:
    """Return what the environment says to a service that sends by this exporter."""
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": server.url,
        "OTEL_EXPORTER_OTLP_HEADERS": f"Authorization=Bearer%20{server.project.public_key}",
        "OTEL_TRACES_EXPORTER": exporter,
        "OTEL_METRICS_EXPORTER": exporter,
        "OTEL_LOGS_EXPORTER": exporter,
        "OTEL_SERVICE_NAME": "shop",
        "OTEL_PYTHON_LOGGING_AUTO_INSTRUMENTATION_ENABLED": "true",
        "OTEL_RESOURCE_ATTRIBUTES": "service.version=1.2,deployment.environment.name=production",
    }


def blocks(language: str) -> list[str]:
    text = HOWTO.read_text(encoding="utf-8")
    return [body for found, body in FENCED.findall(text) if found == language]


@pytest.mark.parametrize(("wire", "compression"), [("protobuf", "gzip"), ("json", "none")])
def test_traces_metrics_and_logs_arrive(
    wire: str, compression: str, intake_server: IntakeServer, tmp_path: Path
) -> None:
    environment = told(intake_server, EXPORTERS[wire])
    run(tmp_path, **environment, OTEL_EXPORTER_OTLP_COMPRESSION=compression)
    rows = intake_server.rows("SELECT * FROM honed.signal")
    assert {(row["service"], row["release"], row["environment"]) for row in rows} == {
        ("shop", "1.2", "production")
    }
    found = {(row["type"], row["subject"]): row for row in rows}
    assert {each for each in found if each[0] != "exception"} == {
        ("span", "POST /checkout"), ("span", "load"), ("inference", "gpt-6.2-sol"),
        ("metric", "orders"), ("metric", "checkout"), ("log", "shop.cart"),
    }  # fmt: skip
    assert found["span", "load"]["body"]["query"] == "SELECT * FROM cart WHERE owner = ? AND n > ?"
    assert found["span", "POST /checkout"]["body"]["status"] == "error"
    assert found["span", "POST /checkout"]["value"] > 0
    assert found["metric", "orders"]["value"] == 3
    assert found["metric", "checkout"]["value"] == 40
    assert found["metric", "checkout"]["body"]["count"] == 3
    assert found["log", "shop.cart"]["body"]["message"] == "cart 17 is broken"
    assert intake_server.counts("refused") == {}


def test_what_the_howto_says_to_export_is_enough(
    intake_server: IntakeServer, tmp_path: Path
) -> None:
    lines = [line.strip() for block in blocks("sh") for line in block.splitlines()]
    said = dict(shlex.split(line)[1].split("=", 1) for line in lines if line.startswith("export"))
    key = intake_server.project.public_key
    # The other way to show the key, which the text names.
    endpoint = said["OTEL_EXPORTER_OTLP_ENDPOINT"] + "/otlp/<key>"
    assert f"`{endpoint}`" in HOWTO.read_text(encoding="utf-8")
    assert said.pop("OTEL_EXPORTER_OTLP_HEADERS") == "x-honed-key=<key>"
    address = endpoint.replace("http://127.0.0.1:8340", intake_server.url).replace("<key>", key)
    run(tmp_path, **{**said, "OTEL_EXPORTER_OTLP_ENDPOINT": address})
    assert "opentelemetry-instrument python service.py" in lines
    spans, models = (intake_server.rows(query) for query in blocks("sql"))
    assert {row["subject"] for row in spans} == {"POST /checkout", "load"}
    assert [(row["model"], row["of_unknown_cost"]) for row in models] == [("gpt-6.2-sol", 0)]
    (group,) = intake_server.rows("SELECT * FROM honed.signal_group WHERE type = 'exception'")
    # The span that it ended, and the line of the log.
    assert group["event_count"] == 2
    assert group["title"] == "ZeroDivisionError: division by zero"
    assert group["culprit"].endswith("service.total")
    assert [Path(file).name for file in group["files"]] == ["service.py"]
    (request,) = intake_server.rows("SELECT * FROM honed.inference_request")
    assert (request["model"], request["provider"]) == ("gpt-6.2-sol", "openai")
    assert (request["input_tokens"], request["output_tokens"]) == (1000, 100)
    assert request["cost_usd"] == pytest.approx(0.003)
    assert request["price"]["source"].startswith("https://")
    assert request["duration_ms"] >= 0
    kept = intake_server.rows("SELECT body::text FROM honed.signal")
    assert [row for row in kept if "bob" in row["body"]] == []


def test_what_the_howto_says_of_settings_can_be_set(tmp_path: Path) -> None:
    prices, targets = blocks("toml")
    own = tmp_path / "prices.toml"
    own.write_text(prices, encoding="utf-8")
    at = datetime(2026, 11, 21, tzinfo=UTC)
    found = Prices.load(own).find("openai", "gpt-6.2-sol", at, 1)
    assert found is not None
    assert found.source == "our contract"
    settings = Settings(price_file=own, **tomllib.loads(targets))
    assert PrometheusIntake().poll_interval_s(settings.model_dump(mode="json")) == 60
