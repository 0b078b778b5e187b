"""What every intake must keep: extend ``IntakeContract`` in its test.

Load it with ``pytest_plugins = ["honed.testing.postgres", "honed.testing.intake"]``: the fixture
``intake_server`` is a real server on the loopback with every intake that is installed.
"""

import gzip
import json
import random
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, ClassVar

import httpx
import pytest

from honed.config import Settings
from honed.core.intake import Intake, Request
from honed.core.privacy import Scrubber
from honed.errors import MalformedSignal
from honed.interfaces.http.app import create_app
from honed.interfaces.http.evidence import health_router
from honed.interfaces.http.gate import Rules
from honed.interfaces.http.intake import Door
from honed.signals.intakes import installed_intakes, open_intakes
from honed.signals.pipeline import Pipeline
from honed.signals.projects import Project, add_project
from honed.storage.db import Database
from honed.storage.server import Server
from honed.storage.store import INTAKE, Store
from honed.testing.corpus import PLANTED
from honed.testing.pair import served

HEADINGS = ("What it does", "Why it helps", "Risk and rollback", "How it is measured")
#: Longest wait for one answer of a test's server.
ANSWER_S = 60.0
#: Deeper than any parser follows.
_DEPTH = 100_000

#: Bodies that are none of any wire.
NONSENSE: Mapping[str, bytes] = {
    "nothing": b"",
    "a brace": b"{",
    "NUL": b"\0" * 64,
    "no UTF-8": b"\xff\xfe\xfd",
    "null": b"null",
    "a number": b"17",
    "a huge number": b"1" * 5_000,
    "a huge float": b"1e999",
    "no number": b"NaN",
    "a text": b'"text"',
    "half a pair": rb'"\ud800"',
    "an empty object": b"{}",
    "an empty list": b"[]",
    "deep lists": b"[" * _DEPTH + b"]" * _DEPTH,
    "deep objects": b'{"a":' * _DEPTH + b"1" + b"}" * _DEPTH,
    "lists of everything": b'[null, 1, "a", [], {}, [[]], {"a": null}]',
    "lines": b"{}\n{}\n{}\n",
    "a page": b"<html><body>&nbsp;</body></html>",
    "a form": b"a=1&b=2",
    "noise": random.Random(20261121).randbytes(4_096),  # noqa: S311 - it hides nothing
}


@dataclass(frozen=True, slots=True)
class IntakeServer:
    """A real server with every intake, on one test's own store, and a project that may send."""

    url: str
    store: Database
    project: Project
    pipeline: Pipeline
    client: httpx.Client

    def post(
        self, path: str, body: bytes, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Return the answer to a body; without headers it is sent with the project's key."""
        return self.client.post(
            path.replace("{project}", str(self.project.project_id)),
            content=body,
            headers={"X-Honed-Key": self.project.public_key} if headers is None else headers,
        )

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Return what a query on the store returns."""
        with self.store.transaction() as conn:
            return conn.execute(query.encode()).fetchall()

    def counts(self, outcome: str) -> dict[str, int]:
        """Return what was counted of an outcome, by reason; waits until it is stored."""
        self.pipeline.store_counts()
        rows = self.rows("SELECT outcome, reason, count FROM honed.intake_count")
        return {row["reason"]: row["count"] for row in rows if row["outcome"] == outcome}


@contextmanager
def intake_serving(
    store: Database, settings: Settings, intakes: Sequence[Intake] | None = None
) -> Iterator[IntakeServer]:
    """Serve the intake on the loopback while open.

    Args:
        store: a migrated store, as its owner.

        settings: of the intake.

        intakes: None: those that are installed.
    """
    with store.transaction() as conn:
        project = add_project(conn, "shop")
    rules = Rules.of(settings)
    behind = create_app(rules, [health_router()])
    every = open_intakes(settings) if intakes is None else intakes
    scrubber = Scrubber(b"key of a test" * 3)
    with Pipeline(Store(store).database(INTAKE), settings, scrubber) as pipeline:
        front = Door(behind, intakes=every, pipeline=pipeline, rules=rules)
        with (
            served(front) as url,
            httpx.Client(base_url=url, timeout=ANSWER_S, trust_env=False) as client,
        ):
            yield IntakeServer(url, store, project, pipeline, client)


@pytest.fixture
def intake_server(store: Database) -> Iterator[IntakeServer]:
    """Return a server of every intake with the settings as they come."""
    with intake_serving(store, Settings()) as server:
        yield server


def dumped(store: Database, server: Server) -> bytes:
    """Return a full dump of a store, as pg_dump writes it."""
    command = [str(server.program("pg_dump")), "--inserts", "-d", store.url]
    return subprocess.run(command, check=True, capture_output=True).stdout


class IntakeContract(ABC):
    """Tests of one intake against the real server; a subclass called ``Test...`` names it."""

    #: Of the body that ``body`` returns.
    content_type: ClassVar[str] = "application/json"

    @pytest.fixture
    @abstractmethod
    def intake(self) -> Intake:
        """Return the intake under test."""

    @abstractmethod
    def body(self, text: str) -> bytes:
        """Return a body of this wire with ``text`` wherever its sender writes what he wants."""

    def auth(self, key: str) -> Mapping[str, str]:
        """Return the headers that show a project's key."""
        return {"X-Honed-Key": key}

    @property
    def headers(self) -> Mapping[str, str]:
        """What is sent beside the body and the key."""
        return {"Content-Type": self.content_type}

    def send(
        self,
        server: IntakeServer,
        intake: Intake,
        body: bytes,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Return the answer to a body that is sent as a sender of this wire does."""
        key = self.auth(server.project.public_key)
        return server.post(self.path(intake), body, {**self.headers, **key, **(headers or {})})

    def path(self, intake: Intake) -> str:
        """Return the path that ``body`` is for."""
        return intake.paths[0]

    def test_has_a_name_and_paths(self, intake: Intake) -> None:
        """The name is stored, so it is a plain word; a path is one of this server."""
        assert intake.name.isidentifier()
        assert type(installed_intakes()[intake.name]) is type(intake)
        assert all(path.startswith("/") for path in intake.paths)

    def test_is_documented(self, intake: Intake) -> None:
        """The module's docstring has the four headings that its reference page is made of."""
        module = sys.modules[type(intake).__module__]
        for heading in HEADINGS:
            assert f"{heading}:" in (module.__doc__ or "")

    def test_takes_what_it_is_for(self, intake: Intake, intake_server: IntakeServer) -> None:
        """What was answered 200 is in the store, and counted."""
        answer = self.send(intake_server, intake, self.body("hello"))
        assert answer.status_code == 200, answer.text
        rows = intake_server.rows("SELECT source, subject FROM honed.signal")
        assert rows
        assert {row["source"] for row in rows} == {intake.name}
        assert intake_server.counts("accepted") == {"": len(rows)}

    def test_takes_it_compressed(self, intake: Intake, intake_server: IntakeServer) -> None:
        """As every SDK sends it."""
        body = gzip.compress(self.body("hello"))
        answer = self.send(intake_server, intake, body, {"Content-Encoding": "gzip"})
        assert answer.status_code == 200, answer.text
        assert intake_server.rows("SELECT FROM honed.signal")

    def test_asks_for_a_key(self, intake: Intake, intake_server: IntakeServer) -> None:
        """A key of no project is refused, whatever is sent with it."""
        for key in ("", "0" * 32, "nonsense"):
            answer = self.send(intake_server, intake, self.body("hello"), self.auth(key))
            assert answer.status_code == 401, answer.text
        assert not intake_server.rows("SELECT FROM honed.signal")

    def test_nonsense_is_answered_and_never_our_error(
        self, intake: Intake, intake_server: IntakeServer
    ) -> None:
        """Malformed, truncated, garbled: each is answered at once, and the next is taken."""
        whole = self.body("hello")
        cuts = [whole[: len(whole) * part // 8] for part in range(1, 8)]
        for body in (*NONSENSE.values(), *cuts, *_garbled(whole)):
            for encoded, encoding in (
                (body, "identity"),
                (gzip.compress(body)[:-4], "gzip"),
                (body, "deflate"),
            ):
                headers = {"Content-Encoding": encoding}
                answer = self.send(intake_server, intake, encoded, headers)
                assert answer.status_code in {200, 400}, (body[:200], answer.text)
        answer = self.send(intake_server, intake, whole)
        assert answer.status_code == 200, answer.text
        assert "defect" not in intake_server.counts("refused")
        assert "unstorable" not in intake_server.counts("refused")

    def test_reads_and_does_nothing_else(self, intake: Intake) -> None:
        """It says the same twice, and of nonsense that it is malformed."""
        request = Request(
            "POST", self.path(intake), headers=_lower(self.headers), body=self.body("hello")
        )
        assert intake.take(request) == intake.take(request)
        for body in NONSENSE.values():
            with suppress(MalformedSignal):
                intake.take(Request("POST", self.path(intake), body=body))

    def test_keeps_no_secret(
        self, intake: Intake, intake_server: IntakeServer, postgres_server: Server
    ) -> None:
        """Whatever personal or secret is sent, a full dump of the store has nothing of it."""
        for planted in PLANTED:
            answer = self.send(intake_server, intake, self.body(planted.text))
            assert answer.status_code == 200, (planted.text, answer.text)
        intake_server.pipeline.store_counts()
        dump = dumped(intake_server.store, postgres_server)
        assert b"INSERT INTO honed.signal" in dump
        spellings = {planted.secret: _spellings(planted.secret) for planted in PLANTED}
        assert [s for s, written in spellings.items() if any(w in dump for w in written)] == []


def _garbled(body: bytes) -> Iterator[bytes]:
    """Yield ``body`` with some of its bytes changed; the seed is fixed."""
    chance = random.Random(20261121)  # noqa: S311 - likewise
    for _ in range(30):
        garbled = bytearray(body)
        for _ in range(chance.randint(1, 8)):
            garbled[chance.randrange(len(garbled))] = chance.randrange(256)
        yield bytes(garbled)


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _spellings(secret: str) -> set[bytes]:
    """Return how a dump may write a secret: plainly, as JSON, as a literal of SQL."""
    plain = {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    return {each.replace("'", quote).encode() for each in plain for quote in ("'", "''")}
