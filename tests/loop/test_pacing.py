"""The pause after a cycle and the name of an outcome follow seed 001, phase 4."""

import math

import pytest

from honed.core.verdict import Outcome
from honed.loop.pacing import classify, gain, next_delay_s


def effect_of(share: float) -> float:
    """Return the log ratio of a gain of ``share``."""
    return math.log1p(-share)


@pytest.mark.parametrize(
    ("share", "outcome"),
    [
        (0.5, Outcome.HIGH_SUCCESS),
        (0.101, Outcome.HIGH_SUCCESS),
        (0.099, Outcome.SUCCESS),
        (0.001, Outcome.SUCCESS),
        (0.0, Outcome.REGRESSED),
        (-0.01, Outcome.REGRESSED),
        (-3.0, Outcome.REGRESSED),
    ],
)
def test_outcome_is_named_by_its_gain(share: float, outcome: Outcome) -> None:
    assert classify(effect_of(share)) is outcome


@pytest.mark.parametrize(
    ("shares", "delay_s"),
    [
        ([0.25], 300),
        ([0.2], 900),
        ([0.05], 900),
        ([], 1800),
        ([0.0], 1800),
        ([-0.02], 3600),
        ([0.5, -0.02], 3600),
        ([0.05, 0.5], 300),
    ],
)
def test_pause_follows_the_effect(shares: list[float], delay_s: float) -> None:
    effects = [effect_of(share) for share in shares]
    assert next_delay_s(effects, 900) == delay_s
    assert next_delay_s(effects, 90) == delay_s / 10


@pytest.mark.parametrize("share", [0.9, 0.2, 0.0, -0.5, -4.0])
def test_gain_is_the_share_that_was_saved(share: float) -> None:
    assert gain(effect_of(share)) == pytest.approx(share)
