"""A change of state is whole: row, history, ledger entry and next message, or nothing at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from threading import Thread

import pytest

from honed.core.hypothesis import Hypothesis
from honed.core.verdict import RESTING, State, may_follow
from honed.errors import LostJob, NotAllowed, UnknownImprovement, WrongState
from honed.improvement.record import Improvement, Proposal, events, get, latest
from honed.improvement.record import improvements as find
from honed.improvement.transition import LEDGER_EVENTS, Changes, Move, propose, transition
from honed.jobs.queue import Fence
from honed.ledger.log import read_head
from honed.storage.db import Connection, Database
from honed.testing.desk import Desk, Probe
from honed.testing.improvements import STEP, Improvements

STRANGER = Fence(job_id=1, worker_id=1, attempts=0)


@contextmanager
def undone(conn: Connection) -> Iterator[None]:
    """Take back whatever happens inside."""
    with conn.transaction(force_rollback=True):
        yield


def traces(conn: Connection) -> tuple[object, ...]:
    """Return everything that a change of state may leave behind."""
    (row,) = conn.execute(
        """
        SELECT (SELECT count(*) FROM honed.improvement) AS improvements
             , (SELECT count(*) FROM honed.improvement_event) AS events
             , (SELECT count(*) FROM honed.procrastinate_jobs) AS jobs
             , (SELECT array_agg(state ORDER BY improvement_id) FROM honed.improvement) AS states
        """
    )
    return (*row.values(), read_head(conn).size)


def test_a_move_is_refused_exactly_where_the_rules_refuse_it(
    improvements: Improvements, daemon: Database
) -> None:
    for before in State:
        improvement = improvements.create(before)
        assert improvement.state is before
        with daemon.transaction() as conn:
            for after in State:
                with undone(conn):
                    try_move(conn, improvements, improvement, after)


def try_move(
    conn: Connection, improvements: Improvements, improvement: Improvement, after: State
) -> None:
    """Try one move; it must do what the rules say."""
    if may_follow(improvement.state, after):
        assert improvements.move(conn, improvement, after).state is after
        return
    left = traces(conn)
    with pytest.raises(WrongState, match=f"is {improvement.state.value}"):
        improvements.move(conn, improvement, after)
    assert traces(conn) == left


def test_row_history_ledger_and_message_are_committed_together(
    improvements: Improvements, daemon: Database, desk: Desk
) -> None:
    improvement = improvements.create(State.PROPOSED)
    move = Move(State.ON_TRIAL, detail={"why": 0.5}, next_message=Probe(number=3))
    with daemon.transaction() as conn:
        before = traces(conn)
        moved = transition(conn, improvements.signer, improvement.improvement_id, move, fence=None)
        with desk.daemon.transaction() as other:
            assert traces(other) == before
    assert moved.state is State.ON_TRIAL
    with daemon.transaction() as conn:
        proposed, started = events(conn, improvement.improvement_id)
        entries = conn.execute(
            "SELECT event, leaf_hash, statement FROM honed.ledger ORDER BY leaf_index"
        ).fetchall()
    assert [entry["event"] for entry in entries] == ["proposed", "trial_started"]
    assert [proposed.leaf_hash, started.leaf_hash] == [entry["leaf_hash"] for entry in entries]
    assert (started.from_state, started.detail) == ("proposed", {"why": 0.5})
    desk.work()
    assert desk.seen == [3]


def test_a_move_that_is_rolled_back_leaves_nothing(
    improvements: Improvements, daemon: Database
) -> None:
    improvement = improvements.create(State.PROPOSED)
    move = Move(State.ON_TRIAL, next_message=Probe(number=3))
    with daemon.transaction() as conn:
        before = traces(conn)
        with undone(conn):
            transition(conn, improvements.signer, improvement.improvement_id, move, fence=None)
            assert traces(conn) != before
        assert traces(conn) == before


def test_who_lost_the_job_changes_nothing(improvements: Improvements, daemon: Database) -> None:
    improvement = improvements.create(State.PROPOSED)
    proposal = Proposal(improvement.cycle_id, improvement.target_id, improvement.hypothesis)
    with daemon.transaction() as conn:
        before = traces(conn)
        with pytest.raises(LostJob):
            transition(
                conn,
                improvements.signer,
                improvement.improvement_id,
                Move(State.ON_TRIAL),
                fence=STRANGER,
            )
        with pytest.raises(LostJob):
            propose(conn, improvements.signer, proposal, fence=STRANGER)
        assert traces(conn) == before


def test_the_ledger_links_each_entry_to_the_one_before(
    improvements: Improvements, store: Database
) -> None:
    improvements.create(State.PROPOSED)
    improvement = improvements.create(State.KEPT)
    with store.transaction() as conn:
        links = conn.execute(
            """
            SELECT child.event AS child, parent.event AS parent
              FROM honed.log_parent
              JOIN honed.log_entry AS child ON child.leaf_index = child_index
              JOIN honed.log_entry AS parent ON parent.leaf_index = parent_index
             ORDER BY child_index
            """
        ).fetchall()
        states = [event.to_state for event in events(conn, improvement.improvement_id)]
    names = [LEDGER_EVENTS[state] for state in states]
    assert [(link["parent"], link["child"]) for link in links] == list(pairwise(names))
    assert len(names) == 8


def test_the_ledger_says_what_is_about_to_be_done(
    improvements: Improvements, store: Database
) -> None:
    improvements.create(State.APPLYING)
    with store.transaction() as conn:
        (entry,) = conn.execute("SELECT statement FROM honed.ledger WHERE event = 'started'")
    said = str(entry["statement"])
    assert STEP.do[0] in said
    assert STEP.undo[0] in said


def test_a_claim_is_open_once(improvements: Improvements, daemon: Database) -> None:
    first = improvements.create(State.WATCHING)
    proposal = Proposal(first.cycle_id, first.target_id, first.hypothesis)
    with daemon.transaction() as conn:
        before = traces(conn)
        assert propose(conn, improvements.signer, proposal, fence=None) is None
        assert traces(conn) == before


@pytest.mark.parametrize("state", sorted(RESTING - {State.AWAITING_APPROVAL}))
def test_a_claim_that_rests_may_be_made_again(
    improvements: Improvements, daemon: Database, state: State
) -> None:
    first = improvements.create(state)
    proposal = Proposal(first.cycle_id, first.target_id, first.hypothesis)
    with daemon.transaction() as conn:
        again = propose(conn, improvements.signer, proposal, fence=None)
        assert again is not None
        same = {"target_id": first.target_id, "kind": first.kind, "subject": first.subject}
        assert latest(conn, **same) == again  # type: ignore[arg-type]  # three columns


def test_of_two_who_claim_the_same_at_once_one_does(
    improvements: Improvements, daemon: Database
) -> None:
    closed = improvements.create(State.REFUTED)
    proposal = Proposal(closed.cycle_id, closed.target_id, closed.hypothesis)
    answers: list[Improvement | None] = []

    def claim() -> None:
        with daemon.transaction() as conn:
            answers.append(propose(conn, improvements.signer, proposal, fence=None))

    with daemon.transaction() as conn:
        answers.append(propose(conn, improvements.signer, proposal, fence=None))
        rival = Thread(target=claim)
        rival.start()
    rival.join()
    assert sorted(answer is None for answer in answers) == [False, True]


def test_what_was_proposed_is_read_back_as_it_was(
    improvements: Improvements, daemon: Database
) -> None:
    cycle_id = improvements.cycle()
    hypothesis = Hypothesis(
        kind="index_optimization",
        subject="x" * 10_000,
        claim="ein Index auf „Größe“",
        priority=5,
        risk=1,
        predicted_log_ratio=-1e-7,
        parameters={"numbers": [1, 1.0, 1e22, -0.0], "none": None, "deep": {"a": [True]}},
    )
    proposal = Proposal(cycle_id, improvements.target_id, hypothesis, propensity=0.25)
    with daemon.transaction() as conn:
        stored = propose(conn, improvements.signer, proposal, fence=None)
        assert stored is not None
        assert get(conn, stored.improvement_id) == stored
    assert stored.hypothesis == hypothesis
    assert (stored.propensity, stored.predicted_log_ratio) == (0.25, -1e-7)


def test_a_claim_keeps_the_findings_that_it_answers(
    improvements: Improvements, daemon: Database
) -> None:
    with daemon.transaction() as conn:
        (row,) = conn.execute(
            """
            INSERT INTO honed.finding (target_id, type, subject, title)
            VALUES (%s, 'slow_statement', 'q1', 'slow') RETURNING finding_id
            """,
            (improvements.target_id,),
        )
        example = Hypothesis("k", "s", "c", 3, 1, -0.1, finding_ids=(row["finding_id"], 4711))
        proposal = Proposal(improvements.cycle(), improvements.target_id, example)
        assert propose(conn, improvements.signer, proposal, fence=None) is not None
        (link,) = conn.execute("SELECT finding_id FROM honed.improvement_finding")
    assert link == row


def test_the_times_follow_the_states(improvements: Improvements) -> None:
    waiting = improvements.create(State.AWAITING_APPROVAL)
    assert waiting.tried_at is not None
    assert waiting.awaiting_since is not None
    assert waiting.completed_at is None
    kept = improvements.create(State.KEPT)
    assert kept.approved_at is not None
    assert kept.applying_at is not None
    assert kept.applied_at is not None
    assert kept.completed_at is not None
    assert kept.rolled_back_at is None
    assert kept.cost_s == 1.5
    with improvements.store.transaction() as conn:
        undone_later = improvements.move(conn, kept, State.ROLLED_BACK)
    assert undone_later.rolled_back_at is not None
    assert undone_later.completed_at == kept.completed_at


def test_costs_add_up_and_unsaid_things_stay(improvements: Improvements) -> None:
    improvement = improvements.create(State.WATCHING)
    move = Move(State.KEPT, Changes(cost_s=2.0, production_log_ratio=-0.2))
    with improvements.store.transaction() as conn:
        kept = transition(conn, improvements.signer, improvement.improvement_id, move, fence=None)
    assert kept.cost_s == 3.5
    assert kept.production_log_ratio == -0.2
    assert (kept.steps, kept.measured_log_ratio) == ((STEP,), -0.5)


def test_improvements_are_found_by_what_they_are(
    improvements: Improvements, daemon: Database
) -> None:
    first, second = (improvements.create(state) for state in (State.REFUTED, State.WATCHING))
    with daemon.transaction() as conn:
        assert find(conn) == [second, first]
        assert find(conn, states=[State.REFUTED]) == [first]
        assert find(conn, cycle_id=second.cycle_id) == [second]
        assert find(conn, target_id=improvements.target_id + 1) == []
        assert find(conn, limit=1) == [second]
        with pytest.raises(UnknownImprovement, match="4711"):
            get(conn, 4711)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM honed.improvement_event",
        "UPDATE honed.improvement_event SET to_state = 'kept'",
    ],
)
def test_the_daemon_cannot_rewrite_history(
    improvements: Improvements, daemon: Database, statement: str
) -> None:
    improvements.create(State.REFUTED)
    with pytest.raises(NotAllowed), daemon.transaction() as conn:
        conn.execute(statement.encode())


def test_every_state_has_its_ledger_event() -> None:
    assert set(LEDGER_EVENTS) == set(State)
    assert len(set(LEDGER_EVENTS.values())) == len(State)
