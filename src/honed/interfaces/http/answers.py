"""How the API says no: always JSON with an error and a hint, never a page and never a trace."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from honed.errors import EvidenceRefused, HonedError, StoreUnavailable

#: The status of what is refused, by its reason; others are 400.
_STATUS = {
    "too_large": 413,
    "wrong_key": 403,
    "wrong_role": 403,
    "no_key": 409,
    "not_primary": 409,
    "stale_epoch": 409,
    "too_old": 409,
    "from_future": 409,
    "unknown_twin": 404,
}


def refusal(status: int, error: str, hint: str, **more: str) -> JSONResponse:
    """Return the answer to what is refused."""
    return JSONResponse({"error": error, "hint": hint, **more}, status_code=status)


def refused_evidence(_request: Request, error: Exception) -> JSONResponse:
    """Return the answer to what the other server said and is not believed."""
    assert isinstance(error, EvidenceRefused)  # noqa: S101 - registered for nothing else
    status = _STATUS.get(error.reason, 400)
    return refusal(status, str(error), error.hint, reason=error.reason)


def explained(_request: Request, error: Exception) -> JSONResponse:
    """Return the answer to what honed can explain and the caller cannot help."""
    assert isinstance(error, HonedError)  # noqa: S101 - registered for nothing else
    # The words of a driver or of the configuration are for this server's own log.
    what = "the store does not answer" if isinstance(error, StoreUnavailable) else "it cannot now"
    return refusal(503, what, "try again later; the log of this server says why")


def unexplained(_request: Request, _error: Exception) -> JSONResponse:
    """Return the answer to an error of our own; the server writes its trace to the log alone."""
    return refusal(500, "an error of this server", "the log of this server has it; report it")


def refused_request(_request: Request, error: Exception) -> JSONResponse:
    """Return the answer to a path or a method that is not there."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for nothing else
    return refusal(
        error.status_code,
        str(error.detail),
        "docs/reference/intakes.md names what signals are sent to",
    )
