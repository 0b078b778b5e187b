"""One look of a detector: what is dear and newest is an alarm, and nothing else is."""

from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from honed.core.detector import Detector
from honed.core.target import Series
from honed.stats.alarms import Judged, look, share_of_alarms
from honed.stats.calibration import LEAST_ROWS

MIDNIGHT = datetime(2026, 1, 1, tzinfo=UTC)


class Value(Detector):
    """Scores each point by its distance from 1."""

    name = "value"
    threshold = 3.0

    def scores(self, series: Series) -> NDArray[np.float64]:
        return np.abs(np.asarray(series.values) - 1.0)

    def explain(self, series: Series) -> str:
        return f"{len(series.values)} points"


def series(*values: float) -> Series:
    times = tuple(MIDNIGHT + timedelta(minutes=number) for number in range(len(values)))
    return Series("q1", "duration_ms", times, values, weight=1.0)


@given(
    values=st.lists(st.sampled_from([0.01, 1.0, 2.0, 9.0]), min_size=20, max_size=60),
    news=st.integers(0, 60),
)
def test_only_what_is_dear_and_new_is_an_alarm(values: list[float], news: int) -> None:
    told = series(*values)
    judged = Judged.of(told, told.times[-1] - timedelta(minutes=news))
    alarm = look(Value(), judged, 1.0)
    dear = [
        number
        for number in range(max(len(values) - news, 0), len(values))
        if abs(values[number] - 1.0) > Value.threshold and judged.log_ratios[number] > 0
    ]
    assert (list(alarm.indices) if alarm else []) == dear
    if alarm:
        assert alarm.scores == tuple(abs(values[number] - 1.0) for number in dear)
        assert (alarm.threshold, alarm.calibration) == (Value.threshold, None)
        assert alarm.explanation == f"{len(values)} points"


def test_a_long_history_gives_the_threshold() -> None:
    chance = np.random.default_rng(20261121)
    clean = np.exp(chance.normal(0, 0.1, LEAST_ROWS))
    told = series(*clean.tolist(), *[1.0] * 10, 2.5)
    judged = Judged.of(told, told.times[-1] - timedelta(minutes=5))
    alarm = look(Value(), judged, 1.0)
    assert alarm is not None
    assert alarm.indices == (len(told.values) - 1,)
    assert alarm.calibration is not None
    assert alarm.threshold < Value.threshold
    assert alarm.calibration.to_json()["wanted_alarms_per_day"] == 1.0


def test_long_series_share_the_alarms() -> None:
    short, long = (Judged(series(*[1.0] * 20), np.zeros(20), start) for start in (5, LEAST_ROWS))
    assert share_of_alarms([short, long, long], 3.0) == 1.5
    assert share_of_alarms([short], 3.0) == share_of_alarms([], 3.0) == 3.0
