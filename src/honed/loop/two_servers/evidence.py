"""What one server says to the other: signed in-toto statements, evidence and signs of life."""

import json
import math
from collections.abc import Sequence
from hashlib import sha256
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from honed.core.canonical import Json, canonical_json
from honed.core.canonical import digest as digest_of
from honed.errors import EvidenceRefused, LedgerTampered
from honed.ledger.keys import PublicKey, Signer
from honed.ledger.statement import (
    MAX_ENVELOPE_BYTES,
    STATEMENT_TYPE,
    open_envelope,
    seal_payload,
)

EVIDENCE_TYPE: Final = "https://honed.dev/evidence/v1"
HEARTBEAT_TYPE: Final = "https://honed.dev/heartbeat/v1"

#: Largest number that the store has a place for.
MAX_NUMBER: Final = 2**62
_Text: TypeAlias = Annotated[str, Field(max_length=4000)]
_Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=200)]
_Sha256: TypeAlias = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Count: TypeAlias = Annotated[int, Field(ge=0, le=MAX_NUMBER)]


def _number(value: object) -> object:
    """Return the number that canonical JSON has written as a string."""
    return float(value) if isinstance(value, str) else value


_Ratio: TypeAlias = Annotated[float, Field(allow_inf_nan=False, ge=-700, le=700)]
_LogRatio: TypeAlias = Annotated[_Ratio | None, BeforeValidator(_number)]


class _Said(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Sender(_Said):
    """Who says it, and when by its own clock."""

    server: _Name
    role: Literal["primary", "secondary"]
    #: Of its lease.
    epoch: Annotated[int, Field(ge=1, le=MAX_NUMBER)]
    sent_at: AwareDatetime


class LedgerEntry(_Said):
    """The entry of the sender's ledger that evidence tells of: whoever doubts it can ask for it."""

    leaf: _Sha256
    index: _Count


class Claim(_Said):
    """What was tried. It is never run here: this server's own kind must make the same claim."""

    kind: _Name
    subject: _Text
    words: _Text
    priority: Annotated[int, Field(ge=1, le=5)]
    risk: Annotated[int, Field(ge=1, le=10)]
    hypothesis_sha256: _Sha256
    steps: tuple[dict[str, Any], ...] = Field(max_length=1000)


class TrialSaid(_Said):
    """What its trial measured, as natural logarithms of cost after / cost before."""

    verdict: Annotated[str, Field(max_length=20)]
    log_ratio: _LogRatio = None
    low: _LogRatio = None
    high: _LogRatio = None
    pairs: _Count = 0
    metric: Annotated[str, Field(max_length=200)] = ""


class ProductionSaid(_Said):
    """What became of it in production."""

    state: Literal["refuted", "inconclusive", "kept", "rolled_back", "failed"]
    outcome: Literal["", "high_success", "success", "regressed", "failed"] = ""
    log_ratio: _LogRatio = None


class Heartbeat(_Said):
    """A sign of life."""

    sender: Sender


class Evidence(_Said):
    """What became of one claim on the other server."""

    sender: Sender
    #: The name that its target and ours have in common.
    twin: _Name
    entry: LedgerEntry
    claim: Claim
    trial: TrialSaid
    production: ProductionSaid
    #: Versions, settings, schema and sizes there, in classes.
    environment: dict[str, Any]

    @property
    def log_ratio(self) -> float | None:
        """The worse of what trial and production say; None: production has not said anything.

        A watch may end without a figure (no baseline, nobody used it): then a trial alone is no
        experience that another server could build on.
        """
        if self.production.log_ratio is None:
            return None
        tried = self.trial.log_ratio
        return max(self.production.log_ratio, -math.inf if tried is None else tried)


Saying: TypeAlias = Evidence | Heartbeat

_TYPES: Final[dict[str, type[Evidence] | type[Heartbeat]]] = {
    EVIDENCE_TYPE: Evidence,
    HEARTBEAT_TYPE: Heartbeat,
}


def envelope_digest(envelope: bytes) -> str:
    """Return the SHA-256 that names an envelope: 64 hexadecimal digits."""
    return sha256(envelope).hexdigest()


def sign(saying: Saying, signer: Signer) -> bytes:
    """Return the DSSE envelope with what is said, signed.

    Raises:
        ValueError: it is larger than an entry of the ledger may be.
    """
    return seal_payload(_to_bytes(saying), signer)


def read(envelope: bytes, public_key: PublicKey) -> Saying:
    """Return what ``public_key`` has signed in ``envelope``.

    Raises:
        EvidenceRefused: ``too_large``, ``malformed``, or ``wrong_key``: it was signed by another
            key, or changed.
    """
    if len(envelope) > MAX_ENVELOPE_BYTES:
        msg = f"it takes {len(envelope)} bytes, more than {MAX_ENVELOPE_BYTES}"
        raise EvidenceRefused(msg, reason="too_large", hint=_FORM)
    try:
        opened = open_envelope(envelope)
    except LedgerTampered as error:
        raise EvidenceRefused(str(error), reason="malformed", hint=_FORM) from error
    # The name of the key is not signed: another one would be another spelling of the same envelope.
    if opened.key_id != public_key.key_id or not opened.is_signed_by(public_key):
        msg = f"it is not signed with the key {public_key.key_id[:16]}"
        raise EvidenceRefused(msg, reason="wrong_key", hint=_KEY)
    return _from_bytes(opened.payload)


def _to_bytes(saying: Saying) -> bytes:
    kind = EVIDENCE_TYPE if isinstance(saying, Evidence) else HEARTBEAT_TYPE
    return canonical_json(
        {
            "_type": STATEMENT_TYPE,
            "subject": [
                {"name": name, "digest": {"sha256": digest}} for name, digest in _subject(saying)
            ],
            "predicateType": kind,
            "predicate": saying.model_dump(mode="json"),
        }
    )


def _from_bytes(payload: bytes) -> Saying:
    try:
        value = json.loads(payload)
        predicate = canonical_json(value["predicate"])
        saying = _TYPES[value["predicateType"]].model_validate_json(predicate)
        # Two spellings of one statement would be two readings of one signature; and PostgreSQL's
        # text has no place for the character of code 0.
        is_ours = _to_bytes(saying) == payload and b"\\u0000" not in payload
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        msg = f"{where}: {first['msg']}"
        raise EvidenceRefused(msg, reason="malformed", hint=_FORM) from error
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
        OverflowError,
    ) as error:
        msg = "the payload is no statement of one server to the other"
        raise EvidenceRefused(msg, reason="malformed", hint=_FORM) from error
    if not is_ours:
        msg = "the payload is not in canonical form"
        raise EvidenceRefused(msg, reason="malformed", hint=_FORM)
    return saying


def _subject(saying: Saying) -> Sequence[tuple[str, str]]:
    """Return what a statement is about: artifacts by name, with their SHA-256."""
    if isinstance(saying, Heartbeat):
        return [("server", sha256(saying.sender.server.encode()).hexdigest())]
    steps: list[Json] = [dict(step) for step in saying.claim.steps]
    return [
        ("entry", saying.entry.leaf),
        ("hypothesis", saying.claim.hypothesis_sha256),
        ("steps", digest_of(steps)),
    ]


_FORM = "send what the other honed has signed, byte by byte; both should have the same version"
_KEY = "peer_key must be the public key of the other server's ledger (`honed ledger key` there)"
