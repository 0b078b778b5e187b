"""Sample ratio mismatch: loud when an arm is missing, quiet for a fair coin."""

import numpy as np
import pytest

from honed.stats.sample_ratio import is_mismatched


@pytest.mark.parametrize("counts", [(0, 0), (1, 0), (9, 8), (60, 60), (480, 520)])
def test_what_chance_does_is_no_mismatch(counts: tuple[int, int]) -> None:
    assert not is_mismatched(*counts)


@pytest.mark.parametrize("counts", [(16, 0), (0, 16), (30, 5), (600, 400)])
def test_an_arm_that_is_missing_is_seen(counts: tuple[int, int]) -> None:
    assert is_mismatched(*counts)


def test_looking_after_every_block_does_not_raise_false_alarms() -> None:
    firsts = np.cumsum(np.random.default_rng(5).integers(2, size=(2000, 120)), axis=-1)
    alarms = [
        any(is_mismatched(int(k), n + 1 - int(k)) for n, k in enumerate(run))
        for run in firsts[:300]
    ]
    assert sum(alarms) <= 2
