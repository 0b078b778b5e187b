"""What is usual at an hour of the week."""

from dataclasses import replace
from datetime import timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from honed.stats.season import LEAST_IN_HOUR, LEAST_VALUES, departures
from honed.testing.detector import series_of, usual_latency

QUARTER = timedelta(minutes=15)
WEEK = 7 * 24 * 4
VALUES = st.lists(st.floats(1e-3, 1e6), min_size=LEAST_VALUES, max_size=60)


@given(VALUES, st.floats(1e-3, 1e3))
def test_the_unit_does_not_matter(values: list[float], unit: float) -> None:
    plain, other = (departures(series_of(each)) for each in (values, np.array(values) * unit))
    floored = np.array(values) * unit <= 1e-4
    if not floored.any():
        assert other.log_ratios == pytest.approx(plain.log_ratios, abs=1e-9)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=60))
def test_every_score_is_finite(values: list[float]) -> None:
    assert np.isfinite(departures(series_of(values)).scores).all()


@given(VALUES)
def test_half_is_dearer_than_usual_and_half_cheaper(values: list[float]) -> None:
    ratios = departures(series_of(values)).log_ratios
    assert max((ratios > 0).sum(), (ratios < 0).sum()) <= len(values) / 2


def weekly(weeks: int, seed: int = 1) -> np.ndarray:
    """Return latency four times an hour that is thrice as much on Tuesdays from 10 to 11."""
    values = usual_latency(seed, weeks * WEEK)
    values[np.arange(len(values)) % WEEK // 4 == 34] *= 3.0
    return values


def test_an_hour_is_compared_with_itself_from_the_third_week_on() -> None:
    of_hour = slice(34 * 4, 35 * 4)
    for weeks, is_known in ((2, False), (3, True)):
        scores = departures(series_of(weekly(weeks), every=QUARTER)).scores
        assert (np.abs(scores[of_hour]) < 3.5).all() == is_known


def test_an_hour_with_few_values_is_compared_with_all() -> None:
    hourly = usual_latency(2, 168 * (LEAST_IN_HOUR - 1))
    hourly[34::168] *= 3.0
    scores = departures(series_of(hourly, every=timedelta(hours=1))).scores
    assert (scores[34::168] > 3.5).all()


def test_one_ill_hour_of_three_is_seen() -> None:
    values = usual_latency(3, 3 * WEEK)
    ill = slice(2 * WEEK + 136, 2 * WEEK + 140)
    values[ill] *= 5.0
    assert (departures(series_of(values, every=QUARTER)).scores[ill] > 3.5).all()


def test_hours_are_those_of_utc_wherever_the_times_come_from() -> None:
    series = series_of(weekly(4), every=QUARTER)
    zone = timezone(timedelta(hours=5, minutes=30))
    moved = replace(series, times=tuple(time.astimezone(zone) for time in series.times))
    assert np.array_equal(departures(moved).scores, departures(series).scores)


def test_a_quiet_hour_does_not_alarm_at_every_breath() -> None:
    values = usual_latency(4, 4 * WEEK)
    calm = np.arange(len(values)) % WEEK // 4 == 50
    values[calm] = 20.0
    values[np.flatnonzero(calm)[-1]] = 20.2
    assert (np.abs(departures(series_of(values, every=QUARTER)).scores[calm]) < 1).all()
