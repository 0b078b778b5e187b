"""Webhooks: proven to be the forge's, and bounded before they are read."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Final

from honed.errors import WebhookRefused
from honed.forge.reading import Raw
from honed.forge.secret import Secret

#: The largest that is read; GitHub sends no more than 25 MB, of which a notice needs little.
MOST_BYTES: Final = 5 * 2**20


def lowered(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers by their names in lower case."""
    return {name.lower(): value for name, value in headers.items()}


def check_signature(secret: Secret | None, body: bytes, told: str) -> None:
    """Return if ``told`` is the HMAC-SHA-256 of the body in hexadecimal digits.

    Raises:
        WebhookRefused: it is not, or no secret is known.
    """
    key = _known(secret).reveal().encode()
    proof = hmac.new(key, body, hashlib.sha256).hexdigest()
    _check(proof, told)


def check_token(secret: Secret | None, told: str) -> None:
    """Return if ``told`` is the secret itself.

    Raises:
        WebhookRefused: it is not, or no secret is known.
    """
    _check(_known(secret).reveal(), told)


def read_body(body: bytes) -> Raw:
    """Return what a webhook says; only one whose proof was checked is read.

    Raises:
        WebhookRefused: it is too large, or no JSON object.
    """
    if len(body) > MOST_BYTES:
        msg = f"a webhook of {len(body)} bytes is not read"
        raise WebhookRefused(msg)
    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as error:
        msg = "a webhook is no JSON"
        raise WebhookRefused(msg, hint="set its content type to application/json") from error
    if not isinstance(said, dict):
        msg = "a webhook is no JSON object"
        raise WebhookRefused(msg)
    return said


def _known(secret: Secret | None) -> Secret:
    if secret is None:
        msg = "a webhook came, and no secret is named to know it by"
        raise WebhookRefused(msg)
    return secret


def _check(proof: str, told: str) -> None:
    # As bytes: texts beyond ASCII cannot be compared in constant time.
    if not hmac.compare_digest(proof.encode(), told.encode(errors="replace")):
        msg = "a webhook does not prove that it comes from the forge"
        raise WebhookRefused(msg)
