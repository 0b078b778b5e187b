"""Two counts of events: the exact test against the binomial itself, and what must hold of it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from honed.stats.rates import chance_of_fewer, chance_of_more

counts = st.integers(0, 500)
hours = st.floats(0.01, 1000)


@given(counts, counts, hours, hours)
def test_it_is_the_tail_of_the_binomial(
    before: int, after: int, before_h: float, after_h: float
) -> None:
    of = binom(before + after, after_h / (before_h + after_h))
    more, fewer = of.sf(after - 1), of.cdf(after)
    assert chance_of_more(before, after, before_h, after_h) == pytest.approx(more, abs=1e-9)
    assert chance_of_fewer(before, after, before_h, after_h) == pytest.approx(fewer, abs=1e-9)


def test_false_alarms_are_no_more_than_asked_for() -> None:
    generator = np.random.default_rng(20261121)
    pairs = generator.poisson([6.0, 2.0], size=(4000, 2))
    alarms = sum(chance_of_more(int(a), int(b), 3.0, 1.0) <= 0.05 for a, b in pairs)
    assert alarms / len(pairs) <= 0.05
    shown = sum(chance_of_more(int(a), int(b) * 5, 3.0, 1.0) <= 0.05 for a, b in pairs)
    assert shown / len(pairs) > 0.5


def test_no_events_show_nothing_and_no_counts_are_refused() -> None:
    assert chance_of_more(0, 0, 1.0, 1.0) == chance_of_fewer(0, 0, 1.0, 1.0) == 1.0
    assert chance_of_fewer(0, 3, 1.0, 1.0) == 1.0
    for before, after, before_h, after_h in [(-1, 0, 1.0, 1.0), (0, 0, 0.0, 0.0)]:
        with pytest.raises(ValueError, match="no counts"):
            chance_of_more(before, after, before_h, after_h)
