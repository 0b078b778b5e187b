"""The way from the secondary to the primary's API: one envelope, one answer."""

import asyncio
import hashlib
import stat
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from honed.config import Settings
from honed.errors import ConfigurationError, EvidenceRefused, PeerUnavailable
from honed.loop.two_servers.evidence import MAX_NUMBER
from honed.loop.two_servers.publish import Answer, Post

#: Where the API takes envelopes, below its own address.
EVIDENCE_PATH = "/api/v1/evidence"
#: Longest wait for the whole answer; and no more than this share of a lease, which must be renewed.
TIMEOUT_S = 10.0
_LEASE_SHARE = 1 / 6
#: A refusal has words; from here on the other server is only in trouble.
_TROUBLE = 500
_REFUSED = 400


def post_over_http(settings: Settings) -> Post:
    """Return what hands an envelope to the primary at ``peer_url``.

    The connection goes there directly, whatever proxies the environment names, and follows no
    redirection.
    """

    def post(envelope: bytes) -> Answer:
        try:
            answer = asyncio.run(_sent(settings, envelope))
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            # No more of the URL than its host: the rest may tell a secret.
            msg = f"{urlsplit(settings.peer_url).hostname} does not answer: {type(error).__name__}"
            raise PeerUnavailable(msg) from error
        return _checked(answer, envelope)

    return post


async def _sent(settings: Settings, envelope: bytes) -> httpx.Response:
    """Return the answer to an envelope.

    Raises:
        TimeoutError: it took too long as a whole. A limit of httpx's own is for one read of it, so
            that who sends a byte now and then would never reach it.
    """
    limit_s = min(TIMEOUT_S, settings.lease_s * _LEASE_SHARE)
    headers = {"Content-Type": "application/json", **_authorization(settings)}
    url = settings.peer_url.rstrip("/") + EVIDENCE_PATH
    async with (
        asyncio.timeout(limit_s),
        httpx.AsyncClient(timeout=limit_s, trust_env=False) as client,
    ):
        return await client.post(url, content=envelope, headers=headers)


def read_token(path: Path) -> str:
    """Return the token in a file that only its owner may read.

    Raises:
        ConfigurationError: it cannot be read, others may read it, or it is shorter than 16
            characters.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        token = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        msg = f"the token {path} cannot be read"
        raise ConfigurationError(msg, hint=_MAKE_ONE) from error
    if mode & 0o077:
        msg = f"others may read the token {path} (mode {mode:04o})"
        raise ConfigurationError(msg, hint=f"chmod 600 {path}")
    if len(token) < 16:  # noqa: PLR2004 - said in the docstring and in the error
        msg = f"the token in {path} is shorter than 16 characters"
        raise ConfigurationError(msg, hint=_MAKE_ONE)
    return token


def _authorization(settings: Settings) -> dict[str, str]:
    if settings.peer_token_file is None:
        return {}
    return {"Authorization": f"Bearer {read_token(settings.peer_token_file)}"}


def _checked(answer: httpx.Response, envelope: bytes) -> Answer:
    """Return who answered, if the other server has taken the envelope.

    Raises:
        EvidenceRefused: it says why it has not.
        PeerUnavailable: it says nothing of use, or something else answers there.
    """
    try:
        said = answer.json()
    except ValueError:
        said = None
    content = said if isinstance(said, dict) else {}
    if _REFUSED <= answer.status_code < _TROUBLE and content.get("error"):
        raise EvidenceRefused(
            str(content["error"])[:500],
            reason=str(content.get("reason", "refused"))[:40],
            hint=str(content.get("hint", ""))[:500],
        )
    sha256 = hashlib.sha256(envelope).hexdigest()
    if answer.status_code >= _REFUSED or content.get("sha256") != sha256:
        msg = f"{answer.url.host} answers with status {answer.status_code} and no receipt"
        raise PeerUnavailable(msg)
    said_epoch = content.get("epoch")
    epoch = said_epoch if isinstance(said_epoch, int) and 0 <= said_epoch <= MAX_NUMBER else 0
    return Answer(str(content.get("server", ""))[:100], epoch)


_MAKE_ONE = "make one with `openssl rand -hex 32`, the same in both files, each with mode 0600"
