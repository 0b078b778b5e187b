"""A server on the loopback that speaks both dialects, as well or as ill as a test wants it to."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from honed.config import LlmMode
from honed.core.privacy import Scrubber
from honed.llm.anthropic import Anthropic
from honed.llm.client import Client
from honed.llm.dialect import Dialect
from honed.llm.openai_compatible import OpenAICompatible
from honed.llm.prices import Price, Prices
from honed.llm.spending import Limits
from honed.llm.wire import Wire
from honed.storage.db import Database

KEY = "sk-test-" + "k" * 40
MODEL = "small-1"
#: A change that holds.
CHANGE: dict[str, Any] = {
    "target_file": "shop/cart.py",
    "code": "def total(prices):\n    return sum(prices)\n",
    "risk_level": "low",
    "impact": "It adds what is there.",
}
#: US dollars per million tokens.
INPUT_USD, OUTPUT_USD = 1.0, 10.0

#: Answers one request; what it returns is status, headers and body.
Act = Callable[["Asked"], tuple[int, dict[str, str], bytes]]


@dataclass(frozen=True)
class Asked:
    """A request as the server saw it."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class FakeProvider:
    """What the server does with each request, and what it has heard."""

    port: int = 0
    #: What the next requests get, each once; then everything is answered well.
    acts: list[Act] = field(default_factory=list)
    #: What the model says.
    says: Any = field(default_factory=lambda: dict(CHANGE))
    usage: dict[str, int] = field(default_factory=lambda: {"input": 100, "output": 20})
    asked: list[Asked] = field(default_factory=list)
    #: Requests that a test has left without an answer end with this.
    over: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def url(self, path: str = "") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def answer(self, asked: Asked) -> tuple[int, dict[str, str], bytes]:
        with self.lock:
            self.asked.append(asked)
            act = self.acts.pop(0) if self.acts else None
        return act(asked) if act else (200, {}, json.dumps(self.good(asked)).encode())

    def good(self, asked: Asked) -> dict[str, Any]:
        """Return a good answer in the dialect of the request."""
        text = self.says if isinstance(self.says, str) else json.dumps(self.says)
        if asked.path.endswith("/v1/messages"):
            block: dict[str, Any] = {"type": "text", "text": text}
            if "tools" in asked.body:
                block = {"type": "tool_use", "id": "1", "name": "answer", "input": self.says}
            usage = {
                "input_tokens": self.usage["input"], "output_tokens": self.usage["output"],
            }  # fmt: skip
            return {
                "model": MODEL, "content": [block], "usage": usage, "stop_reason": "end_turn",
            }  # fmt: skip
        usage = {
            "prompt_tokens": self.usage["input"], "completion_tokens": self.usage["output"],
        }  # fmt: skip
        choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        return {"model": MODEL, "choices": [choice], "usage": usage}


def status(code: int, message: str = "no", **headers: str) -> Act:
    """Return what answers with a status and a complaint."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = json.dumps({"error": {"message": message}}).encode()
    return lambda _: (code, named, body)


def raw(body: bytes, **headers: str) -> Act:
    """Return what answers well by its status, with any body."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: (200, named, body)


class _Handler(BaseHTTPRequestHandler):
    provider: FakeProvider

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        code, more, answer = self.provider.answer(Asked(self.path, headers, json.loads(body)))
        self.send_response(code)
        for name, value in {"Content-Length": str(len(answer)), **more}.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            self.wfile.write(answer)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@pytest.fixture
def start_provider() -> Iterator[Callable[[], FakeProvider]]:
    """Return what starts a server; all of them stop at the end."""
    running: list[tuple[ThreadingHTTPServer, threading.Thread, FakeProvider]] = []

    def start() -> FakeProvider:
        provider = FakeProvider()
        handler = type("Handler", (_Handler,), {"provider": provider})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        provider.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        running.append((server, thread, provider))
        return provider

    yield start
    for server, thread, provider in running:
        provider.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def provider(start_provider: Callable[[], FakeProvider]) -> FakeProvider:
    return start_provider()


@pytest.fixture(params=[OpenAICompatible(), Anthropic()], ids=["openai", "anthropic"])
def dialect(request: pytest.FixtureRequest) -> Dialect:
    found: Dialect = request.param
    return found


@pytest.fixture
def scrubber() -> Scrubber:
    return Scrubber(b"a key of tests" * 3)


@pytest.fixture
def wire(provider: FakeProvider, dialect: Dialect) -> Wire:
    return Wire(dialect, provider.url(), KEY, pause_s=0.0)


@pytest.fixture
def daemon(store: Database) -> Database:
    return replace(store, role="honed_daemon")


#: Returns a client of the fake provider, but for what the caller says.
MakeClient = Callable[..., Client]


@pytest.fixture
def make_client(wire: Wire, daemon: Database, scrubber: Scrubber) -> MakeClient:
    price = Price(
        provider="127.0.0.1", model=MODEL, valid_from=date(2026, 1, 1), source="a contract",
        input_usd=INPUT_USD, output_usd=OUTPUT_USD,
    )  # fmt: skip

    def client(**said: Any) -> Client:
        usual: dict[str, Any] = {
            "model": MODEL, "store": daemon, "scrubber": scrubber, "wire": wire,
            "mode": LlmMode.LIVE, "limits": Limits(1.0, 0.5), "prices": Prices([price]),
        }  # fmt: skip
        return Client(**{**usual, **said})

    return client
