"""The HTTP application: the gate, and behind it every router that is given."""

from collections.abc import Sequence

from fastapi import APIRouter, FastAPI
from starlette.exceptions import HTTPException

from honed import __version__
from honed.errors import EvidenceRefused, HonedError
from honed.interfaces.http.answers import (
    explained,
    refused_evidence,
    refused_request,
    unexplained,
)
from honed.interfaces.http.gate import Gate, Rules


def create_app(rules: Rules, routers: Sequence[APIRouter]) -> FastAPI:
    """Return the application; pages, intake and the rest of the API join it as routers."""
    # No pages that describe the API: they load scripts from elsewhere.
    app = FastAPI(
        title="honed", version=__version__, docs_url=None, redoc_url=None, openapi_url=None
    )
    for router in routers:
        app.include_router(router)
    app.add_exception_handler(EvidenceRefused, refused_evidence)
    app.add_exception_handler(HonedError, explained)
    app.add_exception_handler(HTTPException, refused_request)
    app.add_exception_handler(Exception, unexplained)
    app.add_middleware(Gate, rules=rules)
    return app
