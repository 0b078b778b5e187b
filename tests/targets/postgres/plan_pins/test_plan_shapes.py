"""What counts as the same plan, and which plan was the good one: pure parts, with properties."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from honed.targets.postgres.plan_pins.history import CALLS, PlanRecord, last_good, slow_since
from honed.targets.postgres.plan_pins.pin import Evidence, PlanPin
from honed.targets.postgres.plan_pins.shapes import methods, relations, serial, shapes
from honed.targets.postgres.plans import joined

START = datetime(2026, 1, 1, tzinfo=UTC)

SCANS = st.fixed_dictionaries(
    {
        "Node Type": st.sampled_from(["Seq Scan", "Index Scan"]),
        "Schema": st.just("public"),
        "Relation Name": st.sampled_from(["parcel", "scan"]),
        "Parallel Aware": st.booleans(),
        "Total Cost": st.floats(0, 1e6),
    }
)
PLANS = st.recursive(
    SCANS,
    lambda below: st.fixed_dictionaries(
        {
            "Node Type": st.sampled_from(["Hash Join", "Nested Loop", "Aggregate"]),
            "Parallel Aware": st.booleans(),
            "Plans": st.lists(below, min_size=1, max_size=2),
        }
    ),
    max_leaves=6,
)
MEANS = st.floats(0.01, 1e4)
RECORDS = st.builds(
    lambda number, calls, mean_ms: PlanRecord(
        f"{number:064x}", {}, calls, calls * mean_ms, 1.0, START
    ),
    st.integers(0, 9),
    st.floats(0, 100),
    MEANS,
)


def gathered(plan: dict[str, Any]) -> dict[str, Any]:
    return {"Node Type": "Gather", "Parallel Aware": False, "Plans": [plan]}


@given(PLANS)
def test_workers_and_costs_do_not_make_another_plan(plan: dict[str, Any]) -> None:
    other = json.loads(
        json.dumps(plan).replace('"Parallel Aware": true', '"Parallel Aware": false')
    )
    dearer = {**other, "Total Cost": 17.0}
    assert shapes({"Plan": plan}) == shapes({"Plan": gathered(plan)}) == shapes({"Plan": dearer})


@given(PLANS)
def test_what_is_serial_stays_as_it_is(plan: dict[str, Any]) -> None:
    assert serial(serial(plan)) == serial(plan)
    assert relations(serial(plan)) == relations(plan)


@given(PLANS, PLANS)
def test_the_plans_of_several_examples_are_the_plans_of_each(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    both = joined([{"Plan": one}, {"Plan": other}])
    assert shapes(both) == shapes({"Plan": one}) | shapes({"Plan": other})


def test_a_parallel_aggregate_is_the_aggregate_of_one_backend() -> None:
    scan = {"Node Type": "Seq Scan", "Schema": "public", "Relation Name": "parcel"}
    partial = {"Node Type": "Aggregate", "Partial Mode": "Partial", "Plans": [scan]}
    final = {"Node Type": "Aggregate", "Partial Mode": "Finalize", "Plans": [gathered(partial)]}
    alone = {"Node Type": "Aggregate", "Partial Mode": "Simple", "Plans": [scan]}
    assert shapes({"Plan": final}) == shapes({"Plan": alone})


def test_another_join_is_another_plan() -> None:
    scan = {"Node Type": "Seq Scan", "Schema": "public", "Relation Name": "parcel"}
    plans = [{"Node Type": name, "Plans": [scan, scan]} for name in ("Hash Join", "Nested Loop")]
    first, second = (shapes({"Plan": each}) for each in plans)
    assert first != second
    assert methods(joined([{"Plan": each} for each in plans])) == {
        "Hash Join",
        "Nested Loop",
        "Seq Scan",
    }


@given(st.lists(RECORDS, max_size=6), MEANS)
def test_the_good_plan_is_known_clearly_better_and_the_best(
    plans: list[PlanRecord], now_ms: float
) -> None:
    good = last_good(plans, now_ms)
    known = [each for each in plans if each.calls >= CALLS]
    if good is None:
        assert all(each.mean_ms * 1.2 > now_ms * 0.999 for each in known)
    else:
        assert good in known
        assert good.mean_ms < now_ms
        assert all(good.mean_ms <= each.mean_ms for each in known)


@given(st.lists(MEANS, max_size=8), MEANS, st.floats(1.5, 1e3))
def test_slow_is_an_unbroken_run_up_to_now(means: list[float], good: float, times: float) -> None:
    costs = [(START - timedelta(minutes=n), ms) for n, ms in enumerate(means)]
    bad = good * times
    since = slow_since(costs, good_ms=good, bad_ms=bad)
    slow = [started for started, ms in costs if since and started >= since]
    assert all(ms * ms >= good * bad for started, ms in costs if started in slow)
    assert (since is None) == (not means or means[0] ** 2 < good * bad)
    fast = slow_since([(START, good * 0.9), *costs], good_ms=good, bad_ms=bad)
    assert fast is None


@given(st.text(), st.lists(st.text(), max_size=3), st.floats(0.1, 400))
def test_a_pin_survives_json(scope: str, undo: list[str], days: float) -> None:
    evidence = Evidence(12.0, 1.5, 3.0, 4.0, 150.0, 800.0, bad_since=START.isoformat())
    pin = PlanPin("-42", "a" * 64, "b" * 64, evidence, "statistics", scope, days, tuple(undo))
    assert PlanPin.from_json(json.loads(json.dumps(pin.to_json()))) == pin
