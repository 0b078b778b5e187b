"""The drift that untouched things share."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honed.stats.drift import LEAST_CONTROLS, common_drift

RATIOS = st.lists(st.floats(-3.0, 3.0), min_size=LEAST_CONTROLS, max_size=30)


@given(RATIOS, st.floats(-3.0, 3.0))
def test_what_happens_to_all_is_the_drift(ratios: list[float], drift: float) -> None:
    plain, moved = common_drift(ratios), common_drift([each + drift for each in ratios])
    assert plain is not None
    assert moved == pytest.approx(plain + drift)


@given(RATIOS, st.floats(-50.0, 50.0))
def test_what_happens_to_fewer_than_half_stays_within_the_others(
    ratios: list[float], odd: float
) -> None:
    few = (len(ratios) - 1) // 2
    drift = common_drift([*ratios[few:], *[odd] * few])
    assert drift is not None
    assert min(ratios[few:]) <= drift <= max(ratios[few:])


@pytest.mark.parametrize("count", range(LEAST_CONTROLS))
def test_too_few_tell_no_drift(count: int) -> None:
    assert common_drift([0.5] * count) is None
