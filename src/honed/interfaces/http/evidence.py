"""What the other of two servers says (`/api/v1/evidence`), and `/api/v1/health`."""

import logging

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from honed.errors import ConfigurationError
from honed.loop.parts import Parts
from honed.loop.two_servers.receive import Receipt, Reception, receive_from_afar

_LOG = logging.getLogger(__name__)
_CREATED = 201


def evidence_router(parts: Parts) -> APIRouter:
    """Return the router of what the other server says."""
    router = APIRouter(prefix="/api/v1")

    @router.post("/evidence")
    async def take(request: Request) -> JSONResponse:
        """Take one signed envelope; the same one twice is known, and changes nothing."""
        envelope = await request.body()
        try:
            receipt = await run_in_threadpool(receive_from_afar, parts, envelope)
            giver = await run_in_threadpool(Receipt.giver, parts)
        except ConfigurationError as error:
            _LOG.warning("evidence cannot be checked: %s (%s)", error, error.hint)
            raise
        said = {
            "result": receipt.result.value,
            "sha256": receipt.sha256,
            "server": giver.server,
            "epoch": giver.epoch,
        }
        is_new = receipt.result is Reception.ACCEPTED
        return JSONResponse(said, status_code=_CREATED if is_new else 200)

    return router


def health_router() -> APIRouter:
    """Return the router that says whether somebody is there."""
    router = APIRouter(prefix="/api/v1")

    @router.get("/health")
    async def health() -> dict[str, str]:
        """Say so; nothing else is told to whoever comes without a token."""
        return {"status": "ok"}

    return router
