"""What every detector must keep: extend ``DetectorContract`` in its test."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import exp

import numpy as np
import pytest
from numpy.typing import NDArray

from honed.core.detector import Detector
from honed.core.target import Series

#: Series of usual latency have this many values.
_LENGTH = 700
#: Largest share of usual values that may be called anomalies: the seeds' threshold of 0.7 calls
#: 1 to 3 % of them so.
_ALARMS = 0.05
_HEADINGS = ("What it does", "Why it helps", "Risk and rollback", "How it is measured")
_MINUTE = timedelta(minutes=1)
_START = datetime(2026, 1, 5, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Trouble:
    """A series in which something is wrong, and where."""

    series: Series
    #: The values that a detector is to find, shape (n,).
    is_wrong: NDArray[np.bool_]


def usual_latency(seed: int, length: int = _LENGTH) -> NDArray[np.float64]:
    """Return milliseconds of one statement on a quiet server: log-normal around 20 ms."""
    return 20.0 * np.exp(0.1 * np.random.default_rng(seed).standard_normal(length))


def series_of(
    values: Iterable[float], *, every: timedelta = _MINUTE, limit: float | None = None
) -> Series:
    """Return values as a series that begins on a Monday, 5 January 2026."""
    given = tuple(float(value) for value in values)
    times = tuple(_START + number * every for number in range(len(given)))
    return Series("q1", "exec_ms_per_call", times, given, limit=limit)


class DetectorContract(ABC):
    """Tests of one detector; a subclass called ``Test...`` names it."""

    @pytest.fixture
    @abstractmethod
    def detector(self) -> Detector:
        """Return the detector under test."""

    @pytest.fixture
    def trouble(self) -> Trouble:
        """Return what this detector is there for: here a call that took e^3 times as long."""
        values = usual_latency(2)
        values[150] *= exp(3)
        return Trouble(series_of(values), np.arange(_LENGTH) == 150)

    def test_has_a_name_and_a_threshold(self, detector: Detector) -> None:
        """The name is stored, so it is a plain word."""
        assert detector.name.isidentifier()
        assert detector.threshold > 0

    @pytest.mark.parametrize("length", [0, 1, 2, 7, 15, 16, 40, _LENGTH])
    def test_gives_one_finite_score_a_value(self, detector: Detector, length: int) -> None:
        """Also for series that are too short to say anything."""
        scores = detector.scores(series_of(usual_latency(1)[:length]))
        assert scores.shape == (length,)
        assert np.isfinite(scores).all()

    @pytest.mark.parametrize("value", [0.0, 20.0, 1e9])
    @pytest.mark.parametrize("every", [_MINUTE, timedelta(hours=12)])
    def test_is_silent_on_a_constant(
        self, detector: Detector, value: float, every: timedelta
    ) -> None:
        """Nothing is unusual where nothing differs."""
        scores = detector.scores(series_of([value] * 100, every=every))
        assert not (scores > detector.threshold).any()

    def test_sees_what_it_is_there_for(self, detector: Detector, trouble: Trouble) -> None:
        """The highest score is where something is wrong, and nine of ten of these are seen."""
        scores = detector.scores(trouble.series)
        assert trouble.is_wrong[np.nanargmax(scores)]
        assert (scores[trouble.is_wrong] > detector.threshold).mean() >= 0.9
        assert (scores[~trouble.is_wrong] > detector.threshold).mean() <= _ALARMS

    @pytest.mark.parametrize("seed", range(5))
    @pytest.mark.parametrize("every", [_MINUTE, timedelta(hours=6)])
    def test_is_mostly_silent_on_usual_latency(
        self, detector: Detector, seed: int, every: timedelta
    ) -> None:
        """Few usual values are called anomalies."""
        scores = detector.scores(series_of(usual_latency(seed), every=every))
        assert (scores > detector.threshold).mean() <= _ALARMS

    def test_says_the_same_twice(self, detector: Detector, trouble: Trouble) -> None:
        """A score can be recomputed."""
        first, second = (detector.scores(trouble.series) for _ in range(2))
        assert np.array_equal(first, second, equal_nan=True)
        assert detector.explain(trouble.series) == detector.explain(trouble.series)

    def test_does_not_depend_on_the_unit(self, detector: Detector, trouble: Trouble) -> None:
        """Milliseconds or microseconds: what is unusual is the same."""
        given = trouble.series
        values = (1000.0 * value for value in given.values)
        limit = None if given.limit is None else 1000.0 * given.limit
        other = series_of(values, every=given.times[1] - given.times[0], limit=limit)
        assert detector.scores(other) == pytest.approx(
            detector.scores(given), rel=1e-6, abs=1e-6, nan_ok=True
        )

    @pytest.mark.parametrize("every", [_MINUTE, timedelta(hours=6)])
    def test_survives_zeros_and_extremes(self, detector: Detector, every: timedelta) -> None:
        """Zero, negative by rounding, and huge values are values too."""
        series = series_of([*usual_latency(4), 0.0, -1e-9, 1e300], every=every)
        assert np.isfinite(detector.scores(series)).all()
        assert detector.explain(series) == detector.explain(series).strip()

    def test_is_documented(self, detector: Detector) -> None:
        """The module's docstring has the four headings that its reference page is made of."""
        module = __import__(type(detector).__module__, fromlist=["__doc__"])
        for heading in _HEADINGS:
            assert heading in (module.__doc__ or "")
