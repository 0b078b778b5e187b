"""The policy lets through what is safe, and nothing else; the daemon cannot widen it."""

from dataclasses import replace
from datetime import timedelta
from threading import Thread

import pytest

from honed.approval.policy import (
    Answer,
    PolicyAnswer,
    ask_policy,
    begin_policy,
    current_policy,
    write_policy,
)
from honed.config import Autonomy, Settings
from honed.core.risk import Danger
from honed.core.verdict import State
from honed.errors import NotAllowed, StaleApproval, StoreOutdated, UnknownImprovement, WrongState
from honed.storage.db import Database
from honed.testing.improvements import Claim, Cycle, Improvements

FULL = Settings(autonomy=Autonomy.FULL, require_human_approval=False)
LIMITED = FULL.model_copy(update={"autonomy": Autonomy.LIMITED, "target_area": "performance"})


def answer(
    improvements: Improvements,
    settings: Settings = FULL,
    claim: Claim | None = None,
    cycle: Cycle | None = None,
) -> PolicyAnswer:
    """Return what the policy of ``settings`` says to a new improvement."""
    with improvements.store.transaction() as conn:
        write_policy(conn, settings)
    cycle_id = improvements.cycle(cycle)
    improvement = improvements.create(State.PROVEN, claim=claim, cycle_id=cycle_id)
    with replace(improvements.store, role="honed_daemon").transaction() as conn:
        return ask_policy(conn, improvement.improvement_id)


def changed(**values: object) -> Settings:
    """Return full autonomy with something changed."""
    return FULL.model_copy(update=values)


@pytest.mark.parametrize("settings", [FULL, LIMITED, changed(target_area="performance")])
def test_what_is_safe_goes_ahead(improvements: Improvements, settings: Settings) -> None:
    assert answer(improvements, settings).answer is Answer.APPROVED


@pytest.mark.parametrize(
    ("claim", "cycle"),
    [
        (Claim(priority=3, risk=7), None),
        (Claim(), Cycle(target_area="performance")),
        (Claim(area="quality"), Cycle(target_area="quality")),
    ],
)
def test_what_just_keeps_the_rules_goes_ahead(
    improvements: Improvements, claim: Claim, cycle: Cycle | None
) -> None:
    assert answer(improvements, FULL, claim, cycle).answer is Answer.APPROVED


@pytest.mark.parametrize(
    ("settings", "claim", "cycle", "reason"),
    [
        (changed(autonomy=Autonomy.SUPERVISED), None, None, "supervised"),
        (changed(require_human_approval=True), None, None, "configuration wants a person"),
        (changed(autonomy=Autonomy.LIMITED), None, None, "no target area"),
        (LIMITED, Claim(area="quality"), None, "for the area performance"),
        (changed(target_area="features"), None, None, "for the area features"),
        (changed(auto_approve_threshold=4), None, None, "priority 3 is below 4"),
        (FULL, Claim(priority=2), None, "priority 2 is below 3"),
        (FULL, Claim(risk=8), None, "risk 8 is above 7"),
        *(
            (FULL, Claim(danger=danger), None, f"danger {danger.value}")
            for danger in Danger
            if danger is not Danger.NONE
        ),
        (changed(max_changes_per_run=0), None, None, "no more than 0"),
        (FULL, None, Cycle(max_changes=0), "no more than 0"),
        (FULL, None, Cycle(require_approval=True), "the cycle wants a person"),
        (FULL, None, Cycle(target_area="quality"), "cycle is for the area quality"),
    ],
)
def test_everything_else_needs_a_person(
    improvements: Improvements,
    settings: Settings,
    claim: Claim | None,
    cycle: Cycle | None,
    reason: str,
) -> None:
    said = answer(improvements, settings, claim, cycle)
    assert said.answer is Answer.NEEDS_PERSON
    assert reason in said.reason
    with improvements.store.transaction() as conn:
        assert conn.execute("SELECT FROM honed.approval").fetchall() == []


@pytest.mark.parametrize(
    ("settings", "cycle"),
    [(changed(autonomy=Autonomy.OBSERVE), Cycle()), (FULL, Cycle(dry_run=True))],
)
def test_a_dry_run_stays_one(improvements: Improvements, settings: Settings, cycle: Cycle) -> None:
    assert answer(improvements, settings, None, cycle).answer is Answer.DRY_RUN


def test_nothing_goes_ahead_while_honed_is_stopped(improvements: Improvements) -> None:
    with improvements.store.transaction() as conn:
        conn.execute("SELECT honed.stop('lunch')")
    assert answer(improvements).reason == "honed was told to stop"
    with improvements.store.transaction() as conn:
        conn.execute("SELECT honed.start()")
    assert answer(improvements).answer is Answer.APPROVED


def test_a_cycle_changes_no_more_than_it_may(improvements: Improvements) -> None:
    cycle_id = improvements.cycle(Cycle(max_changes=2))
    with improvements.store.transaction() as conn:
        write_policy(conn, changed(max_changes_per_run=2))
    answers = []
    for _ in range(3):
        each = improvements.create(State.PROVEN, cycle_id=cycle_id)
        with improvements.store.transaction() as conn:
            answers.append(ask_policy(conn, each.improvement_id).answer)
    assert answers == [Answer.APPROVED, Answer.APPROVED, Answer.NEEDS_PERSON]


def test_two_workers_cannot_both_make_the_last_change(
    improvements: Improvements, daemon: Database
) -> None:
    cycle_id = improvements.cycle()
    first, second = (improvements.create(State.PROVEN, cycle_id=cycle_id) for _ in range(2))
    answers: list[Answer] = []

    def ask_as_rival() -> None:
        with daemon.transaction() as conn:
            answers.append(ask_policy(conn, second.improvement_id).answer)

    with daemon.transaction() as conn:
        answers.append(ask_policy(conn, first.improvement_id).answer)
        rival = Thread(target=ask_as_rival)
        rival.start()
        # The rival is let in when the cycle's row is free again.
        wait_for_lock(improvements.store)
    rival.join()
    assert answers == [Answer.APPROVED, Answer.NEEDS_PERSON]


def wait_for_lock(store: Database) -> None:
    """Wait until another session of this store waits for a lock."""
    with store.connect(autocommit=True) as conn:
        waiting = (
            "SELECT FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        for _ in range(10_000):
            if conn.execute(waiting).fetchone() is not None:
                return
        pytest.fail("nobody waits for a lock")


def test_only_what_is_proven_is_approved(improvements: Improvements) -> None:
    for state in set(State) - {State.PROVEN}:
        improvement = improvements.create(state)
        with pytest.raises(WrongState), improvements.store.transaction() as conn:
            ask_policy(conn, improvement.improvement_id)


def test_an_approval_under_an_old_policy_is_refused(improvements: Improvements) -> None:
    improvement = improvements.create(State.PROVEN)
    with improvements.store.transaction() as conn:
        write_policy(conn, changed(max_changes_per_run=3))
    with pytest.raises(StaleApproval), improvements.store.transaction() as conn:
        ask_policy(conn, improvement.improvement_id)


def test_an_unknown_improvement_is_named(improvements: Improvements) -> None:
    with pytest.raises(UnknownImprovement, match="4711"), improvements.store.transaction() as conn:
        ask_policy(conn, 4711)


def test_a_policy_gets_a_new_version_only_if_it_differs(store: Database) -> None:
    with store.transaction() as conn:
        with pytest.raises(StoreOutdated):
            current_policy(conn)
        first = write_policy(conn, FULL)
        assert write_policy(conn, FULL) == first
        second = write_policy(conn, LIMITED)
        third = write_policy(conn, FULL)
        versions = [policy.policy_version for policy in (first, second, third)]
        assert versions == sorted(set(versions))
        assert current_policy(conn) == third
        assert replace(third, policy_version=first.policy_version) == first
    assert first.approval_ttl == timedelta(hours=72)
    assert (second.autonomy, second.target_area) == (Autonomy.LIMITED, "performance")


def test_only_the_first_policy_is_begun(store: Database, daemon: Database) -> None:
    with pytest.raises(NotAllowed), daemon.transaction() as conn:
        begin_policy(conn, FULL)
    with store.transaction() as conn:
        first = begin_policy(conn, FULL)
    assert first.differences(FULL) == {}
    with daemon.transaction() as conn:
        assert begin_policy(conn, LIMITED) == first
    assert first.differences(LIMITED) == {
        "autonomy": (Autonomy.FULL, Autonomy.LIMITED),
        "target_area": ("", "performance"),
    }


FORBIDDEN = [
    b"UPDATE honed.policy SET autonomy = 'full'",
    b"DELETE FROM honed.policy",
    (
        b"INSERT INTO honed.approval (improvement_id, decision, authority, decided_by)"
        b" VALUES (1, 'rejected', 'person', 'me')"
    ),
    b"UPDATE honed.approval SET expires_at = 'infinity'",
    b"DELETE FROM honed.approval",
    b"SELECT honed.approve(1, '')",
    b"SELECT honed.reject(1, '')",
    b"SELECT honed.rollback(1, '')",
    b"UPDATE honed.switch SET stopped = false",
    b"SELECT honed.start()",
    b"ALTER TABLE honed.approval DISABLE TRIGGER ALL",
]


def test_the_daemon_cannot_decide_for_others(daemon: Database) -> None:
    for statement in FORBIDDEN:
        with pytest.raises(NotAllowed), daemon.transaction() as conn:
            conn.execute(statement)


def test_the_daemon_cannot_write_a_policy(daemon: Database) -> None:
    with pytest.raises(NotAllowed), daemon.transaction() as conn:
        write_policy(conn, FULL)
