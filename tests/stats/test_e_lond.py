"""e-LOND on streams whose truth is known."""

import itertools
import math

import numpy as np
import pytest

from honed.stats.e_lond import believed, discount, level
from honed.stats.e_process import mean_log_e
from honed.stats.moments import Moments


def test_the_levels_without_a_discovery_add_up_to_alpha() -> None:
    shares = list(itertools.accumulate(discount(position) for position in range(1, 20_001)))
    # What is left is less than the integral from there on.
    left = 20_000**-0.2 / 0.2 / 5.591582441177751
    assert shares[-1] < 1.0 < shares[-1] + left * 1.001


def test_every_discovery_makes_the_next_easier() -> None:
    assert level(9, 3, alpha=0.05) == pytest.approx(4 * level(9, 0, alpha=0.05))


def test_a_claim_is_believed_from_one_over_its_level_on() -> None:
    threshold = -math.log(level(1, 0, alpha=0.05))
    assert believed([threshold + 1e-9], alpha=0.05) == [True]
    assert believed([threshold - 1e-9], alpha=0.05) == [False]


def test_positions_count_from_one() -> None:
    with pytest.raises(ValueError, match="not 0"):
        level(0, 0, alpha=0.05)


def test_the_share_of_false_discoveries_stays_below_alpha_where_peeking_does_not() -> None:
    """300 claims, a fifth true, as in the measurement that the method was chosen by."""
    random = np.random.default_rng(11)
    false, found, true, naive_false, naive_found = 0.0, 0, 0, 0, 0
    streams = 40
    for _ in range(streams):
        is_true = random.random(300) < 0.2
        noise = random.normal(0.0, 1.0, (300, 60))
        differences = noise - np.where(is_true, 0.8, 0.0)[:, np.newaxis]
        moments = Moments.of_prefixes(differences)
        log_e = mean_log_e(moments, prior_variance=0.4)
        decisions = np.array(believed(log_e[:, -1], alpha=0.05))
        false += (decisions & ~is_true).sum() / max(decisions.sum(), 1) / streams
        found += (decisions & is_true).sum()
        true += is_true.sum()
        t = moments.mean[:, 7:] / moments.deviation[:, 7:] * np.sqrt(moments.count[:, 7:])
        peeked = (np.abs(t) > 2.0).any(axis=-1)
        naive_false += (peeked & ~is_true).sum()
        naive_found += peeked.sum()
    assert false <= 0.05
    assert found / true >= 0.8
    assert naive_false / naive_found > 0.3
