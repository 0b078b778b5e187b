"""What the secondary's experience makes of a claim here: tried first, avoided, or as it is."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from honed.approval.decisions import decisions
from honed.core.canonical import Json
from honed.core.hypothesis import MAX_PRIORITY, Hypothesis
from honed.core.verdict import Outcome, State
from honed.improvement.record import Improvement, lock
from honed.improvement.transition import Move, transition
from honed.jobs.queue import Fence
from honed.ledger.keys import Signer
from honed.loop.two_servers.lease import QUERIES
from honed.storage.db import Connection

#: A claim is adopted that made the other server's cost this small a share of what it was: 20 %
#: better (seed 001, "Secondary-primary server mode").
ADOPTABLE_LOG_RATIO: Final = math.log(0.8)


@dataclass(frozen=True, slots=True)
class Experience:
    """The newest thing that the other server said of a claim."""

    evidence_id: int
    #: Of the signed envelope.
    sha256: str
    server: str
    epoch: int
    state: State
    outcome: str
    #: Natural logarithm of cost after / cost before there; None: not known.
    log_ratio: float | None
    #: This ledger's entry of its arrival.
    ledger_leaf: str
    published_at: datetime

    @property
    def is_adoptable(self) -> bool:
        """Whether it held up in production there, and made it at least 20 % better."""
        return self.state is State.KEPT and is_great(self.log_ratio)

    @property
    def has_regressed(self) -> bool:
        """Whether it made production there worse, and was taken back for it."""
        return self.state is State.ROLLED_BACK and self.outcome == Outcome.REGRESSED.value

    def to_json(self) -> dict[str, Json]:
        """Return what the ledger says of it."""
        return {
            "envelope_sha256": self.sha256,
            "server": self.server,
            "epoch": self.epoch,
            "log_ratio": self.log_ratio,
        }


@dataclass(frozen=True, slots=True)
class Standing:
    """What the other server's experience makes of one claim."""

    #: With a raised priority where it is adopted.
    claim: Hypothesis
    #: Why it is left out; empty: it is not.
    left_out: str = ""
    #: What its priority rests on; None: on nothing of the other server's.
    rests_on: Experience | None = None

    @property
    def detail(self) -> Mapping[str, Json]:
        """What history and ledger say of it."""
        return {"rests_on": self.rests_on.to_json()} if self.rests_on else {}

    @property
    def parents(self) -> tuple[str, ...]:
        """The entry of the ledger that led to it."""
        return (self.rests_on.ledger_leaf,) if self.rests_on else ()


def is_great(log_ratio: float | None) -> bool:
    """Return whether an effect of the secondary's is worth a trial on the primary; a pure function.

    Args:
        log_ratio: natural logarithm of cost after / cost before; None: not known, so it is not.
    """
    return log_ratio is not None and log_ratio <= ADOPTABLE_LOG_RATIO


def standing(conn: Connection, target_id: int, claim: Hypothesis) -> Standing:
    """Return what the other server's experience makes of a claim on one of this server's targets.

    On a target of the primary: what regressed there is avoided; while both servers are together,
    what held up there by 20 % is tried before everything else, and what the policy would not
    approve by itself is left to the secondary until it has tried it. Everywhere else a claim
    stands for itself.

    Nothing that the other server said is run here: its evidence only names a claim, which a kind
    must have made here by itself.
    """
    pair = conn.execute(QUERIES["read_pair"], {"target_id": target_id}).fetchone()
    if pair is None:
        return Standing(claim)
    newest = _newest(conn, pair["twin"], claim)
    if newest is not None and newest.has_regressed:
        reason = f"it made production worse on {newest.server}, and was taken back there"
        return Standing(claim, reason)
    if not pair["is_together"]:
        return Standing(claim)
    if newest is None and claim.priority < pair["threshold"]:
        reason = f"its priority {claim.priority} is low: the secondary tries it first"
        return Standing(claim, reason)
    if newest is not None and newest.is_adoptable:
        return Standing(replace(claim, priority=MAX_PRIORITY), rests_on=newest)
    return Standing(claim)


def _newest(conn: Connection, twin: str, claim: Hypothesis) -> Experience | None:
    named = {"twin": twin, "kind": claim.kind, "subject": claim.subject}
    row: dict[str, Any] | None = conn.execute(QUERIES["newest_evidence"], named).fetchone()
    return Experience(**{**row, "state": State(row["state"])}) if row else None


def record_adoption(conn: Connection, improvement_id: int, experience: Experience) -> None:
    """Write on which evidence a new improvement rests, in the caller's transaction."""
    rests = {"improvement_id": improvement_id, "evidence_id": experience.evidence_id}
    conn.execute(QUERIES["store_adoption"], rests)


def make_way(conn: Connection, signer: Signer, waiting: Improvement, *, fence: Fence) -> bool:
    """Let a claim that waits for a person expire, so that it is tried again with what is known now.

    Return whether it did: one that somebody has decided about, or that rests on the other server
    already, stays.
    """
    # Locked first: a decision that somebody is just making is waited for, and counts.
    if lock(conn, waiting.improvement_id).state is not State.AWAITING_APPROVAL:
        return False
    named = {"improvement_id": waiting.improvement_id}
    (row,) = conn.execute(QUERIES["is_adoption"], named)
    if row["is_adoption"] or decisions(conn, waiting.improvement_id):
        return False
    detail = {"reason": "more is known of it by now; it is tried again with that"}
    transition(
        conn, signer, waiting.improvement_id, Move(State.EXPIRED, detail=detail), fence=fence
    )
    return True


def adoption_obstacle(conn: Connection, improvement_id: int) -> str:
    """Return why what rests on the other server may not go ahead at this moment; empty: it may."""
    (row,) = conn.execute(QUERIES["adoption_obstacle"], {"improvement_id": improvement_id})
    return str(row["obstacle"])
