import numpy as np
import pytest

from honed.detectors.local_outlier_factor import (
    MIN_VALUES,
    MOST_VALUES,
    NEIGHBOURS,
    LocalOutlierFactor,
)
from honed.testing.detector import DetectorContract, series_of, usual_latency


class TestLocalOutlierFactor(DetectorContract):
    @pytest.fixture
    def detector(self) -> LocalOutlierFactor:
        return LocalOutlierFactor()

    def test_runs_only_where_it_is_asked_for(self, detector: LocalOutlierFactor) -> None:
        assert not detector.runs_by_default

    def test_sees_a_value_near_a_crowd_and_not_of_it(self, detector: LocalOutlierFactor) -> None:
        crowd = 20.0 * np.exp(0.001 * np.random.default_rng(6).standard_normal(700))
        values = [*crowd, 21.0, *100.0 * usual_latency(7)]
        scores = detector.scores(series_of(values))
        assert scores[700] > 2 * detector.threshold

    def test_a_crowd_of_like_troubles_hides_each_of_them(
        self, detector: LocalOutlierFactor
    ) -> None:
        values = usual_latency(8, 1000)
        values[: 3 * NEIGHBOURS] *= 8.0
        scores = detector.scores(series_of(values))
        assert (scores[: 3 * NEIGHBOURS] > detector.threshold).mean() < 0.2

    def test_equal_values_are_a_crowd_like_any_other(self, detector: LocalOutlierFactor) -> None:
        rounded = np.round(usual_latency(9, 1000))
        scores = detector.scores(series_of(rounded))
        assert (scores > detector.threshold).mean() <= 0.05

    def test_looks_at_the_newest_values_only(self, detector: LocalOutlierFactor) -> None:
        scores = detector.scores(series_of([1e6, *usual_latency(9, MOST_VALUES)]))
        assert np.flatnonzero(np.isnan(scores)).tolist() == [0]

    def test_too_few_values_say_nothing(self, detector: LocalOutlierFactor) -> None:
        assert not detector.scores(series_of([1.0] * (MIN_VALUES - 2) + [1e6])).any()
