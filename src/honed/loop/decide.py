"""Between trial and change: the policy is asked, a person's decision is settled, turns are kept."""

from typing import NoReturn

from honed.approval.decisions import Choice, Submission, decisions, settle, submit
from honed.approval.digest import Content
from honed.approval.policy import current_policy
from honed.core.verdict import State
from honed.errors import Postponed, StatementCut
from honed.improvement.record import Improvement, events
from honed.improvement.transition import Move, transition
from honed.jobs.queue import defer
from honed.loop.cycle import get_cycle, may_change
from honed.loop.events import Decided
from honed.loop.two_servers.adopt import adoption_obstacle
from honed.loop.waiting import changed_first
from honed.loop.work import Work, end_cycle, wake_next
from honed.storage.db import Connection
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.loop")


def submit_proven(work: Work) -> None:
    """Ask the policy what may become of a proven improvement."""
    improvement = work.improvement
    undo = work.parts.undo(improvement.kind, improvement.steps)
    # The fingerprint is the one that the trial saw; whether it still holds is asked before acting.
    content = Content(undo, improvement.target_fingerprint)
    submission = Submission(improvement.improvement_id, content, work.act())
    fence = work.context.fence
    with work.parts.store.transaction() as conn:
        after = submit(conn, work.parts.signer, submission, fence=fence)
        if after.state is not State.APPROVED and improvement.cycle_id:
            defer(conn, work.end_cycle())
        fence.finish(conn)
    _tell_decision(work, after)


def settle_decision(work: Work) -> None:
    """Do what a person decided about an improvement that waits."""
    content = _content_now(work)
    fence = work.context.fence
    with work.parts.store.transaction() as conn:
        after = settle(conn, work.parts.signer, work.improvement_id, content=content, fence=fence)
        if after.state is State.APPROVED:
            defer(conn, work.act())
        fence.finish(conn)
    if after.state is not work.improvement.state:
        _tell_decision(work, after)


def begin(work: Work) -> None:
    """Begin to apply what was approved, if the approval still counts and it is its turn.

    Raises:
        ConfigurationError: the target has no acting URL.
        Postponed: the target does not answer, or production allows no change now.
    """
    improvement = work.improvement
    work.parts.acting_url(improvement.target_id)
    content = _content_now(work)
    obstacle, waits = _obstacle(work), False
    fence = work.context.fence
    with work.parts.store.transaction() as conn:
        after = settle(conn, work.parts.signer, work.improvement_id, content=content, fence=fence)
        if after.state is not State.APPROVED:
            defer(conn, work.end_cycle())
            wake_next(conn, improvement.target_id)
        elif _is_its_turn(conn, work, after):
            waits = bool(obstacle)
            if not waits:
                move = Move(State.APPLYING, next_message=work.act())
                transition(conn, work.parts.signer, work.improvement_id, move, fence=fence)
        if not waits:
            fence.finish(conn)
    if waits:
        _wait(work, obstacle)
    if after.state is not State.APPROVED:
        _tell_decision(work, after)


def wait_for_production(work: Work) -> None:
    """Return if production allows a change to begin; ask it once more before the first step.

    What was begun is carried through, and nothing is asked before a change is taken back.

    Raises:
        Postponed: it does not, or the target does not answer; the improvement's history says why.
    """
    if obstacle := _obstacle(work):
        _wait(work, obstacle)


def _obstacle(work: Work) -> str:
    """Return why production allows no change now; empty: it does."""
    with work.parts.store.transaction() as conn:
        cut_off = adoption_obstacle(conn, work.improvement_id)
    if cut_off:
        return cut_off
    try:
        found = work.target().obstacles(_added_bytes(work.improvement))
    except StatementCut as error:
        return f"the target is too busy to be asked: {error}"
    return "; ".join(found)


def _added_bytes(improvement: Improvement) -> int:
    """Return what a change puts on the disk, where its claim says so; what only drops adds none."""
    size = improvement.hypothesis.parameters.get("size_bytes", 0)
    statements = [statement for step in improvement.steps for statement in step.do]
    creates = any(each.lstrip().upper().startswith("CREATE") for each in statements)
    return int(size) if creates and isinstance(size, (int, float)) else 0


def _wait(work: Work, obstacle: str) -> NoReturn:
    """Keep why an improvement waits, and let it wait.

    Raises:
        Postponed: always.
    """
    reason = f"production allows no change now: {obstacle}"
    said = {"improvement_id": work.improvement_id, "reason": reason}
    with work.parts.store.transaction() as conn:
        conn.execute(_QUERIES["note_wait"], said)
    raise Postponed(reason)


def stale_reason(work: Work) -> str:
    """Return why the approval of a change that was begun counts no longer; empty: it counts.

    Ask it before the first step: between the decision to begin and that step, honed may have been
    stopped, or the target away, for as long as you like. What the digest names beside target and
    policy was compared when the change was begun, and cannot change.

    Raises:
        Postponed: the target does not answer.
    """
    improvement = work.improvement
    fingerprint = _fingerprint_now(work)
    with work.parts.store.transaction() as conn:
        made = {each.decision: each for each in decisions(conn, work.improvement_id)}
        policy_version = current_policy(conn).policy_version
    if made[Choice.APPROVED].is_expired:
        return "the approval has expired"
    if fingerprint != improvement.target_fingerprint:
        return "the target has changed since the trial"
    if policy_version != improvement.policy_version:
        return "the policy has changed since the approval"
    return ""


def _content_now(work: Work) -> Content:
    """Return what an approval must name now."""
    undo = work.parts.undo(work.improvement.kind, work.improvement.steps)
    return Content(undo, _fingerprint_now(work))


def _fingerprint_now(work: Work) -> str:
    """Return the fingerprint of the target, without what honed itself has changed since the trial.

    Raises:
        Postponed: the target does not answer.
    """
    fingerprint = work.fingerprint()
    with work.parts.store.transaction() as conn:
        return as_tried(conn, work.improvement, fingerprint)


def as_tried(conn: Connection, improvement: Improvement, fingerprint: str) -> str:
    """Return ``fingerprint`` of the target now, without what honed itself changed since the trial.

    What honed changes is no drift, in whichever cycle: if its own steps alone lead from the target
    that the trial saw to the target as it is, what was approved still counts. That the change is
    still worth it there, the watch tells.
    """
    way = {
        "target_id": improvement.target_id,
        "tried_on": improvement.target_fingerprint,
        "fingerprint": fingerprint,
    }
    is_own_doing = conn.execute(_QUERIES["own_way"], way).fetchone() is not None
    return improvement.target_fingerprint if is_own_doing else fingerprint


def _is_its_turn(conn: Connection, work: Work, improvement: Improvement) -> bool:
    """Return whether the change may begin; if not, whoever ends before it wakes it."""
    if changed_first(conn, improvement, work.parts.waiting_for_people) is not None:
        return False
    if improvement.cycle_id and may_change(conn, get_cycle(conn, improvement.cycle_id)):
        return True
    # Beyond its cycle's limit: the next cycle carries it out.
    if improvement.cycle_id:
        defer(conn, end_cycle(improvement))
    return False


def _tell_decision(work: Work, after: Improvement) -> None:
    with work.parts.store.transaction() as conn:
        reason = events(conn, work.improvement_id)[-1].detail.get("reason", "")
    work.parts.tell(Decided(work.improvement_id, after.state, after.digest, str(reason)))
