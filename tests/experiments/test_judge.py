"""The judge on pairs whose answer is plain."""

import math
from dataclasses import replace

import numpy as np
import pytest

from honed.core.trial import TrialDesign, Unit
from honed.core.verdict import Verdict
from honed.experiments.differences import Costs, Pair
from honed.experiments.judge import judge
from honed.experiments.judgement import Guardrail

UNITS = tuple(Unit(f"q{number}") for number in range(1, 6))
DESIGN = TrialDesign(units=UNITS, metric="backend_cpu_s")


def pairs(
    effects: dict[str, float], count: int, *, noise: float = 0.04, seed: int = 1
) -> list[Pair]:
    """Return pairs in which each unit costs as its number says, times the share of ``effects``."""
    random = np.random.default_rng(seed)

    def costs(factors: dict[str, float]) -> dict[str, float]:
        return {
            unit.name: number * factors.get(unit.name, 1.0) * math.exp(random.normal(0.0, noise))
            for number, unit in enumerate(UNITS, start=1)
        }

    return [(costs({}), costs(effects)) for _ in range(count)]


FASTER = {"q1": 0.3, "q2": 0.5, "q3": 0.2}


def test_a_gain_without_a_loser_is_an_improvement() -> None:
    judgement = judge(pairs(FASTER, 14), DESIGN)
    assert judgement.verdict is Verdict.IMPROVED
    truth = sum(math.log(share) for share in FASTER.values()) / 5
    assert judgement.effect == pytest.approx(truth, abs=0.03)
    low, high = judgement.interval
    assert low < truth < high
    assert judgement.named(Guardrail.CLEARED) == ("q1", "q2", "q3", "q4", "q5")
    assert judgement.reason.startswith("cost is lower: -5")
    assert judgement.log_e >= -math.log(DESIGN.alpha)


def test_a_unit_that_pays_for_the_others_refutes() -> None:
    judgement = judge(pairs({**FASTER, "q5": 1.5}, 14), DESIGN)
    assert judgement.verdict is Verdict.WORSE
    assert judgement.named(Guardrail.VIOLATED) == ("q5",)
    assert "q5 by +" in judgement.reason


def test_a_violation_needs_evidence_enough_for_all_units_together() -> None:
    alone, together = -math.log(DESIGN.alpha), -math.log(DESIGN.alpha * 0.1 / len(UNITS))
    seen = set()
    for count in range(8, 40):
        q5 = judge(pairs({"q5": 1.25}, count, noise=0.08), DESIGN).units[4]
        seen.add((alone <= q5.beyond_log_e < together, q5.guardrail))
        assert (q5.guardrail is Guardrail.VIOLATED) == (q5.beyond_log_e >= together)
    assert {(True, Guardrail.UNDECIDED), (False, Guardrail.VIOLATED)} <= seen


def two_modes(usual: float, rare: float, count: int) -> list[Pair]:
    """Return pairs of which every fourth changes q5 by the factor ``rare``."""
    measured = pairs({}, count, noise=0.01)
    return [
        (before, {**after, "q5": before["q5"] * (rare if number % 4 == 0 else usual)})
        for number, (before, after) in enumerate(measured)
    ]


def test_a_unit_that_is_much_slower_every_fourth_time_is_not_cleared() -> None:
    q5 = judge(two_modes(0.99, 1.8, 120), DESIGN).units[4]
    assert q5.within_log_e >= -math.log(DESIGN.alpha), "its median stays within the margin"
    assert q5.guardrail is Guardrail.UNDECIDED


def test_a_unit_that_is_much_faster_every_fourth_time_does_not_refute() -> None:
    q5 = judge(two_modes(1.2, 0.3, 160), DESIGN).units[4]
    assert q5.beyond_log_e >= -math.log(DESIGN.alpha * 0.1 / len(UNITS)), "its median exceeds it"
    assert q5.guardrail is Guardrail.UNDECIDED


def test_a_higher_cost_of_all_is_worse() -> None:
    slower = dict.fromkeys(("q1", "q2", "q3", "q4", "q5"), 1.06)
    judgement = judge(pairs(slower, 30), DESIGN)
    assert judgement.verdict is Verdict.WORSE
    assert judgement.named(Guardrail.VIOLATED) == ()
    assert judgement.reason.startswith("cost is higher: +")


def test_a_unit_that_is_not_cleared_is_not_waved_through() -> None:
    judgement = judge(pairs({**FASTER, "q5": 1.09}, 20), DESIGN)
    assert judgement.objective.verdict is Verdict.IMPROVED
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert judgement.named(Guardrail.UNDECIDED) == ("q5",)
    assert judgement.reason.endswith("not shown to stay within +10 %: q5")


def test_nothing_is_equivalent_to_nothing() -> None:
    judgement = judge(pairs({}, 40, noise=0.02), DESIGN)
    assert judgement.verdict is Verdict.EQUIVALENT
    assert "within 3 %" in judgement.reason


def test_fewer_pairs_than_the_design_asks_for_decide_nothing() -> None:
    judgement = judge(pairs(FASTER, 7), DESIGN)
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert judgement.reason == "7 of at least 8 pairs"


def test_no_pairs_at_all_are_inconclusive() -> None:
    judgement = judge([], DESIGN)
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert {unit.guardrail for unit in judgement.units} == {Guardrail.UNDECIDED}


def test_a_control_that_moves_blocks_every_verdict() -> None:
    control = pairs(dict.fromkeys(("q1", "q2", "q3", "q4", "q5"), 0.8), 10, seed=2)
    for effects in (FASTER, {"q5": 1.5}):
        judgement = judge(pairs(effects, 14), DESIGN, control=control)
        assert judgement.verdict is Verdict.INCONCLUSIVE
        assert "differs from its own copy" in judgement.reason


def test_a_control_that_rests_blocks_nothing() -> None:
    judgement = judge(pairs(FASTER, 14), DESIGN, control=pairs({}, 10, seed=2))
    assert judgement.verdict is Verdict.IMPROVED


def test_a_sum_that_grows_is_no_improvement() -> None:
    # Ten small units win, and the one that costs most loses a little less than its guardrail.
    units = tuple(Unit(f"q{number}") for number in range(11))
    random = np.random.default_rng(4)

    def costs(small: float, large: float) -> dict[str, float]:
        factors = [large * 1000.0, *[small] * 10]
        return {
            unit.name: factor * math.exp(random.normal(0.0, 0.01))
            for unit, factor in zip(units, factors, strict=True)
        }

    measured = [(costs(1.0, 1.0), costs(0.5, 1.05)) for _ in range(20)]
    judgement = judge(measured, replace(DESIGN, units=units))
    assert judgement.objective.verdict is Verdict.IMPROVED
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "the sum of all costs is higher: +" in judgement.reason


def test_the_tenth_of_next_to_nothing_is_no_harm() -> None:
    units = tuple(replace(unit, floor=10.0) for unit in UNITS)
    with_floor = replace(DESIGN, units=units)
    for size, verdict in ((0.2, Verdict.IMPROVED), (200.0, Verdict.WORSE)):
        measured = [
            (_times(size, before), _times(size, after))
            for before, after in pairs({**FASTER, "q5": 1.3}, 30)
        ]
        plain, floored = judge(measured, DESIGN), judge(measured, with_floor)
        assert plain.verdict is Verdict.WORSE
        assert floored.verdict is verdict
        assert ("of its cost and floor" in floored.reason) == (verdict is Verdict.IMPROVED)
        assert floored.objective == plain.objective
        assert floored.units[4].effect == plain.units[4].effect


def _times(size: float, costs: Costs) -> Costs:
    return {name: size * cost for name, cost in costs.items()}


def test_weights_say_what_matters() -> None:
    heavy = tuple(replace(unit, weight=20.0 if unit.name == "q5" else 1.0) for unit in UNITS)
    measured = pairs({**FASTER, "q5": 1.08}, 30)
    assert judge(measured, DESIGN).objective.verdict is Verdict.IMPROVED
    assert judge(measured, replace(DESIGN, units=heavy)).effect > -0.2


def test_a_unit_that_one_side_lacks_is_left_out_of_that_pair() -> None:
    measured = pairs(FASTER, 14)
    before, after = measured[0]
    measured[0] = before, {name: cost for name, cost in after.items() if name != "q4"}
    judgement = judge(measured, DESIGN)
    assert judgement.verdict is Verdict.IMPROVED
    assert [unit.pairs for unit in judgement.units] == [14, 14, 14, 13, 14]


def test_later_pairs_clear_a_unit_without_changing_the_objective() -> None:
    measured = pairs({**FASTER, "q5": 1.04}, 8, noise=0.05, seed=3)
    early = judge(measured, DESIGN)
    assert early.named(Guardrail.UNDECIDED) == ("q5",)
    more = pairs({"q5": 1.04}, 30, noise=0.05, seed=4)
    only_q5 = [({"q5": before["q5"]}, {"q5": after["q5"]}) for before, after in more]
    late = judge(measured, DESIGN, guardrail_only=only_q5)
    assert late.verdict is Verdict.IMPROVED
    assert late.objective == early.objective
    assert late.units[:4] == early.units[:4]
    assert late.units[4].pairs == 38


@pytest.mark.parametrize("cost", [0.0, -1.0, math.nan, math.inf])
def test_a_cost_that_is_none_is_an_error_and_never_worse(cost: float) -> None:
    measured = pairs({"q5": 1.5}, 14)
    measured[3] = measured[3][0], {**measured[3][1], "q2": cost}
    judgement = judge(measured, DESIGN)
    assert judgement.verdict is Verdict.ERROR
    assert "q2 was measured as" in judgement.reason


def test_a_design_without_weight_is_refused() -> None:
    with pytest.raises(ValueError, match="a weight above 0"):
        judge([], replace(DESIGN, units=(Unit("q1", weight=0.0),)))
    with pytest.raises(ValueError, match="needs units"):
        judge([], replace(DESIGN, units=()))


def test_the_judgement_is_plain_json() -> None:
    value = judge(pairs(FASTER, 2), DESIGN).to_json()
    assert value["verdict"] == "inconclusive"
    assert isinstance(value["objective"], dict)
    assert value["objective"]["low"] is None
