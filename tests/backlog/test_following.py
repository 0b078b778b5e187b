"""A ticket goes along with the improvements that name it, and a dry run leaves it alone."""

import pytest

from honed.backlog.store import attempts, events, get
from honed.backlog.ticket import TicketState
from honed.core.verdict import State
from honed.storage.db import Database
from honed.testing.improvements import Claim, Cycle, Improvements


@pytest.fixture
def ticket_id(store: Database) -> int:
    with store.transaction() as conn:
        (row,) = conn.execute("SELECT honed.add_ticket('Count the first price, too') AS ticket_id")
    made: int = row["ticket_id"]
    return made


@pytest.mark.parametrize(
    ("state", "becomes"),
    [
        (State.PROPOSED, TicketState.IN_PROGRESS),
        (State.ON_TRIAL, TicketState.TESTING),
        (State.INCONCLUSIVE, TicketState.FAILED),
        (State.AWAITING_APPROVAL, TicketState.READY),
        (State.EXPIRED, TicketState.OPEN),
        (State.KEPT, TicketState.APPLIED),
    ],
)
def test_a_ticket_goes_along_with_its_improvement(
    store: Database,
    improvements: Improvements,
    ticket_id: int,
    state: State,
    becomes: TicketState,
) -> None:
    improvements.create(state, claim=Claim(ticket_id=ticket_id))
    with store.transaction() as conn:
        assert get(conn, ticket_id).state is becomes
        assert len(attempts(conn, ticket_id)) == 1


@pytest.mark.parametrize("state", [State.ON_TRIAL, State.INCONCLUSIVE, State.DRY_RUN])
def test_a_dry_run_leaves_its_ticket_as_it_was(
    store: Database, improvements: Improvements, ticket_id: int, state: State
) -> None:
    cycle_id = improvements.cycle(Cycle(dry_run=True))
    improvements.create(state, claim=Claim(ticket_id=ticket_id), cycle_id=cycle_id)
    with store.transaction() as conn:
        assert get(conn, ticket_id).state is TicketState.OPEN
        assert attempts(conn, ticket_id) == []
        assert len(events(conn, ticket_id)) == 1


def test_what_a_dry_run_tries_between_says_nothing_of_the_attempt(
    store: Database, improvements: Improvements, ticket_id: int
) -> None:
    improvements.create(State.AWAITING_APPROVAL, claim=Claim(ticket_id=ticket_id))
    cycle_id = improvements.cycle(Cycle(dry_run=True))
    improvements.create(State.INCONCLUSIVE, claim=Claim(ticket_id=ticket_id), cycle_id=cycle_id)
    with store.transaction() as conn:
        assert get(conn, ticket_id).state is TicketState.READY


def test_an_attempt_that_a_dry_run_began_once_comes_to_its_end(
    store: Database, improvements: Improvements, ticket_id: int
) -> None:
    found = improvements.create(State.ON_TRIAL, claim=Claim(ticket_id=ticket_id))
    with store.transaction() as conn:
        # As it was before dry runs left tickets alone.
        conn.execute("UPDATE honed.cycle SET dry_run = true")
        improvements.move(conn, found, State.INCONCLUSIVE)
        (attempt,) = attempts(conn, ticket_id)
        assert attempt.finished_at is not None
        assert get(conn, ticket_id).state is TicketState.FAILED
