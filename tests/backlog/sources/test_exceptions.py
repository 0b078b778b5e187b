"""Ten thousand events of one fault are one ticket, which opens again when the fault comes back."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from honed.backlog.decide import reopen, resolve
from honed.backlog.draft import Draft
from honed.backlog.scan import SourceReport, scan
from honed.backlog.sources.exceptions import Exceptions
from honed.backlog.store import events, get, tickets
from honed.backlog.ticket import Category, Priority, TicketState
from honed.backlog.triage import triage
from honed.config import Settings
from honed.storage.db import Database
from honed.testing.sender import Sender, sending
from honed.testing.source import SourceContract, drafts_of

FRAMES = [
    {"filename": "core/api.py", "function": "answer", "lineno": 9, "in_app": True},
    {
        "filename": "core/providers.py", "module": "core.providers", "function": "generate",
        "lineno": 31, "in_app": True, "context_line": "return provider.generate_text(prompt)",
    },
    {"filename": "/lib/site-packages/x.py", "function": "x", "lineno": 1, "in_app": False},
]  # fmt: skip
MESSAGE = "'NoneType' object has no attribute 'generate_text'"


def raised(
    type_: str = "AttributeError", value: str = MESSAGE, *, handled: bool = True, **also: Any
) -> dict[str, Any]:
    """Return an event of an exception."""
    exception = {
        "type": type_,
        "value": value,
        "mechanism": {"handled": handled},
        "stacktrace": {"frames": FRAMES},
    }
    return {"exception": {"values": [exception]}, **also}


def exception_of(draft: Draft) -> Mapping[str, Any]:
    told = draft.evidence["exception"]
    assert isinstance(told, Mapping)
    return told


def said(store: Database) -> list[Draft]:
    return drafts_of(store, Exceptions(), Settings())


def scanned(store: Database) -> SourceReport:
    (report,) = scan(replace(store, role="honed_daemon"), [Exceptions()], Settings())
    return report


class TestExceptions(SourceContract):
    @pytest.fixture
    def plugin(self) -> Exceptions:
        return Exceptions()

    @pytest.fixture
    def trouble(self, sender: Sender) -> Settings:
        sender.event(**raised())
        sender.event(message="no stock", level="error")
        return Settings()

    def test_a_fault_is_told_as_the_seed_does(self, store: Database) -> None:
        begin = datetime(2025, 12, 30, 10, tzinfo=UTC)
        now = begin + timedelta(hours=5.5)
        with sending(replace(store, fake_now=now)) as sender:
            for minutes in (0, 60, 120, 180, 330):
                at = begin + timedelta(minutes=minutes)
                user = {"id": f"user {minutes // 60 % 2}"}
                sender.event(**raised(timestamp=at.isoformat(), release="1.2", user=user))
        (draft,) = said(replace(store, fake_now=now))
        assert draft.title == (
            "Fix AttributeError in core/providers.py (generate): 'NoneType' object has no attribute"
            " 'generate_text'"
        )
        assert draft.description.startswith("Recurring AttributeError: 'NoneType' object has no")
        assert "seen 5 times since 2025-12-30 10:00 UTC, by 2 users on the last day, in 1.2" in (
            draft.description
        )
        told = exception_of(draft)
        assert (told["type"], told["message"], told["count"]) == ("AttributeError", MESSAGE, 5)
        assert (told["first_seen"], told["last_seen"]) == (begin.isoformat(), now.isoformat())
        assert [frame["function"] for frame in told["frames"]] == ["answer", "generate"]
        assert draft.files_to_modify == ("core/providers.py",)
        assert "None" in draft.proposed_solution
        assert "core.providers.generate" in draft.proposed_solution
        assert draft.test_plan.startswith("1. Reproduce the error")
        assert (draft.count, draft.first_seen_at, draft.last_seen_at) == (5, begin, now)
        assert draft.facts.times_per_day == pytest.approx(5 / (5.5 / 24))
        judged = triage(draft)
        assert (judged.category, judged.priority) == (Category.BUG_FIX, Priority.HIGH)
        assert (judged.risk_level, judged.estimated_effort) == (4, 3)

    def test_what_nobody_caught_counts_more(self, store: Database, sender: Sender) -> None:
        sender.event(**raised(handled=False))
        (draft,) = said(store)
        assert draft.facts.is_unhandled

    @pytest.mark.parametrize(
        ("type_", "value", "remedy"),
        [
            ("KeyError", "'total'", "is not there"),
            ("requests.ConnectTimeout", "after 30 s", "other side is away"),
            ("psycopg.errors.DeadlockDetected", "deadlock", "one order"),
            ("json.decoder.JSONDecodeError", "Expecting value", "Check what comes in"),
            ("MemoryError", "", "Bound"),
            ("shop.OutOfStock", "7", "what leads to it"),
        ],
    )
    def test_a_remedy_fits_the_error(
        self, store: Database, sender: Sender, type_: str, value: str, remedy: str
    ) -> None:
        sender.event(**raised(type_, value))
        (draft,) = said(store)
        assert remedy in draft.proposed_solution
        assert draft.title.startswith(f"Fix {type_.rpartition('.')[2]} in core/providers.py")

    def test_of_messages_only_errors_are_troubles(self, store: Database, sender: Sender) -> None:
        for level in ("info", "warning", "error"):
            sender.event(message=f"{level} it is", level=level, logger="shop.cart")
        (draft,) = said(store)
        assert draft.title == "Fix logged error in shop.cart: error it is"
        assert exception_of(draft)["message"] == "error it is"

    def test_only_what_was_seen_since_is_told(self, store: Database, sender: Sender) -> None:
        sender.event(**raised())
        with replace(store, role="honed_daemon").transaction() as conn:
            since = sender.pipeline.now() + timedelta(seconds=1)
            assert list(Exceptions().drafts(conn, since, Settings())) == []

    def test_results_of_tests_are_not_its_business(self, store: Database, sender: Sender) -> None:
        sender.run({"test": "test_a", "outcome": "failed"})
        assert store.url
        assert said(store) == []

    def test_what_came_too_much_of_in_a_day_is_no_fault(
        self, store: Database, sender: Sender
    ) -> None:
        sender.event(**raised())
        with store.transaction() as conn:
            conn.execute("UPDATE honed.signal_group SET fingerprint = 'overflow'")
        assert said(store) == []


def test_a_fault_that_comes_back_after_its_ticket_was_settled_has_regressed(
    store: Database, sender: Sender
) -> None:
    operator = replace(store, role="honed_operator")
    sender.event(**raised())
    assert scanned(store).created == 1
    with operator.transaction() as conn:
        (ticket,) = tickets(conn)
        resolve(conn, ticket.ticket_id, "corrected in 1.3")
    # Nothing is heard of it for a while.
    assert said(store) == []
    assert (scanned(store).found, scanned(store).reopened) == (0, 0)
    sender.event(**raised(release="1.4"))
    report = scanned(store)
    assert (report.reopened, report.ticket_ids) == (1, [ticket.ticket_id])
    with operator.transaction() as conn:
        again = get(conn, ticket.ticket_id)
        last = events(conn, ticket.ticket_id)
    assert (again.state, again.times_seen, again.reopened_count) == (TicketState.OPEN, 2, 1)
    assert "was well before" in {term.name for term in again.terms["priority"]}
    assert "It was settled and came back at" in again.description
    assert "regressed" in {each.event for each in last}


def test_a_sender_whose_clock_is_behind_is_heard(store: Database, sender: Sender) -> None:
    earlier = sender.pipeline.now() - timedelta(hours=2)
    for times_seen in (1, 2):
        sender.event(**raised(timestamp=earlier.isoformat()))
        scanned(store)
        with replace(store, role="honed_operator").transaction() as conn:
            assert [ticket.times_seen for ticket in tickets(conn)] == [times_seen]


def test_a_settled_ticket_that_is_taken_back_opens_its_group(
    store: Database, sender: Sender
) -> None:
    operator = replace(store, role="honed_operator")
    sender.event(**raised())
    scanned(store)
    for act, is_settled in ((resolve, True), (reopen, False)):
        with operator.transaction() as conn:
            (ticket_id,) = [row["ticket_id"] for row in conn.execute("SELECT * FROM honed.ticket")]
            act(conn, ticket_id, "said so")
        with store.transaction() as conn:
            (row,) = conn.execute("SELECT resolved_at FROM honed.signal_group")
            assert (row["resolved_at"] is not None) == is_settled
    assert len(said(store)) == 1


def test_the_same_fault_in_two_projects_is_settled_in_one(store: Database, sender: Sender) -> None:
    sender.event(**raised())
    with sending(store, "stock") as other:
        other.event(**raised())
    assert scanned(store).created == 2
    with replace(store, role="honed_operator").transaction() as conn:
        (ticket,) = [each for each in tickets(conn) if each.project == "stock"]
        resolve(conn, ticket.ticket_id, "not here")
    assert [draft.project for draft in said(store)] == ["shop"]
