"""The HTTP server of a fake forge, with what goes wrong between a client and a forge."""

import json
import re
import ssl
import threading
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qs, unquote, urlsplit

from honed.testing.forges.state import FakeRepository, small_repository

#: What every forge may answer anywhere: no token, no permission, too many requests, trouble.
ANYWHERE: Final = frozenset({401, 403, 429, 500, 502, 503, 504})
_REDIRECTS: Final = frozenset({301, 302, 307, 308})


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it came."""

    method: str
    #: With its query, as it was sent.
    target: str
    headers: Mapping[str, str]
    body: Any = None

    @property
    def path(self) -> str:
        """The path without the query, still quoted."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        """The query, with the last value of each name."""
        parsed = parse_qs(urlsplit(self.target).query, keep_blank_values=True)
        return {name: values[-1] for name, values in parsed.items()}


@dataclass(frozen=True, slots=True)
class Said:
    """An answer."""

    status: int
    #: Sent as JSON; bytes as they are.
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Trouble:
    """An answer that comes in place of the forge's own, so many times."""

    said: Said
    times: int = 1
    #: Only for requests whose method and path this finds.
    where: str = ""
    #: Whether the forge acts before this is said: the answer got lost.
    acts: bool = False


Handler: TypeAlias = Callable[[FakeRepository, Call, Mapping[str, str]], Said]


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a forge is spoken to: where its API is, how a token is shown, what it answers."""

    name: str
    prefix: str
    token_header: str
    token_form: str
    #: By method and path, as in routes.toml.
    handlers: Mapping[str, Handler]


@dataclass(slots=True)
class FakeForge:
    """A running forge. What it was asked is kept; what is not in the documents, too."""

    dialect: Dialect
    repository: FakeRepository = field(default_factory=small_repository)
    token: str = "token-of-a-test"  # noqa: S105 - it opens nothing
    url: str = ""
    calls: list[Call] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    #: What happens just before a request is handled whose method and path this finds.
    just_before: dict[str, Callable[[], object]] = field(default_factory=dict)
    #: Requests and answers that the vendor's documents do not have.
    undocumented: list[str] = field(default_factory=list)

    def answer(self, call: Call) -> Said:
        """Return what is said to a request."""
        self.calls.append(call)
        for trouble in self.troubles:
            if trouble.times > 0 and re.search(trouble.where, f"{call.method} {call.path}"):
                trouble.times -= 1
                if trouble.acts:
                    self._acted(call)
                return trouble.said
        return self._acted(call)

    def asked(self, method: str = "") -> list[str]:
        """Return the paths that were asked for, in order."""
        return [each.path for each in self.calls if not method or each.method == method]

    def _acted(self, call: Call) -> Said:
        dialect = self.dialect
        for where, happens in self.just_before.items():
            if re.search(where, f"{call.method} {call.path}"):
                happens()
        if call.headers.get(dialect.token_header) != dialect.token_form.format(self.token):
            return Said(401, {"message": "Bad credentials"})
        for route in routes(dialect.name):
            values = route.match(call.method, call.path.removeprefix(dialect.prefix))
            if values is not None and call.path.startswith(dialect.prefix):
                if complaint := route.complaint(call):
                    self.undocumented.append(f"{route.name}: {complaint}")
                said = dialect.handlers[route.name](self.repository, call, values)
                self._check(route, said)
                return said
        self.undocumented.append(f"{call.method} {call.path}")
        return Said(404, {"message": "Not Found"})

    def _check(self, route: "Route", said: Said) -> None:
        if said.status not in route.statuses | ANYWHERE:
            self.undocumented.append(f"{route.name}: status {said.status}")
        first = said.body[0] if isinstance(said.body, list) and said.body else said.body
        if said.status < 300 and isinstance(first, dict):
            for name in route.fields:
                if name not in first:
                    self.undocumented.append(f"{route.name}: answer without {name}")


@dataclass(frozen=True, slots=True)
class Route:
    """One row of routes.toml."""

    #: ``GET /repos/{owner}/{repo}``.
    name: str
    statuses: frozenset[int]
    #: What a request may say, and what it has to.
    takes: frozenset[str]
    needs: frozenset[str]
    #: What is read of an answer; each is in the vendor's schema.
    fields: frozenset[str]

    def match(self, method: str, path: str) -> Mapping[str, str] | None:
        """Return the values in a path, unquoted, or None where it is not this route's."""
        mine, _, form = self.name.partition(" ")
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(form))
        # Alone the path of a file has slashes, where its forge takes them.
        pattern = re.sub(r"\(\?P<(path|filepath)>\[\^/\]\+\)", r"(?P<\1>.+)", pattern)
        found = re.fullmatch(pattern, path) if method == mine else None
        return (
            {name: unquote(value) for name, value in found.groupdict().items()} if found else None
        )

    def complaint(self, call: Call) -> str:
        """Return what a request says that is not documented, or leaves out."""
        said = set(call.body) if isinstance(call.body, dict) else set()
        if unknown := said - self.takes:
            return f"request with {sorted(unknown)}"
        return f"request without {sorted(self.needs - said)}" if self.needs - said else ""


@cache
def routes(dialect: str) -> tuple[Route, ...]:
    """Return the routes of a vendor's documents that honed uses."""
    text = (resources.files("honed.testing.forges") / "routes.toml").read_text(encoding="utf-8")
    return tuple(
        Route(
            name=row["route"],
            statuses=frozenset(row["statuses"]),
            takes=frozenset(row.get("takes", ())),
            needs=frozenset(row.get("needs", ())),
            fields=frozenset(row.get("fields", ())),
        )
        for row in tomllib.loads(text)[dialect]
    )


@contextmanager
def serving(dialect: Dialect) -> Iterator[FakeForge]:
    """Hand out a forge that runs on the loopback, on a port of its own."""
    forge = FakeForge(dialect)
    with running(forge.answer) as url:
        forge.url = url
        yield forge


@contextmanager
def running(answer: Callable[[Call], Said], *, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Hand out the address of a server that answers as ``answer`` does, over TLS if told how."""

    class Handling(BaseHTTPRequestHandler):
        """Reads a request whole and writes its answer."""

        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            """Serve one request; a client may hang up in the middle of a long answer."""
            try:
                super().handle_one_request()
            except (ConnectionError, TimeoutError):
                self.close_connection = True

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            raw = self.rfile.read(length)
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = json.loads(raw) if raw else None
            said = answer(Call(self.command, self.path, headers, body))
            sent = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
            self.send_response(said.status)
            for name, value in {"Content-Length": str(len(sent)), **said.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - the library's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - likewise
            """Say nothing: what was asked is kept."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handling)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def paged(call: Call, every: list[Any], *, size_name: str) -> tuple[list[Any], dict[str, str]]:
    """Return one page of a list, and the header that leads to the next."""
    size, page = int(call.query.get(size_name, "30")), int(call.query.get("page", "1"))
    shown = every[(page - 1) * size : page * size]
    if page * size >= len(every):
        return shown, {}
    others = {name: value for name, value in call.query.items() if name != "page"}
    query = "&".join(f"{name}={value}" for name, value in {**others, "page": page + 1}.items())
    host = call.headers["host"]
    last = f'<http://{host}{call.path}?page=99>; rel="last"'
    return shown, {"Link": f'{last}, <http://{host}{call.path}?{query}>; rel="next"'}
