"""When a series crosses its limit: exact without noise, and mostly right with it."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from honed.stats.forecast import FARTHEST_DAYS, LEAST_DAYS, MOST_DAYS, Crossing, crossing
from honed.testing.simulated import Noise, log_costs

SEED = 20261121


def found(values: np.ndarray, limit: float) -> Crossing:
    seen = crossing(np.arange(len(values)), values, limit, seed=SEED)
    assert seen is not None
    return seen


@given(st.floats(0.01, 10.0), st.integers(1, FARTHEST_DAYS), st.integers(LEAST_DAYS, MOST_DAYS))
def test_a_straight_line_crosses_where_it_does(slope: float, ahead: int, days: int) -> None:
    line = slope * np.arange(days)
    # Half a day before the day on which it lies above.
    seen = found(line, slope * (days - 1 + ahead - 0.5))
    assert (seen.days, seen.interval) == (ahead, (ahead, ahead))


@given(st.integers(0, 6))
def test_weekdays_are_no_trend_and_are_foretold(heavy: int) -> None:
    days = np.arange(70)
    weekly = np.where(days % 7 == heavy, 5.0, 1.0)
    assert found(weekly, 6.0).days == math.inf
    # The heavy weekday comes again within a week, and lies above.
    seen = found(weekly + 0.01 * days, 5.705)
    assert (70 + seen.days - 1) % 7 == heavy


@given(st.floats(-5.0, 5.0), st.floats(0.1, 10.0), st.integers(0, 1000))
def test_scale_and_origin_do_not_matter(origin: float, scale: float, seed: int) -> None:
    values = 0.1 * np.arange(40) + np.random.default_rng(seed).standard_normal(40)
    plain, other = found(values, 6.0), found(origin + scale * values, origin + scale * 6.0)
    assert other.by_day == pytest.approx(plain.by_day, abs=0.01)


@given(st.integers(0, 1000))
def test_what_has_crossed_stays_crossed(seed: int) -> None:
    values = 0.1 * np.arange(40) + np.random.default_rng(seed).standard_normal(40)
    seen = found(values, 6.0)
    assert list(seen.by_day) == sorted(seen.by_day)
    low, high = seen.interval
    assert low <= seen.days <= high


def test_hours_of_a_day_are_one_value() -> None:
    days = np.arange(0, 40, 1 / 24)
    daily = 3.0 * np.sin(2 * np.pi * days)
    seen = crossing(days, daily + 0.1 * days, 4.55, seed=SEED)
    assert seen is not None
    assert 5 <= seen.days <= 7


def test_one_bad_day_is_no_trend() -> None:
    values = 10.0 + np.random.default_rng(1).standard_normal(60)
    values[-3] = 100.0
    assert found(values, 20.0).by_day[-1] < 0.05


def test_what_lies_beyond_has_crossed() -> None:
    assert found(np.arange(40.0), 20.0).tell() == "is beyond its target"


@pytest.mark.parametrize("days", [0, 1, LEAST_DAYS - 1])
def test_few_days_foretell_nothing(days: int) -> None:
    assert crossing(np.arange(days), np.arange(days), 1.0, seed=SEED) is None


def test_it_is_told_in_words() -> None:
    by_day = [0.0] * (FARTHEST_DAYS + 1)
    by_day[6:9], by_day[9:14], by_day[14:] = [0.1] * 3, [0.6] * 5, [1.0] * 15
    told = Crossing(tuple(by_day)).tell()
    assert told == "crosses its target in 9 days, 90 % interval 6 to 14 days"
    assert Crossing((0.0, *[0.5] * FARTHEST_DAYS)).tell("80 %") == (
        "crosses 80 % in 1 day, 90 % interval 1 to more than 28 days"
    )
    assert Crossing((0.0,) * (FARTHEST_DAYS + 1)).tell() == (
        "does not cross its target within 28 days"
    )


@pytest.mark.parametrize("correlation", [0.0, 0.6])
def test_the_interval_holds_most_of_what_comes(correlation: float) -> None:
    random = np.random.default_rng(SEED)
    noise = Noise(environment=0.08, correlation=correlation, spikes=0.0)
    days = np.arange(70 + FARTHEST_DAYS)
    held = []
    for row in log_costs(noise, (150, len(days)), random):
        values = row + random.choice([0.0, 0.01, 0.02]) * days + random.normal(0, 0.05, 7)[days % 7]
        limit = float(np.median(values[56:70])) + random.uniform(0.1, 0.4)
        seen = found(values[:70], limit)
        if seen.days > 0:
            is_above = values[70:] > limit
            came = float(is_above.argmax() + 1) if is_above.any() else math.inf
            held.append(seen.interval[0] <= came <= seen.interval[1])
    assert np.mean(held) >= 0.83
