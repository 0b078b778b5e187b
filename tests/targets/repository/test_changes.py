"""Changes in the store: opened within rules that spare people, and followed to their end."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest

from honed.core.forge import (
    ChangeRequest,
    ChangeState,
    Check,
    CheckState,
    Proposal,
    Tally,
)
from honed.errors import (
    ChangeWithheld,
    NotAllowed,
    StaleApproval,
    UnknownChange,
    WrongChangeState,
)
from honed.storage.db import Database
from honed.storage.queries import load_queries
from honed.targets.repository.requests import changes
from honed.targets.repository.requests.change import (
    Change,
    Lane,
    Limits,
    NewChange,
    Renewal,
    Wanted,
)

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LIMITS = Limits(review=2, automerge=1, cooldown=timedelta(hours=24))
BASE, HEAD, OTHER = "a" * 40, "b" * 40, "c" * 40

#: Returns the store as a role, so many hours after noon.
At = Callable[..., Database]
#: Opens a change for a root cause.
Open = Callable[..., Change]


@pytest.fixture
def at(store: Database) -> At:
    def later(hours: float = 0.0, role: str = "honed_daemon") -> Database:
        return replace(store, role=role, fake_now=NOON + timedelta(hours=hours))

    return later


@pytest.fixture
def new(target_id: int) -> Callable[..., NewChange]:
    def made(cause: str = "AttributeError at shop.cart", **said: Any) -> NewChange:
        branch = f"improvement/{cause.partition(' ')[0]}"
        proposal = Proposal(branch, "main", f"Settle {cause}", "Why.")
        digest = sha256(cause.encode()).hexdigest()
        usual: dict[str, Any] = {
            "target_id": target_id,
            "proposal": proposal,
            "root_cause": cause,
            "patch_digest": digest,
            "base_commit": BASE,
            "head_commit": HEAD,
        }
        return NewChange(**{**usual, **said})

    return made


@pytest.fixture
def open_(at: At, new: Callable[..., NewChange]) -> Open:
    def opened(cause: str = "AttributeError at shop.cart", hours: float = 0, **said: Any) -> Change:
        with at(hours).transaction() as conn:
            return changes.open_change(conn, new(cause, **said), LIMITS)

    return opened


def seen(change: Change, **said: Any) -> ChangeRequest:
    """Return what a forge shows of a change."""
    return replace(change.to_request(), **{"number": 7, "updated_at": NOON, **said})


def test_a_change_is_stored_as_it_was_proposed(open_: Open, at: At) -> None:
    opened = open_()
    assert (opened.state, opened.lane, opened.target) == (ChangeState.OPEN, Lane.REVIEW, "shop")
    assert (opened.base_commit, opened.head_commit, opened.forge) == (BASE, HEAD, "local")
    assert opened.number == opened.change_id
    assert opened.checks_state is CheckState.PENDING
    with at().transaction() as conn:
        assert changes.changes(conn) == [opened]
        assert changes.changes(conn, Wanted(target="other")) == []
        assert [each.event for each in changes.events(conn, opened.change_id)] == ["opened"]
    with pytest.raises(UnknownChange), at().transaction() as conn:
        changes.get(conn, 77)


def test_the_same_change_is_opened_once(open_: Open) -> None:
    assert open_().change_id == open_().change_id


def test_one_root_cause_has_one_open_change(open_: Open) -> None:
    open_()
    with pytest.raises(ChangeWithheld, match="open already") as refused:
        open_(head_commit=OTHER)
    assert refused.value.reason == "duplicate"


def test_lanes_have_quotas_of_their_own(open_: Open) -> None:
    for cause in ("KeyError", "ValueError"):
        open_(cause)
    with pytest.raises(ChangeWithheld) as refused:
        open_("TypeError")
    assert refused.value.reason == "quota"
    open_("lint", lane=Lane.AUTOMERGE)
    with pytest.raises(ChangeWithheld):
        open_("format", lane=Lane.AUTOMERGE)


def test_what_ends_makes_room(open_: Open, at: At) -> None:
    first, _ = open_("KeyError"), open_("ValueError")
    with at().transaction() as conn:
        changes.withdraw(conn, first.change_id, "somebody else was faster")
        assert changes.get(conn, first.change_id).closed_by_person is False
    open_("TypeError")


def test_what_a_person_closed_does_not_come_again(open_: Open, at: At, new: Any) -> None:
    opened = open_()
    with at(0, "honed_operator").transaction() as conn:
        conn.execute(b"SELECT honed.close_change(%s, 'no')", (opened.change_id,))
    with at().transaction() as conn:
        assert changes.get(conn, opened.change_id).closed_by_person
    with pytest.raises(ChangeWithheld) as refused:
        open_(hours=9000, head_commit=OTHER)
    assert refused.value.reason == "closed_by_person"
    # Nor do its lines under another name.
    with pytest.raises(ChangeWithheld) as refused:
        open_("another cause", hours=9000, patch_digest=new().patch_digest)
    assert refused.value.reason == "closed_by_person"
    with at(9000).transaction() as conn:
        assert changes.withheld(conn, new(), LIMITS) == "closed_by_person"
        assert changes.withheld(conn, new("KeyError"), LIMITS) == ""


def test_whoever_says_what_is_right_is_not_spared(open_: Open, at: At, new: Any) -> None:
    with at(0, "honed_operator").transaction() as conn:
        (row,) = conn.execute(b"SELECT honed.add_ticket('empty cart') AS ticket_id")
        ticket_id = row["ticket_id"]
    opened = open_("KeyError")
    with at(0, "honed_operator").transaction() as conn:
        conn.execute(b"SELECT honed.close_change(%s, 'no')", (opened.change_id,))
    about = new("TypeError", ticket_id=ticket_id)
    with at(1).transaction() as conn:
        assert changes.withheld(conn, about, LIMITS) == "cooldown"
        assert not changes.was_asked_again(conn, ticket_id, NOON)
    with at(2, "honed_operator").transaction() as conn:
        conn.execute(
            b"SELECT honed.answer_ticket(%s, 'total()', raises => 'KeyError')", (ticket_id,)
        )
    with at(3).transaction() as conn:
        assert changes.withheld(conn, about, LIMITS) == ""
        assert changes.withheld(conn, new("TypeError"), LIMITS) == "cooldown", "of others it is"
        assert changes.was_asked_again(conn, ticket_id, NOON)


@pytest.mark.parametrize(
    "asks_again",
    [
        "SELECT honed.reopen_ticket(%s, 'try again')",
        "SELECT honed.answer_ticket(%s, 'shop.cart.total(names=[])', returns => '0')",
    ],
)
def test_a_person_who_reopens_the_ticket_or_says_what_is_right_asks_for_another_try(
    open_: Open, at: At, asks_again: str
) -> None:
    with at(0, "honed_operator").transaction() as conn:
        (row,) = conn.execute(b"SELECT honed.add_ticket('empty cart') AS ticket_id")
        ticket_id = row["ticket_id"]
    opened = open_(ticket_id=ticket_id)
    with at(1, "honed_operator").transaction() as conn:
        conn.execute(b"SELECT honed.close_change(%s, 'no')", (opened.change_id,))
        conn.execute(b"SELECT honed.reject_ticket(%s, 'no')", (ticket_id,))
    with pytest.raises(ChangeWithheld):
        open_(hours=50, ticket_id=ticket_id, head_commit=OTHER)
    with at(51, "honed_operator").transaction() as conn:
        conn.execute(asks_again.encode(), (ticket_id,))
    again = open_(hours=52, ticket_id=ticket_id, head_commit=OTHER)
    assert again.change_id != opened.change_id


def test_after_a_close_the_repository_is_left_alone(open_: Open, at: At) -> None:
    opened = open_()
    with at(0, "honed_operator").transaction() as conn:
        changes_closed = "SELECT honed.close_change(%s, 'no')"
        conn.execute(changes_closed.encode(), (opened.change_id,))
    with pytest.raises(ChangeWithheld) as refused:
        open_("KeyError", hours=23)
    assert refused.value.reason == "cooldown"
    open_("KeyError", hours=25)


def test_what_is_found_closed_a_person_closed(open_: Open, at: At) -> None:
    opened = open_(forge="github")
    with at().transaction() as conn:
        changes.record(conn, opened.change_id, seen(opened, url="https://forge.example/7"))
        assert changes.record(conn, opened.change_id, seen(opened, state=ChangeState.CLOSED))
        found = changes.get(conn, opened.change_id)
    assert (found.state, found.closed_by_person) == (ChangeState.CLOSED, True)
    assert (found.number, found.end_reason) == (7, "seen on the forge")


def test_what_honed_withdrew_is_not_a_persons_no(open_: Open, at: At) -> None:
    opened = open_(forge="github")
    with at().transaction() as conn:
        changes.withdraw(conn, opened.change_id, "its base is gone")
        changes.record(conn, opened.change_id, seen(opened, state=ChangeState.CLOSED))
        assert not changes.get(conn, opened.change_id).closed_by_person
    assert open_(hours=1, forge="github", head_commit=OTHER).state is ChangeState.OPEN


def test_answers_in_the_wrong_order_or_twice_are_no_news(open_: Open, at: At) -> None:
    opened = open_(forge="github")
    merged = seen(
        opened, state=ChangeState.MERGED, merge_commit=OTHER, updated_at=NOON + timedelta(seconds=9)
    )
    with at().transaction() as conn:
        assert changes.record(conn, opened.change_id, merged)
        assert not changes.record(conn, opened.change_id, merged)
        assert not changes.record(conn, opened.change_id, seen(opened))
        assert not changes.record(
            conn,
            opened.change_id,
            seen(opened, state=ChangeState.CLOSED, updated_at=NOON + timedelta(days=1)),
        )
        found = changes.get(conn, opened.change_id)
        assert (found.state, found.merge_commit) == (ChangeState.MERGED, OTHER)
        told = [each.event for each in changes.events(conn, opened.change_id)]
    assert told == ["opened", "published", "merged"]


def test_a_close_that_has_not_reached_the_forge_stays(open_: Open, at: At) -> None:
    opened = open_(forge="github")
    with at(0, "honed_operator").transaction() as conn:
        changes.close(conn, opened.change_id, "no")
    with at().transaction() as conn:
        for hours in (0, 1):
            later = NOON + timedelta(hours=hours)
            changes.record(conn, opened.change_id, seen(opened, updated_at=later))
        found = changes.get(conn, opened.change_id)
    assert (found.state, found.closed_by_person, found.end_reason) == (
        ChangeState.CLOSED,
        True,
        "no",
    )


def test_what_is_opened_again_there_stays_closed_while_another_is_open(open_: Open, at: At) -> None:
    opened = open_(forge="github")
    with at().transaction() as conn:
        changes.withdraw(conn, opened.change_id, "its base is gone")
        changes.record(conn, opened.change_id, seen(opened, state=ChangeState.CLOSED))
    open_(forge="github", head_commit=OTHER)
    with at().transaction() as conn:
        later = seen(opened, updated_at=NOON + timedelta(hours=1))
        assert changes.record(conn, opened.change_id, later)
        assert changes.get(conn, opened.change_id).state is ChangeState.CLOSED


def test_a_person_may_open_a_closed_one_again_on_the_forge(open_: Open, at: At) -> None:
    opened = open_(forge="github")
    with at().transaction() as conn:
        changes.record(conn, opened.change_id, seen(opened, state=ChangeState.CLOSED))
        later = seen(opened, updated_at=NOON + timedelta(hours=1))
        changes.record(conn, opened.change_id, later)
        found = changes.get(conn, opened.change_id)
    assert (found.state, found.closed_by_person, found.ended_at) == (ChangeState.OPEN, False, None)


def test_what_somebody_pushes_to_the_branch_is_not_what_was_proven(open_: Open, at: At) -> None:
    opened = open_(forge="github")
    with at().transaction() as conn:
        changes.record(conn, opened.change_id, seen(opened, head_commit=OTHER))
        assert not changes.record_checks(
            conn, opened.change_id, OTHER, [Check("tests", CheckState.PASSED)]
        )
        found = changes.get(conn, opened.change_id)
    assert (found.head_commit, found.forge_head) == (HEAD, OTHER)
    assert found.checks_state is CheckState.PENDING


def test_checks_come_back_as_they_were_recorded(open_: Open, at: At) -> None:
    opened = open_()
    checks = (
        Check("tests", CheckState.PASSED, "https://ci.example/1", Tally(12, 0, 1)),
        Check("style", CheckState.FAILED, is_required=False),
    )
    with at().transaction() as conn:
        for _ in range(2):
            assert changes.record_checks(conn, opened.change_id, HEAD, checks)
        found = changes.get(conn, opened.change_id)
        told = [each.event for each in changes.events(conn, opened.change_id)]
        assert (found.checks, found.checks_state) == (checks, CheckState.PASSED)
        changes.record_checks(conn, opened.change_id, HEAD, [Check("x", CheckState.FAILED)])
        assert changes.get(conn, opened.change_id).checks_state is CheckState.FAILED
        changes.record_checks(conn, opened.change_id, HEAD, [Check("x", CheckState.PENDING)])
        assert changes.get(conn, opened.change_id).checks_state is CheckState.PENDING
    assert told == ["opened", "checked"]


def test_a_merge_is_asked_for_what_was_read(open_: Open, at: At) -> None:
    opened = open_()
    approver = at(0, "honed_approver")
    with pytest.raises(StaleApproval), approver.transaction() as conn:
        changes.ask_merge(conn, opened.change_id, head_commit=OTHER)
    with approver.transaction() as conn:
        for _ in range(2):
            changes.ask_merge(conn, opened.change_id, head_commit=HEAD, acting_for="ada")
        assert changes.get(conn, opened.change_id).merge_asked_by == "postgres"
    with at().transaction() as conn:
        renewal = Renewal(BASE, OTHER, "f" * 64, "Why, again.", 8)
        changes.renew(conn, opened.change_id, renewal)
        found = changes.get(conn, opened.change_id)
        told = [each.event for each in changes.events(conn, opened.change_id)]
    assert (found.head_commit, found.body, found.merge_asked_at) == (OTHER, "Why, again.", None)
    assert told == ["opened", "merge_asked", "renewed"]


def test_what_has_ended_stays_so(open_: Open, at: At) -> None:
    opened = open_()
    with at(0, "honed_operator").transaction() as conn:
        changes.close(conn, opened.change_id, "no", acting_for="ada")
        assert changes.events(conn, opened.change_id)[-1].acting_for == "ada"
    for act in (
        lambda conn: changes.close(conn, opened.change_id, "no"),
        lambda conn: changes.ask_merge(conn, opened.change_id),
        lambda conn: conn.execute(b"SELECT honed.merge_change(%s)", (opened.change_id,)),
        lambda conn: conn.execute(b"SELECT honed.close_change(%s, 'x')", (opened.change_id,)),
    ):
        with pytest.raises(WrongChangeState), at(0, "honed_approver").transaction() as conn:
            act(conn)
    with pytest.raises(WrongChangeState), at().transaction() as conn:
        changes.withdraw(conn, opened.change_id, "x")


CALLS = {
    "honed.close_change(%(id)s, 'no')": {"honed_operator", "honed_approver"},
    "honed.merge_change(%(id)s)": {"honed_approver"},
    "honed.withdraw_change(%(id)s, 'x')": {"honed_daemon"},
    "honed.record_change(%(id)s, '{}')": {"honed_daemon"},
    "honed.record_checks(%(id)s, 'x', '[]', 'pending')": {"honed_daemon"},
    "honed.why_withheld(1, 1, 'x', 'x', 'x', 1, '0')": {"honed_daemon"},
}


@pytest.mark.parametrize(
    "role", ["honed_viewer", "honed_operator", "honed_approver", "honed_daemon", "honed_intake"]
)
def test_each_role_may_do_what_it_is_for(open_: Open, at: At, role: str) -> None:
    opened = open_()
    for call, may in CALLS.items():
        statement = f"SELECT {call}".encode()
        person = at(0, role)
        if role in may:
            with person.transaction() as conn, conn.transaction(force_rollback=True):
                conn.execute(statement, {"id": opened.change_id})
        else:
            with pytest.raises(NotAllowed), person.transaction() as conn:
                conn.execute(statement, {"id": opened.change_id})
    for table in (b"change_request", b"change_event"):
        with pytest.raises(NotAllowed), at(0, role).transaction() as conn:
            conn.execute(b"DELETE FROM honed." + table)


def test_whom_to_ask_is_said(open_: Open, at: At) -> None:
    opened = open_()
    for role, call, who in (
        ("honed_daemon", "honed.merge_change(%s)", "honed_approver"),
        ("honed_daemon", "honed.close_change(%s, 'x')", "honed_operator"),
        ("honed_operator", "honed.withdraw_change(%s, 'x')", "honed_daemon"),
    ):
        with pytest.raises(NotAllowed) as refused, at(0, role).transaction() as conn:
            conn.execute(f"SELECT {call}".encode(), (opened.change_id,))
        assert who in refused.value.hint


def test_the_history_is_kept(open_: Open, store: Database) -> None:
    open_()
    for statement in (
        b"DELETE FROM honed.change_event",
        b"UPDATE honed.change_event SET reason = 'x'",
        b"DELETE FROM honed.change_request",
    ):
        with pytest.raises(NotAllowed), store.transaction() as conn:
            conn.execute(statement)


@pytest.mark.parametrize("reason", ["''", "'  '", "null"])
def test_a_no_needs_a_reason(open_: Open, store: Database, reason: str) -> None:
    opened = open_()
    with pytest.raises(Exception, match="needs a reason"), store.transaction() as conn:
        conn.execute(f"SELECT honed.close_change({opened.change_id}, {reason})".encode())


def test_a_viewer_sees_changes(open_: Open, at: At) -> None:
    open_()
    with at(0, "honed_viewer").transaction() as conn:
        (row,) = conn.execute(b"SELECT target, state, checks_state FROM honed.change_requests")
    assert row == {"target": "shop", "state": "open", "checks_state": "pending"}


def test_every_query_can_be_prepared_by_the_daemon(daemon: Database) -> None:
    queries = load_queries("honed.targets.repository.requests", "changes.sql")
    for name, query in queries.items():
        names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", query)))
        numbered = re.sub(r"%\((\w+)\)s", lambda found, n=names: f"${n.index(found[1]) + 1}", query)  # type: ignore[misc]  # the names of this query
        with daemon.transaction() as conn:
            conn.execute(f"PREPARE p_{name} AS {numbered}".encode())
