"""Moments against numpy's own."""

import numpy as np
import pytest

from honed.stats.moments import Moments


def test_a_missing_difference_is_left_out() -> None:
    moments = Moments.of([[1.0, np.nan, 4.0, 7.0], [np.nan, np.nan, np.nan, 2.0], [np.nan] * 4])
    assert moments.count.tolist() == [3.0, 1.0, 0.0]
    assert moments.mean.tolist() == [4.0, 2.0, 0.0]
    assert moments.deviation.tolist() == [3.0, 0.0, 0.0]


def test_prefixes_are_the_moments_of_each_beginning() -> None:
    differences = np.random.default_rng(3).normal(0.2, 1.0, (4, 30))
    prefixes = Moments.of_prefixes(differences)
    for length in (1, 2, 17, 30):
        moments = Moments.of(differences[:, :length])
        assert prefixes.mean[:, length - 1] == pytest.approx(moments.mean)
        assert prefixes.deviation[:, length - 1] == pytest.approx(moments.deviation)
        assert prefixes.count[:, length - 1].tolist() == [length] * 4
