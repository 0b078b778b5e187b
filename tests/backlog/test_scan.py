"""A scan: few new tickets, the best first; known ones are counted; a source that fails is named."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest

from honed.backlog.decide import reject, resolve
from honed.backlog.draft import Draft, Facts
from honed.backlog.scan import SourceReport, chosen, installed_sources, is_due, scan
from honed.backlog.source import Source
from honed.backlog.store import events, tickets
from honed.backlog.ticket import TicketSource
from honed.config import TICKET_SOURCES, Settings
from honed.core.plugins import discover
from honed.errors import ConfigurationError, MissingExtra, UnknownPlugin
from honed.storage.db import Connection, Database

MakeDraft = Callable[..., Draft]
At = Callable[..., Database]
SEEN = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Said(Source):
    """Says what the test gives it."""

    name: ClassVar[str] = "said"
    source: ClassVar[TicketSource] = TicketSource.EXCEPTION

    found: Iterable[Draft] = ()
    trouble: Exception | None = None
    asked_since: list[datetime] = field(default_factory=list)

    def drafts(self, conn: Connection, since: datetime, settings: Settings) -> Iterable[Draft]:
        self.asked_since.append(since)
        yield from self.found
        if self.trouble is not None:
            raise self.trouble


class Other(Said):
    name: ClassVar[str] = "other"
    source: ClassVar[TicketSource] = TicketSource.TEST


def counts(report: SourceReport) -> tuple[int, ...]:
    return (
        report.found,
        report.created,
        report.counted,
        report.reopened,
        report.left_out,
    )


def test_the_most_valuable_become_tickets_and_the_rest_is_counted(
    at: At, make_draft: MakeDraft
) -> None:
    important = make_draft(subject="important", facts=Facts(users=1000))
    often = make_draft(subject="often", count=9)
    source = Said([make_draft(subject=f"s{n}") for n in range(5)] + [often, important])
    (report,) = scan(at(1), [source], Settings(tickets_per_scan=2))
    assert counts(report) == (7, 2, 0, 0, 5)
    with at(2).transaction() as conn:
        assert [ticket.subject for ticket in tickets(conn)] == ["important", "often"]
        (event, *_) = events(conn, report.ticket_ids[0])
    assert event.reason == "found by said"


def test_what_is_known_takes_no_room(at: At, make_draft: MakeDraft) -> None:
    settings = Settings(tickets_per_scan=2)
    drafts = [make_draft(subject=f"s{n}") for n in range(4)]
    scan(at(1), [Said(drafts[:2])], settings)
    (report,) = scan(at(2), [Said(drafts)], settings)
    # Of the first two there is no news.
    assert counts(report) == (4, 2, 0, 0, 0)
    again = [replace(draft, count=2) for draft in drafts]
    (report,) = scan(at(3), [Said(again)], Settings(tickets_per_scan=0))
    assert counts(report) == (4, 0, 4, 0, 0)


def test_the_room_is_shared_by_all_sources(at: At, make_draft: MakeDraft) -> None:
    better = make_draft(subject="b", source=TicketSource.TEST, facts=Facts(users=99, share=1))
    reports = scan(at(1), [Said([make_draft()]), Other([better])], Settings(tickets_per_scan=1))
    assert [counts(report) for report in reports] == [(1, 0, 0, 0, 1), (1, 1, 0, 0, 0)]


def test_two_scans_at_once_make_one_ticket(at: At, make_draft: MakeDraft) -> None:
    drafts = [make_draft(subject=f"s{n}") for n in range(10)]
    with ThreadPoolExecutor(2) as pool:
        roles = ("honed_daemon", "honed_operator")
        # Each in its own order, so that they would wait for each other.
        orders = (drafts, drafts[::-1])
        runs = pool.map(
            lambda role, said: scan(at(1, role), [Said(said)], Settings()), roles, orders
        )
        reports = [report for (report,) in runs]
    assert sum(report.created for report in reports) == 10
    assert sum(report.found for report in reports) == 20
    assert sum(report.counted for report in reports) == 0
    with at(2).transaction() as conn:
        assert sorted(ticket.ticket_id for ticket in tickets(conn)) == [*range(1, 11)]


def test_the_same_draft_twice_in_one_scan_is_one_ticket(at: At, make_draft: MakeDraft) -> None:
    (report,) = scan(at(1), [Said([make_draft(count=1), make_draft(count=2)])], Settings())
    assert counts(report) == (1, 1, 0, 0, 0)


def test_regressed_and_rejected_troubles_are_told_apart(at: At, make_draft: MakeDraft) -> None:
    first, second = make_draft(subject="a"), make_draft(subject="b")
    (report,) = scan(at(1), [Said([first, second])], Settings())
    applied, rejected = sorted(report.ticket_ids)
    with at(2, "honed_operator").transaction() as conn:
        resolve(conn, applied, "fixed")
        reject(conn, rejected, "never mind")
    later = SEEN + timedelta(minutes=3)
    again = [make_draft(subject=each, count=2, last_seen_at=later) for each in ("a", "b")]
    (report,) = scan(at(4), [Said(again)], Settings())
    assert counts(report) == (2, 0, 1, 1, 0)
    assert report.ticket_ids == [applied]


@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        (MissingExtra("ruff is not installed"), "ruff is not installed"),
        (ZeroDivisionError("no"), "said raised ZeroDivisionError: no"),
    ],
)
def test_a_source_that_fails_is_named_and_holds_up_no_other(
    at: At, make_draft: MakeDraft, trouble: Exception, error: str
) -> None:
    failing = Said([make_draft()], trouble)
    other = Other([make_draft(source=TicketSource.TEST)])
    reports = scan(at(1), [failing, other], Settings())
    assert [report.error for report in reports] == [error, ""]
    assert [report.created for report in reports] == [0, 1]
    assert reports[0].hint
    with at(2).transaction() as conn:
        rows = conn.execute("SELECT source, error, created FROM honed.scan ORDER BY 1").fetchall()
    assert rows == [
        {"source": "other", "error": "", "created": 1},
        {"source": "said", "error": error, "created": 0},
    ]


def test_a_draft_that_the_store_refuses_costs_itself_alone(at: At, make_draft: MakeDraft) -> None:
    refused = make_draft(subject="b", title=" ")
    reports = scan(at(1), [Said([make_draft(subject="a"), refused])], Settings())
    assert [report.created for report in reports] == [1]
    assert "could not be kept" in reports[0].error
    with at(2).transaction() as conn:
        assert not is_due(conn, Settings())


def test_a_source_that_asks_the_store_for_nonsense_holds_up_no_other(
    at: At, make_draft: MakeDraft
) -> None:
    class Nonsense(Said):
        def drafts(self, conn: Connection, since: datetime, settings: Settings) -> Iterable[Draft]:
            conn.execute("SELECT 1 / 0")
            return ()

    reports = scan(at(1), [Nonsense(), Other([make_draft(source=TicketSource.TEST)])], Settings())
    assert "division by zero" in reports[0].error
    assert reports[1].created == 1


def test_a_source_is_asked_since_the_last_scan_that_missed_nothing(
    at: At, make_draft: MakeDraft
) -> None:
    source = Said([make_draft(subject=f"s{n}") for n in range(3)])
    scan(at(10), [source], Settings(tickets_per_scan=2))
    scan(at(20), [source], Settings(tickets_per_scan=2))
    scan(at(30), [Said(trouble=ValueError())], Settings())
    scan(at(40), [source], Settings())
    day_before = SEEN + timedelta(minutes=10) - timedelta(hours=24)
    assert source.asked_since == [
        day_before,
        # Something was left out at the first, and the second began ten minutes after it.
        day_before + timedelta(minutes=10),
        SEEN + timedelta(minutes=20),
    ]


def test_what_no_database_can_hold_is_replaced(at: At, make_draft: MakeDraft) -> None:
    odd = make_draft(
        title="a\0b \ud800", evidence={"ratio": float("inf"), "\0": ["\0", {"n": float("nan")}]}
    )
    (report,) = scan(at(1), [Said([odd])], Settings())
    assert report.created == 1
    with at(2).transaction() as conn:
        (ticket,) = tickets(conn)
    assert ticket.title == "a\ufffdb ?"
    assert ticket.evidence == {"ratio": None, "\ufffd": ["\ufffd", {"n": None}]}


def test_a_scan_is_due_after_its_pause(at: At) -> None:
    settings = Settings(scan_interval_s=600)
    with at(0).transaction() as conn:
        assert is_due(conn, settings)
        assert not is_due(conn, Settings(backlog_enabled=False))
    scan(at(0), [Said()], settings)
    for minutes, due in ((9, False), (10, True)):
        with at(minutes).transaction() as conn:
            assert is_due(conn, settings) is due


def test_sources_are_chosen_by_name_or_by_what_is_switched_on() -> None:
    installed = {"said": Said(), "other": Other()}
    assert [each.name for each in chosen(installed, Settings())] == ["said", "other"]
    only = Settings(ticket_sources="test")
    assert [each.name for each in chosen(installed, only)] == ["other"]
    assert [each.name for each in chosen(installed, only, ["said", "said"])] == ["said"]
    with pytest.raises(UnknownPlugin, match="no source called 'logs'") as refused:
        chosen(installed, only, ["logs"])
    assert refused.value.hint == "installed are: said, other"
    with pytest.raises(ConfigurationError, match="switched off"):
        chosen(installed, Settings(backlog_enabled=False))


def test_every_source_can_be_switched_off() -> None:
    assert {*TICKET_SOURCES, "manual"} == {each.value for each in TicketSource}
    sources = installed_sources()
    assert "findings" in sources
    assert {each.source.value for each in sources.values()} <= set(TICKET_SOURCES)
    assert list(discover("honed.backlog.sources", Source)) == list(sources)  # type: ignore[type-abstract]  # the family's base
