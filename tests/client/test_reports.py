"""Results go to the server of a project's DSN in parts; what it does not take now is kept."""

import gzip
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from honed.client.dsn import Dsn
from honed.client.reports import deliver


@dataclass
class Server:
    """Answers what it is told to, and remembers how many results each request had."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    heard: list[int] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    @property
    def dsn(self) -> Dsn:
        return Dsn.of(f"{self.url.replace('://', '://k@')}/7")


@pytest.fixture
def server() -> Iterator[Server]:
    told = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.heard.append(len(json.loads(gzip.decompress(body))["tests"]))
            told.paths.append(self.path)
            self.send_response(told.statuses.pop(0) if told.statuses else 200)
            self.send_header("Location", f"{told.url}/elsewhere")
            self.end_headers()
            self.wfile.write(b'{"error": "no", "hint": "try"}')

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        told.url = f"http://127.0.0.1:{http.server_port}"
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield told
        http.shutdown()
        thread.join()


def results(number: int) -> list[dict[str, Any]]:
    return [{"test": f"test_{each}", "outcome": "passed"} for each in range(number)]


def test_parts_that_the_server_never_takes_are_lost_and_the_others_sent(
    server: Server, tmp_path: Path
) -> None:
    server.statuses = [200, 413]
    dsn = server.dsn
    found = deliver(dsn, tmp_path / "kept", {"run": "r"}, results(2_500))
    assert server.heard == [1_000, 1_000, 500]
    assert (found.sent, found.lost, found.kept) == (1_500, 1_000, 0)
    assert found.trouble == "the server answered 413: no (try)"
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize("status", [401, 403, 429, 503])
def test_a_server_that_takes_nothing_now_is_asked_once(
    server: Server, tmp_path: Path, status: int
) -> None:
    server.statuses = [status]
    found = deliver(server.dsn, tmp_path, {"run": "r"}, results(2_500))
    assert (server.heard, found.kept) == ([1_000], 2_500)
    assert len(list(tmp_path.glob("*.json"))) == 3


def test_nobody_else_is_shown_the_key(server: Server, tmp_path: Path) -> None:
    server.statuses = [302]
    found = deliver(server.dsn, tmp_path, {"run": "r"}, results(1))
    assert (server.paths, found.kept) == (["/api/v1/tests"], 1)


def test_what_was_kept_goes_until_the_server_is_away_again(server: Server, tmp_path: Path) -> None:
    dsn = server.dsn
    server.statuses = [503]
    deliver(dsn, tmp_path, {"run": "a"}, results(3_000))
    assert len(list(tmp_path.glob("*.json"))) == 3
    server.statuses = [200, 200, 400, 503]
    found = deliver(dsn, tmp_path, {"run": "b"}, results(1))
    assert (found.sent, found.sent_earlier) == (1, 1_000)
    assert [path.name for path in tmp_path.glob("*.json")] == ["a-2.json"]
