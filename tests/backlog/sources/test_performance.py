"""What takes longer than is usual at that hour of the week is a ticket; noise is none."""

import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec import structs

from honed.backlog.draft import Draft
from honed.backlog.sources.performance import Performance
from honed.backlog.ticket import Category
from honed.backlog.triage import triage
from honed.config import Settings
from honed.core.signal import Signal, SignalType
from honed.storage.db import Database
from honed.testing.sender import sending
from honed.testing.source import SourceContract, drafts_of

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
SEED = 20261121


def spans(
    name: str = "GET /cart", *, days: float = 9, times: float = 1.0, hours: float = 12, **also: Any
) -> Iterator[Signal]:
    """Yield calls of an operation that is slow by day, for the last hours ``times`` as slow."""
    chance = random.Random(f"{SEED} {name}")  # noqa: S311 - it decides nothing
    at = NOW - timedelta(days=days)
    while at < NOW:
        at += timedelta(minutes=15)
        by_day = 1.0 + 0.5 * math.sin(2 * math.pi * at.hour / 24)
        value = 100 * by_day * chance.lognormvariate(0, 0.1)
        if at > NOW - timedelta(hours=hours):
            value *= times
        said = {"type": SignalType.SPAN, "service": "shop", **also}
        yield Signal(subject=name, at=min(at, NOW), value=value, **said)


@pytest.fixture
def at_noon(store: Database) -> Database:
    return replace(store, fake_now=NOW)


def said(store: Database) -> list[Draft]:
    return drafts_of(store, Performance(), Settings())


def told(draft: Draft) -> Mapping[str, Any]:
    evidence = draft.evidence["anomaly"]
    assert isinstance(evidence, Mapping)
    return evidence


class TestPerformance(SourceContract):
    @pytest.fixture
    def store(self, at_noon: Database) -> Database:
        return at_noon

    @pytest.fixture
    def plugin(self) -> Performance:
        return Performance()

    @pytest.fixture
    def trouble(self, store: Database) -> Settings:
        with sending(store) as sender:
            sender.signals(spans(times=3))
            sender.signals(spans("gpt-4o", times=3, type=SignalType.INFERENCE))
        return Settings()


def test_what_became_slow_is_told_with_what_is_usual(at_noon: Database) -> None:
    with sending(at_noon) as sender:
        sender.signals(spans(times=3))
        sender.signals(spans("GET /order"))
    (draft,) = said(at_noon)
    assert draft.subject == "span: shop: GET /cart"
    assert draft.title == f"Optimize GET /cart: {draft.facts.excess:.1f} times as slow as usual"
    # The hours of the week are not known yet: by day it is slower anyway.
    assert 2.0 < draft.facts.excess < 5.0
    assert told(draft)["value"] == pytest.approx(told(draft)["usual"] * draft.facts.excess)
    assert told(draft)["severity"] in {"high", "critical"}
    assert {each["metric"] for each in told(draft)["seen_by"]} == {"median_ms"}
    assert NOW - timedelta(hours=14) < draft.first_seen_at <= draft.last_seen_at <= NOW
    assert 0.5 < draft.facts.share < 0.7
    assert draft.proposed_solution.startswith("Compare traces of GET /cart from before and after")
    judged = triage(draft)
    assert judged.category is Category.PERFORMANCE


def test_noise_by_day_and_by_night_is_none(at_noon: Database) -> None:
    with sending(at_noon) as sender:
        for number in range(4):
            sender.signals(spans(f"GET /{number}"))
    assert said(at_noon) == []


def test_what_became_faster_is_no_trouble(at_noon: Database) -> None:
    with sending(at_noon) as sender:
        sender.signals(spans(times=0.3))
    assert said(at_noon) == []


def test_what_was_slow_days_ago_is_no_news(at_noon: Database) -> None:
    with sending(at_noon) as sender:
        sender.signals(spans(times=3))
    later = replace(at_noon, fake_now=NOW + timedelta(days=2))
    assert said(later) == []


def test_one_slow_hour_is_no_trouble(at_noon: Database) -> None:
    with sending(at_noon) as sender:
        sender.signals(spans(times=5, hours=0.75))
    assert said(at_noon) == []


def test_next_to_nothing_of_the_time_is_not_worth_a_ticket(at_noon: Database) -> None:
    with sending(at_noon) as sender:
        sender.signals(spans(times=3))
        sender.signals(
            structs.replace(each, value=(each.value or 0) * 1000) for each in spans("GET /order")
        )
    assert said(at_noon) == []


def test_the_tail_is_looked_at_where_there_are_enough_calls(at_noon: Database) -> None:
    chance = random.Random(SEED)  # noqa: S311 - it decides nothing

    def calls() -> Iterator[Signal]:
        for each in spans(days=4):
            is_late = each.at > NOW - timedelta(hours=12)
            for number in range(40):
                slow = 8.0 if is_late and number < 6 else 1.0
                yield structs.replace(each, value=100 * slow * chance.lognormvariate(0, 0.1))

    with sending(at_noon) as sender:
        sender.signals(calls())
    (draft,) = said(at_noon)
    assert {each["metric"] for each in told(draft)["seen_by"]} == {"p95_ms"}
    assert "The p95 of GET /cart in shop is" in draft.description


def test_with_four_weeks_the_threshold_is_calibrated(at_noon: Database) -> None:
    with sending(at_noon) as sender:
        sender.signals(spans(days=28.9, times=2))
    (draft,) = said(at_noon)
    calibrated = [each for each in told(draft)["seen_by"] if "calibrated_on_rows" in each]
    assert calibrated
    for each in calibrated:
        assert each["calibrated_on_rows"] >= 2000
        assert each["achieved_alarms_per_day"] >= 0


def test_of_too_much_a_sample_is_read(at_noon: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("honed.backlog.sources.performance._MOST_BYTES", 200_000)
    with sending(at_noon) as sender:
        sender.signals(spans(days=20, times=3))
    (draft,) = said(at_noon)
    assert told(draft)["calls"] < 20 * 96 * 0.9
