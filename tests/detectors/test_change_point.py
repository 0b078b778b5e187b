from datetime import timedelta

import numpy as np
import pytest

from honed.detectors.change_point import MIN_VALUES, MOST_BLOCKS, ChangePoint
from honed.testing.detector import DetectorContract, Trouble, series_of, usual_latency
from honed.testing.simulated import Noise, log_costs


class TestChangePoint(DetectorContract):
    @pytest.fixture
    def detector(self) -> ChangePoint:
        return ChangePoint()

    @pytest.fixture
    def trouble(self) -> Trouble:
        """Return a statement that became a fifth dearer and stays so."""
        values = usual_latency(2)
        is_wrong = np.arange(len(values)) >= 150
        values[is_wrong] *= 1.2
        return Trouble(series_of(values), is_wrong)

    def test_says_since_when_and_by_how_much(self, detector: ChangePoint) -> None:
        values = usual_latency(3)
        values[120:] *= 2.0
        said = detector.explain(series_of(values))
        assert said == "2.02 times as dear since 2026-01-05 02:00 UTC"

    def test_what_became_cheaper_is_scored_and_not_told(self, detector: ChangePoint) -> None:
        values = usual_latency(3)
        values[120:] /= 2.0
        assert (detector.scores(series_of(values))[120:] > detector.threshold).all()
        assert detector.explain(series_of(values)) == ""

    def test_every_score_is_0_or_above_the_penalty(self, detector: ChangePoint) -> None:
        values = usual_latency(4, 500)
        values[100:] *= 1.2
        values[300:] *= 1.2
        scores = detector.scores(series_of(values))
        assert len(np.unique(scores)) == 3
        assert np.unique(scores)[0] == 0
        assert (np.unique(scores)[1:] >= 1).all()

    def test_single_slow_calls_are_no_change(self, detector: ChangePoint) -> None:
        values = usual_latency(5)
        values[::20] *= 30.0
        assert not detector.scores(series_of(values)).any()

    def test_day_and_night_are_no_change(self, detector: ChangePoint) -> None:
        values = usual_latency(6, 4 * 7 * 24 * 4)
        values[np.arange(len(values)) % 96 >= 48] *= 3.0
        series = series_of(values, every=timedelta(minutes=15))
        assert not detector.scores(series).any()

    def test_holds_on_latency_that_depends_on_what_came_before(self, detector: ChangePoint) -> None:
        noise = Noise(environment=0.1, correlation=0.6, spikes=0.02)
        rows = np.exp(log_costs(noise, (40, 200), np.random.default_rng(20261121)))
        called = sum(detector.scores(series_of(row)).any() for row in rows)
        assert called <= 1

    def test_a_long_series_is_looked_at_in_blocks(self, detector: ChangePoint) -> None:
        values = usual_latency(7, 3 * MOST_BLOCKS + 1)
        values[2 * MOST_BLOCKS :] *= 1.5
        scores = detector.scores(series_of(values))
        assert len(scores) == len(values)
        assert abs(int((scores > 1).argmax()) - 2 * MOST_BLOCKS) <= 4

    def test_too_few_values_say_nothing(self, detector: ChangePoint) -> None:
        half = (MIN_VALUES - 2) // 2
        assert not detector.scores(series_of([1.0, 1.1] * (half // 2) + [99.0] * half)).any()
