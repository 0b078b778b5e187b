"""What forges say by webhook (`/hooks/{target}`): that it is worth looking, and nothing else.

A webhook proves itself by the secret that it shares with honed, comes twice, late and in any order,
and is never believed further: it is noted that something happened, and the daemon asks the forge.
"""

import logging
from collections.abc import Mapping

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from honed.core.forge import NoticeEvent
from honed.errors import ConfigurationError, ForgeError, UnknownTarget, WebhookRefused
from honed.interfaces.http.answers import refusal
from honed.interfaces.http.gate import HOOKS
from honed.loop.parts import Parts
from honed.targets.registry import TargetRecord, check_name, get_target
from honed.targets.repository.requests.changes import note_news
from honed.targets.repository.requests.forges import open_ear

_LOG = logging.getLogger(__name__)
_ACCEPTED, _FORBIDDEN, _ABSENT, _MALFORMED = 202, 403, 404, 400


def hooks_router(parts: Parts) -> APIRouter:
    """Return the router of what forges say."""
    router = APIRouter()

    @router.post(HOOKS + "{target}")
    async def hear(target: str, request: Request) -> JSONResponse:
        """Note that a forge has something new; the same once more changes nothing."""
        body = await request.body()
        return await run_in_threadpool(_heard, parts, target, request.headers, body)

    return router


def _heard(parts: Parts, name: str, headers: Mapping[str, str], body: bytes) -> JSONResponse:
    try:
        record = _repository(parts, name)
    except (ConfigurationError, UnknownTarget):
        return refusal(_ABSENT, "there is no such repository", "`honed target list` shows them")
    try:
        notice = open_ear(parts.settings, record)(headers, body)
    except ConfigurationError as error:
        # Its words are for this server's own log.
        _LOG.warning("a webhook for %s is not heard: %s (%s)", name, error, error.hint)
        return refusal(_FORBIDDEN, "no webhooks are heard here", _SECRET)
    except WebhookRefused as error:
        return refusal(_FORBIDDEN, str(error), error.hint)
    except ForgeError as error:
        return refusal(_MALFORMED, str(error), "honed looks by itself, too: nothing is lost")
    if notice.event is not NoticeEvent.OTHER:
        with parts.store.transaction() as conn:
            note_news(conn, record.target_id)
    return JSONResponse({"heard": notice.event.value}, status_code=_ACCEPTED)


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


_SECRET = "set forge_secret_variable, and that variable where `honed serve` runs"  # noqa: S105 - a hint
