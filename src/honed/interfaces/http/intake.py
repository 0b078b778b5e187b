"""The door of the intake: every plug-in's paths, with rules of their own, before the API's gate.

Who comes shows the public key of a project and nothing else: it lets in signals, and lets nobody
read. So it may lie in every program and every page that reports, and pages of other sites may send.
"""

import asyncio
import logging
import re
import traceback
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple
from urllib.parse import parse_qsl

from msgspec import structs
from starlette.types import ASGIApp, Receive, Scope, Send

from honed.core.intake import Answer, Intake, Refusal, Request
from honed.errors import HonedError, MalformedSignal, Overloaded, RowsRefused
from honed.interfaces.http.bodies import (
    MAX_INFLATED_BYTES,
    Larger,
    Refused,
    check_encoding,
    inflate,
    inflate_head,
    read_body,
    too_large_inflated,
)
from honed.interfaces.http.deadlines import Deadlines
from honed.interfaces.http.gate import Rules, host_name
from honed.signals.counts import NO_PROJECT
from honed.signals.pipeline import Pipeline
from honed.signals.projects import Project
from honed.signals.queue import Then
from honed.signals.rows import Prepared

_LOG = logging.getLogger(__name__)

#: Longest wait for the store: then nobody knows whether it took what it was given.
STORED_S = 30.0
#: What inflates to more is parsed beside the others, so that they need not wait for it.
_LARGE_BYTES = 256 * 1024
#: Of a body in which a key is looked for: the header of an envelope takes some hundred bytes.
_HEAD_BYTES = 16 * 1024
#: When to come again where the store is away.
_AWAY_S = 5
#: A place in a path.
_PLACE = re.compile(r"\{(\w+)\}")
_ANY_ORIGIN = (b"access-control-allow-origin", b"*")
_PREFLIGHT = [
    _ANY_ORIGIN,
    (b"access-control-allow-methods", b"POST"),
    (b"access-control-allow-headers", b"*, authorization"),
    (b"access-control-max-age", b"3600"),
]


class _Found(NamedTuple):
    intake: Intake
    parameters: Mapping[str, str]


class Door:
    """Takes what is sent to a path of an intake, and hands everything else on (pure ASGI)."""

    def __init__(
        self, app: ASGIApp, *, intakes: Sequence[Intake], pipeline: Pipeline, rules: Rules
    ) -> None:
        """Stand before ``app``; ``rules`` say what this server may be called."""
        self._app = app
        self._pipeline = pipeline
        self._names = rules.names
        self._off = pipeline.sources_off
        self._receipts = _Receipts()
        self._deadlines = Deadlines()
        self._beside = ThreadPoolExecutor(1, thread_name_prefix="large-signals")
        paths = [(path.rstrip("/"), intake) for intake in intakes for path in intake.paths]
        self._plain = {path: _Found(intake, {}) for path, intake in paths if "{" not in path}
        self._patterns = [(_pattern(path), intake) for path, intake in paths if "{" in path]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take the request, or hand it on."""
        found = self._find(scope["path"]) if scope["type"] == "http" else None
        if found is None:
            await self._app(scope, receive, send)
        elif scope["method"] == "OPTIONS":
            await _send(send, 204, b"", _PREFLIGHT)
        else:
            await self._serve(found, scope, receive, send)

    def _find(self, path: str) -> _Found | None:
        path = path.rstrip("/")
        found = self._plain.get(path)
        if found is None:
            for pattern, intake in self._patterns:
                if match := pattern.fullmatch(path):
                    return _Found(intake, match.groupdict())
        return found

    async def _serve(self, found: _Found, scope: Scope, receive: Receive, send: Send) -> None:
        request = _request(scope, found.parameters)
        project_id = NO_PROJECT
        try:
            self._check_request(request)
            key, body = found.intake.key(request), None
            if not key and found.intake.has_key_in_body:
                body = await self._body(request, receive)
                head = inflate_head(body, _encoding(request), _HEAD_BYTES)
                key = found.intake.key(structs.replace(request, body=head))
            project = await self._project_of(key)
            project_id = project.project_id
            self._check(found.intake, project, request)
            body = await self._body(request, receive) if body is None else body
            answer = await self._answered(found.intake, project, request, body)
        except Exception as error:
            refused = _as_refused(error, found.intake.name)
            self._pipeline.refused(project_id, found.intake.name, refused.reason)
            await _say_no(send, found.intake, request, refused.refusal)
        else:
            headers = [(b"content-type", answer.content_type.encode("latin-1")), _ANY_ORIGIN]
            await _send(send, 200, answer.body, headers)

    def _check_request(self, request: Request) -> None:
        """Return if it is a request to an intake of this server.

        Raises:
            Refused: it is not.
        """
        if host_name(request.headers.get("host", "")) not in self._names:
            msg = "this server is not called that"
            raise Refused(421, "host", msg, "name it in the setting api_names")
        if request.method != "POST":
            raise Refused(405, "method", "signals are sent by POST", "send a POST")

    async def _project_of(self, key: str) -> Project:
        """Return the project whose key that is.

        Raises:
            Refused: it is of none.
            StoreUnavailable: the key is not known here, and the store cannot be asked.
        """
        registry = self._pipeline.registry
        project = registry.find(key)
        if project is None and key:
            look = partial(registry.look_for, key, self._pipeline.store)
            project = await asyncio.get_running_loop().run_in_executor(None, look)
        if project is None:
            msg = "the key is of no project" if key else "no key of a project was sent"
            raise Refused(401, "unknown_key" if key else "no_key", msg, _KEY_HINT)
        return project

    def _check(self, intake: Intake, project: Project, request: Request) -> None:
        """Return if something of this project is taken by this intake.

        Raises:
            Refused: it is not.
        """
        if request.parameters.get("project", str(project.project_id)) != str(project.project_id):
            raise Refused(401, "wrong_project", "the key is of another project", _KEY_HINT)
        if project.disabled_at is not None:
            msg = f"nothing is taken from the project {project.name}"
            raise Refused(403, "project_disabled", msg, "`honed project enable` takes it again")
        if intake.name in self._off:
            msg = f"nothing is taken from the source {intake.name}"
            raise Refused(403, "source_off", msg, "the setting intake_sources_off names it")

    async def _body(self, request: Request, receive: Receive) -> bytes:
        """Return the body as it was sent.

        Raises:
            Refused: it cannot be read as it is sent.
            Overloaded: nothing can be taken now.
            StoreUnavailable: likewise.
        """
        check_encoding(_encoding(request))
        self._pipeline.queue.check()
        return await read_body(receive, request.headers, self._pipeline.queue, self._deadlines)

    async def _answered(
        self, intake: Intake, project: Project, request: Request, body: bytes
    ) -> Answer:
        """Return what the sender is answered, once what the request brought is stored for good."""
        try:
            answer, prepared = self._read(intake, project, request, body, _LARGE_BYTES)
        except Larger:
            read = partial(self._read, intake, project, request, body, MAX_INFLATED_BYTES)
            answer, prepared = await self._beside_others(read, len(body))
        if prepared.row_count:
            await self._stored(prepared)
        else:
            self._pipeline.counts.add_all(prepared.counts)
        return answer

    async def _beside_others(
        self, read: Callable[[], tuple[Answer, Prepared]], size_bytes: int
    ) -> tuple[Answer, Prepared]:
        """Return what a large body says; one is read at a time, and those that wait are counted.

        Raises:
            Refused: it inflates to too much.
            Overloaded: too many wait.
        """
        room = self._pipeline.queue
        room.reserve(size_bytes)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._beside, read)
        except Larger:
            raise too_large_inflated() from None
        finally:
            room.release(size_bytes)

    def _read(
        self, intake: Intake, project: Project, request: Request, body: bytes, most_bytes: int
    ) -> tuple[Answer, Prepared]:
        """Return the answer to a body and its rows: nothing else of it is kept while they wait."""
        inflated = inflate(body, _encoding(request), most_bytes)
        whole = Request(
            request.method,
            request.path,
            request.parameters,
            request.headers,
            request.query,
            inflated,
            self._pipeline.now(),
        )
        taken = intake.take(whole)
        prepared = self._pipeline.prepare(project, intake.name, taken)
        return Answer(taken.answer, taken.content_type), prepared

    async def _stored(self, prepared: Prepared) -> None:
        """Return when it is stored.

        Raises:
            HonedError: it is not.
            Refused: it may be or not, because the store said nothing for so long.
        """
        outcome, then = self._receipts.expect()
        self._pipeline.put(prepared, then)
        try:
            with self._deadlines.within(STORED_S):
                error = await outcome
        except TimeoutError:
            msg = f"the store has not answered within {STORED_S:.0f} s"
            raise Refused(503, "store_away", msg, _LATER, retry_after_s=_AWAY_S) from None
        if error is not None:
            raise error


class _Receipts:
    """Tells the requests of an event loop, from the writer's thread, what became of them."""

    def __init__(self) -> None:
        self._told: deque[tuple[asyncio.Future[HonedError | None], HonedError | None]] = deque()
        self._is_coming = False

    def expect(self) -> tuple["asyncio.Future[HonedError | None]", Then]:
        """Return what to wait for, and what the writer calls."""
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[HonedError | None] = loop.create_future()

        def then(error: HonedError | None) -> None:
            self._told.append((outcome, error))
            # Once for a whole batch: waking the loop costs more than all else here.
            if not self._is_coming:
                self._is_coming = True
                try:
                    loop.call_soon_threadsafe(self._tell)
                except RuntimeError:
                    # The server has ended, and nobody waits any more.
                    self._told.clear()

        return outcome, then

    def _tell(self) -> None:
        self._is_coming = False
        while self._told:
            outcome, error = self._told.popleft()
            if not outcome.done():
                outcome.set_result(error)


def _pattern(path: str) -> re.Pattern[str]:
    parts = _PLACE.split(path)
    # Names of places stand between what is to be met literally.
    return re.compile(
        "".join(
            f"(?P<{part}>[^/]+)" if number % 2 else re.escape(part)
            for number, part in enumerate(parts)
        )
    )


def _request(scope: Scope, parameters: Mapping[str, str]) -> Request:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    query = scope["query_string"]
    return Request(
        scope["method"],
        scope["path"],
        parameters,
        headers,
        dict(parse_qsl(query.decode("latin-1"))) if query else {},
    )


def _encoding(request: Request) -> str:
    return request.headers.get("content-encoding", "").strip().lower()


def _as_refused(error: Exception, source: str) -> Refused:
    """Return what the sender is told of an error, and what is counted."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, Overloaded):
        again = error.retry_after_s
        return Refused(429, "overloaded", str(error), error.hint, retry_after_s=again)
    if isinstance(error, MalformedSignal):
        return Refused(400, "malformed", str(error), error.hint)
    if isinstance(error, RowsRefused):
        return Refused(400, "unstorable", "the store cannot hold what was sent", error.hint)
    if isinstance(error, HonedError):
        msg = "the store does not answer"
        return Refused(503, "store_away", msg, _LATER, retry_after_s=_AWAY_S)
    # Its words may repeat what was sent, which is not scrubbed: only where it happened is told.
    place = traceback.extract_tb(error.__traceback__)[-1]
    _LOG.error(
        "%s in the intake %s (%s:%s)", type(error).__name__, source, place.filename, place.lineno
    )
    return Refused(400, "defect", "what was sent could not be read", "this server's log says where")


async def _say_no(send: Send, intake: Intake, request: Request, refusal: Refusal) -> None:
    try:
        answer = intake.refuse(request, refusal)
    except Exception:
        answer = Intake.refuse(intake, request, refusal)
    told = dict(answer.headers)
    if refusal.retry_after_s:
        told["Retry-After"] = str(refusal.retry_after_s)
    if refusal.status == 405:  # noqa: PLR2004 - Method Not Allowed names those that are
        told["Allow"] = "POST, OPTIONS"
    if told:
        # A page of another site is shown no header that is not named.
        told["Access-Control-Expose-Headers"] = ", ".join(told)
    told["Content-Type"] = answer.content_type
    headers = [(name.lower().encode(), said.encode("latin-1")) for name, said in told.items()]
    await _send(send, refusal.status, answer.body, [*headers, _ANY_ORIGIN])


async def _send(
    send: Send, status: int, body: bytes, headers: Sequence[tuple[bytes, bytes]]
) -> None:
    if status != 204:  # noqa: PLR2004 - No Content has no length (RFC 9110, 8.6)
        headers = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


_KEY_HINT = "`honed project list` shows the keys; send X-Honed-Key, or the DSN of the project"
_LATER = "send it again later; the log of this server says why"
