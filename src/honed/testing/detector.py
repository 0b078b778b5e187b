"""What every detector must keep: extend ``DetectorContract`` in its test."""

from abc import ABC, abstractmethod
from math import exp

import numpy as np
import pytest
from numpy.typing import NDArray

from honed.core.detector import Detector

#: Series of usual latency have this many values.
_LENGTH = 200
_HEADINGS = ("What it does", "Why it helps", "Risk and rollback", "How it is measured")
#: Largest share of usual values that may be called anomalies: the seeds' threshold of 0.7 calls
#: 1 to 3 % of them so.
_ALARMS = 0.05


def usual_latency(seed: int) -> NDArray[np.float64]:
    """Return 200 milliseconds of one statement on a quiet server: log-normal around 20 ms."""
    return 20.0 * np.exp(0.1 * np.random.default_rng(seed).standard_normal(_LENGTH))


class DetectorContract(ABC):
    """Tests of one detector; a subclass called ``Test...`` names it."""

    @pytest.fixture
    @abstractmethod
    def detector(self) -> Detector:
        """Return the detector under test."""

    def test_has_a_name_and_a_threshold(self, detector: Detector) -> None:
        """The name is stored, so it is a plain word."""
        assert detector.name.isidentifier()
        assert detector.threshold > 0

    @pytest.mark.parametrize("length", [0, 1, 2, 7, 15, 16, 200])
    def test_gives_one_finite_score_a_value(self, detector: Detector, length: int) -> None:
        """Also for series that are too short to say anything."""
        scores = detector.scores(list(usual_latency(1)[:length]))
        assert scores.shape == (length,)
        assert np.isfinite(scores).all()

    @pytest.mark.parametrize("value", [0.0, 20.0, 1e9])
    def test_is_silent_on_a_constant(self, detector: Detector, value: float) -> None:
        """Nothing is unusual where nothing differs."""
        assert not (detector.scores([value] * 100) > detector.threshold).any()

    def test_sees_one_slow_call(self, detector: Detector) -> None:
        """A call that took e^3 times as long has the highest score, above the threshold."""
        values = usual_latency(2)
        values[150] *= exp(3)
        scores = detector.scores(list(values))
        assert scores.argmax() == 150
        assert scores[150] > detector.threshold

    @pytest.mark.parametrize("seed", range(5))
    def test_is_mostly_silent_on_usual_latency(self, detector: Detector, seed: int) -> None:
        """At most 5 % of usual values are called anomalies."""
        scores = detector.scores(list(usual_latency(seed)))
        assert (scores > detector.threshold).mean() <= _ALARMS

    def test_says_the_same_twice(self, detector: Detector) -> None:
        """A score can be recomputed."""
        values = list(usual_latency(3))
        assert np.array_equal(detector.scores(values), detector.scores(values))

    def test_survives_zeros_and_extremes(self, detector: Detector) -> None:
        """Zero, negative by rounding, and huge values are values too."""
        values = [*usual_latency(4), 0.0, -1e-9, 1e300]
        assert np.isfinite(detector.scores(values)).all()

    def test_is_documented(self, detector: Detector) -> None:
        """The module's docstring has the four headings that its reference page is made of."""
        module = __import__(type(detector).__module__, fromlist=["__doc__"])
        for heading in _HEADINGS:
            assert heading in (module.__doc__ or "")
