"""Quantiles that a histogram lets one estimate."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf, isfinite, ldexp
from typing import Final

#: Those that are kept.
QUANTILES: Final = (0.5, 0.9, 0.99)
#: Finer exponential histograms than OpenTelemetry has, or coarser ones (data model: -10 to 20).
_FINEST: Final = 20
_COARSEST: Final = -10


@dataclass(frozen=True, slots=True)
class Bucket:
    """So many measurements lie between two numbers, of which one may be infinite."""

    low: float
    high: float
    count: int
    #: Whether its width grows with its numbers.
    is_geometric: bool = False

    def at(self, share: float) -> float:
        """Return the number below which ``share`` of its measurements lie, if they lie evenly."""
        if self.is_geometric and self.low * self.high > 0:
            number = float(self.low * (self.high / self.low) ** share)
        else:
            number = self.low + (self.high - self.low) * share
        # Rounding may lead out of the bucket, where its ends are of different magnitudes.
        return min(max(number, self.low), self.high)


def explicit(bounds: Sequence[float], counts: Sequence[int]) -> list[Bucket]:
    """Return the buckets of a histogram with bounds; a first bound above 0 means none is below.

    Raises:
        ValueError: bounds and counts do not belong together.
    """
    edges = [0.0 if bounds and bounds[0] > 0 else -inf, *bounds, inf]
    if len(counts) != len(edges) - 1 or not all(low < high for low, high in pairwise(edges)):
        msg = "bounds and counts do not belong together"
        raise ValueError(msg)
    return [
        Bucket(low, high, count)
        for (low, high), count in zip(pairwise(edges), counts, strict=True)
        if count
    ]


def exponential(
    scale: int, zero: tuple[float, int], positive: "Run", negative: "Run"
) -> list[Bucket]:
    """Return the buckets of an exponential histogram, the smallest numbers first.

    Bucket i lies above base^i and reaches base^(i+1), where base is 2^(2^-scale) (OpenTelemetry,
    metrics data model, ExponentialHistogram).

    Raises:
        ValueError: the scale is none.
    """
    if not _COARSEST <= scale <= _FINEST:
        msg = "there is no such scale"
        raise ValueError(msg)
    width, near = zero[0] if isfinite(zero[0]) else 0.0, zero[1]
    below = [
        Bucket(-high, -low, count, is_geometric=True) for low, high, count in negative.of(scale)
    ]
    above = [Bucket(low, high, count, is_geometric=True) for low, high, count in positive.of(scale)]
    return [*reversed(below), *([Bucket(-width, width, near)] if near else []), *above]


@dataclass(frozen=True, slots=True)
class Run:
    """Buckets of an exponential histogram on one side of zero."""

    offset: int
    counts: Sequence[int]

    def of(self, scale: int) -> Iterator[tuple[float, float, int]]:
        """Yield the bounds of each bucket that holds something, and what it holds."""
        for place, count in enumerate(self.counts):
            if count:
                index = self.offset + place
                yield _power(index, scale), _power(index + 1, scale), count


def _power(index: int, scale: int) -> float:
    """Return base^index."""
    try:
        return float(2.0 ** ldexp(index, -scale))
    except OverflowError:
        return inf


def quantiles(
    buckets: Sequence[Bucket], least: float | None, most: float | None
) -> dict[str, float]:
    """Return estimates of the quantiles, as far as there are any.

    Within a bucket measurements are taken to lie evenly (as Prometheus' histogram_quantile does),
    or evenly on a logarithmic scale where buckets grow so. Where a quantile falls into a bucket
    without an end, the end that it has is returned. An estimate may be off by a bucket's width.

    Args:
        buckets: in the order of their numbers.

        least: the smallest measurement; None: not known.

        most: the largest.
    """
    total = sum(bucket.count for bucket in buckets)
    found: dict[str, float] = {}
    for quantile in QUANTILES if total else ():
        rank, below = quantile * total, 0
        for bucket in buckets:
            if below + bucket.count >= rank:
                estimate = _within(bucket, (rank - below) / bucket.count, least, most)
                if isfinite(estimate):
                    found[str(quantile)] = estimate
                break
            below += bucket.count
    return found


def _within(bucket: Bucket, share: float, least: float | None, most: float | None) -> float:
    low, high = bucket.low, bucket.high
    if not isfinite(low):
        low = least if least is not None else high
    if not isfinite(high):
        high = most if most is not None else low
    estimate = Bucket(low, max(low, high), bucket.count, bucket.is_geometric).at(share)
    if least is not None:
        estimate = max(estimate, least)
    return min(estimate, most) if most is not None else estimate
