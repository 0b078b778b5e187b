"""What forges say by webhook (`/hooks/{target}`): that it is worth looking, and nothing else.

A webhook proves itself by the secret that it shares with honed, comes twice, late and in any order,
and is never believed further: it is noted that something happened, and the daemon asks the forge.
The gate bounds its size. Whoever is not believed is told the same, whatever is or is not there.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from honed.core.forge import Notice, NoticeEvent
from honed.errors import ConfigurationError, ForgeError, UnknownTarget
from honed.interfaces.http.answers import refusal
from honed.interfaces.http.gate import HOOKS
from honed.loop.parts import Parts
from honed.targets.registry import TargetRecord, check_name, get_target
from honed.targets.repository.requests.changes import note_news
from honed.targets.repository.requests.forges import open_ear

_LOG = logging.getLogger(__name__)
_ACCEPTED, _FORBIDDEN, _TOO_MANY = 202, 403, 429
#: Webhooks of all repositories in a second, in the long run, and at once: a push with a hundred
#: checks is told at once, and what is turned away the daemon finds in its next minute.
A_SECOND: Final = 5.0
AT_ONCE: Final = 100.0


@dataclass(slots=True)
class Bucket:
    """Lets so many through in a second, and so many at once after a pause (a token bucket)."""

    a_second: float
    at_once: float
    clock: Callable[[], float] = time.monotonic
    _left: float = 0.0
    _looked_at: float = 0.0

    def __post_init__(self) -> None:
        """Begin full."""
        self._left, self._looked_at = self.at_once, self.clock()

    def takes(self) -> bool:
        """Return whether one more may come, and count it."""
        now = self.clock()
        gained = (now - self._looked_at) * self.a_second
        self._left, self._looked_at = min(self.at_once, self._left + gained), now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


def hooks_router(parts: Parts) -> APIRouter:
    """Return the router of what forges say."""
    router = APIRouter()
    bucket = Bucket(A_SECOND, AT_ONCE)

    @router.post(HOOKS + "{target}")
    async def hear(target: str, request: Request) -> JSONResponse:
        """Note that a forge has something new; the same once more changes nothing."""
        if not bucket.takes():
            return refusal(_TOO_MANY, "too many webhooks", "nothing is lost: honed looks by itself")
        body = await request.body()
        return await run_in_threadpool(_heard, parts, target, request.headers, body)

    return router


def _heard(parts: Parts, name: str, headers: Mapping[str, str], body: bytes) -> JSONResponse:
    try:
        record = _repository(parts, name)
        notice = open_ear(parts.settings, record)(headers, body)
    except (ConfigurationError, UnknownTarget, ForgeError) as error:
        # Its words are for this server's own log: they would tell a stranger what is there.
        _LOG.warning("a webhook for %.80r is not heard: %s (%s)", name, error, error.hint)
        return refusal(_FORBIDDEN, "this webhook is not believed", _SECRET)
    _note(parts, record, notice)
    return JSONResponse({"heard": notice.event.value}, status_code=_ACCEPTED)


def _note(parts: Parts, record: TargetRecord, notice: Notice) -> None:
    if notice.event is not NoticeEvent.OTHER:
        with parts.store.transaction() as conn:
            note_news(conn, record.target_id)


def _repository(parts: Parts, name: str) -> TargetRecord:
    """Return the repository of this name.

    Raises:
        UnknownTarget: there is none.
        ConfigurationError: nothing can be called that.
    """
    check_name(name)
    record = get_target(parts.store, name)
    if record.sort != "repository":
        msg = f"{name} is no repository"
        raise UnknownTarget(msg)
    return record


_SECRET: Final = "the log of `honed serve` says why; `honed forge webhook` tells what to enter"  # noqa: S105 - a hint
