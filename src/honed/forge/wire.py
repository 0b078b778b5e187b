"""One request on the wire and its answer, bounded in time and size."""

import json
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Final, TypeAlias
from urllib.parse import urlsplit

import httpx

from honed.errors import ForgeError, ForgeUnavailable
from honed.forge.reading import Raw

Parameters: TypeAlias = Mapping[str, str] | Mapping[str, str | int]

MOST_BYTES: Final = 8 * 2**20
#: Longest wait for a whole answer, and for any part of it.
_ANSWER_S: Final = 60.0
_PART_S: Final = 15.0
_OK: Final = range(200, 300)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a forge answered, in full."""

    status: int
    headers: httpx.Headers
    body: bytes = field(repr=False)

    @property
    def is_ok(self) -> bool:
        """Whether the forge did what was asked."""
        return self.status in _OK

    def json(self) -> Raw:
        """Return what the body says; None for an empty one.

        Raises:
            ForgeUnavailable: it is no JSON, as that of a proxy's page.
        """
        if not self.body.strip():
            return None
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            msg = f"the forge answers {self.status} with something that is no JSON"
            raise ForgeUnavailable(msg) from error

    @property
    def complaint(self) -> str:
        """What the forge says is wrong, on one line; no secret is hidden in it, nor is it cut."""
        try:
            said = json.loads(self.body)
        except (ValueError, RecursionError):
            return ""
        words = " ".join(_words(said, 3)).split()
        return "".join(each for each in " ".join(words) if each.isprintable())


@dataclass(frozen=True, slots=True)
class Request:
    """One request, wherever it is sent."""

    method: str
    parameters: Parameters
    content: Raw
    accept: Mapping[str, str]


def answer(asked: Request, url: str, own: Mapping[str, str]) -> Reply:
    """Return the answer to one request, read to its end.

    Args:
        asked: the request.

        url: where it goes.

        own: headers for this place alone; the token is among them.


    Raises:
        ForgeUnavailable: there is none in time, or it is too large or encoded.
    """
    # Other encodings would make a small answer a large one.
    headers = {"User-Agent": "honed", "Accept-Encoding": "identity", **own, **asked.accept}
    # Proxies are for what leaves this machine.
    leaves = urlsplit(url).scheme == "https"
    deadline = time.monotonic() + _ANSWER_S
    try:
        with (
            httpx.Client(timeout=_PART_S, trust_env=leaves, verify=leaves and _tls()) as client,
            client.stream(
                asked.method,
                url,
                params=asked.parameters or None,
                json=asked.content,
                headers=headers,
            ) as answer,
        ):
            return Reply(answer.status_code, answer.headers, _bounded(answer, deadline))
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        # Not its words: they may repeat the URL.
        msg = f"{urlsplit(url).hostname} does not answer: {type(error).__name__}"
        raise ForgeUnavailable(msg) from error


@cache
def _tls() -> ssl.SSLContext:
    """Return how certificates are checked; reading those of authorities takes a while."""
    return httpx.create_ssl_context()


def _bounded(answer: httpx.Response, deadline: float) -> bytes:
    if answer.headers.get("content-encoding", "identity") != "identity":
        msg = "the forge's answer is encoded"
        raise ForgeUnavailable(msg)
    parts: list[bytes] = []
    size = 0
    for part in answer.iter_raw():
        size += len(part)
        parts.append(part)
        if size > MOST_BYTES:
            msg = f"the forge's answer is larger than {MOST_BYTES} bytes"
            raise ForgeError(msg)
        if time.monotonic() > deadline:
            msg = "the forge's answer is too slow"
            raise ForgeUnavailable(msg)
    return b"".join(parts)


def _words(said: Raw, depth: int) -> Iterator[str]:
    """Yield the texts that explain an error, where each of the forges puts them."""
    if isinstance(said, str):
        yield said
    elif isinstance(said, list) and depth:
        for each in said[:5]:
            yield from _words(each, depth - 1)
    elif isinstance(said, Mapping) and depth:
        told = [said[key] for key in ("message", "error", "errors") if key in said]
        for each in told or list(said.values())[:5]:
            yield from _words(each, depth - 1)
