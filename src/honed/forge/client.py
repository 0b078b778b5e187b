"""Requests to a forge: bounded in time, size and repetition, with a token that goes nowhere else.

A token is sent to the forge's own origin alone. A redirect to another one is followed for reading
only, without the token, and never from https to http. Where the forge asks for patience
(``Retry-After``, an exhausted rate limit), it has it, up to a bound; after that ``RateLimited``
says when to come again, so that a job waits in the queue and not a worker.
"""

import math
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final
from urllib.parse import unquote, urlsplit

from honed.errors import (
    ForgeError,
    ForgeRefused,
    ForgeUnavailable,
    RateLimited,
    UnknownChange,
)
from honed.forge.address import joined, next_link, origin
from honed.forge.patience import Clock, retry_after_s
from honed.forge.reading import Raw
from honed.forge.secret import Secret
from honed.forge.wire import Parameters, Reply, Request, answer

MOST_PAGES: Final = 20
_MOST_REDIRECTS: Final = 3
#: Tries of one request, the first among them.
_MOST_TRIES: Final = 4
#: Longest that one request may wait for a forge's patience, in all.
MOST_PATIENCE_S: Final = 60.0
#: Wait before the second try of a request that found nobody; then twice as long each time.
_FIRST_PAUSE_S: Final = 1.0
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
#: Characters of a forge's words that a person is shown.
_LONGEST_COMPLAINT: Final = 300
_ABSENT: Final = 404
_FORBIDDEN, _TOO_MANY = 403, 429
#: The forge, or what stands before it, is in trouble (RFC 9110, section 15.6).
_DOWN: Final = frozenset({502, 503, 504})
#: What may be sent again although it may have been heard.
_REPEATABLE: Final = frozenset({"GET", "PUT", "PATCH"})
#: What is said of a commit that was pushed a moment ago.
UNHEARD_OF: Final = frozenset({404, 422})


@dataclass(frozen=True, slots=True)
class Client:
    """What an adapter asks its forge with. Each request has a connection of its own.

    Args:
        root: where the API begins, without a slash at its end.

        headers: sent to the forge's own origin alone; the token is among them.

        secret: the token, to be hidden where the forge repeats it.
    """

    root: str
    secret: Secret
    headers: Mapping[str, str] = field(repr=False)
    clock: Clock = field(default_factory=Clock)
    patience_s: float = MOST_PATIENCE_S

    def send(
        self,
        method: str,
        path: str,
        *,
        parameters: Parameters = MappingProxyType({}),
        content: Raw = None,
        accept: str = "",
    ) -> Reply:
        """Return what the forge answers, whatever its status but 401, 403 and 429.

        Args:
            method: of HTTP.

            path: below ``root``, or a whole address.

            parameters: of the query.

            content: sent as JSON; None: nothing.

            accept: the sort of answer that is wanted; empty: that of ``headers``.

        Raises:
            ForgeUnavailable: it does not answer, or is in trouble.
            RateLimited: it asks for more patience than this.
            ForgeRefused: it does not take the token, or not for this.
        """
        deadline = self.clock.now() + self.patience_s
        asked = Request(method, parameters, content, {"Accept": accept} if accept else {})
        for attempt in range(1, _MOST_TRIES + 1):
            try:
                reply = self._followed(asked, self._url(path))
            except ForgeUnavailable:
                pause_s = _FIRST_PAUSE_S * 2 ** (attempt - 1)
                if method not in _REPEATABLE or not self._waits(attempt, pause_s, deadline):
                    raise
                continue
            limit_s = self._limit_s(method, reply, attempt)
            if limit_s is None:
                return self._permitted(reply)
            if not self._waits(attempt, limit_s, deadline):
                raise self._too_late(reply, limit_s)
        raise AssertionError  # the last attempt returns or raises

    def pages(
        self,
        path: str,
        parameters: Parameters = MappingProxyType({}),
        *,
        empty: AbstractSet[int] = frozenset(),
    ) -> Iterator[Raw]:
        """Yield each page of a list, as the header ``Link`` leads from one to the next.

        Args:
            path: of the first page.

            parameters: of the first page; a link has its own.

            empty: statuses that say that there is nothing to list (yet).

        Raises:
            ForgeError: there are more than ``MOST_PAGES``; a part is not taken for the whole.
        """
        for _ in range(MOST_PAGES):
            reply = self.send("GET", path, parameters=parameters)
            if reply.status in empty:
                return
            yield self.told(reply)
            following = next_link(reply.headers.get("link", ""))
            if not following:
                return
            path, parameters = joined(self._url(path), following), {}
            if origin(path) != origin(self.root):
                msg = f"the forge names a next page on another host: {urlsplit(path).hostname}"
                raise ForgeError(msg)
        msg = f"the forge lists more than {MOST_PAGES} pages"
        raise ForgeError(msg, hint="close what is no longer needed")

    def ask(self, path: str) -> Raw:
        """Return what stands at a path.

        Raises:
            UnknownChange: nothing does.
        """
        return self._found(path, self.send("GET", path))

    def tell(self, method: str, path: str, content: Raw) -> Raw:
        """Return what the forge says to something new.

        Raises:
            UnknownChange: there is nothing that it could be said of.
        """
        return self._found(path, self.send(method, path, content=content))

    def file(self, path: str, ref: str, accept: str) -> bytes | None:
        """Return the bytes at a path as of a commit or branch; None where there are none."""
        reply = self.send("GET", path, parameters={"ref": ref}, accept=accept)
        if reply.status == _ABSENT:
            return None
        if not reply.is_ok:
            raise self.refusal(reply)
        return reply.body

    def told(self, reply: Reply) -> Raw:
        """Return what a reply says, if it says that all is well.

        Raises:
            ForgeError: it does not; with the forge's own words.
        """
        if reply.is_ok:
            return reply.json()
        raise self.refusal(reply)

    def refusal(self, reply: Reply) -> ForgeError:
        """Return an error with the forge's own words, without the token."""
        # Hidden before it is cut: a part of a token is no token that could be found.
        said = self.secret.hidden_in(reply.complaint)[:_LONGEST_COMPLAINT]
        msg = f"{self._host} answers {reply.status}" + (f": {said}" if said else "")
        return ForgeUnavailable(msg) if reply.status >= 500 else ForgeRefused(msg)  # noqa: PLR2004 - the class of statuses

    def _found(self, path: str, reply: Reply) -> Raw:
        if reply.status == _ABSENT:
            msg = f"{self._host} has no {unquote(path)[1:]}, or does not show it to this token"
            raise UnknownChange(msg)
        return self.told(reply)

    @property
    def _host(self) -> str:
        return urlsplit(self.root).hostname or "the forge"

    def _url(self, path: str) -> str:
        return path if path.startswith(("http://", "https://")) else self.root + path

    def _waits(self, attempt: int, pause_s: float, deadline: float) -> bool:
        """Wait if there is a try and time left, and return whether it was."""
        if attempt == _MOST_TRIES or self.clock.now() + pause_s > deadline:
            return False
        self.clock.wait(pause_s)
        return True

    def _limit_s(self, method: str, reply: Reply, attempt: int) -> float | None:
        """Return how long to leave the forge alone before the next try; None: there is none."""
        told_s = retry_after_s(reply.headers, self.clock.now())
        is_limited = reply.status == _TOO_MANY or (
            reply.status == _FORBIDDEN
            and (told_s is not None or reply.headers.get("x-ratelimit-remaining") == "0")
        )
        # A gateway that gave up says nothing of whether the forge has acted.
        is_down = reply.status in _DOWN and (method in _REPEATABLE or told_s is not None)
        if not is_limited and not is_down:
            return None
        return _FIRST_PAUSE_S * 2 ** (attempt - 1) if told_s is None else told_s

    def _too_late(self, reply: Reply, limit_s: float) -> ForgeError:
        if reply.status in _DOWN and "retry-after" not in reply.headers:
            return self.refusal(reply)
        msg = f"{self._host} wants no request for {math.ceil(limit_s)} s"
        return RateLimited(msg, retry_after_s=limit_s)

    def _permitted(self, reply: Reply) -> Reply:
        if reply.status not in {401, _FORBIDDEN}:
            return reply
        error = self.refusal(reply)
        variable = self.secret.variable or "the token"
        what = "is not accepted" if reply.status == 401 else "does not allow this"  # noqa: PLR2004 - as above
        msg = f"{variable} {what}: {error}"
        raise ForgeRefused(msg)

    def _followed(self, asked: Request, url: str) -> Reply:
        """Return the answer at the end of the redirects."""
        for _ in range(_MOST_REDIRECTS + 1):
            is_home = origin(url) == origin(self.root)
            reply = answer(asked, url, self.headers if is_home else {})
            where = reply.headers.get("location", "")
            if reply.status not in _REDIRECTS or not where:
                return reply
            url = self._redirected(asked.method, url, where, reply.status)
            asked = replace(asked, parameters={})
        msg = f"{self._host} redirects more than {_MOST_REDIRECTS} times"
        raise ForgeError(msg)

    def _redirected(self, method: str, url: str, where: str, status: int) -> str:
        """Return where a redirect leads, if it may be followed.

        Raises:
            ForgeError: something would be written elsewhere, or read in the clear.
        """
        there = joined(url, where)
        stays = origin(there) == origin(self.root)
        may_write = stays and status in {307, 308}
        may_read = method == "GET" and (stays or urlsplit(there).scheme == "https")
        if may_write or may_read:
            return there
        host = urlsplit(there).hostname
        msg = f"{self._host} redirects {method} to {host}, which is not followed"
        hint = "set forge_url and forge_repository to where it is now"
        raise ForgeError(msg, hint=hint)
