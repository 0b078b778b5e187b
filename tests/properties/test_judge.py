"""Properties of the judge."""

import math
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from honed.core.trial import TrialDesign, Unit
from honed.core.verdict import Verdict
from honed.experiments.differences import Pair
from honed.experiments.judge import judge
from honed.experiments.judgement import Guardrail

UNITS = tuple(Unit(name, weight) for name, weight in (("a", 1.0), ("b", 2.0), ("c", 0.5)))
DESIGN = TrialDesign(units=UNITS, metric="s", min_pairs=2, alpha=0.2)

COSTS = st.fixed_dictionaries({}, optional={unit.name: st.floats(0.1, 10.0) for unit in UNITS})
PAIRS = st.lists(st.tuples(COSTS, COSTS), max_size=25)
#: Pairs that differ by about one factor, so that every verdict occurs.
EFFECTS = st.builds(
    lambda effect, wiggles: [
        ({"a": 1.0, "b": 2.0, "c": 3.0}, {"a": effect * w, "b": 2 * effect / w, "c": 3 * effect})
        for w in wiggles
    ],
    st.sampled_from([0.3, 0.9, 0.99, 1.0, 1.05, 1.3]),
    st.lists(st.floats(0.95, 1.05), min_size=2, max_size=30),
)


@given(PAIRS | EFFECTS, PAIRS, PAIRS)
def test_asked_twice_it_says_the_same(
    pairs: list[Pair], control: list[Pair], later: list[Pair]
) -> None:
    first = judge(pairs, DESIGN, control=control, guardrail_only=later)
    assert judge(pairs, DESIGN, control=control, guardrail_only=later) == first
    assert first.reason


@given(PAIRS | EFFECTS)
def test_improved_means_that_every_claim_holds(pairs: list[Pair]) -> None:
    judgement = judge(pairs, DESIGN)
    if judgement.verdict is Verdict.IMPROVED:
        assert judgement.objective.high < math.log1p(-DESIGN.worthwhile)
        assert {unit.guardrail for unit in judgement.units} == {Guardrail.CLEARED}
        assert judgement.total_cost.low <= 0.0
        assert judgement.log_e >= -math.log(DESIGN.alpha)


@given(PAIRS | EFFECTS, st.floats(0.01, 100.0))
def test_the_unit_of_cost_does_not_matter(pairs: list[Pair], factor: float) -> None:
    scaled = [
        ({k: v * factor for k, v in before.items()}, {k: v * factor for k, v in after.items()})
        for before, after in pairs
    ]
    there, here = judge(pairs, DESIGN), judge(scaled, DESIGN)
    assert math.isclose(there.effect, here.effect, abs_tol=1e-9)


@given(PAIRS | EFFECTS)
def test_the_unit_of_weight_does_not_matter(pairs: list[Pair]) -> None:
    heavier = replace(
        DESIGN, units=tuple(replace(unit, weight=unit.weight * 4.0) for unit in UNITS)
    )
    assert judge(pairs, heavier).objective == judge(pairs, DESIGN).objective


@given(PAIRS | EFFECTS)
def test_swapped_arms_have_mirrored_effects(pairs: list[Pair]) -> None:
    there, back = judge(pairs, DESIGN), judge([(b, a) for a, b in pairs], DESIGN)
    assert back.effect == -there.effect
    assert back.interval == (-there.interval[1], -there.interval[0])
    assert back.objective.log_e == there.objective.log_e
