"""The secondary's side: what became of its claims is signed, kept in the outbox, and delivered."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from honed.core.canonical import Json
from honed.core.canonical import digest as digest_of
from honed.errors import EvidenceRefused, TargetError
from honed.improvement.record import Improvement, get
from honed.ledger.keys import Signer
from honed.ledger.log import append
from honed.loop.parts import Parts
from honed.loop.two_servers.evidence import (
    Claim,
    Evidence,
    Heartbeat,
    LedgerEntry,
    ProductionSaid,
    Sender,
    TrialSaid,
    envelope_digest,
    sign,
)
from honed.loop.two_servers.lease import QUERIES, Holder, Lease, lock_own
from honed.storage.db import Connection

#: No more than this is signed, or delivered, in one round.
ROUND = 20

#: Refusals after which sending the same again is of no use. The others (an unknown twin, another
#: key, an old epoch) end when a person or a lease changes something.
FOR_GOOD = frozenset({"malformed", "too_large", "too_old"})

#: Refusals that hold up what there is to say of the same target, and nothing else.
ONE_TARGETS = frozenset({"unknown_twin"})

#: Longest words of a claim, and longest subject, that are sent.
_WORDS = 4000


@dataclass(frozen=True, slots=True)
class Answer:
    """Who answered. Nobody has signed that: it is for display only."""

    server: str
    #: Of its lease; 0: it holds none.
    epoch: int


#: Hands an envelope to the other server; who answered, where that is somebody else's store. Raises
#: PeerUnavailable or EvidenceRefused.
Post: TypeAlias = Callable[[bytes], Answer | None]


@dataclass(frozen=True, slots=True)
class Delivered:
    """What one round of delivery did."""

    #: Envelopes that the other server has now.
    count: int
    #: What it refused, in words; empty: nothing.
    refusal: str = ""


def sender_of(lease: Lease, conn: Connection) -> Sender:
    """Return the secondary that speaks, at this moment of the store's clock."""
    (row,) = conn.execute(QUERIES["read_epoch"], {"role": lease.role.value})
    return Sender(server=lease.server, role="secondary", epoch=lease.epoch, sent_at=row["now"])


def heartbeat(parts: Parts, holder: Holder) -> bytes | None:
    """Return a signed sign of life; None where the process does not hold its role."""
    with parts.store.transaction() as conn:
        lease = lock_own(conn, holder)
        if lease is None:
            return None
        return sign(Heartbeat(sender=sender_of(lease, conn)), parts.signer)


def sign_due(parts: Parts, holder: Holder, *, has_time: Callable[[], bool] = lambda: True) -> int:
    """Sign what is in the outbox under the present epoch; return how much that was.

    Each envelope is recorded in the ledger, in the transaction that stores it. What an earlier
    holder has signed and not delivered is signed again: its epoch is refused.

    Args:
        parts: what the loop works with.

        holder: this process.

        has_time: asked before each target and each envelope; the rest waits for the next round.
    """
    with parts.store.transaction() as conn:
        lease = lock_own(conn, holder)
        if lease is None:
            return 0
        due = {"epoch": lease.epoch, "limit": ROUND}
        rows = conn.execute(QUERIES["list_unsigned"], due).fetchall()
    environments: dict[int, Mapping[str, Json]] = {}
    count = 0
    for row in rows:
        if not has_time():
            break
        target_id = row["target_id"]
        if target_id not in environments:
            environments[target_id] = _environment(parts, target_id)
        count += _sign_one(parts, holder, row, environments[target_id])
    return count


def _environment(parts: Parts, target_id: int) -> Mapping[str, Json]:
    """Return what a target tells of itself; that it tells nothing keeps no evidence back."""
    try:
        return parts.target(target_id).environment()
    except TargetError as error:
        return {"unknown": type(error).__name__}


def _sign_one(
    parts: Parts, holder: Holder, row: Mapping[str, Any], environment: Mapping[str, Json]
) -> bool:
    with parts.store.transaction() as conn:
        # Asked in the transaction that signs: an epoch that is lost signs nothing more.
        lease = lock_own(conn, holder)
        if lease is None:
            return False
        improvement = get(conn, row["improvement_id"])
        try:
            evidence = _evidence(sender_of(lease, conn), improvement, row, environment)
            envelope = _sign_in_bounds(evidence, parts.signer)
        except ValueError as error:
            # It would hold up everything behind it, round after round.
            said = {"outbox_id": row["outbox_id"], "error": _first_line(error), "for_good": True}
            conn.execute(QUERIES["mark_failed"], said)
            return False
        sha256 = envelope_digest(envelope)
        kept = {
            "outbox_id": row["outbox_id"],
            "epoch": lease.epoch,
            "envelope": envelope.decode(),
            "sha256": sha256,
        }
        if conn.execute(QUERIES["store_envelope"], kept).fetchone() is None:
            return False
        append(
            conn,
            parts.signer,
            event="evidence_published",
            subject={"envelope": sha256},
            predicate={
                "improvement_id": improvement.improvement_id,
                "server": lease.server,
                "epoch": lease.epoch,
                "twin": evidence.twin,
            },
            parents=[row["leaf_hash"]],
        )
        return True


def _sign_in_bounds(evidence: Evidence, signer: Signer) -> bytes:
    """Return the signed envelope, without steps and environment where they make it too large.

    Raises:
        ValueError: it is too large even so.
    """
    try:
        return sign(evidence, signer)
    except ValueError:
        claim = evidence.claim.model_copy(update={"steps": ()})
        left_out = {"left_out": "too large"}
        return sign(evidence.model_copy(update={"claim": claim, "environment": left_out}), signer)


def _first_line(error: ValueError) -> str:
    return f"it cannot be said: {error}".partition("\n")[0][:500]


def _evidence(
    sender: Sender,
    improvement: Improvement,
    row: Mapping[str, Any],
    environment: Mapping[str, Json],
) -> Evidence:
    hypothesis = improvement.hypothesis
    return Evidence(
        sender=sender,
        twin=row["twin"],
        entry=LedgerEntry(leaf=row["leaf_hash"], index=row["ledger_index"]),
        claim=Claim(
            kind=improvement.kind,
            subject=improvement.subject,
            words=hypothesis.claim[:_WORDS],
            priority=hypothesis.priority,
            risk=hypothesis.risk,
            hypothesis_sha256=digest_of(hypothesis.to_json()),
            steps=tuple(step.to_json() for step in improvement.steps),
        ),
        trial=_trial(improvement, row),
        production=ProductionSaid(
            state=row["state"],
            outcome=row["outcome"] or "",
            log_ratio=row["production_log_ratio"],
        ),
        environment=dict(environment),
    )


def _trial(improvement: Improvement, row: Mapping[str, Any]) -> TrialSaid:
    evidence: Mapping[str, Any] = improvement.evidence
    objective = evidence.get("judgement", {}).get("objective", {})
    return TrialSaid(
        verdict=row["verdict"] or "",
        log_ratio=row["measured_log_ratio"],
        low=objective.get("low"),
        high=objective.get("high"),
        pairs=objective.get("pairs", 0),
        metric=str(evidence.get("metric", ""))[:200],
    )


def deliver(
    parts: Parts, epoch: int, post: Post, *, has_time: Callable[[], bool] = lambda: True
) -> Delivered:
    """Hand over what is signed under ``epoch``, oldest first, and note what became of it.

    A crash between the answer and the note sends the envelope again; the receiver knows it.

    Args:
        parts: what the loop works with.

        epoch: of the lease that is held.

        post: hands an envelope over.

        has_time: asked before each envelope; the rest waits for the next round.

    Raises:
        PeerUnavailable: the other server does not answer; what is left waits for the next round.
    """
    count = 0
    refusal = ""
    held_up: list[int] = []
    while count < ROUND and has_time():
        with parts.store.transaction() as conn:
            named = {"epoch": epoch, "held_up": held_up}
            row = conn.execute(QUERIES["next_undelivered"], named).fetchone()
        if row is None:
            break
        try:
            post(row["envelope"].encode())
        except EvidenceRefused as error:
            is_for_good = error.reason in FOR_GOOD
            _note_failure(parts, row["outbox_id"], error, for_good=is_for_good)
            if is_for_good:
                continue
            refusal = refusal or str(error)
            if error.reason not in ONE_TARGETS:
                break
            # The order of one target is kept: what became of a claim later must not arrive before.
            held_up.append(row["target_id"])
        else:
            with parts.store.transaction() as conn:
                conn.execute(QUERIES["mark_delivered"], {"outbox_id": row["outbox_id"]})
            count += 1
    return Delivered(count, refusal)


def _note_failure(parts: Parts, outbox_id: int, error: EvidenceRefused, *, for_good: bool) -> None:
    said = {"outbox_id": outbox_id, "error": f"{error.reason}: {error}", "for_good": for_good}
    with parts.store.transaction() as conn:
        conn.execute(QUERIES["mark_failed"], said)
