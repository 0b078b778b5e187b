"""The one function that changes an improvement's state: row, history, ledger and next message."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from honed.core.canonical import Json
from honed.core.canonical import digest as digest_of
from honed.core.step import Step
from honed.core.verdict import RESTING, Outcome, State, Verdict, may_follow
from honed.errors import WrongState
from honed.improvement.record import Improvement, Proposal, get, json_text, lock
from honed.jobs.messages import Message
from honed.jobs.queue import Fence, defer
from honed.ledger.keys import Signer
from honed.ledger.log import append
from honed.storage.db import Connection
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.improvement")

#: What the ledger calls the arrival in each state.
LEDGER_EVENTS: Mapping[State, str] = {
    State.PROPOSED: "proposed",
    State.ON_TRIAL: "trial_started",
    State.PROVEN: "measured",
    State.REFUTED: "refuted",
    State.INCONCLUSIVE: "inconclusive",
    State.DRY_RUN: "dry_run",
    State.AWAITING_APPROVAL: "awaiting_approval",
    State.APPROVED: "approved",
    State.REJECTED: "rejected",
    State.EXPIRED: "expired",
    State.APPLYING: "started",
    State.WATCHING: "applied",
    State.KEPT: "kept",
    State.ROLLED_BACK: "rolled_back",
    State.FAILED: "failed",
}


@dataclass(frozen=True, slots=True)
class Changes:
    """What a change of state writes into the row beside it; None leaves a column as it is."""

    steps: Sequence[Step] | None = None
    evidence: Mapping[str, Json] | None = None
    digest: str | None = None
    target_fingerprint: str | None = None
    policy_version: int | None = None
    measured_log_ratio: float | None = None
    production_log_ratio: float | None = None
    verdict: Verdict | None = None
    outcome: Outcome | None = None
    error: str | None = None
    #: Seconds to add to what the improvement has cost so far.
    cost_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Move:
    """One change of state, before it is made."""

    to: State
    changes: Changes = field(default_factory=Changes)
    #: Recorded in history and ledger. It can never be deleted: no personal data.
    detail: Mapping[str, Json] = field(default_factory=dict)
    #: Sent in the same transaction; None where a person comes next, or nobody.
    next_message: Message | None = None
    #: Real seconds before the next message is due.
    delay_s: float = 0.0


def propose(
    conn: Connection, signer: Signer, proposal: Proposal, *, fence: Fence | None
) -> Improvement | None:
    """Store a claim as proposed, in the caller's transaction; None where it is open already.

    Args:
        conn: the caller's transaction, soon to be committed: the ledger's head is locked in it.

        signer: signs the ledger entry.

        proposal: the claim.

        fence: of the job that proposes; None outside the queue.

    Raises:
        LostJob: another worker took the job over.
    """
    if fence is not None:
        fence.check(conn)
    row = conn.execute(_QUERIES["propose"], _proposal_columns(proposal)).fetchone()
    if row is None:
        return None
    improvement_id: int = row["improvement_id"]
    finding_ids = list(proposal.hypothesis.finding_ids)
    conn.execute(
        _QUERIES["link_findings"],
        {"improvement_id": improvement_id, "finding_ids": finding_ids},
    )
    improvement = get(conn, improvement_id)
    move = Move(State.PROPOSED, detail=proposal.detail)
    _record(conn, signer, improvement, move, before=None, fence=fence, parents=proposal.parents)
    return improvement


def transition(
    conn: Connection, signer: Signer, improvement_id: int, move: Move, *, fence: Fence | None
) -> Improvement:
    """Bring an improvement into another state, in the caller's transaction; return it as it is now.

    The row, its history, the ledger entry and the next message are committed together or not at
    all. Call it last in the transaction and commit soon: the ledger's head is locked in it.

    Args:
        conn: the caller's transaction.

        signer: signs the ledger entry.

        improvement_id: which one.

        move: where to, and what else is written.

        fence: of the job that does it; None outside the queue.

    Raises:
        LostJob: another worker took the job over.
        UnknownImprovement: there is none with this id.
        WrongState: its state does not allow the move.
    """
    if fence is not None:
        fence.check(conn)
    before = lock(conn, improvement_id)
    if not may_follow(before.state, move.to):
        msg = f"improvement {improvement_id} is {before.state.value}; it cannot be {move.to.value}"
        raise WrongState(msg)
    conn.execute(_QUERIES["move"], _move_columns(improvement_id, move))
    after = get(conn, improvement_id)
    if move.next_message is not None:
        defer(conn, move.next_message, delay_s=move.delay_s)
    _record(conn, signer, after, move, before=before.state, fence=fence)
    return after


def bind(
    conn: Connection, improvement: Improvement, *, digest: str, target_fingerprint: str, policy: int
) -> Improvement:
    """Write what an approval must name, in the caller's transaction; return the improvement.

    Args:
        conn: the caller's transaction.

        improvement: whose row the caller has locked.

        digest: what an approval must name.

        target_fingerprint: of the target as the digest saw it.

        policy: the version of the policy as the digest saw it.
    """
    conn.execute(
        _QUERIES["bind"],
        {
            "improvement_id": improvement.improvement_id,
            "digest": digest,
            "target_fingerprint": target_fingerprint,
            "policy_version": policy,
        },
    )
    return get(conn, improvement.improvement_id)


def _proposal_columns(proposal: Proposal) -> dict[str, Any]:
    hypothesis = proposal.hypothesis
    return {
        "cycle_id": proposal.cycle_id or None,
        "target_id": proposal.target_id,
        "kind": hypothesis.kind,
        "subject": hypothesis.subject,
        "hypothesis": json_text(hypothesis.to_json()),
        "evidence": json_text(proposal.evidence),
        "priority": hypothesis.priority,
        "risk": hypothesis.risk,
        "danger": proposal.danger.value,
        "area": proposal.area,
        "target_fingerprint": proposal.target_fingerprint,
        "propensity": proposal.propensity,
        "predicted_log_ratio": hypothesis.predicted_log_ratio,
    }


def _move_columns(improvement_id: int, move: Move) -> dict[str, Any]:
    changes = move.changes
    steps, evidence = changes.steps, changes.evidence
    return {
        "improvement_id": improvement_id,
        "state": move.to.value,
        "ends": move.to in RESTING - {State.AWAITING_APPROVAL},
        "steps": None if steps is None else json_text([step.to_json() for step in steps]),
        "evidence": None if evidence is None else json_text(evidence),
        "digest": changes.digest,
        "target_fingerprint": changes.target_fingerprint,
        "policy_version": changes.policy_version,
        "measured_log_ratio": changes.measured_log_ratio,
        "production_log_ratio": changes.production_log_ratio,
        "verdict": changes.verdict and changes.verdict.value,
        "outcome": changes.outcome and changes.outcome.value,
        "error": changes.error,
        "cost_s": changes.cost_s,
    }


def _record(  # noqa: PLR0913 - a change of state has that many parts, all but two by name
    conn: Connection,
    signer: Signer,
    improvement: Improvement,
    move: Move,
    *,
    before: State | None,
    fence: Fence | None,
    parents: Sequence[str] = (),
) -> None:
    key = {"improvement_id": improvement.improvement_id}
    last = conn.execute(_QUERIES["last_leaf"], key).fetchone()
    entry = append(
        conn,
        signer,
        event=LEDGER_EVENTS[move.to],
        subject=_artifacts(improvement),
        predicate=_predicate(improvement, move, before),
        parents=[last["leaf_hash"]] if last else parents,
    )
    conn.execute(
        _QUERIES["record_event"],
        {
            **key,
            "from_state": before and before.value,
            "to_state": move.to.value,
            "detail": json_text(move.detail),
            "ledger_index": entry.index,
            "leaf_hash": entry.leaf_hash,
            "job_id": fence and fence.job_id,
        },
    )


def _artifacts(improvement: Improvement) -> dict[str, str]:
    return {
        "hypothesis": digest_of(improvement.hypothesis.to_json()),
        "steps": digest_of([step.to_json() for step in improvement.steps]),
        "evidence": digest_of(improvement.evidence),
    }


def _predicate(improvement: Improvement, move: Move, before: State | None) -> dict[str, Json]:
    """Return what the ledger says of a move: the claim in full at its start, then what changed."""
    said: dict[str, Json] = {
        "improvement_id": improvement.improvement_id,
        "target_id": improvement.target_id,
        "cycle_id": improvement.cycle_id,
        "kind": improvement.kind,
        "claim": improvement.hypothesis.claim,
        "from": before.value if before else None,
        "to": move.to.value,
        "detail": move.detail,
    }
    if before is None:
        said["hypothesis"] = improvement.hypothesis.to_json()
        said["propensity"] = improvement.propensity
    if improvement.verdict is not None:
        said["verdict"] = improvement.verdict.value
        said["measured_log_ratio"] = improvement.measured_log_ratio
    if improvement.digest:
        said["digest"] = improvement.digest
    if move.to is State.APPLYING:
        said["steps"] = [step.to_json() for step in improvement.steps]
    if improvement.outcome is not None:
        said["outcome"] = improvement.outcome.value
        said["production_log_ratio"] = improvement.production_log_ratio
    if improvement.error:
        said["error"] = improvement.error
    return said
