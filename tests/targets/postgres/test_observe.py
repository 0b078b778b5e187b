from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg.errors import UniqueViolation

from honed.core.finding import (
    INVALID_INDEX,
    REGRESSION,
    SLOW_STATEMENT,
    STALE_STATISTICS,
    Finding,
    FindingType,
)
from honed.core.target import Observation
from honed.storage.db import Database
from honed.targets.postgres.target import PostgresTarget

_HOUR = timedelta(hours=1)
_NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
_LOOKUP = "SELECT state FROM orders WHERE customer = 17"
_SCAN = "SELECT count(*) FROM orders a JOIN orders b USING (day) WHERE a.state = 'open'"


def _of(observation: Observation, finding_type: FindingType) -> Sequence[Finding]:
    return [finding for finding in observation.findings if finding.type == finding_type]


def test_slow_statements_are_ranked_by_total_time(production: Any, target: PostgresTarget) -> None:
    production.run("SELECT pg_stat_statements_reset()")
    for _ in range(30):
        production.run(_LOOKUP)
    production.run(_SCAN)
    target.sample()
    found = _of(target.observe(_HOUR), SLOW_STATEMENT)
    assert "JOIN" in str(found[0].evidence["text"])
    weights = [finding.weight for finding in found]
    assert weights == sorted(weights, reverse=True)
    assert 0.5 < weights[0] <= sum(weights) <= 1 + 1e-9
    assert found[0].evidence["calls"] == 1
    assert found[0].evidence["total_ms"] == found[0].evidence["mean_ms"]


def _traffic(
    production: Any, at: Callable[..., PostgresTarget], target: PostgresTarget, start: datetime
) -> PostgresTarget:
    """Run the lookup for four minutes, read every minute; return the target at the end."""
    now = target
    for minute in range(1, 5):
        for _ in range(10):
            production.run(_LOOKUP)
        now = at(target, start + timedelta(minutes=minute))
        now.sample()
    return now


@pytest.fixture
def seasoned(
    production: Any, target: PostgresTarget, at: Callable[..., PostgresTarget]
) -> PostgresTarget:
    """Return the target at noon, after 20 minutes of the same traffic; its plan was taken."""
    production.run("SELECT pg_stat_statements_reset()")
    at(target, _NOON - timedelta(minutes=21)).sample()
    for quarter in range(5):
        now = _traffic(production, at, target, _NOON - timedelta(minutes=20 - 4 * quarter))
    now.observe(_HOUR)
    return now


def test_a_dropped_index_is_found_as_a_regression(
    production: Any, seasoned: PostgresTarget, at: Callable[..., PostgresTarget]
) -> None:
    production.run("DROP INDEX orders_customer_idx")
    later = _traffic(production, at, seasoned, _NOON)
    observation = later.observe(_HOUR)
    (found,) = _of(observation, REGRESSION)
    assert "customer" in str(found.evidence["text"])
    assert found.evidence["has_new_plan"] is True
    before, after = (found.evidence[f"blocks_per_call_{side}"] for side in ("before", "after"))
    assert isinstance(before, float)
    assert isinstance(after, float)
    assert before < after
    recommendations = observation.record["queryStoreRecommendations"]
    assert isinstance(recommendations, list)
    (advice,) = recommendations
    assert advice["statementId"] == found.subject
    assert advice["plan"] != advice["lastGoodPlan"] != ""


def test_the_same_traffic_is_no_regression(
    production: Any, seasoned: PostgresTarget, at: Callable[..., PostgresTarget]
) -> None:
    later = _traffic(production, at, seasoned, _NOON)
    observation = later.observe(_HOUR)
    assert _of(observation, REGRESSION) == []
    assert observation.record["queryStoreRecommendations"] == []


def test_series_follow_each_statement(seasoned: PostgresTarget) -> None:
    series = {item.metric: item for item in seasoned.observe(_HOUR).series}
    blocks = series["blocks_per_call"]
    assert blocks.times[0] == _NOON - timedelta(minutes=19)
    assert blocks.times[-1] == _NOON
    assert len(blocks.times) == len(blocks.values) == 20
    assert len(set(blocks.values)) <= 2
    assert all(value > 0 for value in series["exec_ms_per_call"].values)


def test_a_long_series_has_one_value_for_each_quarter_of_an_hour(
    production: Any, seasoned: PostgresTarget, at: Callable[..., PostgresTarget]
) -> None:
    days_later = _NOON + timedelta(days=4)
    later = _traffic(production, at, seasoned, days_later)
    series = {item.metric: item for item in later.observe(timedelta(days=7)).series}
    times = series["blocks_per_call"].times
    before = [time for time in times if time <= _NOON]
    assert len(before) == 3  # the 20 minutes up to noon touch three quarters
    assert times[-1] == days_later + timedelta(minutes=4)
    assert len(times) == len(before) + 1


def test_what_is_older_than_the_lookback_does_not_count(
    seasoned: PostgresTarget, at: Callable[..., PostgresTarget]
) -> None:
    tomorrow = at(seasoned, _NOON + timedelta(days=1)).observe(_HOUR)
    assert _of(tomorrow, SLOW_STATEMENT) == []
    assert tomorrow.record["totalInferences"] == 0
    assert tomorrow.record["avgDurationMs"] == 0.0


def test_many_changes_make_statistics_stale_until_analyze(
    production: Any, target: PostgresTarget
) -> None:
    assert _of(target.observe(_HOUR), STALE_STATISTICS) == []
    production.run("UPDATE orders SET state = 'lost' WHERE order_id <= 1001")
    (found,) = _of(target.observe(_HOUR), STALE_STATISTICS)
    assert found.subject == "public.orders"
    assert found.evidence["modified_since_analyze"] == 1001
    production.run("ANALYZE orders")
    assert _of(target.observe(_HOUR), STALE_STATISTICS) == []


def test_a_table_that_was_never_analyzed_is_stale(production: Any, target: PostgresTarget) -> None:
    production.run("CREATE TABLE copy AS SELECT * FROM orders")
    production.run("CREATE TABLE small (value integer)")
    (found,) = _of(target.observe(_HOUR), STALE_STATISTICS)
    assert found.subject == "public.copy"
    assert found.evidence["analyzed_at"] is None


def test_a_half_built_index_is_found(production: Any, target: PostgresTarget) -> None:
    with pytest.raises(UniqueViolation):
        production.run("CREATE UNIQUE INDEX CONCURRENTLY half ON orders (state)")
    (found,) = _of(target.observe(_HOUR), INVALID_INDEX)
    assert found.subject == "public.half"
    assert found.evidence["table"] == "public.orders"


def test_the_record_has_the_seeds_keys_and_types(production: Any, target: PostgresTarget) -> None:
    production.run("SELECT pg_stat_statements_reset()")
    for _ in range(3):
        production.run(_SCAN)
    target.sample()
    record = target.observe(_HOUR).record
    assert {name: type(value) for name, value in record.items()} == {
        "totalInferences": int,
        "avgDurationMs": float,
        "queryStoreRecommendations": list,
        "patterns": list,
    }
    calls, mean_ms = record["totalInferences"], record["avgDurationMs"]
    assert isinstance(calls, int)
    assert isinstance(mean_ms, float)
    assert calls >= 3
    assert mean_ms > 0
    patterns = record["patterns"]
    assert isinstance(patterns, list)
    assert [(item["pattern"], item["table"]) for item in patterns] == [
        ("sequential_scan", "public.orders")
    ]


def test_a_statement_without_examples_has_a_plan_for_any_value(
    production: Any, target: PostgresTarget, store: Database
) -> None:
    production.run("CREATE TABLE host (address inet PRIMARY KEY)")
    production.run("SELECT address FROM host WHERE address = %(it)s::inet", {"it": "10.0.0.1"})
    target.sample()
    (statement,) = (s for s in target.workload().statements if "FROM host" in s.text)
    assert statement.examples == ()
    target.observe(_HOUR)
    with store.transaction() as conn:
        rows = conn.execute(
            "SELECT plan::text FROM honed.statement_plan WHERE statement_id = %s",
            (statement.statement_id,),
        ).fetchall()
    assert [("host_pkey" in row["plan"], "$1" in row["plan"]) for row in rows] == [(True, True)]


def test_an_example_that_can_no_longer_be_planned_is_forgotten(
    production: Any, target: PostgresTarget
) -> None:
    production.run("CREATE TABLE fleeting (value integer)")
    production.client.execute("SELECT value FROM fleeting WHERE value = 5")
    target.sample()
    assert len(target.workload().replayable) == 1
    production.run("DROP TABLE fleeting")
    target.observe(_HOUR)
    assert len(target.workload().skipped) == 1
