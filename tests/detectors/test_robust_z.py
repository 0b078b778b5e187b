import numpy as np
import pytest

from honed.detectors.robust_z import MIN_VALUES, RobustZ
from honed.testing.detector import DetectorContract, usual_latency


class TestRobustZ(DetectorContract):
    @pytest.fixture
    def detector(self) -> RobustZ:
        return RobustZ()

    def test_score_is_the_published_formula(self, detector: RobustZ) -> None:
        logs = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 20.0]
        # Median 4, distances 4 3 2 1 0 1 2 3 16: their median is 2.
        scores = detector.scores(list(np.exp(logs)))
        assert scores == pytest.approx(0.6745 * np.abs(np.array(logs) - 4.0) / 2.0)

    def test_many_equal_values_do_not_hide_a_far_one(self, detector: RobustZ) -> None:
        values = [20.0] * 50 + [400.0]
        assert detector.scores(values).argmax() == 50
        assert detector.scores(values)[-1] > detector.threshold

    def test_does_not_depend_on_the_unit(self, detector: RobustZ) -> None:
        values = usual_latency(5)
        assert detector.scores(list(values)) == pytest.approx(detector.scores(list(values * 1000)))

    def test_too_few_values_say_nothing(self, detector: RobustZ) -> None:
        assert not detector.scores([1.0] * (MIN_VALUES - 2) + [1e6]).any()
