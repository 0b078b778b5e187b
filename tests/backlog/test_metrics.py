"""The numbers of the backlog are their formulas, also where there is nothing to count."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from honed.backlog.decide import reject, resolve
from honed.backlog.draft import Draft, Facts
from honed.backlog.metrics import Metrics, Rates, read_metrics
from honed.backlog.store import Ending, begin_attempt, end_attempt, get, move, take_in
from honed.backlog.ticket import TicketSource, TicketState
from honed.storage.db import Database

MakeDraft = Callable[..., Draft]
At = Callable[..., Database]
SEEN = datetime(2026, 1, 1, tzinfo=UTC)
DAY = 24 * 60.0


def measured(database: Database) -> Metrics:
    with database.transaction() as conn:
        return read_metrics(conn)


def taken_in(database: Database, draft: Draft) -> int:
    with database.transaction() as conn:
        return take_in(conn, draft, found_by="test")[0]


def tried(database: Database, ticket_id: int, *, success: bool) -> None:
    with database.transaction() as conn:
        attempt_id = begin_attempt(conn, ticket_id)
        move(conn, ticket_id, TicketState.TESTING)
        end_attempt(conn, attempt_id, Ending(success=success))
        move(conn, ticket_id, TicketState.APPLIED if success else TicketState.OPEN)


def rates(metrics: Metrics) -> dict[str, Rates]:
    return {each.time_window: each for each in metrics.rates}


def test_an_empty_backlog_is_healthy_and_nothing_is_undefined(at: At) -> None:
    metrics = measured(at(0))
    assert metrics.values["health_score"] == 100
    others = {name: value for name, value in metrics.values.items() if name != "health_score"}
    assert others == dict.fromkeys(others, 0)
    assert metrics.distribution == []
    assert set(rates(metrics)) == {"hour", "day", "week", "30 days"}
    for each in metrics.rates:
        assert (each.created_per_hour, each.resolved_per_day, each.success_rate) == (0, 0, None)


def test_every_number_has_its_formula(at: At) -> None:
    metrics = measured(at(0))
    assert set(metrics.meanings) == set(metrics.values)
    assert all(metrics.meanings.values())


def test_rates_are_what_happened_in_the_window(at: At, make_draft: MakeDraft) -> None:
    first, second, third = (taken_in(at(0), make_draft(subject=f"s{n}")) for n in range(3))
    tried(at(30), first, success=True)
    tried(at(40), second, success=False)
    taken_in(at(2 * DAY - 10), make_draft(subject="later"))
    with at(2 * DAY - 5, "honed_operator").transaction() as conn:
        resolve(conn, third, "fixed")
        reject(conn, second, "no")
    found = rates(measured(at(2 * DAY)))
    hour, week = found["hour"], found["week"]
    assert (hour.created, hour.resolved, hour.attempts, hour.success_rate) == (1, 1, 0, None)
    assert (hour.created_per_hour, hour.created_per_day) == (1, 24)
    assert (week.created, week.resolved) == (4, 2)
    assert week.created_per_day == pytest.approx(4 / 7)
    assert week.resolved_per_hour == pytest.approx(2 / 168)
    assert (week.attempts, week.succeeded, week.success_rate) == (2, 1, 0.5)
    assert found["day"].created == 1


def test_the_dashboard_is_its_formulas(at: At, make_draft: MakeDraft) -> None:
    # Settled a fortnight ago, by an attempt that succeeded.
    old = taken_in(at(0), make_draft(subject="old"))
    tried(at(10), old, success=True)
    now = 20 * DAY
    high = taken_in(at(now), make_draft(subject="high", facts=Facts(users=100)))
    low = taken_in(at(now), make_draft(subject="low", source=TicketSource.CODE))
    tried(at(now), high, success=False)
    taken_in(at(now), make_draft(subject="old", count=2, last_seen_at=datetime.now(UTC)))
    with at(now).transaction() as conn:
        risks = {each: get(conn, each).risk_level for each in (old, high, low)}
        effort = get(conn, old).estimated_effort
    values = measured(at(now + 1)).values
    # Unsettled: old (medium, regressed), high and low.
    weight = 4 + 7 + 1
    flow = (1 + 1) / (3 + 1)
    success = (0 + 1) / (1 + 1)
    expected = 100 * (0.5 * 30 / (30 + weight) + 0.25 * flow + 0.25 * success)
    assert values["health_score"] == pytest.approx(expected)
    assert values["improvement_velocity"] == pytest.approx(effort / 4)
    exposure = (risks[old] * 4 + risks[high] * 7 + risks[low] * 1) / 10
    assert values["risk_exposure"] == pytest.approx(exposure)
    # Now one attempt failed and one ticket regressed; before, one attempt succeeded.
    assert values["quality_trend"] == pytest.approx(1 / 3 - 2 / 2)
    assert (values["total_tickets"], values["open"]) == (3, 3)


def test_tickets_are_spread_over_each_dimension(at: At, make_draft: MakeDraft) -> None:
    taken_in(at(0), make_draft(subject="a"))
    rejected = taken_in(at(0), make_draft(subject="b"))
    taken_in(at(0), make_draft(subject="c", source=TicketSource.CODE))
    with at(1, "honed_operator").transaction() as conn:
        reject(conn, rejected, "no")
    found = {(each.dimension, each.value): each for each in measured(at(2)).distribution}
    bugs = found["category", "bug_fix"]
    assert (bugs.tickets, bugs.unsettled) == (2, 1)
    assert bugs.share == pytest.approx(2 / 3)
    assert found["source", "code"].tickets == 1
    assert found["risk", "4"].tickets == 2
    assert found["state", "rejected"].unsettled == 0
    for dimension in ("category", "priority", "risk", "source", "state"):
        shares = [each.share for (of, _), each in found.items() if of == dimension]
        assert sum(shares) == pytest.approx(1)


def test_viewers_see_the_backlog_and_strangers_do_not(at: At, make_draft: MakeDraft) -> None:
    taken_in(at(0), make_draft())
    for view in ("backlog", "ticket_rates", "ticket_distribution", "backlog_metrics"):
        with at(1, "honed_viewer").transaction() as conn:
            assert conn.execute(f"TABLE honed.{view}".encode()).fetchall()
    with at(1, "honed_viewer").transaction() as conn:
        (row,) = conn.execute("SELECT score, state, title FROM honed.backlog")
    assert row == {"score": 10.0, "state": "open", "title": "AttributeError in shop/cart.py"}
