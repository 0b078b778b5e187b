"""An unmodified SDK of Sentry reports to honed's own endpoint, at honed's DSN and nothing else."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import pytest

from honed.storage.server import Server
from honed.testing.corpus import PLANTED
from honed.testing.intake import IntakeServer, _spellings, dumped

BEGIN = """
import json, logging, sys
import sentry_sdk

sentry_sdk.init(
    dsn=sys.argv[1], release="shop@1.2", environment="production", server_name="web-1",
    traces_sample_rate=1.0, auto_enabling_integrations=False, shutdown_timeout=60,
)
"""


class Run(Protocol):
    def __call__(self, program: str, *arguments: str) -> str: ...


@pytest.fixture
def run(intake_server: IntakeServer, tmp_path: Path) -> Run:
    """Return what runs a program of a service, whose first argument is the DSN, to its end."""

    def run(program: str, *arguments: str) -> str:
        file = tmp_path / "shop.py"
        file.write_text(BEGIN + program, encoding="utf-8")
        command = [sys.executable, str(file), dsn(intake_server), *arguments]
        environment = {"PATH": os.environ["PATH"], "NO_PROXY": "*", "PYTHONUTF8": "1"}
        done = subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
        )
        return done.stdout

    return run


def dsn(server: IntakeServer) -> str:
    host = urlsplit(server.url).netloc
    return f"http://{server.project.public_key}@{host}/{server.project.project_id}"


def signals(server: IntakeServer) -> list[dict[str, Any]]:
    return server.rows("SELECT * FROM honed.signal ORDER BY at, signal_id")


CHAINED = """
sentry_sdk.set_tag("plan", "free")
sentry_sdk.set_user({"id": "7"})
sentry_sdk.add_breadcrumb(category="cart", message="added")

def total(items):
    currency = "EUR"
    try:
        return items["price"]
    except KeyError as error:
        raise ValueError(f"order {len(items)} has no price") from error

for items in ({}, {"a": 1}):
    try:
        total(items)
    except ValueError:
        sentry_sdk.capture_exception()
"""


def test_exceptions_come_with_cause_place_variables_and_circumstances(
    run: Run, intake_server: IntakeServer
) -> None:
    run(CHAINED)
    first, second = signals(intake_server)
    assert (first["type"], first["subject"]) == ("exception", "ValueError at shop.total")
    assert (first["service"], first["release"]) == ("shop", "shop@1.2")
    assert first["environment"] == "production"
    body = first["body"]
    assert body["title"] == "ValueError: order 0 has no price"
    assert [(told["type"], told["message"]) for told in body["exceptions"]] == [
        ("KeyError", "'price'"),
        ("ValueError", "order 0 has no price"),
    ]
    place = body["exceptions"][1]["frames"][-1]
    assert (place["file"], place["function"], place["in_app"]) == ("shop.py", "total", True)
    assert place["code"].startswith('raise ValueError(f"order')
    assert "    except KeyError as error:" in place["before"]
    assert place["vars"]["currency"] == "'EUR'"
    assert body["files"] == ["shop.py"]
    assert (body["tags"], body["user"]) == ({"plan": "free"}, {"id": "7"})
    assert body["server"] == "web-1"
    assert [crumb["message"] for crumb in body["breadcrumbs"]] == ["added"]
    assert first["fingerprint"] == second["fingerprint"]
    (group,) = intake_server.rows("SELECT * FROM honed.signal_group")
    assert (group["event_count"], group["releases"]) == (2, ["shop@1.2"])


def test_uncaught_errors_and_groups_come_too(run: Run, intake_server: IntakeServer) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        run("raise ExceptionGroup('many', [KeyError('a'), OSError('b')])")
    (signal,) = signals(intake_server)
    assert signal["subject"] == "ExceptionGroup at shop.<module>"
    assert [told["type"] for told in signal["body"]["exceptions"]] == [
        "OSError", "KeyError", "ExceptionGroup",
    ]  # fmt: skip
    assert signal["body"]["exceptions"][-1]["handled"] is False


LOGGED = """
log = logging.getLogger("shop.cart")
for order in (7, 8):
    log.error("no order %d for %s", order, "any")
log.warning("not told, but a breadcrumb")
sentry_sdk.capture_message("hello")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("broken")
"""


def test_log_errors_come_with_template_and_parameters(
    run: Run, intake_server: IntakeServer
) -> None:
    run(LOGGED)
    first, second, message, failure = signals(intake_server)
    assert (first["type"], first["subject"]) == ("log", "shop.cart")
    assert first["body"]["message"] == "no order 7 for any"
    assert first["body"]["template"] == "no order %d for %s"
    assert first["body"]["params"] == [7, "any"]
    assert (first["body"]["logger"], first["body"]["level"]) == ("shop.cart", "error")
    assert first["fingerprint"] == second["fingerprint"]
    assert (message["type"], message["body"]["message"]) == ("log", "hello")
    assert (failure["type"], failure["body"]["message"]) == ("exception", "broken")


TRANSACTION = """
with sentry_sdk.start_transaction(op="http.server", name="GET /cart"):
    for number in range(3):
        with sentry_sdk.start_span(op="db", name="SELECT price FROM item WHERE item_id = %s"):
            pass
    with sentry_sdk.start_span(op="template.render", name="cart.html"):
        pass
"""


def test_transactions_come_with_a_summary_and_their_queries(
    run: Run, intake_server: IntakeServer
) -> None:
    run(TRANSACTION)
    whole, *queries = signals(intake_server)
    assert (whole["type"], whole["subject"], whole["value"] > 0) == ("span", "GET /cart", True)
    assert {name: each["count"] for name, each in whole["body"]["spans"].items()} == {
        "db": 3, "template.render": 1,
    }  # fmt: skip
    assert [query["subject"] for query in queries] == [
        "SELECT price FROM item WHERE item_id = %s"
    ] * 3
    assert {query["body"]["trace_id"] for query in queries} == {whole["body"]["trace_id"]}


OTHERS = """
said = {"message": "the cart is slow", "contact_email": "any", "url": "/cart"}
sentry_sdk.capture_event({"type": "feedback", "contexts": {"feedback": said}})
from sentry_sdk.crons import capture_checkin
capture_checkin(monitor_slug="nightly", status="ok")
"""


def test_feedback_is_taken_and_what_is_left_out_is_counted(
    run: Run, intake_server: IntakeServer
) -> None:
    run(OTHERS)
    (said,) = intake_server.rows("SELECT * FROM honed.user_feedback")
    assert (said["text"], said["page"], said["source"]) == ("the cart is slow", "/cart", "sentry")
    assert intake_server.counts("skipped") == {"check_in": 1}
    assert intake_server.counts("refused") == {}


STREAMED = """
sentry_sdk.init(
    dsn=sys.argv[1], release="shop@1.2", traces_sample_rate=1.0, enable_logs=True,
    auto_enabling_integrations=False, shutdown_timeout=60,
    _experiments={"trace_lifecycle": "stream"},
)
with sentry_sdk.traces.start_span(name="GET /cart", attributes={"sentry.op": "http.server"}):
    with sentry_sdk.traces.start_span(name="SELECT 1", attributes={"sentry.op": "db"}):
        pass
    with sentry_sdk.traces.start_span(name="cart.html", attributes={"sentry.op": "template"}):
        pass
# The SDK's thread for spans may not be waited for: here it has the time of two more requests.
sentry_sdk.flush(60)
logging.getLogger("shop.cart").warning("sold %d", 3)
sentry_sdk.metrics.count("carts", 2)
sentry_sdk.flush(60)
"""


def test_logs_metrics_and_streamed_spans_come_too(run: Run, intake_server: IntakeServer) -> None:
    run("import sentry_sdk.traces\n" + STREAMED)
    told = {(each["type"], each["subject"]): each for each in signals(intake_server)}
    assert set(told) == {
        ("log", "shop.cart"), ("metric", "carts"), ("span", "GET /cart"), ("span", "SELECT ?"),
    }  # fmt: skip
    assert told["log", "shop.cart"]["body"]["params"] == {"0": 3}
    assert told["metric", "carts"]["value"] == 2.0
    assert {each["service"] for each in told.values()} == {"shop"}
    assert intake_server.counts("skipped") == {"child_span": 1}


HARMED = """
secrets = json.load(open(sys.argv[2]))
log = logging.getLogger("shop")

def pay(text):
    note = {"said": [text]}
    raise RuntimeError(text)

for text in secrets:
    sentry_sdk.add_breadcrumb(category="pay", message=text, data={"text": text})
    sentry_sdk.set_extra("text", text)
    sentry_sdk.set_tag("text", text)
    log.error("cannot pay %s", text)
    try:
        pay(text)
    except RuntimeError:
        sentry_sdk.capture_exception()
    with sentry_sdk.start_transaction(op="task", name=text):
        with sentry_sdk.start_span(op="db", name=text) as span:
            span.set_data("text", text)
    said = {"message": text, "contact_email": text, "name": text}
    sentry_sdk.capture_event({"type": "feedback", "contexts": {"feedback": said}})
    sentry_sdk.flush(60)
"""


@pytest.mark.slow
def test_no_secret_survives(
    run: Run, intake_server: IntakeServer, postgres_server: Server, tmp_path: Path
) -> None:
    """Neither in messages nor in variables, breadcrumbs, parameters, tags, spans or feedback."""
    planted = tmp_path / "planted.json"
    planted.write_text(json.dumps([each.text for each in PLANTED]), encoding="utf-8")
    run(HARMED, str(planted))
    stored = {
        row["type"]: row["count"]
        for row in intake_server.rows("SELECT type, count(*) FROM honed.signal GROUP BY type")
    }
    expected = len(PLANTED)
    assert stored == {
        "exception": expected, "log": expected, "span": 2 * expected, "feedback": expected,
    }  # fmt: skip
    intake_server.pipeline.store_counts()
    dump = dumped(intake_server.store, postgres_server)
    assert b"cannot pay" in dump
    survived = [
        each.name for each in PLANTED if any(written in dump for written in _spellings(each.secret))
    ]
    assert survived == []


REPEATED = """
sentry_sdk.capture_message("first")
sentry_sdk.flush(60)
print(sentry_sdk.get_client().transport.is_healthy())
sentry_sdk.capture_message("second")
sentry_sdk.flush(60)
"""


def test_the_sdk_waits_when_it_is_told_to(run: Run, intake_server: IntakeServer) -> None:
    """What overloads is answered 429 with a time to come again, which the SDK keeps."""
    queue = intake_server.pipeline.queue
    queue.reserve(queue._most_bytes)
    assert run(REPEATED).split() == ["False"]
    queue.release(queue._most_bytes)
    assert intake_server.counts("refused") == {"overloaded": 1}
