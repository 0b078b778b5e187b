from datetime import timedelta

import numpy as np
import pytest

from honed.detectors.robust_z import RobustZ
from honed.stats.season import LEAST_VALUES
from honed.testing.detector import DetectorContract, series_of, usual_latency

QUARTER = timedelta(minutes=15)
WEEK = 7 * 24 * 4


class TestRobustZ(DetectorContract):
    @pytest.fixture
    def detector(self) -> RobustZ:
        return RobustZ()

    def test_score_is_the_published_formula(self, detector: RobustZ) -> None:
        logs = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 20.0]
        # Median 4, distances 4 3 2 1 0 1 2 3 16: their median is 2.
        scores = detector.scores(series_of(np.exp(logs)))
        assert scores == pytest.approx(0.6745 * np.abs(np.array(logs) - 4.0) / 2.0)

    def test_many_equal_values_do_not_hide_a_far_one(self, detector: RobustZ) -> None:
        scores = detector.scores(series_of([20.0] * 50 + [400.0]))
        assert scores.argmax() == 50
        assert scores[-1] > detector.threshold

    def test_too_few_values_say_nothing(self, detector: RobustZ) -> None:
        assert not detector.scores(series_of([1.0] * (LEAST_VALUES - 2) + [1e6])).any()

    def test_what_is_usual_at_noon_is_not_at_night(self, detector: RobustZ) -> None:
        values = usual_latency(5, 5 * WEEK)
        is_day = np.arange(5 * WEEK) % 96 // 48 == 1
        values[is_day] *= 3.0
        at_night = 4 * WEEK + 8
        values[at_night] *= 3.0
        scores = detector.scores(series_of(values, every=QUARTER))
        assert scores.argmax() == at_night
        assert (scores > detector.threshold).mean() < 0.005
