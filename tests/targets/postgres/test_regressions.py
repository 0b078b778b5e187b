import numpy as np
import pytest
from scipy import stats

from honed.targets.postgres.regressions import Change, Sums, slower_p_value


def _sums(values: list[float], blocks: float = 10.0) -> Sums:
    series = np.array(values)
    squares = float(np.square(series).sum())
    return Sums(len(series), float(series.sum()), squares, blocks * len(series))


def test_the_p_value_is_that_of_welch() -> None:
    draws = np.random.default_rng(1)
    before, after = list(draws.normal(20, 2, 40)), list(draws.normal(21, 5, 25))
    known = stats.ttest_ind(after, before, equal_var=False, alternative="greater").pvalue
    assert slower_p_value(_sums(before), _sums(after)) == pytest.approx(known)


@pytest.mark.parametrize(("after", "p"), [([10.0] * 5, 1.0), ([11.0] * 5, 0.0), ([9.0] * 5, 1.0)])
def test_without_scatter_any_difference_counts(after: list[float], p: float) -> None:
    assert slower_p_value(_sums([10.0] * 5), _sums(after)) == p


_STEADY = [10.0, 11.0, 9.0, 10.5, 9.5] * 10
_SLIGHTLY_SLOWER = [value * 1.5 for value in _STEADY]
_SLOWER = [value * 2.5 for value in _STEADY]


@pytest.mark.parametrize(
    ("after", "has_new_plan", "expected"),
    [
        (_sums(_STEADY), True, False),
        (_sums(_SLIGHTLY_SLOWER), False, False),
        (_sums(_SLIGHTLY_SLOWER), True, True),
        (_sums(_SLOWER), False, True),
        # Few calls: time alone is no evidence, time with blocks is.
        (_sums(_SLOWER[:5]), False, False),
        (_sums(_SLOWER[:5], blocks=40.0), False, True),
        # One very slow call hides the others from the test, not from the blocks.
        (_sums([*_SLIGHTLY_SLOWER, 500.0]), True, False),
        (_sums([*_SLIGHTLY_SLOWER, 500.0], blocks=40.0), True, True),
        (_sums([*_SLOWER, 500.0], blocks=40.0), False, False),
        # Too few calls to say anything.
        (_sums(_SLOWER[:2], blocks=40.0), True, False),
        (_sums([]), True, False),
    ],
)
def test_a_regression_is_slower_beyond_its_scatter(
    after: Sums, *, has_new_plan: bool, expected: bool
) -> None:
    assert Change(_sums(_STEADY), after).is_regression(has_new_plan=has_new_plan) is expected
