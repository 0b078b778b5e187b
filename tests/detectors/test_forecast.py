from datetime import timedelta

import numpy as np
import pytest

from honed.detectors.forecast import Forecast
from honed.testing.detector import DetectorContract, Trouble, series_of, usual_latency

HOURS = timedelta(hours=6)


def rising(seed: int, *, a_day: float) -> np.ndarray:
    """Return 60 days of latency, four values a day, that grows by ``a_day`` ms each."""
    values = usual_latency(seed, 240)
    return values + a_day * np.arange(240) / 4


class TestForecast(DetectorContract):
    @pytest.fixture
    def detector(self) -> Forecast:
        return Forecast()

    @pytest.fixture
    def trouble(self) -> Trouble:
        """Return a statement that will be beyond its target in about five days."""
        values = rising(2, a_day=1.0)
        is_wrong = np.arange(len(values)) >= len(values) - 4
        return Trouble(series_of(values, every=HOURS, limit=85.0), is_wrong)

    def test_says_when_with_an_interval(self, detector: Forecast) -> None:
        said = detector.explain(series_of(rising(3, a_day=1.0), every=HOURS, limit=88.0))
        assert said == "crosses its target in 8 days, 90 % interval 7 to 10 days"

    def test_without_a_target_it_is_twice_what_is_usual(self, detector: Forecast) -> None:
        values = usual_latency(4, 240) * np.exp(np.arange(240) / 110)
        series = series_of(values, every=HOURS)
        assert detector.scores(series)[-1] > detector.threshold
        assert "twice its usual level" in detector.explain(series)

    def test_what_falls_or_stays_is_silent(self, detector: Forecast) -> None:
        for a_day in (0.0, -0.2):
            series = series_of(rising(5, a_day=a_day), every=HOURS, limit=25.0)
            assert not (detector.scores(series) > detector.threshold).any()

    def test_scores_grow_as_the_target_comes_near(self, detector: Forecast) -> None:
        values = rising(6, a_day=0.5)
        near = [
            detector.scores(series_of(values, every=HOURS, limit=limit))[-1]
            for limit in (80.0, 60.0, 57.0, 54.0, 40.0)
        ]
        assert near == sorted(near)
        assert (near[0], near[-1]) == (0.0, 1.0)

    def test_without_four_weeks_it_says_nothing(self, detector: Forecast) -> None:
        series = series_of(rising(7, a_day=1.0)[: 27 * 4], every=HOURS, limit=50.0)
        assert not detector.scores(series).any()
        assert detector.explain(series) == ""
