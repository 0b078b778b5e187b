"""Where a ticket may go, by whom; in Python and in the store alike."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honed.backlog.lifecycle import DAEMON_MOVES, PERSON_MOVES, may_move
from honed.backlog.ticket import SETTLED, UNSETTLED, TicketState
from honed.storage.db import Database

STATES = st.sampled_from(TicketState)
#: The seed's way: OPEN, IN_PROGRESS, TESTING, READY, APPLIED.
THE_WAY = ("open", "in_progress", "testing", "ready", "applied")


def test_the_way_of_the_seed_needs_no_person() -> None:
    for before, after in itertools.pairwise(map(TicketState, THE_WAY)):
        assert may_move(before, after, by_person=False)


@given(STATES, STATES)
def test_only_a_person_rejects_and_takes_a_rejection_back(
    before: TicketState, after: TicketState
) -> None:
    if TicketState.REJECTED in {before, after}:
        assert not may_move(before, after, by_person=False)


@given(STATES, st.booleans())
def test_nothing_moves_to_where_it_is_but_what_a_person_wants_tried_again(
    state: TicketState,
    by_person: bool,  # noqa: FBT001 - an example's value
) -> None:
    is_tried_again = by_person and state is TicketState.OPEN
    assert may_move(state, state, by_person=by_person) == is_tried_again


@given(STATES)
def test_a_person_can_settle_what_is_not_settled_and_open_everything(state: TicketState) -> None:
    for settled in SETTLED:
        assert may_move(state, settled, by_person=True) == (state in UNSETTLED)
    assert may_move(state, TicketState.OPEN, by_person=True)


@given(st.lists(STATES, max_size=12))
def test_the_daemon_reaches_applied_only_through_tests_that_passed(
    wanted: list[TicketState],
) -> None:
    state, seen = TicketState.OPEN, [TicketState.OPEN]
    for each in wanted:
        if may_move(state, each, by_person=False):
            state = each
            seen.append(each)
    for before, after in itertools.pairwise(seen):
        if after is TicketState.APPLIED:
            assert before is TicketState.READY
        if after is TicketState.READY:
            assert before is TicketState.TESTING


@pytest.mark.parametrize("moves", [DAEMON_MOVES, PERSON_MOVES])
def test_every_state_has_its_moves(moves: dict[TicketState, frozenset[TicketState]]) -> None:
    assert set(moves) == set(TicketState)


def test_the_store_has_the_same_rules(store: Database) -> None:
    with store.transaction() as conn:
        for before, after in itertools.product(TicketState, repeat=2):
            for by_person in (True, False):
                (row,) = conn.execute(
                    "SELECT honed.may_move_ticket(%s, %s, %s) AS may",
                    (before.value, after.value, by_person),
                )
                assert row["may"] == may_move(before, after, by_person=by_person)
