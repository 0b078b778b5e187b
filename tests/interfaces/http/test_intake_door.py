"""The door of the intake: who may send what, how it is answered, and that nothing hurts it."""

import gzip
import json
import logging
import socket
from collections.abc import Iterator
from typing import Any, ClassVar, cast

import brotli
import httpx
import psycopg
import pytest

from honed.config import Settings
from honed.core.intake import Answer, Intake, Refusal, Request, Taken
from honed.core.signal import Signal, SignalType
from honed.core.wire import parse_json
from honed.errors import MalformedSignal
from honed.interfaces.http.bodies import MAX_BODY_BYTES, MAX_INFLATED_BYTES
from honed.signals.projects import add_project, enable_project
from honed.storage.db import Database
from honed.storage.server import Server
from honed.testing.intake import IntakeServer, intake_serving

#: Longest wait for an answer, shorter than that of the door for a body.
ANSWER_S = 8.0
BODY = b'{"text": "hello"}'


#: What no plug-in should raise.
DEFECTS = {
    "value": ValueError("the secret of a user"),
    "memory": MemoryError("the secret of a user"),
    "depth": RecursionError("the secret of a user"),
}


class ProbeIntake(Intake):
    """Does what its body says."""

    name: ClassVar[str] = "probe"
    paths: ClassVar[tuple[str, ...]] = ("/probe", "/api/{project}/probe/{place}/")

    def take(self, request: Request) -> Taken:
        said = cast("dict[str, Any]", parse_json(request.body))
        if said.get("raise"):
            raise DEFECTS[said["raise"]]
        if said.get("malformed"):
            msg = "not so"
            raise MalformedSignal(msg)
        signal = Signal(SignalType.LOG, "probe", request.received_at, body=said)
        answer = json.dumps({"parameters": dict(request.parameters), "query": dict(request.query)})
        signals = (signal,) * said.get("times", 1)
        return Taken(signals, said.get("skipped", {}), answer.encode(), "application/x-probe")

    def refuse(self, request: Request, refusal: Refusal) -> Answer:
        if refusal.status == 405:
            raise ValueError(refusal.error)
        return Answer(f"no: {refusal.error}".encode(), "text/plain")


@pytest.fixture
def probe(store: Database) -> Iterator[IntakeServer]:
    with intake_serving(store, Settings(), [ProbeIntake()]) as server:
        yield server


def refusal(answer: httpx.Response, status: int) -> str:
    """Return what a refusal says; it has an error and a hint."""
    assert answer.status_code == status, answer.text
    said = answer.json()
    assert said["hint"]
    return str(said["error"])


def feedback(server: IntakeServer, body: bytes = BODY, **headers: str) -> httpx.Response:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return server.post(
        "/api/v1/feedback", body, {"X-Honed-Key": server.project.public_key, **given}
    )


def stored(server: IntakeServer) -> int:
    return len(server.rows("SELECT FROM honed.signal"))


def test_paths_with_and_without_a_slash_are_the_same(probe: IntakeServer) -> None:
    for path in ("/probe", "/probe/"):
        assert probe.post(path, b"{}").status_code == 200
    for path in ("/api/{project}/probe/a%20b/", "/api/{project}/probe/a%20b"):
        answer = probe.post(path + "?x=1&y=%C3%A9", b"{}")
        assert answer.json() == {
            "parameters": {"project": str(probe.project.project_id), "place": "a b"},
            "query": {"x": "1", "y": "é"},
        }
        assert answer.headers["content-type"] == "application/x-probe"


@pytest.mark.parametrize("path", ["/probe/x", "/api/7/probe", "/api/1/probe/a/b", "/", "/prob"])
def test_other_paths_are_the_apis(probe: IntakeServer, path: str) -> None:
    assert refusal(probe.post(path, b"{}"), 404)
    assert probe.client.get("/api/v1/health").json() == {"status": "ok"}


def test_keys_of_no_project_are_refused_before_the_body_is_read(
    intake_server: IntakeServer,
) -> None:
    assert "no key" in refusal(intake_server.post("/api/v1/feedback", BODY, {}), 401)
    assert "no project" in refusal(feedback(intake_server, X_Honed_Key="0" * 32), 401)
    head = f"POST /api/v1/feedback HTTP/1.1\r\nHost: localhost\r\nX-Honed-Key: {'0' * 32}\r\n"
    assert talk(intake_server, f"{head}Content-Length: 100\r\n\r\n{{".encode()).startswith(
        "HTTP/1.1 401"
    )
    assert intake_server.counts("refused") == {"no_key": 1, "unknown_key": 2}


def test_a_new_project_is_known_at_once(intake_server: IntakeServer) -> None:
    with intake_server.store.transaction() as conn:
        new = add_project(conn, "new")
    intake_server.pipeline.registry.forget()
    assert feedback(intake_server, X_Honed_Key=new.public_key).status_code == 200
    (row,) = intake_server.rows("SELECT project FROM honed.user_feedback")
    assert row["project"] == "new"


def test_a_bearer_token_is_a_key_too(intake_server: IntakeServer) -> None:
    key = intake_server.project.public_key
    for scheme in ("Bearer", "bearer"):
        headers = {"Authorization": f"{scheme} {key}"}
        assert intake_server.post("/api/v1/feedback", BODY, headers).status_code == 200


def test_the_path_names_the_project_of_the_key(probe: IntakeServer) -> None:
    answer = probe.post("/api/77/probe/x/", b"{}")
    assert answer.status_code == 401
    assert answer.text == "no: the key is of another project"


def test_a_disabled_project_and_a_source_that_is_off_are_said(store: Database) -> None:
    with intake_serving(store, Settings(intake_sources_off="sessions, feedback")) as server:
        assert "source feedback" in refusal(feedback(server), 403)
        with server.store.transaction() as conn:
            enable_project(conn, "shop", enabled=False)
        server.pipeline.registry.forget()
        server.pipeline.registry.look_for("", server.store)
        assert "project shop" in refusal(feedback(server), 403)
        assert server.counts("refused") == {"source_off": 1, "project_disabled": 1}
        assert stored(server) == 0


@pytest.mark.parametrize("host", ["evil.example", "", "127.0.0.1.evil.example"])
def test_the_server_answers_to_its_own_names_only(intake_server: IntakeServer, host: str) -> None:
    assert refusal(feedback(intake_server, Host=host), 421) == "this server is not called that"


def test_pages_of_other_sites_may_send(intake_server: IntakeServer) -> None:
    answer = feedback(intake_server, Origin="https://shop.example", Sec_Fetch_Site="cross-site")
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    asked = intake_server.client.options("/api/v1/feedback")
    assert (asked.status_code, asked.content) == (204, b"")
    assert asked.headers["access-control-allow-methods"] == "POST"
    assert "authorization" in asked.headers["access-control-allow-headers"]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_signals_are_posted(intake_server: IntakeServer, method: str) -> None:
    answer = intake_server.client.request(method, "/api/v1/feedback")
    assert refusal(answer, 405) == "signals are sent by POST"
    assert answer.headers["allow"] == "POST, OPTIONS"


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [("gzip", gzip.compress), ("br", brotli.compress), ("GZIP", gzip.compress)],
)
def test_bodies_come_compressed(intake_server: IntakeServer, encoding: str, pack: Any) -> None:
    assert feedback(intake_server, pack(BODY), Content_Encoding=encoding).status_code == 200
    assert stored(intake_server) == 1


def test_what_cannot_be_inflated_is_said(intake_server: IntakeServer) -> None:
    assert "zstd" in refusal(feedback(intake_server, Content_Encoding="zstd"), 415)
    truncated = gzip.compress(BODY)[:-3]
    assert refusal(feedback(intake_server, truncated, Content_Encoding="gzip"), 400)
    bomb = gzip.compress(b"[" + b" " * (MAX_INFLATED_BYTES * 8) + b"]")
    assert len(bomb) < MAX_BODY_BYTES
    said = refusal(feedback(intake_server, bomb, Content_Encoding="gzip"), 413)
    assert said == f"the body inflates to more than {MAX_INFLATED_BYTES} bytes"
    assert intake_server.counts("refused") == {"encoding": 1, "malformed": 1, "too_large": 1}
    assert feedback(intake_server).status_code == 200


def chunks(size: int) -> Iterator[bytes]:
    """Yield a body whose size nobody announces."""
    for _ in range(size // 4096 + 1):
        yield b"x" * 4096


def test_large_bodies_are_refused_announced_or_not(intake_server: IntakeServer) -> None:
    key = {"X-Honed-Key": intake_server.project.public_key}
    for content in (b"x" * (MAX_BODY_BYTES + 1), chunks(MAX_BODY_BYTES)):
        answer = intake_server.client.post("/api/v1/feedback", content=content, headers=key)
        assert refusal(answer, 413) == f"the body takes more than {MAX_BODY_BYTES} bytes"
    head = (
        f"POST /api/v1/feedback HTTP/1.1\r\nHost: localhost\r\nX-Honed-Key: {key['X-Honed-Key']}"
        f"\r\nContent-Length: {'9' * 15}\r\n\r\n"
    )
    assert talk(intake_server, head.encode()).startswith("HTTP/1.1 413")
    assert intake_server.pipeline.queue.used_bytes == 0


def test_a_body_in_many_parts_arrives(intake_server: IntakeServer) -> None:
    body = json.dumps({"text": "x" * 300_000}).encode()
    parts = (body[start : start + 5_000] for start in range(0, len(body), 5_000))
    key = {"X-Honed-Key": intake_server.project.public_key}
    answer = intake_server.client.post("/api/v1/feedback", content=parts, headers=key)
    assert answer.json()["accepted"] == 1
    assert intake_server.pipeline.queue.used_bytes == 0


def test_a_large_body_is_read_beside_the_others(intake_server: IntakeServer) -> None:
    body = gzip.compress(json.dumps([{"text": "x" * 500}] * 5_000).encode())
    assert feedback(intake_server, body, Content_Encoding="gzip").json()["accepted"] == 5_000
    assert stored(intake_server) == 5_000
    assert intake_server.counts("accepted") == {"": 5_000}


def talk(server: IntakeServer, said: bytes) -> str:
    """Return the answer to what is said on a connection of its own, which is then left open."""
    host, port = server.client.base_url.host, server.client.base_url.port
    assert port is not None
    with socket.create_connection((host, port), timeout=ANSWER_S) as connection:
        connection.sendall(said)
        return connection.recv(65_536).decode()


def test_a_body_that_does_not_come_is_not_waited_for(
    intake_server: IntakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("honed.interfaces.http.bodies.BODY_S", 0.2)
    head = (
        "POST /api/v1/feedback HTTP/1.1\r\nHost: localhost\r\n"
        f"X-Honed-Key: {intake_server.project.public_key}\r\n"
    )
    for half in (
        f"{head}Content-Length: 100\r\n\r\n{{",
        f"{head}Transfer-Encoding: chunked\r\n\r\n",
    ):
        answer = talk(intake_server, half.encode())
        assert answer.startswith("HTTP/1.1 408")
        assert "the body did not come" in answer
    assert intake_server.counts("refused") == {"slow_body": 2}
    assert intake_server.pipeline.queue.used_bytes == 0


def test_a_sender_that_leaves_leaves_nothing(intake_server: IntakeServer) -> None:
    head = (
        "POST /api/v1/feedback HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000\r\n"
        f"X-Honed-Key: {intake_server.project.public_key}\r\n\r\n"
    )
    host, port = intake_server.client.base_url.host, intake_server.client.base_url.port
    assert port is not None
    with socket.create_connection((host, port), timeout=ANSWER_S) as connection:
        connection.sendall(head.encode() + b"x" * 100_000)
    for _ in range(600):
        if intake_server.counts("refused"):
            break
    assert intake_server.counts("refused") == {"left": 1}
    assert intake_server.pipeline.queue.used_bytes == 0


def test_what_is_malformed_is_said_in_the_words_of_the_plug_in(probe: IntakeServer) -> None:
    answer = probe.post("/probe", b'{"malformed": true}')
    assert (answer.status_code, answer.text) == (400, "no: not so")
    assert answer.headers["content-type"] == "text/plain"


@pytest.mark.parametrize("error", ["value", "memory", "depth"])
def test_a_defect_of_a_plug_in_is_counted_and_its_words_are_told_to_nobody(
    probe: IntakeServer, caplog: pytest.LogCaptureFixture, error: str
) -> None:
    with caplog.at_level(logging.DEBUG):
        answer = probe.post("/probe", json.dumps({"raise": error}).encode())
    assert answer.status_code == 400
    assert "secret" not in answer.text + caplog.text
    assert "test_intake_door.py" in caplog.text
    assert probe.counts("refused") == {"defect": 1}
    assert probe.post("/probe", b"{}").status_code == 200


def test_a_plug_in_that_cannot_refuse_is_helped(probe: IntakeServer) -> None:
    answer = probe.client.get("/probe")
    assert refusal(answer, 405) == "signals are sent by POST"


def test_what_is_skipped_is_counted_though_nothing_is_left(probe: IntakeServer) -> None:
    body = json.dumps({"times": 0, "skipped": {"replay": 2, "session": 1}}).encode()
    assert probe.post("/probe", body).status_code == 200
    assert probe.counts("skipped") == {"replay": 2, "session": 1}
    assert stored(probe) == 0


def test_overload_is_said_with_when_to_come_again(intake_server: IntakeServer) -> None:
    queue = intake_server.pipeline.queue
    room = Settings().intake_queue_mb * 2**20
    queue.reserve(room)
    answer = feedback(intake_server)
    assert "more signals wait" in refusal(answer, 429)
    assert int(answer.headers["retry-after"]) >= 1
    queue.release(room)
    assert feedback(intake_server).status_code == 200
    assert intake_server.counts("refused") == {"overloaded": 1}


def test_a_store_that_is_away_is_said_with_when_to_come_again(
    intake_server: IntakeServer, postgres_server: Server
) -> None:
    name = intake_server.store.url.partition("?")[0].rpartition("/")[2]
    with psycopg.connect(postgres_server.url(), autocommit=True) as server:
        server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'.encode())
        server.execute(
            "SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity WHERE datname = %s",
            (name,),
        )
        for key in (intake_server.project.public_key, "0" * 32):
            intake_server.pipeline.registry.forget()
            answer = feedback(intake_server, X_Honed_Key=key)
            assert refusal(answer, 503) == "the store does not answer"
            assert int(answer.headers["retry-after"]) >= 1
        server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true'.encode())


def test_a_store_that_says_nothing_is_not_waited_for_for_ever(
    intake_server: IntakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("honed.interfaces.http.intake.STORED_S", 0.2)
    with psycopg.connect(intake_server.store.url) as held:
        held.execute("LOCK TABLE honed.signal IN ACCESS EXCLUSIVE MODE")
        answer = feedback(intake_server)
        assert "has not answered" in refusal(answer, 503)
        assert answer.headers["retry-after"]
        held.rollback()
