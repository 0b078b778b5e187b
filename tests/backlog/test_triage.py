"""The judgement of a draft: explained, always the same, and as the seed has its examples."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honed.backlog.draft import Draft, Facts
from honed.backlog.score import PRIORITY_VALUES
from honed.backlog.ticket import Category, Priority, TicketSource
from honed.backlog.triage import triage
from honed.core.risk import MAX_ATTEMPTED_RISK, Danger

SEEN = datetime(2026, 1, 1, tzinfo=UTC)


def draft(source: TicketSource, facts: Facts, *files: str) -> Draft:
    return Draft(
        source=source,
        subject="s",
        title="t",
        first_seen_at=SEEN,
        last_seen_at=SEEN,
        facts=facts,
        files_to_modify=files,
    )


FACTS = st.builds(
    Facts,
    category=st.none() | st.sampled_from(Category),
    times_per_day=st.floats(0, allow_nan=False),
    users=st.integers(0, 10**9),
    share=st.floats(0, 1),
    excess=st.floats(0, allow_nan=False),
    due_days=st.none() | st.floats(0, allow_nan=False),
    is_unhandled=st.booleans(),
    is_regression=st.booleans(),
    lines=st.integers(0, 10**6),
    complexity=st.integers(0, 1000),
    is_tested=st.none() | st.booleans(),
    danger=st.sampled_from(Danger),
)
DRAFTS = st.builds(
    lambda source, facts, files: draft(source, facts, *files),
    st.sampled_from(TicketSource),
    FACTS,
    st.lists(st.text(max_size=5), max_size=10),
)


@pytest.mark.parametrize(
    ("found", "category", "priority", "risk", "effort"),
    [
        # Five times in five and a half hours.
        (
            draft(TicketSource.EXCEPTION, Facts(times_per_day=21.8), "core/providers.py"),
            Category.BUG_FIX,
            Priority.HIGH,
            4,
            3,
        ),
        # 2.1 GB, where 2.0 is the threshold.
        (
            draft(TicketSource.PERFORMANCE, Facts(excess=1.05), "core/research_engine.py"),
            Category.PERFORMANCE,
            Priority.MEDIUM,
            5,
            6,
        ),
        (
            draft(TicketSource.FEEDBACK, Facts(times_per_day=1), "a.py", "b.py"),
            Category.FEATURE,
            Priority.HIGH,
            3,
            4,
        ),
    ],
    ids=["exception", "performance", "feedback"],
)
def test_the_examples_of_the_seed_come_out_as_it_has_them(
    found: Draft, category: Category, priority: Priority, risk: int, effort: int
) -> None:
    judged = triage(found)
    assert (judged.category, judged.priority) == (category, priority)
    assert (judged.risk_level, judged.estimated_effort) == (risk, effort)


@given(DRAFTS)
def test_what_is_shown_adds_up_to_what_was_judged(found: Draft) -> None:
    judged = triage(found)
    (category,) = judged.terms["category"]
    assert category.contribution == judged.category.value
    total = sum(float(term.contribution) for term in judged.terms["priority"])
    distances = {each: abs(PRIORITY_VALUES[each] - total) for each in Priority}
    assert distances[judged.priority] == min(distances.values())
    for name, level in (("risk_level", judged.risk_level), ("effort", judged.estimated_effort)):
        terms = judged.terms.get(name, judged.terms["estimated_effort"])
        total = sum(float(term.contribution) for term in terms)
        assert level == max(1, min(10, int(total + 0.5)))


@given(DRAFTS)
def test_the_same_facts_give_the_same_judgement(found: Draft) -> None:
    assert triage(found) == triage(replace(found, title="other words", evidence={"other": 1}))


@given(
    DRAFTS,
    st.sampled_from(
        [
            {"times_per_day": 1e9},
            {"users": 10**9},
            {"share": 1.0},
            {"excess": 1e9},
            {"due_days": 0.0},
            {"is_unhandled": True},
            {"is_regression": True},
            {"complexity": 1000},
            {"is_tested": False},
        ]
    ),
)
def test_a_worse_fact_never_lowers_a_priority(found: Draft, worse: dict[str, object]) -> None:
    facts = replace(found.facts, **worse)  # type: ignore[arg-type]  # names and values of fields
    before, after = triage(found).priority, triage(replace(found, facts=facts)).priority
    assert PRIORITY_VALUES[after] >= PRIORITY_VALUES[before]


@given(
    st.sampled_from(TicketSource),
    st.sampled_from(
        [
            Facts(times_per_day=1e12),
            Facts(users=10**12),
            Facts(share=1.0),
            Facts(excess=1e12),
            Facts(due_days=0.0),
            Facts(is_unhandled=True),
            Facts(is_regression=True),
        ]
    ),
)
def test_no_single_fact_makes_a_trouble_critical(source: TicketSource, facts: Facts) -> None:
    assert triage(draft(source, facts)).priority is not Priority.CRITICAL


@given(DRAFTS)
def test_what_is_dangerous_is_never_taken_without_a_person(found: Draft) -> None:
    judged = triage(found)
    if found.facts.danger is not Danger.NONE:
        assert judged.risk_level > MAX_ATTEMPTED_RISK


def test_a_fact_that_is_no_number_counts_nothing() -> None:
    nan = float("nan")
    facts = Facts(times_per_day=nan, share=nan, excess=nan)
    assert triage(draft(TicketSource.COST, facts)) == triage(draft(TicketSource.COST, Facts()))


def test_a_source_may_say_what_sort_of_change_it_takes() -> None:
    judged = triage(draft(TicketSource.CODE, Facts(category=Category.TEST, is_tested=False)))
    assert judged.category is Category.TEST
    assert judged.risk_level == 1
