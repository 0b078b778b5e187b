"""Decisions: a proven improvement is submitted, somebody decides, and the worker settles it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from honed.approval.digest import Content, approval_digest
from honed.approval.place import read_place
from honed.approval.policy import Answer, ask_policy, current_policy
from honed.core.canonical import Json
from honed.core.verdict import State
from honed.errors import WrongState
from honed.improvement.record import Improvement, lock
from honed.improvement.transition import Move, bind, transition
from honed.jobs.messages import Message
from honed.jobs.queue import Fence
from honed.ledger.keys import Signer
from honed.storage.db import Connection
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.approval")

_STATE_FOR = {
    Answer.DRY_RUN: State.DRY_RUN,
    Answer.NEEDS_PERSON: State.AWAITING_APPROVAL,
    Answer.APPROVED: State.APPROVED,
}


class Choice(StrEnum):
    """What was decided."""

    APPROVED = "approved"
    REJECTED = "rejected"
    ROLL_BACK = "roll_back"


class Authority(StrEnum):
    """Who may say so."""

    PERSON = "person"
    POLICY = "policy"


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision, as it was recorded."""

    approval_id: int
    improvement_id: int
    decision: Choice
    authority: Authority
    #: What was approved; of the others, what was current.
    digest: str
    policy_version: int
    reason: str
    #: The login, as the server knows it.
    decided_by: str
    #: The person that the interface says it acted for.
    acting_for: str
    decided_at: datetime
    expires_at: datetime | None
    #: Whether it no longer counts, by honed's clock.
    is_expired: bool


@dataclass(frozen=True, slots=True)
class Submission:
    """A proven improvement that asks for leave."""

    improvement_id: int
    content: Content
    #: Sent if it may go ahead at once.
    act: Message


def submit(
    conn: Connection, signer: Signer, submission: Submission, *, fence: Fence | None
) -> Improvement:
    """Bring a proven improvement to where it may go, in the caller's transaction.

    It becomes a dry run, or waits for a person, or is approved by the policy and its ``act``
    message is sent. The digest that an approval must name is written in any case.

    Raises:
        LostJob: another worker took the job over.
        WrongState: it is not proven.
        UnknownImprovement: there is none with this id.
    """
    if fence is not None:
        fence.check(conn)
    # The policy counts the changes of the cycle; here, because the cycle is locked first.
    conn.execute(_QUERIES["lock_cycle"], {"improvement_id": submission.improvement_id})
    improvement = lock(conn, submission.improvement_id)
    if improvement.state is not State.PROVEN:
        msg = f"improvement {improvement.improvement_id} is {improvement.state.value}, not proven"
        raise WrongState(msg)
    _bind(conn, improvement, submission.content)
    answer = ask_policy(conn, improvement.improvement_id)
    move = Move(
        _STATE_FOR[answer.answer],
        detail={"reason": answer.reason},
        next_message=submission.act if answer.answer is Answer.APPROVED else None,
    )
    return transition(conn, signer, improvement.improvement_id, move, fence=fence)


def settle(
    conn: Connection, signer: Signer, improvement_id: int, *, content: Content, fence: Fence | None
) -> Improvement:
    """Do what was decided about an improvement, in the caller's transaction; return it as it is.

    Approved: it becomes approved, if the approval counts still and names what would be done now.
    Otherwise it expires, and a later cycle may propose it again. Rejected: it becomes rejected.
    Nothing decided, or past the point where this matters: it stays, so a message that comes twice
    does no harm.

    Args:
        conn: the caller's transaction.

        signer: signs the ledger entries.

        improvement_id: which one.

        content: what would be done now, with the target as it is now.

        fence: of the job that does it.

    Raises:
        LostJob: another worker took the job over.
        UnknownImprovement: there is none with this id.
    """
    if fence is not None:
        fence.check(conn)
    improvement = lock(conn, improvement_id)
    if improvement.state not in {State.AWAITING_APPROVAL, State.APPROVED}:
        return improvement
    move = _settled(conn, improvement, content)
    if move is None or move.to is improvement.state:
        return improvement
    return transition(conn, signer, improvement_id, move, fence=fence)


def renew(
    conn: Connection, signer: Signer, improvement_id: int, *, content: Content, fence: Fence | None
) -> Improvement:
    """Keep an improvement that waits for a person true to the present, in the caller's transaction.

    If the target is no longer as the trial saw it, it expires: what was proven is not what would
    be done. If only the policy changed, the digest that an approval must name is made anew.

    Raises:
        LostJob: another worker took the job over.
        UnknownImprovement: there is none with this id.
    """
    if fence is not None:
        fence.check(conn)
    improvement = lock(conn, improvement_id)
    if improvement.state is not State.AWAITING_APPROVAL or decisions(conn, improvement_id):
        return improvement
    if content.target_fingerprint != improvement.target_fingerprint:
        move = Move(State.EXPIRED, detail={"reason": "the target has changed since the trial"})
        return transition(conn, signer, improvement_id, move, fence=fence)
    return _bind(conn, improvement, content)


def expire_overdue(conn: Connection, signer: Signer) -> list[Improvement]:
    """Let improvements expire that waited for a person too long; return them.

    Commit soon: the ledger's head is locked in the caller's transaction.
    """
    overdue = [row["improvement_id"] for row in conn.execute(_QUERIES["list_overdue"])]
    move = Move(State.EXPIRED, detail={"reason": "nobody decided in time"})
    return [transition(conn, signer, each, move, fence=None) for each in overdue]


def decisions(conn: Connection, improvement_id: int) -> list[Decision]:
    """Return what was decided about one improvement, oldest first."""
    rows = conn.execute(_QUERIES["list_decisions"], {"improvement_id": improvement_id})
    return [
        Decision(
            **{
                **row,
                "decision": Choice(row["decision"]),
                "authority": Authority(row["authority"]),
            }
        )
        for row in rows
    ]


def approve(conn: Connection, improvement_id: int, digest: str, *, acting_for: str = "") -> int:
    """Approve exactly what ``digest`` names; return the approval's id.

    It calls ``honed.approve``; a worker settles it.

    Args:
        conn: a transaction of a role that may approve.

        improvement_id: which one.

        digest: as ``honed improvement show`` tells it.

        acting_for: the person behind the login, as far as the caller knows.

    Raises:
        UnknownImprovement: there is none with this id.
        StaleApproval: the digest is not, or no longer, the current one.
        WrongState: it does not wait for an approval.
        NotAllowed: the role may not approve.
    """
    (row,) = conn.execute(
        _QUERIES["approve"],
        {"improvement_id": improvement_id, "digest": digest, "acting_for": acting_for},
    )
    approval_id: int = row["approval_id"]
    return approval_id


def reject(conn: Connection, improvement_id: int, reason: str, *, acting_for: str = "") -> int:
    """Say no to an improvement that waits or is approved but not begun; return the decision's id.

    Raises:
        UnknownImprovement: there is none with this id.
        WrongState: it is too late, or too early.
        NotAllowed: the role may not.
    """
    return _decide(conn, "reject", improvement_id, reason, acting_for)


def roll_back(conn: Connection, improvement_id: int, reason: str, *, acting_for: str = "") -> int:
    """Ask for an applied change to be taken back; return the decision's id.

    Raises:
        UnknownImprovement: there is none with this id.
        WrongState: nothing of it is applied.
        NotAllowed: the role may not.
    """
    return _decide(conn, "roll_back", improvement_id, reason, acting_for)


def _decide(conn: Connection, query: str, improvement_id: int, reason: str, acting_for: str) -> int:
    (row,) = conn.execute(
        _QUERIES[query],
        {"improvement_id": improvement_id, "reason": reason, "acting_for": acting_for},
    )
    approval_id: int = row["approval_id"]
    return approval_id


def _bind(conn: Connection, improvement: Improvement, content: Content) -> Improvement:
    version = current_policy(conn).policy_version
    return bind(
        conn,
        improvement,
        digest=_digest_now(conn, improvement, content, policy_version=version),
        target_fingerprint=content.target_fingerprint,
        policy=version,
    )


def _digest_now(
    conn: Connection, improvement: Improvement, content: Content, *, policy_version: int
) -> str:
    place = read_place(conn, improvement.target_id)
    return approval_digest(improvement, content, place=place, policy_version=policy_version)


def _settled(conn: Connection, improvement: Improvement, content: Content) -> Move | None:
    """Return where the decisions lead; None: nothing was decided."""
    made = {each.decision: each for each in decisions(conn, improvement.improvement_id)}
    if (no := made.get(Choice.REJECTED)) is not None:
        return Move(State.REJECTED, detail=_who(no))
    yes = made.get(Choice.APPROVED)
    if yes is None:
        return None
    if yes.is_expired:
        return Move(State.EXPIRED, detail={**_who(yes), "reason": "the approval has expired"})
    version = current_policy(conn).policy_version
    if _digest_now(conn, improvement, content, policy_version=version) != yes.digest:
        reason = "what would be done now is not what was approved"
        return Move(State.EXPIRED, detail={**_who(yes), "reason": reason})
    return Move(State.APPROVED, detail=_who(yes))


def _who(decision: Decision) -> dict[str, Json]:
    # The ledger never forgets: the login is a database role; names and free text stay in the row.
    return {
        "approval_id": decision.approval_id,
        "authority": decision.authority.value,
        "decided_by": decision.decided_by,
        "approved_digest": decision.digest,
    }
