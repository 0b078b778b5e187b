"""What most of the money goes into is a ticket, and what ever more does; small things are none."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec import structs

from honed.backlog.decide import resolve
from honed.backlog.draft import Draft
from honed.backlog.scan import scan
from honed.backlog.sources.cost import Cost
from honed.backlog.store import tickets
from honed.backlog.ticket import Category
from honed.backlog.triage import triage
from honed.config import Settings
from honed.core.signal import Signal, SignalType
from honed.storage.db import Database
from honed.targets.registry import TargetRecord, add_target
from honed.testing.sender import Sender, sending
from honed.testing.source import SourceContract, drafts_of

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
WEEK = timedelta(days=7)


def asked(model: str, usd: float, *, ago: timedelta = timedelta(days=1)) -> Iterator[Signal]:
    """Yield ten requests to a model that cost so much together."""
    body = {"cost_usd": usd / 10, "input_tokens": 1000, "output_tokens": 100}
    for number in range(10):
        at = NOW - ago - timedelta(minutes=number)
        yield Signal(SignalType.INFERENCE, model, at, "shop", value=800.0, body=body)


def ran(store: Database, statement: str, seconds: float, *, ago: timedelta = WEEK / 7) -> int:
    """Let a statement of the target ``shop-db`` have run for so long; return the target's id."""
    values = {"id": statement, "ms": seconds * 1000, "at": NOW - ago}
    with store.transaction() as conn:
        row = conn.execute("SELECT target_id FROM honed.target").fetchone()
        if row is None:
            url = "postgresql:///shop"
            target_id = add_target(store, TargetRecord("shop-db", url, url)).target_id
        else:
            target_id = row["target_id"]
    with store.transaction() as conn:
        conn.execute(
            """
            WITH known AS (
              INSERT INTO honed.statement (target_id, statement_id, text, sort)
              VALUES (%(target)s, %(id)s, 'SELECT * FROM ' || %(id)s, 'select')
              ON CONFLICT DO NOTHING
            ), stretch AS (
              INSERT INTO honed.reading (target_id, started_at, ended_at, is_first)
              VALUES (%(target)s, %(at)s, %(at)s, false) RETURNING reading_id
            )
            INSERT INTO honed.statement_interval (reading_id, statement_id, calls, exec_ms,
              exec_ms_squares, row_count, shared_blocks, temp_blocks, wal_bytes)
            SELECT reading_id, %(id)s, 10, %(ms)s, 0, 10, 0, 0, 0 FROM stretch
            """,
            {"target": target_id, **values},
        )
    assert isinstance(target_id, int)
    return target_id


def took(file: str, minutes: float) -> dict[str, Any]:
    return {
        "test": f"{file}::test_a", "file": file, "outcome": "passed",
        "duration_ms": minutes * 60_000, "at": (NOW - timedelta(days=1)).isoformat(),
    }  # fmt: skip


@pytest.fixture
def at_noon(store: Database) -> Database:
    return replace(store, fake_now=NOW)


@pytest.fixture
def sender(at_noon: Database) -> Iterator[Sender]:
    with sending(at_noon) as opened:
        yield opened


def said(store: Database) -> list[Draft]:
    return drafts_of(store, Cost(), Settings())


def told(draft: Draft) -> Mapping[str, Any]:
    evidence = draft.evidence["hotspot"]
    assert isinstance(evidence, Mapping)
    return evidence


class TestCost(SourceContract):
    @pytest.fixture
    def store(self, at_noon: Database) -> Database:
        return at_noon

    @pytest.fixture
    def plugin(self) -> Cost:
        return Cost()

    @pytest.fixture
    def trouble(self, store: Database, sender: Sender) -> Settings:
        sender.signals(asked("gpt-4o", 20))
        sender.run(took("tests/test_slow.py", 90))
        ran(store, "orders", 7200)
        return Settings()


def test_the_model_that_most_of_the_money_goes_into_is_told(
    at_noon: Database, sender: Sender
) -> None:
    sender.signals([*asked("gpt-4o", 30), *asked("gpt-4o-mini", 8), *asked("embedder", 2)])
    (draft,) = said(at_noon)
    assert draft.title == "Reduce the cost of gpt-4o: 75% of what models cost shop"
    assert draft.description.startswith("gpt-4o cost 30 USD in the last week")
    assert (draft.subject, draft.project) == ("model: gpt-4o", "shop")
    assert (told(draft)["cost"], told(draft)["share"]) == (30, 0.75)
    assert (told(draft)["requests"], told(draft)["input_tokens"]) == (10, 10_000)
    assert (told(draft)["cost_before"], told(draft)["services"]) == (None, ["shop"])
    judged = triage(draft)
    assert judged.category is Category.COST


def test_what_costs_ever_more_is_told_before_it_is_the_largest(
    at_noon: Database, sender: Sender
) -> None:
    for model, before, now in (("old", 90, 90), ("new", 5, 12), ("steady", 10, 10)):
        sender.signals(asked(model, before, ago=timedelta(days=13.5)))
        sender.signals(asked(model, now))
    by_subject = {draft.subject: draft for draft in said(at_noon)}
    assert set(by_subject) == {"model: old", "model: new"}
    new = by_subject["model: new"]
    assert new.title.endswith("11% of what models cost shop, 2.4 times as much as the week before")
    assert new.facts.excess == pytest.approx(2.4)
    assert by_subject["model: old"].facts.excess == 1.0


def test_growth_since_yesterday_is_no_growth(at_noon: Database, sender: Sender) -> None:
    sender.signals([*asked("a", 90), *asked("b", 9), *asked("b", 1, ago=timedelta(days=8))])
    assert [draft.subject for draft in said(at_noon)] == ["model: a"]


def test_what_costs_next_to_nothing_is_left_alone(at_noon: Database, sender: Sender) -> None:
    sender.signals(asked("gpt-4o-mini", 6))
    sender.run(took("tests/test_a.py", 59))
    ran(at_noon, "orders", 3500)
    assert said(at_noon) == []


def test_a_cost_that_nobody_knows_is_none(at_noon: Database, sender: Sender) -> None:
    unknown = [structs.replace(each, body={"cost_usd": None}) for each in asked("own-model", 100)]
    sender.signals(unknown)
    assert said(at_noon) == []


def test_statements_are_told_by_target(at_noon: Database) -> None:
    target_id = ran(at_noon, "orders", 8000)
    ran(at_noon, "carts", 1000)
    (draft,) = said(at_noon)
    assert (draft.target_id, draft.project, draft.subject) == (target_id, "", "statement: orders")
    assert draft.title == (
        "Reduce the cost of SELECT * FROM orders: 89% of the time of all statements of shop-db"
    )
    assert told(draft)["unit"] == "s a week"
    with at_noon.transaction() as conn:
        conn.execute("UPDATE honed.target SET removed_at = honed.now()")
    assert said(at_noon) == []


def test_minutes_of_tests_are_told_by_file(at_noon: Database, sender: Sender) -> None:
    sender.run(took("tests/test_slow.py", 70), took("tests/test_fast.py", 10))
    (draft,) = said(at_noon)
    assert draft.subject == "tests: tests/test_slow.py"
    assert draft.files_to_modify == ("tests/test_slow.py",)
    assert "pytest --durations=0 tests/test_slow.py" in draft.test_plan
    assert (told(draft)["cost"], told(draft)["unit"], told(draft)["tests"]) == (70, "min a week", 1)


def test_of_many_hotspots_the_dearest_are_told(at_noon: Database, sender: Sender) -> None:
    for number in range(6):
        sender.signals(asked(f"m{number}", 5, ago=timedelta(days=13.5)))
        sender.signals(asked(f"m{number}", 20 + number))
    assert [draft.subject for draft in said(at_noon)] == ["model: m5", "model: m4", "model: m3"]


def test_what_was_settled_rests_and_comes_back_only_if_it_costs_as_much(
    at_noon: Database, sender: Sender
) -> None:
    def scanned(days: float) -> tuple[int, int]:
        later = replace(at_noon, fake_now=NOW + timedelta(days=days), role="honed_daemon")
        (report,) = scan(later, [Cost()], Settings())
        return report.found, report.reopened

    sender.signals(asked("gpt-4o", 30))
    assert scanned(0) == (1, 0)
    operator = replace(at_noon, fake_now=NOW + timedelta(hours=1), role="honed_operator")
    with operator.transaction() as conn:
        (ticket,) = tickets(conn)
        resolve(conn, ticket.ticket_id, "half of it goes to a smaller model")
    assert scanned(1) == (0, 0)
    sender.signals(asked("gpt-4o", 15, ago=-timedelta(days=8)), source="sentry")
    with at_noon.transaction() as conn:
        # The pipeline lets nothing happen in the future: what came later is put there.
        conn.execute(
            "UPDATE honed.signal SET at = %s WHERE source = 'sentry'", (NOW + timedelta(days=8),)
        )
    assert scanned(8.5) == (0, 0)
    with at_noon.transaction() as conn:
        conn.execute("""UPDATE honed.signal SET body = body || '{"cost_usd": 3}'""")
    assert scanned(8.6) == (1, 1)
