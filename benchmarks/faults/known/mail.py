"""Mail, web addresses and servers that answer otherwise than expected."""

# ruff: noqa: D103, S310, SIM117 - its bugs are what matters here

import contextlib
import http.client
import smtplib
import socket
import ssl
import threading
import urllib.request
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from functools import partial


def one_answer(answer: bytes) -> int:
    """Return the port of a server that gives one answer and closes."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with server, server.accept()[0] as client:
            client.settimeout(0.2)
            with contextlib.suppress(TimeoutError):
                client.recv(4096)
            client.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    return server.getsockname()[1]


def page(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.read()


def status(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", "/status")
    return connection.getresponse().status


def secure(port: int, host: str) -> str | None:
    context = ssl.create_default_context()
    with socket.create_connection(("127.0.0.1", port), 5) as plain:
        with context.wrap_socket(plain, server_hostname=host) as secured:
            return secured.version()


def send(port: int, to: str) -> dict:
    with smtplib.SMTP("127.0.0.1", port, timeout=5) as server:
        return server.sendmail("shop@example.org", [to], "hello")


def sent_at(header: str) -> float:
    return parsedate_to_datetime(header).timestamp()


def oldest(headers: list[str]) -> float:
    return min(sent_at(header) for header in headers)


def mirror(path: str) -> bytes:
    answer = b"HTTP/1.1 404 Gone Fishing\r\nContent-Length: 0\r\n\r\n"
    return page(f"http://127.0.0.1:{one_answer(answer)}/{path}")


def feed(scheme: str) -> bytes:
    return page(f"{scheme}://feeds.example/items")


def probe(answer: bytes) -> int:
    return status(one_answer(answer))


def handshake(host: str) -> str | None:
    return secure(one_answer(b"HTTP/1.1 400 Bad Request\r\n\r\n"), host)


def newsletter(*readers: str) -> list[dict]:
    return [send(one_answer(b""), reader) for reader in readers]


FAULTS: dict[str, list[Callable[[], object]]] = {
    "a mirror lacks a page": [partial(mirror, "a/17"), partial(mirror, "b.html")],
    "a feed has a scheme that nobody speaks": [
        partial(feed, "gopher"),
        partial(feed, "news"),
        partial(page, "feed+x://feeds.example"),
    ],
    "a page has no address": [partial(page, "feeds.example"), partial(page, "")],
    "a server speaks no HTTP": [
        partial(probe, b"hello\r\n\r\n"),
        partial(probe, b"220 mail.example ready\r\n"),
    ],
    "a server hangs up": [partial(probe, b""), partial(probe, b"")],
    "a server speaks no TLS": [partial(handshake, "shop.example"), partial(handshake, "mail")],
    "the mail server hangs up": [
        partial(newsletter, "jan@example.org"),
        partial(newsletter, "piet@example.org", "klaas@example.org"),
    ],
    "a mail has no date": [
        partial(sent_at, "yesterday"),
        partial(oldest, ["Sat, 21 Nov 2026 10:00:00 +0000", "21/11"]),
        partial(sent_at, ""),
    ],
}
