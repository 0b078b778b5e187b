"""The way to a provider: one request, one bounded answer, tried again while that makes sense."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

import httpx

from honed.config import is_loopback
from honed.core.canonical import Json
from honed.errors import AnswerRefused, ConfigurationError, ModelRefused, ModelUnavailable
from honed.llm.dialect import Dialect, Manner, Reply, Request, Told

#: More than any answer within a budget of tokens.
MOST_BYTES: Final = 4_000_000
_MOST_TRIES: Final = 4
#: Waiting makes sense: too many requests, and troubles of the server; 529: it is overloaded.
_LATER: Final = frozenset({408, 429, 500, 502, 503, 504, 529})
#: From here on the server is in trouble. It may have worked for the request, as it may after 408,
#: unless it says that it turns requests away.
_TROUBLE: Final = 500
_TURNED_AWAY: Final = frozenset({503, 529})
#: The request is not understood: it may be if it is put otherwise.
_UNCLEAR: Final = frozenset({400, 404, 422})
_OK, _TIMEOUT = 200, 408
_REDIRECTS: Final = range(300, 400)
_LONGEST_COMPLAINT: Final = 300
_HINT_REDIRECT: Final = "set llm_base_url to where it leads, if that is whom you mean"


@dataclass(slots=True)
class Wire:
    """Speaks to one provider in its dialect.

    It goes there directly, whatever proxies the environment names, follows no redirection, and
    shows the key in a header alone.
    """

    dialect: Dialect
    base_url: str
    key: str = field(default="", repr=False)
    #: Pause after a refusal that names none, doubled each time.
    pause_s: float = 1.0
    #: What the server was found to understand.
    _manner: Manner = field(default_factory=Manner, init=False)

    def __post_init__(self) -> None:
        """Refuse to send a key where others could read it.

        Raises:
            ConfigurationError: they could, or the address or the key is none.
        """
        check_address(self.base_url, self.key)

    @property
    def host(self) -> str:
        """Who answers."""
        return urlsplit(self.base_url).hostname or ""

    def send(
        self, request: Request, timeout_s: float, again: Callable[[], bool] = lambda: True
    ) -> Reply:
        """Return what the provider answers, within ``timeout_s`` as a whole.

        Args:
            request: what is asked.

            timeout_s: of all tries.

            again: asked whether to send it again although the provider may have worked for it.

        Raises:
            ModelUnavailable: it does not answer, or is in trouble for too long.
            ModelRefused: it does not understand or does not allow this.
            AnswerRefused: its answer is too large, or not of its dialect.
        """
        try:
            return asyncio.run(self._within(request, timeout_s, again))
        except TimeoutError as error:
            msg = f"{self.host} did not answer within {timeout_s:g} s"
            raise ModelUnavailable(msg, may_cost=True) from error

    async def _within(self, request: Request, timeout_s: float, again: Callable[[], bool]) -> Reply:
        """Send, and put it otherwise as long as the server complains of something new."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        async with (
            asyncio.timeout(timeout_s),
            httpx.AsyncClient(timeout=timeout_s, trust_env=False) as client,
        ):
            while True:
                body = self.dialect.body(request, self._manner)
                status, content = await self._tried(client, _encoded(body), deadline, again)
                if status == _OK:
                    return self._reply(content)
                complaint = self._complaint(content)
                manner = self._manner.after(complaint) if status in _UNCLEAR else None
                if manner is None:
                    msg = f"{self.host} refuses the request ({status}): {complaint}"
                    raise ModelRefused(msg)
                self._manner = manner

    async def _tried(
        self,
        client: httpx.AsyncClient,
        body: bytes,
        deadline: float,
        again: Callable[[], bool],
    ) -> tuple[int, bytes]:
        """Return status and content of the first answer that no waiting would better.

        Raises:
            ModelUnavailable: there is none before the deadline, or after as many tries as make
                sense.
        """
        pause_s = self.pause_s
        for tries in range(1, _MOST_TRIES + 1):
            answer = await self._posted(client, body)
            is_for_later = answer.status in _LATER
            if not is_for_later and answer.status < _TROUBLE:
                return answer.status, answer.content
            wait_s = pause_s if answer.retry_after_s is None else answer.retry_after_s
            ends = asyncio.get_running_loop().time() + wait_s >= deadline
            ends = ends or not is_for_later or tries == _MOST_TRIES
            if ends or (answer.may_cost and not again()):
                said = self._complaint(answer.content)
                msg = f"{self.host} is in trouble ({answer.status}): {said}"
                raise ModelUnavailable(msg, may_cost=answer.may_cost)
            await asyncio.sleep(wait_s)
            pause_s *= 2
        raise AssertionError

    async def _posted(self, client: httpx.AsyncClient, body: bytes) -> "_Heard":
        """Return one answer.

        Raises:
            ModelUnavailable: the connection fails, or leads elsewhere.
            AnswerRefused: it is too large or encoded.
        """
        headers = {
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",
            **self.dialect.headers(self.key),
        }
        url = self.base_url.rstrip("/") + self.dialect.path
        try:
            async with client.stream("POST", url, content=body, headers=headers) as answer:
                if answer.status_code in _REDIRECTS:
                    msg = f"{self.host} redirects to somewhere else, which is not followed"
                    raise ModelUnavailable(msg, hint=_HINT_REDIRECT)
                content = await _bounded(answer)
                return _Heard(answer.status_code, content, _retry_after_s(answer))
        except httpx.ConnectError as error:
            msg = f"{self.host} cannot be reached"
            raise ModelUnavailable(msg) from error
        except httpx.HTTPError as error:
            msg = f"the connection to {self.host} broke: {type(error).__name__}"
            raise ModelUnavailable(msg, may_cost=True) from error

    def _reply(self, content: bytes) -> Reply:
        """Return what an answer says.

        Raises:
            AnswerRefused: it is not of the dialect.
        """
        try:
            return self.dialect.reply(_object(content))
        except (ValueError, RecursionError) as error:
            msg = f"{self.host} answers in another dialect, or not to the end: {error}"
            hint = "check llm_provider and llm_base_url"
            raise AnswerRefused(msg[:_LONGEST_COMPLAINT], hint=hint) from None

    def _complaint(self, content: bytes) -> str:
        """Return what is wrong by the server's words, without the key if it repeats it."""
        try:
            error = Told(_object(content)).part("error")
            said = error.part("message").text or error.text or content.decode(errors="replace")
        except (ValueError, RecursionError):
            said = content.decode(errors="replace")
        if self.key:
            said = said.replace(self.key, "***")
        return " ".join(said.split())[:_LONGEST_COMPLAINT]


@dataclass(frozen=True, slots=True)
class _Heard:
    """One answer of a server."""

    status: int
    content: bytes
    #: How long it asks to wait; None: it does not say.
    retry_after_s: float | None

    @property
    def may_cost(self) -> bool:
        """Whether the server, in trouble, may have worked for the request."""
        is_trouble = self.status >= _TROUBLE or self.status == _TIMEOUT
        return is_trouble and self.status not in _TURNED_AWAY


def check_address(base_url: str, key: str) -> None:
    """Return if a key may be sent to an address.

    Raises:
        ConfigurationError: the address is none, or tells a secret itself; the key is none, or
            others could read it on its way.
    """
    url = urlsplit(base_url)
    hint = "set it as in docs/howto/use-a-language-model.md"
    if url.scheme not in {"http", "https"} or not url.hostname:
        msg = "llm_base_url is not an address of the web"
        raise ConfigurationError(msg, hint=hint)
    if "@" in url.netloc or url.query or url.fragment:
        msg = "llm_base_url has a user, a password or a query, where a secret could stand"
        raise ConfigurationError(msg, hint="llm_key_variable names the variable with the key")
    if key and url.scheme == "http" and not is_loopback(url.hostname):
        msg = "the key would go in the clear: llm_base_url must be https, or on this machine"
        raise ConfigurationError(msg, hint=hint)
    if key and not (key.isascii() and key.isprintable() and " " not in key):
        msg = "what the variable named by llm_key_variable holds is not a key"
        raise ConfigurationError(msg, hint=hint)


async def _bounded(answer: httpx.Response) -> bytes:
    """Return the content of an answer.

    Raises:
        AnswerRefused: it is larger than any answer should be, or encoded although that was not
            asked for.
    """
    if answer.headers.get("content-encoding", "identity") != "identity":
        msg = "the answer is encoded, although honed does not take that"
        raise AnswerRefused(msg)
    parts: list[bytes] = []
    size = 0
    async for part in answer.aiter_raw():
        size += len(part)
        if size > MOST_BYTES:
            msg = f"the answer is larger than {MOST_BYTES // 1_000_000} MB"
            raise AnswerRefused(msg)
        parts.append(part)
    return b"".join(parts)


def _retry_after_s(answer: httpx.Response) -> float | None:
    """Return how long to wait, told in seconds or as a date."""
    told = answer.headers.get("retry-after", "").strip()
    if told.isascii() and told.isdecimal():
        return float(told[:9])
    try:
        at = parsedate_to_datetime(told)
    except ValueError:
        return None
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def _encoded(body: Mapping[str, Json]) -> bytes:
    return json.dumps(body).encode()


def _object(content: bytes) -> Mapping[str, Json]:
    said = json.loads(content)
    if not isinstance(said, Mapping):
        msg = "it is not a JSON object"
        raise ValueError(msg)  # noqa: TRY004 - a value of somebody else's, as JSON that is none
    return said
