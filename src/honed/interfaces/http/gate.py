"""The gate before every request: its host, where it was sent from, its token, its size."""

import asyncio
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from honed.config import Settings, is_loopback
from honed.errors import ConfigurationError
from honed.interfaces.http.answers import refusal
from honed.loop.two_servers.post import read_token

#: Answered without a token: it says nothing but that somebody is there.
OPEN_PATHS = frozenset({"/api/v1/health"})
#: What is sent there proves itself, by a secret of its sender's own: forges have no token of ours.
HOOKS = "/hooks/"
#: Largest body of a request, in bytes: an envelope of the ledger, and some air.
MAX_BODY_BYTES = 512 * 1024
#: Longest wait for the whole of a body: who is slow keeps one of few places.
BODY_S = 10.0
#: Requests at once; more are told to come again. The intake counts memory instead.
AT_ONCE = 64
#: Names of this machine itself.
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Rules:
    """Who is let in."""

    #: What the server may be called in a request's Host, in lower case and without the port.
    names: frozenset[str]
    #: What each request must carry; empty: nothing.
    token: str

    @classmethod
    def of(cls, settings: Settings) -> "Rules":
        """Return the rules of the settings.

        Raises:
            ConfigurationError: it would listen elsewhere than on the loopback without a token, or
                the token cannot be read.
        """
        token = read_token(settings.api_token_file) if settings.api_token_file else ""
        if not token and not is_loopback(settings.api_host):
            msg = f"the API would listen on {settings.api_host} for everybody who comes"
            hint = "set api_token_file, or leave api_host at 127.0.0.1"
            raise ConfigurationError(msg, hint=hint)
        named = (name.strip().lower() for name in settings.api_names.split(","))
        own = {settings.api_host.lower()} - {"0.0.0.0", "::"}  # noqa: S104 - no name to be called by
        return cls(_LOOPBACK_NAMES | own | {name for name in named if name}, token)


class Gate:
    """Lets in who keeps the rules; everybody else gets an error with a hint (pure ASGI)."""

    def __init__(self, app: ASGIApp, *, rules: Rules) -> None:
        """Stand before ``app``."""
        self._app = app
        self._rules = rules
        self._inside = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._inside >= AT_ONCE:
            await refusal(503, "too many requests at once", "come again")(scope, receive, send)
            return
        self._inside += 1
        try:
            await self._checked(scope, receive, send)
        finally:
            self._inside -= 1

    async def _checked(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        objection = self._objection(scope["path"], headers)
        if objection is None:
            try:
                # Who shows no token sends no body either: nothing is kept for him.
                is_open = scope["path"] in OPEN_PATHS
                body = b"" if is_open else await _limited_body(receive, headers)
            except TimeoutError:
                objection = 408, f"the body did not come within {BODY_S:.0f} s", "send it at once"
            else:
                if body is not None:
                    await self._app(scope, _replay(body, receive), send)
                    return
                objection = 413, f"the body takes more than {MAX_BODY_BYTES} bytes", _SMALLER
        status, error, hint = objection
        await refusal(status, error, hint)(scope, receive, send)

    def _objection(self, path: str, headers: Mapping[str, str]) -> tuple[int, str, str] | None:
        name = host_name(headers.get("host", ""))
        if name not in self._rules.names:
            # A page of somebody else's may let its own name lead here (DNS rebinding).
            return 421, "this server is not called that", "name it in the setting api_names"
        if headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
            return 403, "a page of another site has sent this", "send it from this server's own"
        if path in OPEN_PATHS or path.startswith(HOOKS) or not self._rules.token:
            return None
        given = headers.get("authorization", "").partition(" ")[2].strip()
        if not hmac.compare_digest(given.encode(), self._rules.token.encode()):
            return 401, "the token is missing or wrong", "send Authorization: Bearer <token>"
        return None


def host_name(host: str) -> str:
    """Return the name in a Host header, in lower case, without port and brackets."""
    name = host.strip().lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.partition(":")[0]


async def _limited_body(receive: Receive, headers: Mapping[str, str]) -> bytes | None:
    """Return the whole body; None as soon as it is too large.

    Raises:
        TimeoutError: it does not come.
    """
    announced = headers.get("content-length", "")
    if announced.isdigit() and len(announced) < 16 and int(announced) > MAX_BODY_BYTES:  # noqa: PLR2004 - digits of a number that int() may take
        return None
    body = bytearray()
    async with asyncio.timeout(BODY_S):
        while True:
            message = await receive()
            body += message.get("body", b"")
            if len(body) > MAX_BODY_BYTES:
                return None
            # A client that has left says nothing more.
            if message["type"] != "http.request" or not message.get("more_body", False):
                return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a channel on which the body comes once, and then what came after it."""
    left = [body]

    async def again() -> Message:
        if left:
            return {"type": "http.request", "body": left.pop(), "more_body": False}
        return await receive()

    return again


_SMALLER = "an envelope is never larger than an entry of the ledger"
