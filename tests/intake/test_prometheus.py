"""Pages of metrics are read from real servers, and an ill one does not keep back the others."""

import gzip
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from pydantic import ValidationError

from honed.config import Settings
from honed.core.canonical import Json
from honed.core.intake import Request, Taken
from honed.core.signal import SignalType
from honed.intake import prometheus
from honed.intake.prometheus import MOST_SAMPLES, PrometheusIntake
from honed.signals.intakes import installed_intakes
from honed.signals.polling import Poller
from honed.signals.projects import add_project
from honed.storage.server import Server
from honed.testing.corpus import PLANTED
from honed.testing.intake import HEADINGS, IntakeServer, dumped

RECEIVED = datetime(2026, 11, 21, 12, tzinfo=UTC)
Answer = Callable[[BaseHTTPRequestHandler], None]


def settings(*targets: str) -> dict[str, Json]:
    plain: dict[str, Json] = Settings(prometheus_targets=", ".join(targets)).model_dump(mode="json")
    return plain


def poll(*targets: str) -> Taken:
    return PrometheusIntake().poll(settings(*targets))


def read(text: str) -> Taken:
    request = Request("GET", "shop=http://h/metrics", body=text.encode(), received_at=RECEIVED)
    return PrometheusIntake().take(request)


def up(taken: Taken) -> dict[str, float | None]:
    return {each.service: each.value for each in taken.signals if each.subject == "up"}


@contextmanager
def exporting(registry: CollectorRegistry) -> Iterator[str]:
    """Show a registry as Prometheus' own client does; yield host and port."""
    server, thread = start_http_server(0, addr="127.0.0.1", registry=registry)
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def answering(answer: Answer) -> Iterator[str]:
    """Answer every request in a way of one's own."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with _ignored():
                answer(self)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def _ignored() -> Iterator[None]:
    try:
        yield
    except OSError:
        """Who asked has left."""


def page(status: int, body: bytes, **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def endless(handler: BaseHTTPRequestHandler) -> None:
    page(200, b"")(handler)
    while True:
        handler.wfile.write(b"a 1\n" * 100_000)


def test_it_is_a_plug_in_with_its_page() -> None:
    assert type(installed_intakes()["prometheus"]) is PrometheusIntake
    assert all(f"{heading}:" in (prometheus.__doc__ or "") for heading in HEADINGS)
    assert PrometheusIntake.paths == ()


def test_it_reads_only_what_is_named() -> None:
    intake = PrometheusIntake()
    assert intake.poll_interval_s(settings()) == 0
    assert intake.poll_interval_s(settings("http://a/metrics")) == 60
    assert intake.poll(settings()) == Taken()


@pytest.mark.parametrize(
    "targets",
    ["ftp://a", "a", "http://user:pass@a/metrics", "http://a, b", "a b=http://c", "=http://a"],
)
def test_a_target_that_is_none_is_refused(targets: str) -> None:
    with pytest.raises(ValidationError, match="prometheus_targets"):
        Settings(prometheus_targets=targets)


def test_gauges_and_counters_of_a_real_exporter_are_read() -> None:
    registry = CollectorRegistry()
    Gauge("queue", "Length", ["shop"], registry=registry).labels("north").set(7)
    Counter("orders", "Made", registry=registry).inc(3)
    Histogram("took", "Seconds", registry=registry).observe(0.3)
    with exporting(registry) as address:
        taken = poll(f"shop=http://{address}/metrics")
    assert {(s.type, s.service) for s in taken.signals} == {(SignalType.METRIC, "shop")}
    assert {s.subject: (s.value, s.body) for s in taken.signals} == {
        "up": (1.0, {"kind": "gauge"}),
        "queue": (7.0, {"kind": "gauge", "attributes": {"shop": "north"}}),
        "orders_total": (3.0, {"kind": "counter"}),
    }
    assert taken.skipped["histogram"] > 3
    assert taken.skipped["created"] >= 1


def test_without_a_name_host_and_port_are_the_service() -> None:
    with exporting(CollectorRegistry()) as address:
        assert up(poll(f"http://{address}/metrics?a=b")) == {address: 1.0}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (page(500, b"a 1\n"), "bad_status"),
        (page(404, b""), "bad_status"),
        (page(302, b"", Location="http://127.0.0.1:1/"), "redirected"),
        (page(200, gzip.compress(b"a 1\n"), Content_Encoding="gzip"), "encoded"),
        (endless, "too_large"),
        (lambda handler: handler.wfile.write(b"nonsense"), "unreachable"),
    ],
)
def test_an_ill_target_is_counted_and_keeps_nothing_back(answer: Answer, reason: str) -> None:
    registry = CollectorRegistry()
    Gauge("queue", "Length", registry=registry).set(7)
    with answering(answer) as ill, exporting(registry) as well:
        taken = poll(f"ill=http://{ill}/", f"well=http://{well}/metrics")
    assert up(taken) == {"ill": 0.0, "well": 1.0}
    assert [s.value for s in taken.signals if s.subject == "queue"] == [7.0]
    assert taken.skipped[reason] == 1


def test_a_target_that_is_not_there_is_counted() -> None:
    taken = poll("gone=http://127.0.0.1:1/metrics")
    assert (up(taken), taken.skipped) == ({"gone": 0.0}, {"unreachable": 1})


def test_a_target_that_takes_its_time_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()

    def drips(handler: BaseHTTPRequestHandler) -> None:
        page(200, b"")(handler)
        while not ended.wait(0.02):
            handler.wfile.write(b"a 1\n")

    monkeypatch.setattr(prometheus, "_PAGE_S", 0.2)
    with answering(drips) as slow:
        taken = poll(f"slow=http://{slow}/")
        ended.set()
    assert (up(taken), taken.skipped) == ({"slow": 0.0}, {"too_slow": 1})


def test_what_is_no_number_of_its_own_is_counted() -> None:
    taken = read(
        '# TYPE s summary\ns{quantile="0.5"} 1\n# TYPE odd other\nodd 1\nnan NaN\nbroken\n'
        "# TYPE i info\ni 1\nkept 1 1763726400000\n"
    )  # fmt: skip
    (signal,) = taken.signals
    assert (signal.subject, signal.at) == ("kept", datetime(2025, 11, 21, 12, tzinfo=UTC))
    assert taken.skipped == {
        "summary": 1, "other_type": 1, "not_a_number": 1, "malformed_line": 1, "info": 1,
    }  # fmt: skip


def test_a_huge_page_is_bounded() -> None:
    labels = ",".join(f'l{number}="x"' for number in range(100))
    lines = [f"a{{{labels}}} 1", 'b{long="' + "x" * 5_000 + '"} 1']
    taken = read("\n".join([*lines, *["c 1"] * MOST_SAMPLES]))
    assert len(taken.signals) == MOST_SAMPLES
    assert taken.skipped == {"labels": 100 - 64 + 1, "over_limit": 2}
    assert "attributes" not in taken.signals[1].body


def test_a_time_that_cannot_be_is_now() -> None:
    (signal,) = read(f"a 1 {10**17}").signals
    assert signal.at == RECEIVED


def test_no_secret_of_a_page_is_stored(
    intake_server: IntakeServer, postgres_server: Server
) -> None:
    with intake_server.store.transaction() as conn:
        add_project(conn, "prometheus")
        intake_server.pipeline.registry.read(conn)
    lines = []
    for number, planted in enumerate(PLANTED):
        text = planted.text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
        lines.append(f'planted_{number}{{value="{text}"}} 1')
    with answering(page(200, "\n".join(lines).encode())) as address:
        named = Settings(prometheus_targets=f"shop=http://{address}/")
        with Poller([], intake_server.pipeline, named) as poller:
            poller.poll(PrometheusIntake())
    rows = intake_server.rows("SELECT source, subject FROM honed.signal")
    assert {row["source"] for row in rows} == {"prometheus"}
    assert len(rows) == len(PLANTED) + 1
    dump = dumped(intake_server.store, postgres_server)
    found = [p.name for p in PLANTED if any(w in dump for w in _written(p.secret))]
    assert found == []


def _written(secret: str) -> set[bytes]:
    plain = {secret, secret.replace("\\", "\\\\").replace('"', r"\"")}
    return {each.replace("'", quote).encode() for each in plain for quote in ("'", "''")}
