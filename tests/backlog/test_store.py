"""Tickets in the store: taken in once, counted, opened again, judged again, and kept."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from honed.backlog.decide import Author, Words, edit, reject, resolve
from honed.backlog.draft import Draft, Facts
from honed.backlog.score import select_next
from honed.backlog.store import (
    Became,
    Ending,
    Filter,
    attempts,
    begin_attempt,
    end_attempt,
    events,
    get,
    known,
    move,
    next_ticket,
    take_in,
    tickets,
)
from honed.backlog.ticket import Category, Priority, TicketSource, TicketState
from honed.core.privacy import Scrubber
from honed.errors import NotAllowed, UnknownTicket, WrongTicketState
from honed.storage.db import Database

MakeDraft = Callable[..., Draft]
At = Callable[..., Database]
SEEN = datetime(2026, 1, 1, tzinfo=UTC)
AUTHOR = Author(Scrubber(b"key of a test"))


def taken_in(database: Database, draft: Draft) -> tuple[int, Became]:
    with database.transaction() as conn:
        return take_in(conn, draft, found_by="exceptions")


def to(database: Database, ticket_id: int, *states: TicketState) -> None:
    with database.transaction() as conn:
        for state in states:
            move(conn, ticket_id, state)


def test_a_trouble_becomes_a_ticket_with_its_judgement(at: At, make_draft: MakeDraft) -> None:
    draft = make_draft(
        count=5,
        facts=Facts(times_per_day=21.8),
        files_to_modify=("shop/cart.py",),
        evidence={"exception": {"type": "AttributeError", "count": 5}},
        proposed_solution="look before you ask",
        test_plan="reproduce it",
        metadata={"releases": ["1.2"]},
    )
    ticket_id, became = taken_in(at(1), draft)
    assert became is Became.CREATED
    with at(1).transaction() as conn:
        ticket = get(conn, ticket_id)
        (event,) = events(conn, ticket_id)
    assert (ticket.state, ticket.category) == (TicketState.OPEN, Category.BUG_FIX)
    assert (ticket.priority, ticket.risk_level, ticket.estimated_effort) == (Priority.HIGH, 4, 3)
    assert ticket.terms["priority"][0].name == "source"
    assert (ticket.times_seen, ticket.first_seen_at) == (5, SEEN)
    assert ticket.evidence == draft.evidence
    assert ticket.files_to_modify == ("shop/cart.py",)
    assert ticket.metadata == {"releases": ["1.2"]}
    assert (event.event, event.from_state, event.reason) == ("created", "", "found by exceptions")
    assert event.done_by == "postgres"


def test_ten_thousand_sightings_are_one_ticket(at: At, make_draft: MakeDraft) -> None:
    first, _ = taken_in(at(1), make_draft(count=5))
    later = make_draft(count=10_000, last_seen_at=SEEN + timedelta(hours=1))
    assert taken_in(at(61), later) == (first, Became.COUNTED)
    # The same scan once more counts nothing twice.
    assert taken_in(at(62), later) == (first, Became.KNOWN)
    with at(63).transaction() as conn:
        (ticket,) = tickets(conn)
        assert [event.event for event in events(conn, first)] == ["created"]
    assert ticket.times_seen == 10_000
    assert ticket.last_seen_at == SEEN + timedelta(hours=1)


def test_what_is_known_uses_up_no_id(at: At, make_draft: MakeDraft) -> None:
    ids = [taken_in(at(1), make_draft(subject=subject))[0] for subject in "aababbcac"]
    assert sorted(set(ids)) == [1, 2, 3]


def test_metadata_are_those_of_the_last_sighting(at: At, make_draft: MakeDraft) -> None:
    ticket_id, _ = taken_in(at(1), make_draft(metadata={"releases": ["1.2"]}))
    taken_in(at(2), make_draft(count=2, metadata={"releases": ["1.3"]}))
    with at(2).transaction() as conn:
        assert get(conn, ticket_id).metadata == {"releases": ["1.3"]}


def test_a_counter_that_began_again_goes_on_counting(at: At, make_draft: MakeDraft) -> None:
    ticket_id, _ = taken_in(at(1), make_draft(count=7))
    taken_in(at(2), make_draft(count=2))
    with at(2).transaction() as conn:
        assert get(conn, ticket_id).times_seen == 9


def test_without_a_counter_each_scan_that_finds_it_counts_one(
    at: At, make_draft: MakeDraft
) -> None:
    for minutes in (0, 1, 1, 2):
        seen_at = SEEN + timedelta(minutes=minutes)
        ticket_id, _ = taken_in(at(minutes), make_draft(count=None, last_seen_at=seen_at))
    with at(2).transaction() as conn:
        assert get(conn, ticket_id).times_seen == 3


@pytest.mark.parametrize(
    "other",
    [
        {"subject": "KeyError at shop.cart.total"},
        {"project": "stock"},
        {"source": TicketSource.FEEDBACK},
    ],
)
def test_another_subject_place_or_source_is_another_ticket(
    at: At, make_draft: MakeDraft, other: dict[str, object]
) -> None:
    one, _ = taken_in(at(1), make_draft())
    two, became = taken_in(at(1), make_draft(**other))
    assert (two != one, became) == (True, Became.CREATED)


def test_what_is_known_is_told_from_what_is_new(at: At, make_draft: MakeDraft) -> None:
    drafts = [make_draft(subject=subject) for subject in ("a", "b", "c")]
    taken_in(at(1), drafts[1])
    with at(1).transaction() as conn:
        assert known(conn, drafts) == {1}
        assert known(conn, []) == set()


def test_what_was_applied_and_is_seen_since_has_regressed(at: At, make_draft: MakeDraft) -> None:
    ticket_id, _ = taken_in(at(1), make_draft())
    with at(10, "honed_operator").transaction() as conn:
        resolve(conn, ticket_id, "fixed by hand")
    # Seen before it was applied, and only heard of now.
    early = make_draft(count=2, last_seen_at=SEEN + timedelta(minutes=5))
    assert taken_in(at(11), early) == (ticket_id, Became.COUNTED)
    late = make_draft(count=3, last_seen_at=SEEN + timedelta(minutes=15))
    assert taken_in(at(16), late) == (ticket_id, Became.REOPENED)
    with at(17).transaction() as conn:
        ticket = get(conn, ticket_id)
        last = events(conn, ticket_id)[-1]
    assert (ticket.state, ticket.reopened_count, ticket.times_seen) == (TicketState.OPEN, 1, 3)
    assert ticket.applied_at is None
    assert (last.event, last.from_state) == ("regressed", "applied")


def test_what_a_person_rejected_stays_so_and_is_counted(at: At, make_draft: MakeDraft) -> None:
    ticket_id, _ = taken_in(at(1), make_draft())
    with at(2, "honed_operator").transaction() as conn:
        reject(conn, ticket_id, "works as intended", acting_for="eva")
    seen_again = make_draft(count=9, last_seen_at=SEEN + timedelta(minutes=3), title="worse now")
    assert taken_in(at(4), seen_again) == (ticket_id, Became.COUNTED)
    with at(5).transaction() as conn:
        ticket = get(conn, ticket_id)
        last = events(conn, ticket_id)[-1]
    assert (ticket.state, ticket.times_seen) == (TicketState.REJECTED, 9)
    assert ticket.title != "worse now"
    assert (last.event, last.reason, last.acting_for) == ("rejected", "works as intended", "eva")


def test_a_trouble_that_grows_is_judged_again(at: At, make_draft: MakeDraft) -> None:
    ticket_id, _ = taken_in(at(1), make_draft())
    worse = make_draft(count=500, facts=Facts(times_per_day=500, users=90, is_unhandled=True))
    taken_in(at(2), worse)
    with at(2).transaction() as conn:
        ticket = get(conn, ticket_id)
        last = events(conn, ticket_id)[-1]
    assert ticket.priority is Priority.CRITICAL
    assert (last.event, last.detail) == ("triaged", {"priority": ["medium", "critical"]})
    assert {term.name for term in ticket.terms["priority"]} > {"users", "times a day"}


def test_what_a_person_judged_no_scan_judges_again(at: At, make_draft: MakeDraft) -> None:
    ticket_id, _ = taken_in(at(1), make_draft())
    with at(1, "honed_operator").transaction() as conn:
        words = Words(priority=Priority.LOW, title="the cart's total")
        assert edit(conn, ticket_id, words, AUTHOR, reason="nobody uses it")
    taken_in(at(2), make_draft(count=500, facts=Facts(users=10**6), evidence={"count": 500}))
    with at(3).transaction() as conn:
        ticket = get(conn, ticket_id)
    assert (ticket.priority, ticket.title) == (Priority.LOW, "the cart's total")
    assert ticket.evidence == {"count": 500}
    (term,) = ticket.terms["priority"]
    assert (term.name, term.contribution) == ("a person", "low")
    assert ticket.set_by_person == ("priority", "title")


def test_a_judgement_that_a_person_confirms_is_a_persons(at: At, make_draft: MakeDraft) -> None:
    ticket_id, _ = taken_in(at(1), make_draft())
    with at(1, "honed_operator").transaction() as conn:
        assert edit(conn, ticket_id, Words(priority=Priority.MEDIUM), AUTHOR, reason="so it is")
        assert not edit(conn, ticket_id, Words(priority=Priority.MEDIUM), AUTHOR)
        assert not edit(conn, ticket_id, Words(), AUTHOR)
    taken_in(at(2), make_draft(count=500, facts=Facts(users=10**6)))
    with at(3).transaction() as conn:
        assert get(conn, ticket_id).priority is Priority.MEDIUM
        assert [event.reason for event in events(conn, ticket_id)][1:] == ["so it is"]


def test_an_attempt_that_succeeds_makes_its_ticket_ready(at: At, make_draft: MakeDraft) -> None:
    ticket_id, _ = taken_in(at(1), make_draft())
    with at(2).transaction() as conn:
        attempt_id = begin_attempt(conn, ticket_id, branch_name="improvement/1")
        move(conn, ticket_id, TicketState.TESTING)
    with at(3).transaction() as conn:
        end_attempt(
            conn,
            attempt_id,
            Ending(success=True, changes_summary="looks first", test_results={"passed": 12}),
        )
        ticket = get(conn, ticket_id)
        (attempt,) = attempts(conn, ticket_id)
    assert ticket.state is TicketState.READY
    assert (attempt.attempt_number, attempt.branch_name) == (1, "improvement/1")
    assert (attempt.success, attempt.test_results) == (True, {"passed": 12})
    to(at(4), ticket_id, TicketState.APPLIED)


def test_an_attempt_that_fails_fails_its_ticket_which_may_be_tried_again(
    at: At, make_draft: MakeDraft
) -> None:
    ticket_id, _ = taken_in(at(1), make_draft())
    for number in (1, 2):
        with at(number).transaction() as conn:
            attempt_id = begin_attempt(conn, ticket_id)
            end_attempt(conn, attempt_id, Ending(success=False, error_message="no patch"))
            assert get(conn, ticket_id).state is TicketState.FAILED
        to(at(number), ticket_id, TicketState.OPEN)
    with at(4).transaction() as conn:
        assert [each.attempt_number for each in attempts(conn, ticket_id)] == [1, 2]
        assert events(conn, ticket_id)[-2].reason == "attempt 2 failed: no patch"


def test_an_attempt_whose_worker_died_is_ended_by_the_next(at: At, make_draft: MakeDraft) -> None:
    ticket_id, _ = taken_in(at(1), make_draft())
    with at(2).transaction() as conn:
        lost = begin_attempt(conn, ticket_id)
    to(at(3), ticket_id, TicketState.OPEN)
    with at(4).transaction() as conn:
        begin_attempt(conn, ticket_id)
        first, second = attempts(conn, ticket_id)
    assert (first.success, second.success) == (False, None)
    with (
        pytest.raises(WrongTicketState, match="attempt 1 of ticket 1 has ended already"),
        at(5).transaction() as conn,
    ):
        end_attempt(conn, lost, Ending(success=True))


def test_without_its_tests_no_attempt_succeeds(at: At, make_draft: MakeDraft) -> None:
    ticket_id, _ = taken_in(at(1), make_draft())
    with at(2).transaction() as conn:
        attempt_id = begin_attempt(conn, ticket_id)
    with pytest.raises(WrongTicketState), at(3).transaction() as conn:
        end_attempt(conn, attempt_id, Ending(success=True))
    with at(3).transaction() as conn:
        assert attempts(conn, ticket_id)[0].success is None


def test_a_ticket_rejected_meanwhile_stays_so_and_the_attempt_is_kept(
    at: At, make_draft: MakeDraft
) -> None:
    ticket_id, _ = taken_in(at(1), make_draft())
    with at(2).transaction() as conn:
        attempt_id = begin_attempt(conn, ticket_id)
    with at(3, "honed_operator").transaction() as conn:
        reject(conn, ticket_id, "not worth it")
    with at(4).transaction() as conn:
        end_attempt(conn, attempt_id, Ending(success=False, error_message="no patch"))
        assert get(conn, ticket_id).state is TicketState.REJECTED
        assert attempts(conn, ticket_id)[0].error_message == "no patch"


def test_the_next_ticket_is_the_one_that_is_selected(at: At, make_draft: MakeDraft) -> None:
    taken_in(at(1), make_draft(subject="a"))
    cheap, _ = taken_in(at(1), make_draft(subject="b", files_to_modify=("b.py",)))
    taken_in(at(1), make_draft(subject="c", facts=Facts(complexity=40)))
    with at(2).transaction() as conn:
        chosen = next_ticket(conn, 7)
        assert chosen is not None
        assert chosen == select_next(tickets(conn), 7)
        assert chosen.ticket_id == cheap
        assert next_ticket(conn, 1) is None


def test_tickets_are_listed_by_what_is_asked_for(at: At, make_draft: MakeDraft) -> None:
    high, _ = taken_in(at(1), make_draft(facts=Facts(users=100)))
    code, _ = taken_in(at(1), make_draft(source=TicketSource.CODE))
    gone, _ = taken_in(at(1), make_draft(subject="gone"))
    with at(1, "honed_operator").transaction() as conn:
        reject(conn, gone, "no")
    asked = {
        (high, code): Filter(),
        (gone,): Filter(states=[TicketState.REJECTED]),
        (high,): Filter(priorities=[Priority.HIGH]),
        (code,): Filter(sources=[TicketSource.CODE]),
        (high, gone): Filter(states=(), categories=[Category.BUG_FIX]),
        (high, code, gone): Filter(states=()),
    }
    with at(2).transaction() as conn:
        for expected, wanted in asked.items():
            assert [each.ticket_id for each in tickets(conn, wanted)] == list(expected)
        assert len(tickets(conn, Filter(states=()), limit=1)) == 1


def test_a_ticket_that_is_not_there_is_named(at: At) -> None:
    with at(1).transaction() as conn, pytest.raises(UnknownTicket, match="no ticket 7"):
        get(conn, 7)


def test_the_daemon_may_not_reject_nor_decide(at: At, make_draft: MakeDraft) -> None:
    ticket_id, _ = taken_in(at(1), make_draft())
    for act in (reject, resolve):
        with pytest.raises(NotAllowed), at(2).transaction() as conn:
            act(conn, ticket_id, "no")
    with pytest.raises(WrongTicketState), at(2).transaction() as conn:
        move(conn, ticket_id, TicketState.REJECTED)
    with pytest.raises(WrongTicketState), at(2).transaction() as conn:
        conn.execute("SELECT honed.move_ticket(%s, 'rejected')", (ticket_id,))
    with pytest.raises(WrongTicketState), at(2).transaction() as conn:
        conn.execute("SELECT honed.move_ticket(%s, NULL)", (ticket_id,))


REWRITES = [
    b"DELETE FROM honed.ticket_attempt",
    b"TRUNCATE honed.ticket_attempt",
    b"UPDATE honed.ticket_attempt SET success = NOT success",
    b"DELETE FROM honed.ticket_event",
    b"UPDATE honed.ticket_event SET reason = ''",
    b"TRUNCATE honed.ticket_event",
]


@pytest.mark.parametrize("role", ["", "honed_daemon", "honed_operator", "honed_approver"])
def test_nobody_rewrites_what_was_tried(at: At, make_draft: MakeDraft, role: str) -> None:
    ticket_id, _ = taken_in(at(1), make_draft())
    with at(2).transaction() as conn:
        end_attempt(conn, begin_attempt(conn, ticket_id), Ending(success=False))
    for statement in REWRITES:
        with pytest.raises(NotAllowed), at(3, role).transaction() as conn:
            conn.execute(statement)
    with at(4).transaction() as conn:
        assert len(attempts(conn, ticket_id)) == 1
        assert len(events(conn, ticket_id)) == 3


@pytest.mark.parametrize("role", ["honed_daemon", "honed_operator", "honed_approver"])
def test_nobody_goes_around_the_lifecycle(at: At, make_draft: MakeDraft, role: str) -> None:
    taken_in(at(1), make_draft())
    for statement in (
        b"UPDATE honed.ticket SET state = 'applied', applied_at = now()",
        b"DELETE FROM honed.ticket",
        b"INSERT INTO honed.ticket_event (ticket_id, event, to_state) VALUES (1, 'moved', 'open')",
        b"SELECT honed.set_ticket_state(t, 'applied', true, 'moved', '') FROM honed.ticket AS t",
        b"SELECT honed.write_ticket(t, '{\"title\": \"x\"}', 'edited', '') FROM honed.ticket AS t",
    ):
        with pytest.raises(NotAllowed), at(2, role).transaction() as conn:
            conn.execute(statement)
