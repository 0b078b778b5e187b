"""The score: the seed's formula, and what is taken first."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honed.backlog.score import (
    PRIORITY_VALUES,
    is_selectable,
    needs_review,
    score,
    score_terms,
    select_next,
)
from honed.backlog.ticket import Priority, TicketState
from honed.core.risk import MAX_ATTEMPTED_RISK
from honed.storage.db import Database

START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Waiting:
    """What the score is made of."""

    ticket_id: int = 1
    priority: Priority = Priority.MEDIUM
    risk_level: int = 5
    estimated_effort: int = 5
    state: TicketState = TicketState.OPEN
    first_seen_at: datetime = START


LEVELS = st.integers(1, 10)
TICKETS = st.builds(
    Waiting,
    ticket_id=st.integers(1, 10**6),
    priority=st.sampled_from(Priority),
    risk_level=LEVELS,
    estimated_effort=LEVELS,
    state=st.sampled_from(TicketState),
    first_seen_at=st.integers(0, 100).map(lambda days: START + timedelta(days=days)),
)
BACKLOGS = st.lists(TICKETS, unique_by=lambda each: each.ticket_id, max_size=20)


def test_the_score_is_the_formula_of_the_seed() -> None:
    high = Waiting(priority=Priority.HIGH, risk_level=4, estimated_effort=3)
    assert score(high) == (10 - 7) + 4 / 2 + 3 / 2
    assert [term.contribution for term in score_terms(high)] == [3.0, 2.0, 1.5]
    assert list(PRIORITY_VALUES.values()) == [1, 4, 7, 10]


@given(TICKETS)
def test_the_score_is_what_its_terms_add_up_to(ticket: Waiting) -> None:
    assert score(ticket) == sum(float(term.contribution) for term in score_terms(ticket))
    assert 1 <= score(ticket) <= 19


@given(TICKETS, TICKETS)
def test_more_important_less_risky_and_cheaper_is_never_worse(one: Waiting, two: Waiting) -> None:
    is_better = (
        PRIORITY_VALUES[one.priority] >= PRIORITY_VALUES[two.priority]
        and one.risk_level <= two.risk_level
        and one.estimated_effort <= two.estimated_effort
    )
    if is_better:
        assert score(one) <= score(two)


@given(st.data(), BACKLOGS, st.integers(0, 10))
def test_the_choice_does_not_depend_on_the_order(
    data: st.DataObject, tickets: list[Waiting], max_risk: int
) -> None:
    shuffled = data.draw(st.permutations(tickets))
    assert select_next(tickets, max_risk) == select_next(shuffled, max_risk)


@given(BACKLOGS, st.integers(0, 20))
def test_what_is_taken_is_open_not_too_risky_and_the_best_of_those(
    tickets: list[Waiting], max_risk: int
) -> None:
    chosen = select_next(tickets, max_risk)
    fitting = [each for each in tickets if is_selectable(each, max_risk)]
    if chosen is None:
        assert fitting == []
        return
    assert chosen.state is TicketState.OPEN
    assert chosen.risk_level <= min(max_risk, MAX_ATTEMPTED_RISK)
    assert score(chosen) == min(map(score, fitting))


def test_no_setting_lets_a_risk_above_seven_be_taken() -> None:
    assert select_next([Waiting(risk_level=8)], 10) is None
    assert select_next([Waiting(risk_level=7)], 10) is not None


def test_of_equal_tickets_the_oldest_is_taken() -> None:
    late = Waiting(ticket_id=1, first_seen_at=START + timedelta(days=1))
    early = Waiting(ticket_id=2)
    assert select_next([late, early, replace(early, ticket_id=3)], 7) == early


@pytest.mark.parametrize(("risk", "needs"), [(4, False), (5, True), (6, True)])
def test_only_below_the_threshold_a_change_may_go_ahead(risk: int, *, needs: bool) -> None:
    assert needs_review(Waiting(risk_level=risk), 5) is needs


def test_the_store_counts_the_same(store: Database) -> None:
    with store.transaction() as conn:
        for priority in Priority:
            for risk in range(1, 11):
                (row,) = conn.execute(
                    "SELECT honed.ticket_score(%s, %s, 3) AS score", (priority.value, risk)
                )
                ticket = Waiting(priority=priority, risk_level=risk, estimated_effort=3)
                assert row["score"] == score(ticket)
