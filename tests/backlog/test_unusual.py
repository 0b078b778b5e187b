"""Detectors call a day unusual that is, and leave one that is like the others."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from honed.backlog.unusual import Unusual, lasting, running_detectors, unusual
from honed.core.target import Series
from honed.stats.calibration import LEAST_ROWS

BEGIN = datetime(2027, 3, 1, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
PER_DAY = 96


def latency(seed: int, *, days: int = 29, times: float = 1.0, hours: int = 24) -> Series:
    """Return quarters of an hour with day and night, memory and spikes, the last ones dearer."""
    chance = np.random.default_rng(seed)
    count = days * PER_DAY
    noise = chance.standard_normal(count)
    for at in range(1, count):
        noise[at] = 0.6 * noise[at - 1] + 0.8 * noise[at]
    by_day = 0.3 * np.sin(2 * np.pi * np.arange(count) / PER_DAY)
    values = 100 * np.exp(0.15 * noise + by_day)
    spikes = chance.random(count) < 0.005
    values[spikes] *= chance.uniform(2, 10, spikes.sum())
    values[-hours * 4 :] *= times
    moments = tuple(BEGIN + QUARTER * at for at in range(count))
    return Series(f"{seed}", "median_ms", moments, tuple(values.tolist()))


def seen(*series: Series, only: str = "robust_z", alarms_per_day: float = 1.0) -> list[Unusual]:
    now = max(each.times[-1] for each in series) + QUARTER
    detectors = {only: running_detectors(only)[only]}
    return list(unusual(detectors, series, now, alarms_per_day=alarms_per_day))


def test_days_like_the_others_are_nearly_all_left_alone() -> None:
    assert len({each.series.subject for each in seen(*map(latency, range(20)))}) <= 1


def test_days_that_are_half_as_slow_again_are_seen() -> None:
    found = seen(*(latency(seed, times=1.5) for seed in range(20)))
    assert len({each.series.subject for each in found}) == 20
    for each in found:
        assert 1.25 < each.excess < 1.9
        assert each.calibration is not None
        assert each.calibration.rows >= LEAST_ROWS
        begin, end = each.times
        assert each.series.times[-1] - timedelta(days=1) < begin <= end <= each.series.times[-1]


def test_a_change_of_level_is_explained() -> None:
    (found,) = seen(latency(1, days=6, times=2.0), only="change_point")
    assert "times as dear since" in found.explanation
    assert found.to_json()["explanation"] == found.explanation
    assert found.calibration is None


@pytest.mark.parametrize(
    "series",
    [
        latency(1, days=6, times=3.0, hours=1),
        latency(1, days=6, times=0.3),
        replace(latency(1, times=3.0), values=tuple(latency(1).values)),
    ],
    ids=["one slow hour", "faster", "as ever"],
)
def test_what_is_no_trouble_is_not_told(series: Series) -> None:
    assert seen(series) == []


def test_what_has_no_news_or_no_past_is_left_out() -> None:
    old, new = latency(1, days=6, times=3.0), latency(2, days=9)
    short = replace(old, times=old.times[-19:], values=old.values[-19:])
    assert seen(old, new) == []
    assert seen(short) == []


def test_a_spike_does_not_last() -> None:
    series = Series("a", "ms", tuple(BEGIN + QUARTER * at for at in range(20)), (1.0,) * 20)
    spiked = replace(series, values=(1.0,) * 10 + (1000.0,) * 3 + (1.0,) * 7)
    assert set(lasting(spiked).values) == {1.0}
    assert lasting(spiked).times == spiked.times[7:]


def test_detectors_run_by_default_or_when_they_are_named() -> None:
    assert "local_outlier_factor" not in running_detectors("")
    assert "local_outlier_factor" in running_detectors("nothing, local_outlier_factor")
