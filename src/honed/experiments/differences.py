"""Differences of pairs: what a trial compares, from the costs that its blocks measured."""

import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np

from honed.core.trial import Unit
from honed.errors import EvaluatorFailed
from honed.stats.moments import FloatArray

#: Cost of each unit in one block.
Costs: TypeAlias = Mapping[str, float]
#: What one pair of adjacent blocks measured: before (baseline), after (candidate).
Pair: TypeAlias = tuple[Costs, Costs]


def unit_differences(
    pairs: Sequence[Pair], units: Sequence[Unit], *, above_floor: bool = False
) -> FloatArray:
    """Return log(after / before), shape (units, pairs); NaN where a side lacks the unit.

    Args:
        pairs: what was measured.

        units: the rows.

        above_floor: whether each unit's floor is added to both costs.

    Raises:
        EvaluatorFailed: a cost is no positive finite number.
    """
    floors = [unit.floor if above_floor else 0.0 for unit in units]
    rows = [
        [_difference(pair, unit.name, floor) for pair in pairs]
        for unit, floor in zip(units, floors, strict=True)
    ]
    return np.array(rows, dtype=np.float64).reshape(len(units), len(pairs))


def objective_differences(differences: FloatArray, units: Sequence[Unit]) -> FloatArray:
    """Return the weighted mean over the units of each pair, shape (n,).

    A pair without any unit is left out. Where a pair lacks a unit, the weights of the others
    stand for the whole.
    """
    weights = np.array([unit.weight for unit in units], dtype=np.float64)[:, np.newaxis]
    present = ~np.isnan(differences)
    total = (weights * present).sum(axis=0)
    mean = (weights * np.where(present, differences, 0.0)).sum(axis=0)
    return np.asarray(mean[total > 0.0] / total[total > 0.0], dtype=np.float64)


def total_differences(pairs: Sequence[Pair], units: Sequence[Unit]) -> FloatArray:
    """Return log(total after / total before) of each pair, shape (n,).

    The total is that of one execution of each unit which both sides have; a pair without any is
    left out.
    """
    totals: list[float] = []
    for before, after in pairs:
        both = [unit.name for unit in units if unit.name in before and unit.name in after]
        if both:
            cost_after = math.fsum(after[name] for name in both)
            totals.append(math.log(cost_after / math.fsum(before[name] for name in both)))
    return np.array(totals, dtype=np.float64)


def checked_cost(unit: str, cost: float) -> float:
    """Return ``cost``.

    Raises:
        EvaluatorFailed: it is no positive finite number, so it has no logarithm.
    """
    if not (math.isfinite(cost) and cost > 0.0):
        msg = f"{unit} was measured as {cost}, which is no positive number"
        raise EvaluatorFailed(msg)
    return cost


def _difference(pair: Pair, unit: str, floor: float) -> float:
    if not all(unit in costs for costs in pair):
        return math.nan
    before, after = (math.log(checked_cost(unit, costs[unit]) + floor) for costs in pair)
    return after - before
