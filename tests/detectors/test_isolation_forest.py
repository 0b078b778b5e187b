import numpy as np
import pytest

from honed.detectors.isolation_forest import MIN_VALUES, MOST_VALUES, IsolationForest
from honed.testing.detector import DetectorContract, series_of, usual_latency


class TestIsolationForest(DetectorContract):
    @pytest.fixture
    def detector(self) -> IsolationForest:
        return IsolationForest()

    def test_sees_a_value_between_two_usual_levels(self, detector: IsolationForest) -> None:
        levels = np.concatenate([usual_latency(6), 100.0 * usual_latency(7), [200.0]])
        scores = detector.scores(series_of(levels))
        assert scores.argmax() == len(levels) - 1
        assert scores[-1] > detector.threshold

    def test_scores_are_between_0_and_1(self, detector: IsolationForest) -> None:
        scores = detector.scores(series_of(usual_latency(8)))
        assert 0 < scores.min() < scores.max() < 1

    def test_looks_at_the_newest_values_only(self, detector: IsolationForest) -> None:
        scores = detector.scores(series_of([1e6, *usual_latency(9, MOST_VALUES)]))
        assert np.flatnonzero(np.isnan(scores)).tolist() == [0]

    def test_too_few_values_say_nothing(self, detector: IsolationForest) -> None:
        assert not detector.scores(series_of([1.0] * (MIN_VALUES - 2) + [1e6])).any()
