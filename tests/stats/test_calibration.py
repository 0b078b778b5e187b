"""A calibrated threshold: its rank, its budget, and how often it is exceeded."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from honed.stats.calibration import LEAST_ROWS, Calibration, calibrate
from honed.testing.simulated import Noise, log_costs

SEEDS = st.integers(0, 2**32 - 1)


def scores(seed: int, count: int = LEAST_ROWS) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(count)


def test_threshold_is_the_score_of_the_published_rank() -> None:
    shuffled = np.random.default_rng(1).permutation(np.arange(1.0, 3000.0))
    # 2,999 scores in 10 days and 3 alarms a day: alpha is 30 / 2,999, and k is 2,970.
    found = calibrate(shuffled, 10.0, alarms_per_day=3.0)
    assert found is not None
    assert (found.threshold, found.wanted_per_day, found.rows) == (2970.0, 3.0, 2999)


@given(SEEDS, st.floats(0.1, 200.0), st.floats(0.01, 50.0))
def test_no_more_of_the_window_is_above_it_than_the_budget(
    seed: int, days: float, wanted: float
) -> None:
    given_scores = scores(seed)
    found = calibrate(given_scores, days, alarms_per_day=wanted)
    assert found is not None
    assert (given_scores > found.threshold).sum() <= wanted * days


@given(SEEDS, st.floats(0.1, 10.0), st.floats(1.0, 10.0))
def test_a_larger_budget_gives_no_higher_threshold(seed: int, wanted: float, times: float) -> None:
    small = calibrate(scores(seed), 20.0, alarms_per_day=wanted)
    large = calibrate(scores(seed), 20.0, alarms_per_day=wanted * times)
    assert small is not None
    assert large is not None
    assert large.threshold <= small.threshold


def test_a_budget_that_the_window_cannot_tell_gives_its_highest_score() -> None:
    given_scores = scores(2)
    found = calibrate(given_scores, 2.0, alarms_per_day=0.001)
    assert found is not None
    assert found.threshold == given_scores.max()


def test_a_budget_beyond_every_row_gives_the_lowest_score() -> None:
    given_scores = scores(3)
    found = calibrate(given_scores, 1.0, alarms_per_day=1e6)
    assert found is not None
    assert found.threshold == given_scores.min()


@pytest.mark.parametrize(
    ("given_scores", "days"),
    [(scores(4, LEAST_ROWS - 1), 10.0), (np.zeros(LEAST_ROWS), 10.0), (scores(4), 0.0), ([], 1.0)],
)
def test_what_tells_nothing_calibrates_nothing(given_scores: np.ndarray, days: float) -> None:
    assert calibrate(given_scores, days, alarms_per_day=1.0) is None


@pytest.mark.parametrize("correlation", [0.0, 0.6])
def test_what_comes_next_alarms_as_often_as_wanted(correlation: float) -> None:
    noise = Noise(environment=1.0, correlation=correlation, spikes=0.01)
    rows = log_costs(noise, (200, 2 * LEAST_ROWS), np.random.default_rng(20261121))
    rates, achieved = [], []
    for row in rows:
        window, after = row[:LEAST_ROWS], row[LEAST_ROWS:]
        found = calibrate(window, 20.0, alarms_per_day=1.0)
        assert found is not None
        rates.append((after > found.threshold).sum() / 20.0)
        achieved.append(found.achieved_per_day)
    # 200 windows of 20 alarms each: the mean of their rates has a standard error of about 0.03.
    assert 0.85 <= np.mean(rates) <= 1.1
    assert np.mean(achieved) == pytest.approx(np.mean(rates), abs=0.1)


def test_a_lower_threshold_is_believed_of_a_window_that_holds_its_budget() -> None:
    for achieved, default, used in ((1.9, 9.0, 5.0), (2.1, 9.0, 9.0), (2.1, 3.0, 5.0)):
        assert Calibration(5.0, 1.0, achieved, LEAST_ROWS).over(default) == used


def test_a_window_that_drifts_says_that_it_does_not_hold_its_budget() -> None:
    drifting = scores(5) + np.linspace(0.0, 3.0, LEAST_ROWS)
    found = calibrate(drifting, 20.0, alarms_per_day=1.0)
    assert found is not None
    assert found.achieved_per_day > 5.0
