"""A decision counts for exact bytes and for a time; the worker settles it, once."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from honed.approval.decisions import (
    Authority,
    Choice,
    Submission,
    approve,
    decisions,
    expire_overdue,
    reject,
    renew,
    roll_back,
    settle,
    submit,
)
from honed.approval.digest import Content
from honed.approval.place import read_place
from honed.approval.policy import write_policy
from honed.config import Autonomy, Settings
from honed.core.verdict import State
from honed.errors import LostJob, StaleApproval, UnknownTarget, WrongState
from honed.improvement.record import Improvement, events
from honed.jobs.queue import Fence
from honed.storage.db import Database
from honed.testing.desk import Desk, Probe
from honed.testing.improvements import CONTENT, PLACE, Cycle, Improvements

STRANGER = Fence(job_id=1, worker_id=1, attempts=0)
DRIFTED = replace(CONTENT, target_fingerprint="changed")


def later(database: Database, hours: float) -> Database:
    """Return the same database when ``hours`` have passed."""
    return replace(database, fake_now=datetime.now(UTC) + timedelta(hours=hours))


def submitted(
    improvements: Improvements, settings: Settings, cycle: Cycle | None = None
) -> Improvement:
    """Return what became of a proven improvement that was submitted under ``settings``."""
    with improvements.store.transaction() as conn:
        write_policy(conn, settings)
    improvement = improvements.create(State.PROVEN, cycle_id=improvements.cycle(cycle))
    ask = Submission(improvement.improvement_id, CONTENT, act=Probe(number=1))
    with replace(improvements.store, role="honed_daemon").transaction() as conn:
        return submit(conn, improvements.signer, ask, fence=None)


def approved(improvements: Improvements) -> Improvement:
    """Return an improvement that waits, with a person's approval."""
    improvement = improvements.create(State.AWAITING_APPROVAL)
    with improvements.store.transaction() as conn:
        approve(conn, improvement.improvement_id, improvement.digest, acting_for="lovelace")
    return improvement


def settled(
    improvements: Improvements, improvement: Improvement, content: Content, *, hours: float = 0.0
) -> Improvement:
    """Return what the worker makes of an improvement, some time later."""
    daemon = replace(improvements.store, role="honed_daemon")
    with later(daemon, hours).transaction() as conn:
        return settle(
            conn, improvements.signer, improvement.improvement_id, content=content, fence=None
        )


def reason(improvements: Improvements, improvement: Improvement) -> object:
    """Return why the improvement is in its state."""
    with improvements.store.transaction() as conn:
        return events(conn, improvement.improvement_id)[-1].detail.get("reason")


@pytest.mark.parametrize(
    ("autonomy", "cycle", "state", "is_sent"),
    [
        (Autonomy.OBSERVE, Cycle(), State.DRY_RUN, False),
        (Autonomy.SUPERVISED, Cycle(), State.AWAITING_APPROVAL, False),
        (Autonomy.FULL, Cycle(), State.APPROVED, True),
        (Autonomy.FULL, Cycle(dry_run=True), State.DRY_RUN, False),
        (Autonomy.FULL, Cycle(require_approval=True), State.AWAITING_APPROVAL, False),
    ],
)
def test_what_is_proven_goes_where_the_autonomy_lets_it(
    improvements: Improvements,
    desk: Desk,
    autonomy: Autonomy,
    cycle: Cycle,
    state: State,
    *,
    is_sent: bool,
) -> None:
    settings = Settings(autonomy=autonomy, require_human_approval=False)
    improvement = submitted(improvements, settings, cycle)
    assert improvement.state is state
    assert improvement.digest
    assert reason(improvements, improvement)
    desk.work()
    assert desk.seen == ([1] if is_sent else [])


def test_the_defaults_change_nothing(improvements: Improvements) -> None:
    assert submitted(improvements, Settings()).state is State.DRY_RUN


def test_only_what_is_proven_is_submitted(improvements: Improvements) -> None:
    improvement = improvements.create(State.REFUTED)
    ask = Submission(improvement.improvement_id, CONTENT, act=Probe(number=1))
    with pytest.raises(WrongState), improvements.store.transaction() as conn:
        submit(conn, improvements.signer, ask, fence=None)


def test_what_was_approved_is_approved_by_the_worker(improvements: Improvements) -> None:
    improvement = approved(improvements)
    after = settled(improvements, improvement, CONTENT)
    assert after.state is State.APPROVED
    assert settled(improvements, improvement, CONTENT) == after
    with improvements.store.transaction() as conn:
        (decision,) = decisions(conn, improvement.improvement_id)
        (entry,) = conn.execute("SELECT statement FROM honed.ledger WHERE event = 'approved'")
    assert (decision.decision, decision.authority) == (Choice.APPROVED, Authority.PERSON)
    assert (decision.acting_for, decision.digest) == ("lovelace", improvement.digest)
    # The ledger never forgets, so it names the role and the bytes, not the person (whose name has
    # letters that no digest has).
    assert improvement.digest in str(entry["statement"])
    assert "lovelace" not in str(entry["statement"])


def test_an_approval_by_the_policy_is_settled_alike(improvements: Improvements) -> None:
    settings = Settings(autonomy=Autonomy.FULL, require_human_approval=False)
    improvement = submitted(improvements, settings)
    assert settled(improvements, improvement, CONTENT).state is State.APPROVED
    assert settled(improvements, improvement, DRIFTED).state is State.EXPIRED


@pytest.mark.parametrize(
    "move",
    [
        b"UPDATE honed.target SET observe_url = 'postgresql:///production'",
        b"UPDATE honed.target SET act_url = 'postgresql:///production'",
    ],
)
def test_what_was_approved_for_one_database_is_not_done_in_another(
    improvements: Improvements, move: bytes
) -> None:
    improvement = approved(improvements)
    with improvements.store.transaction() as conn:
        conn.execute(move)
    after = settled(improvements, improvement, CONTENT)
    assert after.state is State.EXPIRED
    assert reason(improvements, after) == "what would be done now is not what was approved"


def test_a_place_is_known_as_long_as_its_row(improvements: Improvements) -> None:
    with improvements.store.transaction() as conn:
        assert read_place(conn, improvements.target_id) == PLACE
        with pytest.raises(UnknownTarget, match="4711"):
            read_place(conn, 4711)


@pytest.mark.parametrize("content", [DRIFTED, replace(CONTENT, undo=())])
def test_what_drifted_is_not_done(improvements: Improvements, content: Content) -> None:
    improvement = approved(improvements)
    after = settled(improvements, improvement, content)
    assert after.state is State.EXPIRED
    assert reason(improvements, after) == "what would be done now is not what was approved"


def test_an_approval_under_an_old_policy_does_not_count(improvements: Improvements) -> None:
    improvement = approved(improvements)
    with improvements.store.transaction() as conn:
        write_policy(conn, Settings(autonomy=Autonomy.SUPERVISED))
    assert settled(improvements, improvement, CONTENT).state is State.EXPIRED


def test_an_approval_counts_for_its_time(improvements: Improvements) -> None:
    first, second = approved(improvements), approved(improvements)
    assert settled(improvements, first, CONTENT, hours=71.9).state is State.APPROVED
    after = settled(improvements, second, CONTENT, hours=72.1)
    assert after.state is State.EXPIRED
    assert reason(improvements, after) == "the approval has expired"


def test_an_approved_change_that_waits_too_long_expires(improvements: Improvements) -> None:
    improvement = approved(improvements)
    settled(improvements, improvement, CONTENT)
    assert settled(improvements, improvement, CONTENT, hours=72.1).state is State.EXPIRED


def test_what_nobody_decided_waits(improvements: Improvements) -> None:
    improvement = improvements.create(State.AWAITING_APPROVAL)
    assert settled(improvements, improvement, CONTENT) == improvement


def test_a_no_outweighs_a_yes(improvements: Improvements) -> None:
    improvement = approved(improvements)
    with improvements.store.transaction() as conn:
        reject(conn, improvement.improvement_id, "not on a Friday")
    assert settled(improvements, improvement, CONTENT).state is State.REJECTED


def test_a_no_after_the_approval_counts_until_the_change_begins(
    improvements: Improvements,
) -> None:
    improvement = approved(improvements)
    settled(improvements, improvement, CONTENT)
    with improvements.store.transaction() as conn:
        reject(conn, improvement.improvement_id, "not on a Friday")
    assert settled(improvements, improvement, CONTENT).state is State.REJECTED


def test_a_rollback_is_recorded(improvements: Improvements) -> None:
    improvement = improvements.create(State.WATCHING)
    with improvements.store.transaction() as conn:
        roll_back(conn, improvement.improvement_id, "users complain")
        (decision,) = decisions(conn, improvement.improvement_id)
    assert (decision.decision, decision.reason) == (Choice.ROLL_BACK, "users complain")
    assert settled(improvements, improvement, CONTENT) == improvement


def test_who_lost_the_job_settles_nothing(improvements: Improvements) -> None:
    improvement = approved(improvements)
    with pytest.raises(LostJob), improvements.store.transaction() as conn:
        settle(
            conn,
            improvements.signer,
            improvement.improvement_id,
            content=CONTENT,
            fence=STRANGER,
        )


def test_what_nobody_decides_in_time_expires(improvements: Improvements) -> None:
    waiting = improvements.create(State.AWAITING_APPROVAL)
    decided = approved(improvements)
    daemon = replace(improvements.store, role="honed_daemon")
    with later(daemon, 71.9).transaction() as conn:
        assert expire_overdue(conn, improvements.signer) == []
    with later(daemon, 72.1).transaction() as conn:
        (expired,) = expire_overdue(conn, improvements.signer)
    assert expired.improvement_id == waiting.improvement_id != decided.improvement_id
    assert expired.state is State.EXPIRED


def test_after_a_new_policy_the_new_digest_is_what_is_approved(
    improvements: Improvements,
) -> None:
    improvement = improvements.create(State.AWAITING_APPROVAL)
    with improvements.store.transaction() as conn:
        write_policy(conn, Settings(autonomy=Autonomy.SUPERVISED))
    with pytest.raises(StaleApproval), improvements.store.transaction() as conn:
        approve(conn, improvement.improvement_id, improvement.digest)
    with replace(improvements.store, role="honed_daemon").transaction() as conn:
        renewed = renew(
            conn, improvements.signer, improvement.improvement_id, content=CONTENT, fence=None
        )
    assert renewed.digest != improvement.digest
    with improvements.store.transaction() as conn:
        approve(conn, improvement.improvement_id, renewed.digest)
    assert settled(improvements, improvement, CONTENT).state is State.APPROVED


def test_a_proof_on_another_target_is_not_renewed(improvements: Improvements) -> None:
    improvement = improvements.create(State.AWAITING_APPROVAL)
    with improvements.store.transaction() as conn:
        after = renew(
            conn, improvements.signer, improvement.improvement_id, content=DRIFTED, fence=None
        )
    assert after.state is State.EXPIRED


def test_what_was_decided_is_not_renewed(improvements: Improvements) -> None:
    improvement = approved(improvements)
    with improvements.store.transaction() as conn:
        after = renew(
            conn, improvements.signer, improvement.improvement_id, content=DRIFTED, fence=None
        )
    assert after == improvement
