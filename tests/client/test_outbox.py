"""What is put in is sent, or lost and counted; who puts it in never waits."""

import gzip
import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from honed.client.dsn import Dsn
from honed.client.outbox import MOST_WAITING, Outbox, Thing

HELLO = Thing("event", {"message": "hello"})
LONG_S = 30.0


class Peer:
    """A server that answers with what it is told to, the last again and again."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, str]]] = [(200, {})]
        self.bodies: list[bytes] = []
        #: Nothing is answered as long as it is not set.
        self.may_answer = threading.Event()
        self.may_answer.set()
        peer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                peer.bodies.append(gzip.decompress(body))
                peer.may_answer.wait(LONG_S)
                is_last = len(peer.answers) == 1
                status, headers = peer.answers[0] if is_last else peer.answers.pop(0)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.dsn = Dsn.of(f"http://k3y@127.0.0.1:{self.server.server_port}/7")

    def items(self) -> list[tuple[str, Any]]:
        """Return the types and the contents of all items that came."""
        found = []
        for body in self.bodies:
            header, *lines = body.split(b"\n")
            assert json.loads(header) == {}
            found += [
                (json.loads(head)["type"], json.loads(payload))
                for head, payload in zip(lines[::2], lines[1::2], strict=True)
            ]
        return found


@pytest.fixture
def peer() -> Iterator[Peer]:
    peer = Peer()
    thread = threading.Thread(target=peer.server.serve_forever)
    thread.start()
    yield peer
    peer.may_answer.set()
    peer.server.shutdown()
    thread.join()
    peer.server.server_close()


def test_what_is_put_in_is_sent(peer: Peer) -> None:
    outbox = Outbox(peer.dsn)
    assert outbox.flush(0)
    assert outbox.put(HELLO)
    assert outbox.put(Thing("feedback", {"text": "gr\u00fc\u00df \ud800"}))
    assert outbox.flush(LONG_S)
    assert peer.items() == [
        ("event", {"message": "hello"}), ("feedback", {"text": "gr\u00fc\u00df ?"}),
    ]  # fmt: skip
    assert outbox.lost == {}


def test_it_is_sent_again_after_a_pause(peer: Peer) -> None:
    peer.answers = [(503, {}), (429, {"Retry-After": "0"}), (200, {})]
    outbox = Outbox(peer.dsn, pauses_s=(0, 0))
    outbox.put(HELLO)
    assert outbox.flush(LONG_S)
    assert len(peer.bodies) == 3
    assert outbox.lost == {}


@pytest.mark.parametrize("status", [400, 401, 403, 413, 302])
def test_what_is_refused_is_lost_and_reported_with_the_next(peer: Peer, status: int) -> None:
    peer.answers = [(status, {}), (200, {})]
    outbox = Outbox(peer.dsn)
    outbox.put(HELLO)
    assert outbox.flush(LONG_S)
    assert outbox.lost == {"send_error": 1}
    outbox.put(HELLO)
    assert outbox.flush(LONG_S)
    _, _, (type_, said) = peer.items()
    lost = {"category": "error", "reason": "send_error", "quantity": 1}
    assert (type_, said["discarded_events"]) == ("client_report", [lost])
    assert outbox.lost == {}


def test_what_nobody_takes_is_lost() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        outbox = Outbox(Dsn.of(f"http://k3y@127.0.0.1:{nobody.getsockname()[1]}/7"), pauses_s=(0,))
        outbox.put(HELLO)
        assert outbox.flush(LONG_S)
    assert outbox.lost == {"network_error": 1}


def test_who_puts_in_does_not_wait_and_what_there_is_no_room_for_is_lost(peer: Peer) -> None:
    peer.may_answer.clear()
    outbox = Outbox(peer.dsn)
    taken = [outbox.put(HELLO)]
    while not outbox._sending:
        taken.append(outbox.put(HELLO))
    # Nothing more is taken out before it is answered.
    taken += [outbox.put(HELLO) for _ in range(4 * MOST_WAITING)]
    assert MOST_WAITING < sum(taken) <= MOST_WAITING + 100
    assert outbox.is_full
    assert outbox.lost == {"queue_overflow": taken.count(False)}
    assert not outbox.flush(0)
    peer.may_answer.set()
    assert outbox.flush(LONG_S)
    events = [type_ for type_, _ in peer.items() if type_ == "event"]
    assert len(events) == sum(taken)
    assert outbox.lost == {}


def test_what_cannot_be_written_is_lost_alone(peer: Peer) -> None:
    circle: list[Any] = []
    circle.append(circle)
    outbox = Outbox(peer.dsn)
    for said in ({"a": object()}, {"a": circle}, {"a": "x" * 5_000_000}):
        outbox.put(Thing("event", said))
    outbox.put(HELLO)
    assert outbox.flush(LONG_S)
    hello, (_, report) = peer.items()
    assert hello == ("event", {"message": "hello"})
    assert {each["reason"]: each["quantity"] for each in report["discarded_events"]} == {
        "internal_error": 2, "too_large": 1,
    }  # fmt: skip


def test_any_thread_may_put_in(peer: Peer) -> None:
    outbox = Outbox(peer.dsn)
    put: Callable[[], object] = lambda: [outbox.put(HELLO) for _ in range(20)]  # noqa: E731
    threads = [threading.Thread(target=put) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outbox.flush(LONG_S)
    assert len(peer.items()) == 160
