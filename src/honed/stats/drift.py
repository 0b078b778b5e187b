"""Drift: by how much everything became dearer that a change does not touch."""

from collections.abc import Collection
from statistics import median

#: Fewer things that are not touched make no control: one of them may have its own reasons.
LEAST_CONTROLS = 3


def common_drift(log_ratios: Collection[float]) -> float | None:
    """Return the drift that ``log_ratios`` of untouched things share; None where they are too few.

    Their median: what happens to fewer than half of them, because the change touches them after
    all or because they have reasons of their own, moves it no further than the others lie apart.
    Subtracted from the effect on what is touched it makes that a difference of differences.

    Not guaranteed: harm that the change does to most things alike looks like drift.

    Args:
        log_ratios: of each thing, the natural logarithm of cost after / cost before.
    """
    return median(log_ratios) if len(log_ratios) >= LEAST_CONTROLS else None
