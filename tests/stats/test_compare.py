"""Verdicts on differences whose answer is plain."""

import math

import numpy as np
import pytest

from honed.core.verdict import Verdict
from honed.stats.compare import Rule, compare, decide
from honed.stats.moments import Moments

RULE = Rule(alpha=0.05, prior_variance=0.4, worthwhile=0.02, equivalence=0.03, min_pairs=8)


def _around(centre: float, spread: float, count: int) -> list[float]:
    return [float(value) for value in np.random.default_rng(count).normal(centre, spread, count)]


def test_a_clear_gain_is_an_improvement() -> None:
    assert compare(_around(-0.3, 0.05, 12), RULE).verdict is Verdict.IMPROVED


def test_a_clear_loss_is_worse() -> None:
    assert compare(_around(0.3, 0.05, 12), RULE).verdict is Verdict.WORSE


def test_a_gain_that_is_not_worth_a_change_is_none() -> None:
    comparison = compare(_around(-0.01, 0.005, 30), RULE)
    assert comparison.high < 0.0
    assert comparison.verdict is Verdict.EQUIVALENT


def test_a_small_loss_is_worse_and_not_equivalent() -> None:
    comparison = compare(_around(0.01, 0.005, 30), RULE)
    assert 0.0 < comparison.low < comparison.high < math.log1p(RULE.equivalence)
    assert comparison.verdict is Verdict.WORSE


def test_a_series_gets_at_most_one_decision() -> None:
    # Every interval between -8 % and 8 %, with and without signs that agree.
    mean = np.linspace(-0.08, 0.08, 161)
    moments = Moments(np.full(161, 40.0), mean, np.full(161, 0.004))
    for below in (0, 20, 40):
        decisions = decide(moments, np.full(161, below), np.full(161, 40 - below), rule=RULE)
        decided = np.stack([decisions.improved, decisions.worse, decisions.equivalent])
        assert decided.sum(axis=0).max() == 1
    # A gain beyond what is worthwhile that the signs do not share is not "equal" either.
    unshared = decide(moments, np.full(161, 20), np.full(161, 20), rule=RULE)
    assert not unshared.equivalent[mean < -0.025].any()


def test_nothing_is_equivalent_without_a_region() -> None:
    rule = Rule(alpha=0.05, prior_variance=0.4)
    assert compare(_around(0.0, 0.001, 60), rule).verdict is Verdict.INCONCLUSIVE


def test_too_few_pairs_decide_nothing() -> None:
    assert compare([-0.3, -0.31, -0.29, -0.3, -0.3, -0.31, -0.3], RULE).verdict is (
        Verdict.INCONCLUSIVE
    )


def test_a_mean_that_the_signs_do_not_share_decides_nothing() -> None:
    # Two modes: a third of the pairs gains a lot, the others lose a little.
    differences = [-2.0, 0.05, 0.04] * 20
    comparison = compare(differences, RULE)
    assert comparison.high < math.log1p(-RULE.worthwhile)
    assert comparison.verdict is Verdict.INCONCLUSIVE


def test_one_spike_does_not_turn_a_loss_into_a_gain() -> None:
    assert compare([*_around(0.02, 0.01, 30), -5.0], RULE).verdict is not Verdict.IMPROVED


def test_no_pairs_are_no_evidence() -> None:
    comparison = compare([], RULE)
    assert (comparison.pairs, comparison.effect, comparison.log_e) == (0, 0.0, 0.0)
    assert comparison.to_json()["low"] is None


@pytest.mark.parametrize(
    "wrong", [(0.0, 0.4, 0.0), (1.0, 0.4, 0.0), (0.05, 0.0, 0.0), (0.05, 0.4, 1.0)]
)
def test_a_rule_that_is_none_is_refused(wrong: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="not Rule"):
        Rule(*wrong)
