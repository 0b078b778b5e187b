"""Staying within a margin, with normal noise and with spikes."""

import math

import numpy as np

from honed.stats.non_inferiority import against_margin

MARGIN = math.log(1.10)
ENOUGH = math.log(20.0)


def test_an_unchanged_series_is_soon_shown_to_stay_within() -> None:
    random = np.random.default_rng(1)
    evidence = against_margin(random.normal(0.0, 0.05, (200, 12)), margin=MARGIN, prior_variance=1)
    assert (evidence.below_log_e >= ENOUGH).mean() > 0.9
    assert (evidence.above_log_e < 0.0).all()


def test_a_slight_loss_within_the_margin_is_cleared_in_25_pairs() -> None:
    # Mean + 2 %, noise of each block 4 %, so of a difference 5.7 %.
    differences = np.random.default_rng(2).normal(math.log(1.02), 0.04 * math.sqrt(2), (500, 25))
    evidence = against_margin(differences, margin=MARGIN, prior_variance=1.0)
    assert (evidence.below_log_e >= ENOUGH).mean() > 0.98


def test_spikes_delay_but_do_not_prevent() -> None:
    random = np.random.default_rng(3)
    differences = random.normal(0.0, 0.05, (200, 25))
    differences[:, 4], differences[:, 11] = 1.5, -1.5
    evidence = against_margin(differences, margin=MARGIN, prior_variance=1.0)
    assert (evidence.below_log_e >= ENOUGH).mean() > 0.9


def test_a_series_at_the_margin_is_hardly_ever_cleared() -> None:
    random = np.random.default_rng(4)
    differences = random.normal(MARGIN, 0.05, (2000, 60))
    cleared = np.zeros(2000, dtype=bool)
    for pairs in range(2, 61):
        evidence = against_margin(differences[:, :pairs], margin=MARGIN, prior_variance=1.0)
        cleared |= evidence.below_log_e >= ENOUGH
    assert 0.0 < cleared.mean() <= 0.05


def test_what_exceeds_the_margin_is_shown_to() -> None:
    differences = np.random.default_rng(5).normal(0.5, 0.1, (50, 15))
    evidence = against_margin(differences, margin=MARGIN, prior_variance=1.0)
    assert (evidence.above_log_e > math.log(4400)).all()
    assert (evidence.below_log_e < 0.0).all()


def test_a_series_that_was_never_measured_is_no_evidence() -> None:
    evidence = against_margin(np.full((1, 5), np.nan), margin=MARGIN, prior_variance=1.0)
    assert evidence.below_log_e.tolist() == [0.0]
    assert evidence.above_log_e.tolist() == [0.0]
    assert evidence.median.tolist() == [0.0]
