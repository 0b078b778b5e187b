"""A ticket goes along with the improvement that names it, whichever kind made that."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from honed.backlog.decide import reject
from honed.backlog.draft import Draft
from honed.backlog.store import attempts, events, get, take_in
from honed.backlog.ticket import Attempt, TicketState
from honed.core.hypothesis import Hypothesis
from honed.core.step import Step
from honed.core.verdict import Outcome, State, Verdict
from honed.improvement.record import Proposal
from honed.improvement.transition import Changes, Move, propose, transition
from honed.ledger.keys import Signer
from honed.storage.db import Database

MakeDraft = Callable[..., Draft]

STEP = Step("propose it", do=(json.dumps({"branch": "improvement/cart"}),), runner="repository")
GATES = [{"gate": "red_green", "passed": True, "reason": "green"}]
WRONG = [*GATES, {"gate": "test_suite", "passed": False, "reason": "it breaks a test"}]
TO_APPROVAL = (State.ON_TRIAL, State.PROVEN, State.AWAITING_APPROVAL)
TO_WATCHING = (*TO_APPROVAL, State.APPROVED, State.APPLYING, State.WATCHING)


@dataclass
class Desk:
    """One ticket, and improvements that name it."""

    daemon: Database
    signer: Signer
    target_id: int
    ticket_id: int

    def claim(self, *states: State, subject: str = "cart", **changes: Any) -> int:
        """Return a new improvement that has gone through ``states``."""
        named: Any = {"ticket_id": self.ticket_id}
        claim = Hypothesis("fix_exception", subject, "a guard in cart.py", 3, 4, -0.5, named)
        with self.daemon.transaction() as conn:
            proposal = Proposal(0, self.target_id, claim)
            made = propose(conn, self.signer, proposal, fence=None)
        assert made is not None
        self.move(made.improvement_id, *states, **changes)
        return made.improvement_id

    def move(self, improvement_id: int, *states: State, **changes: Any) -> None:
        """Bring an improvement through ``states``; ``changes`` are of the last."""
        for state in states:
            said: dict[str, Any] = {}
            if state is State.ON_TRIAL:
                said = {"steps": [STEP]}
            elif state is State.PROVEN:
                said = {"verdict": Verdict.IMPROVED, "evidence": {"gates": GATES}}
            said |= changes if state is states[-1] else {}
            with self.daemon.transaction() as conn:
                move = Move(state, Changes(**said))
                transition(conn, self.signer, improvement_id, move, fence=None)

    def state(self) -> TicketState:
        """Return how the ticket is."""
        with self.daemon.transaction() as conn:
            return get(conn, self.ticket_id).state

    def attempts(self) -> Sequence[Attempt]:
        """Return what was tried, oldest first."""
        with self.daemon.transaction() as conn:
            return attempts(conn, self.ticket_id)

    def last_words(self) -> str:
        """Return what the ticket's history says last."""
        with self.daemon.transaction() as conn:
            return events(conn, self.ticket_id)[-1].reason


@pytest.fixture
def desk(daemon: Database, signer: Signer, target_id: int, make_draft: MakeDraft) -> Desk:
    with daemon.transaction() as conn:
        ticket_id, _ = take_in(conn, make_draft(), found_by="exceptions")
    return Desk(daemon, signer, target_id, ticket_id)


def test_from_open_to_applied_and_back(desk: Desk) -> None:
    improvement_id = desk.claim()
    assert desk.state() is TicketState.IN_PROGRESS
    desk.move(improvement_id, State.ON_TRIAL)
    assert desk.state() is TicketState.TESTING
    desk.move(improvement_id, *TO_WATCHING[1:])
    assert desk.state() is TicketState.READY
    (attempt,) = desk.attempts()
    assert (attempt.success, attempt.branch_name) == (True, "improvement/cart")
    assert attempt.changes_summary == "a guard in cart.py"
    assert attempt.test_results == {
        "improvement_id": improvement_id,
        "verdict": "improved",
        "gates": GATES,
    }
    desk.move(improvement_id, State.KEPT, outcome=Outcome.SUCCESS)
    assert desk.state() is TicketState.APPLIED
    desk.move(improvement_id, State.ROLLED_BACK, outcome=Outcome.REGRESSED)
    assert desk.state() is TicketState.OPEN
    with desk.daemon.transaction() as conn:
        assert get(conn, desk.ticket_id).reopened_count == 1


def test_what_fails_is_kept_as_an_attempt_and_tried_again(desk: Desk) -> None:
    desk.claim(State.ON_TRIAL, State.REFUTED, verdict=Verdict.WORSE, evidence={"gates": WRONG})
    assert desk.state() is TicketState.FAILED
    assert desk.last_words().endswith("is refuted: test_suite: it breaks a test")
    second = desk.claim(*TO_WATCHING, subject="another way")
    assert desk.state() is TicketState.READY
    assert [each.success for each in desk.attempts()] == [False, True]
    with desk.daemon.transaction() as conn:
        conn.execute(
            "INSERT INTO honed.aftermath (improvement_id, standing, reason)"
            " VALUES (%s, 'ended', 'a person closed it')",
            [second],
        )
    desk.move(second, State.ROLLED_BACK)
    assert desk.state() is TicketState.FAILED
    assert desk.last_words() == f"improvement {second} is rolled back: a person closed it"


def test_what_ends_early(desk: Desk) -> None:
    ends = [
        ((State.FAILED,), TicketState.FAILED, False),
        ((State.ON_TRIAL, State.INCONCLUSIVE), TicketState.FAILED, False),
        ((State.ON_TRIAL, State.PROVEN, State.DRY_RUN), TicketState.OPEN, True),
        ((*TO_APPROVAL, State.REJECTED), TicketState.FAILED, True),
        ((*TO_APPROVAL, State.EXPIRED), TicketState.OPEN, True),
    ]
    for number, (states, ticket, success) in enumerate(ends):
        desk.claim(*states, subject=f"way {number}")
        assert desk.state() is ticket
        assert [each.success for each in desk.attempts()][number:] == [success]


def test_a_persons_word_stays_and_only_one_thing_is_tried_at_once(
    desk: Desk, store: Database
) -> None:
    first = desk.claim(State.ON_TRIAL)
    desk.claim(*TO_WATCHING, subject="another way")
    assert desk.state() is TicketState.TESTING
    assert len(desk.attempts()) == 1, "the other one is no attempt at it"
    with replace(store, role="honed_operator").transaction() as conn:
        reject(conn, desk.ticket_id, "not worth it")
    desk.move(first, *TO_WATCHING[1:], State.KEPT)
    assert desk.state() is TicketState.REJECTED
    assert [each.success for each in desk.attempts()] == [True]


def test_what_names_no_ticket_moves_none(desk: Desk) -> None:
    first = desk.ticket_id
    for number, named in enumerate(["", "x", 0, -1, 10**30, 99999999, None, [1], {"a": 1}]):
        desk.ticket_id = named  # type: ignore[assignment]  # whatever a kind may write
        desk.claim(State.FAILED, subject=f"claim {number}")
    desk.ticket_id = first
    assert (desk.state(), desk.attempts()) == (TicketState.OPEN, [])
