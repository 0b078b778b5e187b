"""What will cross its limit is told with the day and an interval; what will not is left alone."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from honed.backlog.decide import resolve
from honed.backlog.draft import Draft
from honed.backlog.scan import scan
from honed.backlog.sources.forecasts import Forecasts
from honed.backlog.store import tickets
from honed.backlog.ticket import Priority
from honed.backlog.triage import triage
from honed.config import Settings
from honed.core.signal import Signal, SignalType
from honed.errors import ConfigurationError
from honed.storage.db import Database
from honed.targets.registry import TargetRecord, add_target
from honed.testing.sender import Sender, sending
from honed.testing.source import SourceContract, drafts_of

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
#: As many days as signals are kept for.
DAYS = 29.5


def values(begin: float, per_day: float, *, noise: float = 0.3) -> Iterator[tuple[datetime, float]]:
    """Yield four values a day of what grows, with weekends that are lower."""
    chance = np.random.default_rng(20261121)
    for number in range(int(DAYS * 4)):
        at = NOW - timedelta(days=DAYS) + timedelta(hours=6 * number + 6)
        weekend = -1.0 if at.weekday() > 4 else 0.0
        yield at, begin + per_day * number / 4 + weekend + chance.normal(0, noise)


def gauge(begin: float, per_day: float, name: str = "disk.used", **body: Any) -> Iterator[Signal]:
    for at, value in values(begin, per_day):
        yield Signal(
            SignalType.METRIC, name, at, "shop", value=value, body={"kind": "gauge", **body}
        )


def ran(store: Database, begin_ms: float, per_day_ms: float) -> int:
    """Let statement s1 of the target ``db`` get dearer; return the target's id."""
    url = "postgresql:///shop"
    target_id: int = add_target(store, TargetRecord("db", url, url)).target_id
    with store.transaction() as conn:
        conn.execute(
            "INSERT INTO honed.statement (target_id, statement_id, text, sort)"
            " VALUES (%s, 's1', 'SELECT 1', 'select')",
            (target_id,),
        )
        for at, ms in values(begin_ms, per_day_ms):
            conn.execute(
                """
                WITH stretch AS (
                  INSERT INTO honed.reading (target_id, started_at, ended_at, is_first)
                  VALUES (%(target)s, %(at)s, %(at)s, false) RETURNING reading_id
                )
                INSERT INTO honed.statement_interval (reading_id, statement_id, calls, exec_ms,
                  exec_ms_squares, row_count, shared_blocks, temp_blocks, wal_bytes)
                SELECT reading_id, 's1', 1000, %(ms)s * 1000, 0, 10, 0, 0, 0 FROM stretch
                """,
                {"target": target_id, "at": at, "ms": ms},
            )
    return target_id


@pytest.fixture
def at_noon(store: Database) -> Database:
    return replace(store, fake_now=NOW)


@pytest.fixture
def sender(at_noon: Database) -> Iterator[Sender]:
    with sending(at_noon) as opened:
        yield opened


def said(store: Database, **targets: str) -> list[Draft]:
    named = {name.replace("__", "/"): limit for name, limit in targets.items()}
    return drafts_of(store, Forecasts(), Settings(forecast_targets=named))


def told(draft: Draft) -> Mapping[str, Any]:
    evidence = draft.evidence["forecast"]
    assert isinstance(evidence, Mapping)
    return evidence


class TestForecasts(SourceContract):
    @pytest.fixture
    def store(self, at_noon: Database) -> Database:
        return at_noon

    @pytest.fixture
    def plugin(self) -> Forecasts:
        return Forecasts()

    @pytest.fixture
    def trouble(self, store: Database, sender: Sender) -> Settings:
        sender.signals(gauge(60, 1))
        ran(store, 10, 1)
        limits = {"shop/disk.used": "< 95", "db/s1": "< 45", "db/*": "< 45"}
        return Settings(forecast_targets=limits)


def test_a_gauge_that_grows_is_told_with_its_day_and_interval(
    at_noon: Database, sender: Sender
) -> None:
    # At noon of the last day it is at 89.5, and grows by 1 a day.
    sender.signals(gauge(60, 1))
    (draft,) = drafts_of(
        at_noon, Forecasts(), Settings(forecast_targets={"shop/disk.used": "< 98"})
    )
    days = told(draft)["days"]
    low, high = told(draft)["interval_days"]
    assert 7 <= days <= 11
    assert low <= days <= high <= 14
    assert draft.title == (
        f"disk.used of shop crosses its target of at most 98 in {days:.0f} days,"
        f" 90 % interval {low:.0f} to {high:.0f} days"
    )
    assert (draft.project, draft.subject) == ("shop", "gauge: disk.used: shop")
    assert draft.facts.due_days == days
    assert "makes disk.used of shop grow" in draft.proposed_solution
    assert triage(draft).priority in {Priority.MEDIUM, Priority.HIGH}


def test_what_is_far_away_or_goes_down_is_left_alone(at_noon: Database, sender: Sender) -> None:
    sender.signals(gauge(60, 1))
    sender.signals(gauge(90, -1, name="queue"))
    limits = {"shop/disk.used": "< 200", "shop/queue": "< 95", "shop/nothing": "< 1"}
    assert drafts_of(at_noon, Forecasts(), Settings(forecast_targets=limits)) == []


def test_what_should_stay_above_is_told_when_it_falls(at_noon: Database, sender: Sender) -> None:
    sender.signals(gauge(90, -1, name="free"))
    (draft,) = said(at_noon, shop__free="> 55")
    assert "crosses its target of at least 55 in" in draft.title
    assert "makes free of shop fall" in draft.proposed_solution


def test_what_is_beyond_already_is_due(at_noon: Database, sender: Sender) -> None:
    sender.signals(gauge(60, 1, name="used"))
    (draft,) = said(at_noon, shop__used="< 80")
    assert draft.title == "used of shop is beyond its target of at most 80"
    assert draft.facts.due_days == 0


def test_each_set_of_attributes_is_a_series(at_noon: Database, sender: Sender) -> None:
    for device, per_day in (("sda", 1.0), ("sdb", 0.0)):
        sender.signals(gauge(60, per_day, name="used", attributes={"device": device}))
    (draft,) = said(at_noon, shop__used="< 95")
    assert draft.subject == "gauge: used: shop, device=sda"


def test_what_only_ever_grows_crosses_nothing(at_noon: Database, sender: Sender) -> None:
    sender.signals(gauge(60, 1, name="used", kind="sum", is_monotonic=True))
    assert said(at_noon, shop__used="< 95") == []


def test_a_statement_that_gets_dearer_is_told_by_target(at_noon: Database) -> None:
    target_id = ran(at_noon, 10, 1)
    (draft,) = said(at_noon, db__s1="< 48")
    assert (draft.target_id, draft.project, draft.subject) == (target_id, "", "statement: s1")
    assert draft.title.startswith("SELECT 1 crosses its target of at most 48 in")
    assert "ms a call at" in draft.description
    every = drafts_of(at_noon, Forecasts(), Settings(forecast_targets={"db/*": "< 48"}))
    assert every[0].title.startswith("the time of all statements crosses its target")
    assert said(at_noon, db__s2="< 48") == []


def test_a_short_past_foretells_nothing(at_noon: Database, sender: Sender) -> None:
    sender.signals(list(gauge(60, 1, name="used"))[-80:])
    assert said(at_noon, shop__used="< 95") == []


def test_a_name_of_nothing_is_a_mistake_that_is_told(at_noon: Database) -> None:
    settings = Settings(forecast_targets={"shpo/used": "< 95"})
    (report,) = scan(replace(at_noon, role="honed_daemon"), [Forecasts()], settings)
    assert report.error == "forecast_targets names shpo, which is no project and no target"
    with pytest.raises(ConfigurationError):
        drafts_of(at_noon, Forecasts(), settings)


@pytest.mark.parametrize(
    ("name", "limit"),
    [("shop/used", "95"), ("shop/used", "< many"), ("used", "< 95"), ("Shop/used", "< 95")],
)
def test_a_limit_that_is_none_is_refused(name: str, limit: str) -> None:
    with pytest.raises(ValidationError):
        Settings(forecast_targets={name: limit})


def test_what_was_settled_rests_for_a_week(at_noon: Database, sender: Sender) -> None:
    sender.signals(gauge(60, 1, name="used"))
    settings = Settings(forecast_targets={"shop/used": "< 95"})
    daemon = replace(at_noon, role="honed_daemon")
    assert scan(daemon, [Forecasts()], settings)[0].created == 1
    with replace(at_noon, role="honed_operator").transaction() as conn:
        (ticket,) = tickets(conn)
        resolve(conn, ticket.ticket_id, "a larger disk is ordered")
    assert scan(daemon, [Forecasts()], settings)[0].found == 0
