"""What users complain of is one ticket a topic; praise and wishes are none."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from honed.backlog.draft import Draft
from honed.backlog.scan import scan
from honed.backlog.sources.feedback import Feedback
from honed.backlog.store import Became, take_in, tickets
from honed.backlog.ticket import Category, Priority
from honed.backlog.triage import triage
from honed.config import Settings
from honed.storage.db import Database
from honed.testing.sender import Sender, sending
from honed.testing.source import SourceContract, drafts_of


def said(store: Database) -> list[Draft]:
    return drafts_of(store, Feedback(), Settings())


def told(draft: Draft) -> Mapping[str, Any]:
    evidence = draft.evidence["feedback"]
    assert isinstance(evidence, Mapping)
    return evidence


class TestFeedback(SourceContract):
    @pytest.fixture
    def plugin(self) -> Feedback:
        return Feedback()

    @pytest.fixture
    def trouble(self, sender: Sender) -> Settings:
        sender.feedback({"text": "Search is slow"}, {"text": "The invoice is wrong"}, {"rating": 1})
        return Settings()


def test_a_complaint_is_told_as_the_seed_does(store: Database, sender: Sender) -> None:
    sender.feedback({"text": "Response time is too slow", "sentiment": "negative", "user": "7"})
    (draft,) = said(store)
    assert draft.title == "Address user feedback: Response time is too slow"
    assert draft.description.startswith("User feedback: 'Response time is too slow'. Said once")
    assert draft.proposed_solution.startswith("Improve performance and responsiveness")
    assert (told(draft)["text"], told(draft)["sentiment"]) == (
        "Response time is too slow", "negative",
    )  # fmt: skip
    assert told(draft)["timestamp"] == draft.last_seen_at.isoformat()
    judged = triage(draft)
    assert (judged.category, judged.priority) == (Category.FEATURE, Priority.HIGH)


def test_one_complaint_of_many_users_is_one_ticket(store: Database, sender: Sender) -> None:
    texts = ["Response time is too slow", "responses are slow", "The response takes forever!"]
    for number, text in enumerate(texts):
        sender.feedback({"text": text, "user": f"u{number}", "page": "/cart", "rating": 1 + number})
    sender.feedback({"text": "The invoice is wrong", "user": "u1"}, {"text": "I love it"})
    invoice, slow = sorted(said(store), key=lambda draft: draft.title)
    assert "invoice" in invoice.title
    assert slow.title == "Address user feedback: responses are slow"
    assert "Said 2 times by 2 users, on /cart" in slow.description
    assert (slow.facts.users, told(slow)["mean_rating"]) == (2, 1.5)
    assert [each["text"] for each in told(slow)["said"]] == texts[:2]


def test_what_is_rated_well_is_no_complaint_whatever_its_words(
    store: Database, sender: Sender
) -> None:
    sender.feedback({"text": "It was terrible before", "rating": 5}, {"text": "fine", "rating": 4})
    assert said(store) == []


def test_a_crash_is_a_mistake_to_be_corrected(store: Database, sender: Sender) -> None:
    sender.feedback({"text": "The export crashes"})
    (draft,) = said(store)
    assert triage(draft).category is Category.BUG_FIX


def test_ratings_without_words_are_one_topic(store: Database, sender: Sender) -> None:
    sender.feedback({"rating": 5}, {"rating": 1, "page": "/cart"}, {"rating": 2})
    (draft,) = said(store)
    assert draft.subject == "a rating without words"
    assert (told(draft)["count"], draft.facts.users) == (2, 0)


def test_a_new_complaint_joins_the_ticket_that_there_is(store: Database, sender: Sender) -> None:
    daemon = replace(store, role="honed_daemon")
    sender.feedback({"text": "Response time is too slow"})
    assert scan(daemon, [Feedback()], Settings())[0].created == 1
    with store.transaction() as conn:
        # Its first words are gone with the day on which they came.
        conn.execute("DELETE FROM honed.signal")
    sender.feedback({"text": "Slow responses everywhere in the new mobile view"})
    (report,) = scan(daemon, [Feedback()], Settings())
    assert (report.created, report.counted) == (0, 1)
    with daemon.transaction() as conn:
        (ticket,) = tickets(conn)
    assert ticket.times_seen == 2


def test_seen_is_how_often_users_said_it(store: Database, sender: Sender) -> None:
    daemon = replace(store, role="honed_daemon")

    def scanned() -> tuple[int, int]:
        (report,) = scan(daemon, [Feedback()], Settings())
        with daemon.transaction() as conn:
            (ticket,) = tickets(conn)
        return ticket.times_seen, report.counted

    sender.feedback(*[{"text": "Search is slow"}] * 3)
    assert scanned() == (3, 0)
    sender.feedback(*[{"text": "the search is slow"}] * 2)
    assert scanned() == (5, 1)
    assert scanned() == (5, 0)
    with store.transaction() as conn:
        # All but the newest are as old as the retention is long.
        conn.execute(
            "DELETE FROM honed.signal WHERE signal_id < (SELECT max(signal_id) FROM honed.signal)"
        )
    sender.feedback({"text": "Search is slow"})
    assert scanned() == (6, 1)
    with daemon.transaction() as conn:
        (ticket,) = tickets(conn)
    (told_,) = ticket.evidence.values()
    assert isinstance(told_, Mapping)
    assert isinstance(told_["said"], list)
    assert told_["count"] == len(told_["said"]) == 2


def test_nothing_new_is_not_said_to_be_counted(store: Database, sender: Sender) -> None:
    sender.feedback({"text": "Search is slow"})
    (draft,) = said(store)
    with replace(store, role="honed_daemon").transaction() as conn:
        taken = [take_in(conn, draft, found_by="feedback")[1] for _ in range(2)]
    assert taken == [Became.CREATED, Became.KNOWN]


def test_what_was_said_before_is_no_news_and_what_comes_late_is(
    store: Database, sender: Sender
) -> None:
    long_ago = sender.pipeline.now() - timedelta(days=5)
    sender.feedback({"text": "Search is slow", "at": long_ago.isoformat()})
    with replace(store, role="honed_daemon").transaction() as conn:
        since = sender.pipeline.now() + timedelta(minutes=10)
        assert list(Feedback().drafts(conn, since, Settings())) == []
        assert list(Feedback().drafts(conn, since - timedelta(minutes=1), Settings()))


def test_a_writer_that_was_slower_is_counted_once(store: Database, sender: Sender) -> None:
    daemon = replace(store, role="honed_daemon")

    def seen(after: timedelta = timedelta()) -> int:
        clock = replace(daemon, fake_now=sender.pipeline.now() + after)
        scan(clock, [Feedback()], Settings())
        with daemon.transaction() as conn:
            (ticket,) = tickets(conn)
        return ticket.times_seen

    sender.feedback(*[{"text": "Search is slow"}] * 3)
    with store.transaction() as conn:
        # As if its writer had not ended its transaction yet.
        conn.execute("CREATE TABLE open AS SELECT * FROM honed.signal ORDER BY signal_id LIMIT 1")
        conn.execute("DELETE FROM honed.signal WHERE signal_id IN (SELECT signal_id FROM open)")
    assert seen() == 2
    with store.transaction() as conn:
        conn.execute("INSERT INTO honed.signal OVERRIDING SYSTEM VALUE SELECT * FROM open")
    assert seen() == 3
    assert seen() == 3
    # Nothing is open any more, and no ids need to be kept.
    sender.feedback({"text": "Search is slow"})
    assert seen(timedelta(minutes=19)) == 4
    assert seen(timedelta(minutes=19)) == 4
    with daemon.transaction() as conn:
        (ticket,) = tickets(conn)
    assert ticket.metadata["unsettled_signal_ids"] == []


def test_projects_are_told_apart(store: Database, sender: Sender) -> None:
    sender.feedback({"text": "Search is slow"})
    with sending(store, "stock") as other:
        other.feedback({"text": "Search is slow"})
    assert sorted(draft.project for draft in said(store)) == ["shop", "stock"]
