"""One entry's statement (in-toto Statement v1) and the signed envelope around it (DSSE v1).

Sources: in-toto attestation framework v1, "Statement"; DSSE protocol v1, "Signature definition".
"""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from honed.core.canonical import Json, canonical_json
from honed.errors import LedgerTampered
from honed.ledger.keys import PublicKey, Signer

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "https://honed.dev/improvement/v1"
PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"

#: Longest envelope, in bytes; larger evidence stays elsewhere and only its digest is recorded.
MAX_ENVELOPE_BYTES: Final = 262_144

_EVENT = re.compile(r"[a-z][a-z_]{0,62}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Statement:
    """What one entry says. Place and time are part of it, so it cannot be replayed elsewhere."""

    #: What happened: ``proposed``, ``applied``, ``rolled_back`` and so on.
    event: str
    #: When, by the store's clock.
    recorded_at: datetime
    #: Which log it belongs to.
    origin: str
    #: Its place in that log, from 0.
    index: int
    #: SHA-256 of each artifact it is about, by name; at least one.
    subject: Mapping[str, str]
    #: Everything else, as the caller gave it; floats come back as strings (see ``canonical_json``).
    detail: Mapping[str, Json] = field(default_factory=dict)
    #: Leaf hashes of the entries that led to this one.
    parents: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what no reader could use."""
        if not _EVENT.fullmatch(self.event):
            msg = f"an event is a lower-case word, not {self.event!r}"
            raise ValueError(msg)
        if not self.subject:
            msg = "a statement is about at least one artifact"
            raise ValueError(msg)
        for digest in (*self.subject.values(), *self.parents):
            if not _SHA256.fullmatch(digest):
                msg = f"a SHA-256 has 64 lower-case hexadecimal digits: {digest!r}"
                raise ValueError(msg)

    def to_bytes(self) -> bytes:
        """Return the statement as canonical in-toto JSON."""
        return canonical_json(
            {
                "_type": STATEMENT_TYPE,
                "subject": [
                    {"name": name, "digest": {"sha256": digest}}
                    for name, digest in sorted(self.subject.items())
                ],
                "predicateType": PREDICATE_TYPE,
                "predicate": {
                    "event": self.event,
                    "recordedAt": _time_text(self.recorded_at),
                    "log": {"origin": self.origin, "index": self.index},
                    "parents": list(self.parents),
                    "detail": self.detail,
                },
            }
        )

    @classmethod
    def from_bytes(cls, payload: bytes) -> "Statement":
        """Return the statement that ``to_bytes`` wrote.

        Raises:
            LedgerTampered: it is not exactly what ``to_bytes`` would write.
        """
        try:
            value: Any = json.loads(payload)
            predicate = value["predicate"]
            statement = cls(
                event=predicate["event"],
                recorded_at=datetime.fromisoformat(predicate["recordedAt"]),
                origin=predicate["log"]["origin"],
                index=predicate["log"]["index"],
                subject={item["name"]: item["digest"]["sha256"] for item in value["subject"]},
                detail=predicate["detail"],
                parents=tuple(predicate["parents"]),
            )
            written = statement.to_bytes()
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            msg = "the payload is not a statement of honed"
            raise LedgerTampered(msg) from error
        if written != payload:
            # Two spellings of one statement would be two readings of one signature.
            msg = "the payload is not in canonical form"
            raise LedgerTampered(msg)
        return statement


def seal(statement: Statement, signer: Signer) -> bytes:
    """Return the canonical bytes of the DSSE envelope with ``statement``, signed.

    Raises:
        ValueError: the envelope is larger than ``MAX_ENVELOPE_BYTES``.
    """
    return seal_payload(statement.to_bytes(), signer)


def seal_payload(payload: bytes, signer: Signer) -> bytes:
    """Return the canonical bytes of the DSSE envelope with a statement's bytes, signed.

    Raises:
        ValueError: the envelope is larger than ``MAX_ENVELOPE_BYTES``.
    """
    signature = signer.sign(pre_authentication_encoding(PAYLOAD_TYPE, payload))
    envelope = _envelope(payload, signer.key_id, signature)
    if len(envelope) > MAX_ENVELOPE_BYTES:
        msg = f"an entry of {len(envelope)} bytes is too large; record a digest of its evidence"
        raise ValueError(msg)
    return envelope


def unseal(envelope: bytes, public_key: PublicKey) -> Statement:
    """Return the statement in ``envelope``, which ``public_key`` must have signed.

    Raises:
        LedgerTampered: the envelope is not exactly one that ``seal`` writes, or not signed by this
            key.
    """
    opened = open_envelope(envelope)
    if not opened.is_signed_by(public_key):
        msg = f"the signature is not by the key {public_key.key_id[:16]}"
        raise LedgerTampered(msg, hint=_KEY_HINT)
    return Statement.from_bytes(opened.payload)


@dataclass(frozen=True, slots=True)
class Opened:
    """What an envelope holds; nothing of it is believed yet."""

    payload: bytes
    signature: bytes
    #: Whose signature it says it is; nobody has signed that.
    key_id: str

    def is_signed_by(self, public_key: PublicKey) -> bool:
        """Return whether the other half of ``public_key`` signed the payload."""
        return public_key.verifies(
            self.signature, pre_authentication_encoding(PAYLOAD_TYPE, self.payload)
        )


def open_envelope(envelope: bytes) -> Opened:
    """Return what is in ``envelope``, whoever signed it.

    Raises:
        LedgerTampered: it is not exactly one that ``seal_payload`` writes.
    """
    try:
        value: Any = json.loads(envelope)
        payload = base64.b64decode(value["payload"], validate=True)
        (item,) = value["signatures"]
        signature = base64.b64decode(item["sig"], validate=True)
        key_id = item["keyid"]
        written = _envelope(payload, key_id, signature)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        msg = "the envelope is malformed"
        raise LedgerTampered(msg) from error
    if written != envelope:
        # Also base64 has several spellings of the same bytes.
        msg = f"the envelope is not one of {PAYLOAD_TYPE} in canonical form"
        raise LedgerTampered(msg)
    return Opened(payload, signature, key_id)


def _envelope(payload: bytes, key_id: str, signature: bytes) -> bytes:
    return canonical_json(
        {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"keyid": key_id, "sig": base64.b64encode(signature).decode()}],
        }
    )


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """Return the bytes that DSSE signs, PAE(type, body): they bind the payload to its type."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


_KEY_HINT = (
    "check that this is the public key of the honed that wrote the ledger; if it is, "
    "somebody else wrote this entry"
)


def _time_text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="microseconds")
