"""The primary's side: what the secondary says is checked, kept and recorded, or refused."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from honed.config import Settings, TwoServerRole
from honed.errors import ConfigurationError, EvidenceRefused
from honed.ledger.keys import PublicKey
from honed.ledger.log import append
from honed.loop.parts import Parts
from honed.loop.two_servers.evidence import Evidence, Saying, Sender, envelope_digest, read
from honed.loop.two_servers.lease import QUERIES, Role, leases
from honed.loop.two_servers.publish import Answer
from honed.storage.db import Connection


class Reception(StrEnum):
    """What became of what was said."""

    #: Evidence that is new here.
    ACCEPTED = "accepted"
    #: Evidence that has arrived before.
    KNOWN = "known"
    #: A sign of life.
    HEARD = "heard"


@dataclass(frozen=True, slots=True)
class Receipt:
    """The answer to what was accepted."""

    result: Reception
    #: SHA-256 of the envelope.
    sha256: str

    @staticmethod
    def giver(parts: Parts) -> Answer:
        """Return who gives receipts here, and under which epoch; nobody signs that."""
        with parts.store.transaction() as conn:
            epochs = [each.epoch for each in leases(conn) if each.role is Role.PRIMARY]
        return Answer(parts.settings.server, max(epochs, default=0))


def pinned_key(parts: Parts) -> PublicKey:
    """Return the one key that is believed: the other server's, or where both share a store its own.

    Raises:
        ConfigurationError: the file of the setting ``peer_key`` cannot be read, or holds no key.
    """
    path = parts.settings.peer_key
    return parts.signer.public_key if path is None else PublicKey.from_pem(_text(path))


def receive_from_afar(parts: Parts, envelope: bytes) -> Receipt:
    """Return what became of an envelope that came over the network.

    Raises:
        EvidenceRefused: as ``receive``; or this server is not the primary, or has pinned no key.
        ConfigurationError: the pinned key cannot be read.
    """
    settings = parts.settings
    if settings.two_server_role is not TwoServerRole.PRIMARY:
        msg = "this server is not the primary"
        hint = "peer_url must lead to the server whose two_server_role is primary"
        raise _noted(parts, EvidenceRefused(msg, reason="not_primary", hint=hint))
    if settings.peer_key is None:
        msg = "this server has pinned no key of another one"
        hint = "set peer_key on the primary to the public key of the secondary's ledger"
        raise _noted(parts, EvidenceRefused(msg, reason="no_key", hint=hint))
    return receive(parts, envelope, pinned_key(parts))


def receive(parts: Parts, envelope: bytes, public_key: PublicKey) -> Receipt:
    """Keep what the secondary says, and record it in the ledger; return what became of it.

    The same envelope, or another one about the same entry of the sender's ledger, is known: it
    changes nothing. A refusal is counted by its reason.

    Args:
        parts: what the loop works with.

        envelope: as it came.

        public_key: the one that is believed.

    Raises:
        EvidenceRefused: with a reason: ``too_large``, ``malformed``, ``wrong_key``, ``wrong_role``,
            ``stale_epoch``, ``too_old``, ``from_future`` or ``unknown_twin``.
    """
    try:
        saying = read(envelope, public_key)
        with parts.store.transaction() as conn:
            return _Inbox(conn, parts, public_key).take(saying, envelope)
    except EvidenceRefused as error:
        raise _noted(parts, error) from error


@dataclass(frozen=True, slots=True)
class _Inbox:
    """Takes in what is signed rightly, inside one transaction."""

    conn: Connection
    parts: Parts
    public_key: PublicKey

    def take(self, saying: Saying, envelope: bytes) -> Receipt:
        sender, settings = saying.sender, self.parts.settings
        sha256 = envelope_digest(envelope)
        if sender.role != Role.SECONDARY.value:
            msg = f"it comes from a {sender.role}, and only the secondary is listened to"
            raise EvidenceRefused(msg, reason="wrong_role")
        if isinstance(saying, Evidence):
            if self._is_known(saying, sha256):
                return Receipt(Reception.KNOWN, sha256)
            self._check_time(sender, max_age=timedelta(days=settings.evidence_max_age_days))
            return Receipt(self._keep(saying, envelope, sha256), sha256)
        self._check_time(sender, max_age=timedelta(seconds=settings.lease_s))
        hear(self.conn, sender, settings)
        return Receipt(Reception.HEARD, sha256)

    def _is_known(self, saying: Evidence, sha256: str) -> bool:
        named = {
            "sha256": sha256,
            "key_id": self.public_key.key_id,
            "entry_leaf": saying.entry.leaf,
        }
        (row,) = self.conn.execute(QUERIES["is_known"], named)
        return bool(row["is_known"])

    def _check_time(self, sender: Sender, *, max_age: timedelta) -> None:
        (row,) = self.conn.execute(QUERIES["read_epoch"], {"role": sender.role})
        newest: int = row["epoch"]
        now: datetime = row["now"]
        if sender.epoch < newest:
            msg = f"its epoch {sender.epoch} is over: the newest that was heard of is {newest}"
            raise EvidenceRefused(msg, reason="stale_epoch", hint=_STALE)
        age = now - sender.sent_at
        if age > max_age:
            msg = f"it was said {age.total_seconds():.0f} s ago, too long"
            raise EvidenceRefused(msg, reason="too_old", hint=_CLOCKS)
        if -age > timedelta(seconds=self.parts.settings.lease_s):
            msg = f"it was said {-age.total_seconds():.0f} s in the future"
            raise EvidenceRefused(msg, reason="from_future", hint=_CLOCKS)

    def _keep(self, saying: Evidence, envelope: bytes, sha256: str) -> Reception:
        (there,) = self.conn.execute(QUERIES["has_twin"], {"twin": saying.twin})
        if not there["is_there"]:
            msg = f"the primary has no target with the twin {saying.twin}"
            hint = "`honed target add --twin` on the primary names it"
            raise EvidenceRefused(msg, reason="unknown_twin", hint=hint)
        row = self.conn.execute(
            QUERIES["store_evidence"], self._columns(saying, envelope, sha256)
        ).fetchone()
        if row is None:
            return Reception.KNOWN
        entry = append(
            self.conn,
            self.parts.signer,
            event="evidence_received",
            subject={"envelope": sha256},
            predicate={
                "server": saying.sender.server,
                "epoch": saying.sender.epoch,
                "key_id": self.public_key.key_id,
                "entry": saying.entry.leaf,
                "twin": saying.twin,
                "kind": saying.claim.kind,
                "state": saying.production.state,
                "log_ratio": saying.log_ratio,
            },
        )
        arrived = {"evidence_id": row["evidence_id"], "leaf": entry.leaf_hash}
        self.conn.execute(QUERIES["name_arrival"], arrived)
        return Reception.ACCEPTED

    def _columns(self, saying: Evidence, envelope: bytes, sha256: str) -> dict[str, object]:
        return {
            "sha256": sha256,
            "key_id": self.public_key.key_id,
            "entry_leaf": saying.entry.leaf,
            "entry_index": saying.entry.index,
            "server": saying.sender.server,
            "epoch": saying.sender.epoch,
            "twin": saying.twin,
            "kind": saying.claim.kind,
            "subject": saying.claim.subject,
            "state": saying.production.state,
            "outcome": saying.production.outcome or None,
            "log_ratio": saying.log_ratio,
            "published_at": saying.sender.sent_at,
            "max_age_s": timedelta(days=self.parts.settings.evidence_max_age_days).total_seconds(),
            "envelope": envelope.decode(),
        }


def hear(conn: Connection, sender: Sender, settings: Settings) -> None:
    """Note that the other server lives; what is older than the last sign of it changes nothing."""
    conn.execute(
        QUERIES["hear"],
        {
            "role": sender.role,
            "server": sender.server,
            "epoch": sender.epoch,
            "sent_at": sender.sent_at,
            "lease_s": settings.lease_s,
        },
    )


def _noted(parts: Parts, error: EvidenceRefused) -> EvidenceRefused:
    """Count a refusal by its reason, and return it."""
    with parts.store.transaction() as conn:
        conn.execute(QUERIES["note_refusal"], {"reason": error.reason, "error": str(error)})
    return error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        msg = f"the other server's key {path} cannot be read"
        hint = "`honed ledger key` on the other server prints it; put that into the file"
        raise ConfigurationError(msg, hint=hint) from error


_STALE = "another process has taken the role of the secondary since; let this one end"
_CLOCKS = "compare the clocks of both servers"
