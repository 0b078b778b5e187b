"""What the secondary's experience makes of a claim on the primary."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from honed.approval.decisions import reject
from honed.approval.policy import ask_policy
from honed.config import TwoServerRole
from honed.core.hypothesis import Hypothesis
from honed.core.verdict import Outcome, State
from honed.improvement.record import Improvement, get, improvements
from honed.improvement.transition import Changes, Move, transition
from honed.jobs.queue import Fence
from honed.loop.two_servers.adopt import (
    Standing,
    adoption_obstacle,
    is_great,
    make_way,
    record_adoption,
    standing,
)
from honed.testing.improvements import Claim
from honed.testing.pair import OneServer, Pair

NOT_HELD = "it rests on the other server, and nobody holds the role of the primary"
CUT_OFF = "it rests on the other server, which is cut off"


def outcome(
    server: OneServer, state: State, log_ratio: float | None, how: Outcome | None = None
) -> Improvement:
    """Return an improvement of a server that production has judged."""
    watching = server.has(State.WATCHING)
    changes = Changes(production_log_ratio=log_ratio, outcome=how)
    with server.store.transaction() as conn:
        return transition(
            conn, server.signer, watching.improvement_id, Move(state, changes), fence=None
        )


def claim(of: Improvement, priority: int = 2) -> Hypothesis:
    """Return what a kind of the primary's claims by itself, to the same effect."""
    return Hypothesis(of.kind, of.subject, "an index makes it faster", priority, 2, -0.4)


def stands(pair: Pair, said: Hypothesis) -> Standing:
    with pair.primary.store.transaction() as conn:
        return standing(conn, pair.primary.target_id, said)


def test_what_was_kept_there_by_a_fifth_is_tried_first_here(shared_pair: Pair) -> None:
    kept = outcome(shared_pair.secondary, State.KEPT, -0.4, Outcome.HIGH_SUCCESS)
    shared_pair.keep()
    found = stands(shared_pair, claim(kept))
    assert (found.claim.priority, found.left_out) == (5, "")
    assert found.rests_on is not None
    assert found.rests_on.log_ratio == -0.4
    assert found.parents == (found.rests_on.ledger_leaf,)
    assert found.detail["rests_on"] == found.rests_on.to_json()


@pytest.mark.parametrize("effect", [-0.2, -0.223, 0.0])
def test_what_gained_less_than_a_fifth_stands_for_itself(shared_pair: Pair, effect: float) -> None:
    kept = outcome(shared_pair.secondary, State.KEPT, effect, Outcome.SUCCESS)
    shared_pair.keep()
    assert stands(shared_pair, claim(kept)) == Standing(claim(kept))


def test_exactly_a_fifth_suffices(shared_pair: Pair) -> None:
    kept = outcome(shared_pair.secondary, State.KEPT, -0.22314355131420976, Outcome.SUCCESS)
    shared_pair.keep()
    assert stands(shared_pair, claim(kept)).claim.priority == 5


def test_what_was_kept_there_without_a_figure_of_production_stands_for_itself(
    shared_pair: Pair,
) -> None:
    kept = outcome(shared_pair.secondary, State.KEPT, None)
    assert kept.measured_log_ratio is not None
    assert is_great(kept.measured_log_ratio)
    shared_pair.keep()
    assert stands(shared_pair, claim(kept)) == Standing(claim(kept))


@pytest.mark.parametrize("state", [State.REFUTED, State.INCONCLUSIVE, State.FAILED])
def test_what_was_tried_there_in_vain_may_be_tried_here(shared_pair: Pair, state: State) -> None:
    tried = shared_pair.secondary.has(state)
    shared_pair.keep()
    assert stands(shared_pair, claim(tried)) == Standing(claim(tried))


@pytest.mark.parametrize("priority", [2, 5])
def test_what_regressed_there_is_avoided_here(shared_pair: Pair, priority: int) -> None:
    worse = outcome(shared_pair.secondary, State.ROLLED_BACK, 0.3, Outcome.REGRESSED)
    shared_pair.keep()
    found = stands(shared_pair, claim(worse, priority))
    assert found.left_out == "it made production worse on sofia, and was taken back there"
    # Also while the two are cut off from each other, but not for ever.
    shared_pair.clock.pass_s(3600)
    assert stands(shared_pair, claim(worse, priority)).left_out
    shared_pair.clock.pass_s(14 * 86400)
    assert not stands(shared_pair, claim(worse, priority)).left_out


def test_what_a_person_took_back_there_is_not_avoided(shared_pair: Pair) -> None:
    taken = outcome(shared_pair.secondary, State.ROLLED_BACK, -0.4, Outcome.HIGH_SUCCESS)
    shared_pair.keep()
    assert stands(shared_pair, claim(taken)) == Standing(claim(taken))


def test_newest_experience_counts(shared_pair: Pair) -> None:
    secondary = shared_pair.secondary
    kept = outcome(secondary, State.KEPT, -0.4, Outcome.HIGH_SUCCESS)
    with secondary.store.transaction() as conn:
        move = Move(State.ROLLED_BACK, Changes(outcome=Outcome.REGRESSED))
        transition(conn, secondary.signer, kept.improvement_id, move, fence=None)
    shared_pair.keep()
    assert stands(shared_pair, claim(kept)).left_out


def test_low_priority_is_left_to_the_secondary_while_both_are_together(shared_pair: Pair) -> None:
    low, high = (
        Hypothesis("index_optimization", "new", "an index", priority, 2, -0.4)
        for priority in (3, 4)
    )
    assert stands(shared_pair, low) == Standing(low)
    shared_pair.keep()
    assert stands(shared_pair, low).left_out == (
        "its priority 3 is low: the secondary tries it first"
    )
    assert stands(shared_pair, high) == Standing(high)
    shared_pair.clock.pass_s(60)
    shared_pair.primary.keep()
    assert stands(shared_pair, low) == Standing(low)


@pytest.mark.parametrize("silent", ["primary", "secondary"])
def test_nothing_is_adopted_when_one_is_cut_off(shared_pair: Pair, silent: str) -> None:
    kept = outcome(shared_pair.secondary, State.KEPT, -0.4, Outcome.HIGH_SUCCESS)
    shared_pair.keep()
    shared_pair.clock.pass_s(60)
    other: OneServer = getattr(
        shared_pair, {"primary": "secondary", "secondary": "primary"}[silent]
    )
    other.keep()
    assert stands(shared_pair, claim(kept)) == Standing(claim(kept))
    getattr(shared_pair, silent).keep()
    assert stands(shared_pair, claim(kept)).rests_on is not None


def test_old_experience_counts_no_longer(shared_pair: Pair) -> None:
    kept = outcome(shared_pair.secondary, State.KEPT, -0.4, Outcome.HIGH_SUCCESS)
    shared_pair.keep()
    shared_pair.clock.pass_s(14 * 86400)
    shared_pair.keep()
    assert stands(shared_pair, claim(kept)).rests_on is None


def test_claims_of_the_secondary_and_of_a_single_server_stand_for_themselves(
    shared_pair: Pair,
) -> None:
    kept = outcome(shared_pair.secondary, State.KEPT, -0.4, Outcome.HIGH_SUCCESS)
    shared_pair.keep()
    with shared_pair.secondary.store.transaction() as conn:
        there = standing(conn, shared_pair.secondary.target_id, claim(kept))
    assert there == Standing(claim(kept))
    shared_pair.primary.configure(two_server_role=TwoServerRole.OFF)
    assert stands(shared_pair, claim(kept)) == Standing(claim(kept))


Adopted = Callable[[State], Improvement]


@pytest.fixture
def adopted(shared_pair: Pair) -> Adopted:
    """Return what makes an improvement of the primary that rests on the secondary."""
    kept = outcome(shared_pair.secondary, State.KEPT, -0.4, Outcome.HIGH_SUCCESS)
    shared_pair.keep()
    found = stands(shared_pair, claim(kept)).rests_on
    assert found is not None
    rests_on = found

    def make(state: State) -> Improvement:
        primary = shared_pair.primary
        improvement = primary.improvements().create(state, claim=Claim(priority=5))
        with primary.store.transaction() as conn:
            record_adoption(conn, improvement.improvement_id, rests_on)
        return improvement

    return make


def obstacle(pair: Pair, improvement: Improvement) -> str:
    with pair.primary.store.transaction() as conn:
        return adoption_obstacle(conn, improvement.improvement_id)


def test_what_rests_on_a_server_that_is_cut_off_waits_for_a_person(
    shared_pair: Pair, adopted: Adopted
) -> None:
    proven = adopted(State.PROVEN)
    assert obstacle(shared_pair, proven) == ""
    shared_pair.clock.pass_s(60)
    assert obstacle(shared_pair, proven) == NOT_HELD
    shared_pair.primary.keep()
    assert obstacle(shared_pair, proven) == CUT_OFF
    with shared_pair.primary.store.transaction() as conn:
        said = ask_policy(conn, proven.improvement_id)
    assert said.reason == CUT_OFF
    shared_pair.secondary.keep()
    with shared_pair.primary.store.transaction() as conn:
        assert ask_policy(conn, proven.improvement_id).answer.value == "approved"


GONE = "what the other server says of it counts no longer: it is too old, or was taken back"


def test_what_was_taken_back_there_since_is_not_applied_here(
    shared_pair: Pair, adopted: Adopted
) -> None:
    approved = adopted(State.APPROVED)
    assert obstacle(shared_pair, approved) == ""
    shared_pair.clock.pass_s(30)
    secondary = shared_pair.secondary
    with secondary.store.transaction() as conn:
        (kept,) = improvements(conn, target_id=secondary.target_id)
        move = Move(State.ROLLED_BACK, Changes(outcome=Outcome.REGRESSED))
        transition(conn, secondary.signer, kept.improvement_id, move, fence=None)
    shared_pair.keep()
    assert obstacle(shared_pair, approved) == GONE


def test_other_news_of_the_secondary_is_not_in_the_way(shared_pair: Pair, adopted: Adopted) -> None:
    approved = adopted(State.APPROVED)
    shared_pair.clock.pass_s(30)
    outcome(shared_pair.secondary, State.ROLLED_BACK, 0.3, Outcome.REGRESSED)
    shared_pair.keep()
    assert obstacle(shared_pair, approved) == ""


def test_what_rests_on_something_old_waits_for_a_person(
    shared_pair: Pair, adopted: Adopted
) -> None:
    proven = adopted(State.PROVEN)
    shared_pair.clock.pass_s(14 * 86400)
    shared_pair.keep()
    assert obstacle(shared_pair, proven) == GONE
    with shared_pair.primary.store.transaction() as conn:
        assert ask_policy(conn, proven.improvement_id).reason == GONE


def test_what_rests_on_nobody_is_never_in_the_way(shared_pair: Pair) -> None:
    assert obstacle(shared_pair, shared_pair.primary.has(State.APPROVED)) == ""


def fence(pair: Pair) -> Fence:
    """Return the fence of a job that is being done."""
    with pair.primary.store.transaction() as conn:
        (worker,) = conn.execute(
            "INSERT INTO honed.procrastinate_workers DEFAULT VALUES RETURNING id"
        )
        (job,) = conn.execute(
            "INSERT INTO honed.procrastinate_jobs (task_name, queue_name, status, worker_id)"
            " VALUES ('act', 'act', 'doing', %s) RETURNING id, attempts",
            (worker["id"],),
        )
    return Fence(job["id"], worker["id"], job["attempts"])


def test_what_waits_for_a_person_makes_way_for_what_is_known_now(
    shared_pair: Pair, adopted: Adopted
) -> None:
    primary = shared_pair.primary
    plain = primary.has(State.AWAITING_APPROVAL)
    decided = primary.has(State.AWAITING_APPROVAL)
    resting = adopted(State.AWAITING_APPROVAL)
    with primary.store.transaction() as conn:
        reject(conn, decided.improvement_id, "no")
    job = fence(shared_pair)
    with primary.store.transaction() as conn:
        went = [
            make_way(conn, primary.signer, each, fence=job) for each in (plain, decided, resting)
        ]
        assert went == [True, False, False]
        assert get(conn, plain.improvement_id).state is State.EXPIRED


def test_no_that_a_person_is_just_saying_is_waited_for(shared_pair: Pair) -> None:
    primary = shared_pair.primary
    waiting = primary.has(State.AWAITING_APPROVAL)
    job = fence(shared_pair)

    def go() -> bool:
        with primary.store.transaction() as conn:
            return make_way(conn, primary.signer, waiting, fence=job)

    with ThreadPoolExecutor() as pool:
        with primary.store.transaction() as conn:
            reject(conn, waiting.improvement_id, "no")
            went = pool.submit(go)
            wait_for_lock(primary)
        assert went.result() is False
    with primary.store.transaction() as conn:
        assert get(conn, waiting.improvement_id).state is State.AWAITING_APPROVAL


def wait_for_lock(server: OneServer) -> None:
    """Wait until another session of the store waits for a lock."""
    waiting = (
        "SELECT FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with server.store.connect(autocommit=True) as conn:
        for _ in range(10_000):
            if conn.execute(waiting).fetchone() is not None:
                return
    pytest.fail("nobody waits for a lock")
