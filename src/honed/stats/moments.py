"""Count, mean and spread of paired differences: all that the t-mixture needs to know."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Count, mean and standard deviation of one or more series of differences.

    The three arrays have one shape; a series without a value has mean 0, one with fewer than two
    has standard deviation 0. Nothing here weighs one difference more than another.
    """

    count: FloatArray
    mean: FloatArray
    #: With the divisor ``count - 1``.
    deviation: FloatArray

    @classmethod
    def of(cls, differences: ArrayLike) -> Self:
        """Return the moments along the last axis; a NaN is a difference that was not measured."""
        values = np.asarray(differences, dtype=np.float64)
        present = ~np.isnan(values)
        count = present.sum(axis=-1).astype(np.float64)
        mean = np.where(present, values, 0.0).sum(axis=-1) / np.maximum(count, 1.0)
        from_mean = np.where(present, values - mean[..., np.newaxis], 0.0)
        variance = np.square(from_mean).sum(axis=-1) / np.maximum(count - 1.0, 1.0)
        return cls(count, mean, np.sqrt(variance))

    @classmethod
    def of_prefixes(cls, differences: ArrayLike) -> Self:
        """Return the moments after the first, the second, ... difference of the last axis.

        For simulations: one pass instead of one for each look. The variance comes from running
        sums, so series whose mean is large beside their spread lose digits; NaN is not allowed.
        """
        values = np.asarray(differences, dtype=np.float64)
        count = np.broadcast_to(np.arange(1.0, values.shape[-1] + 1.0), values.shape)
        mean = np.cumsum(values, axis=-1) / count
        squares = np.cumsum(np.square(values), axis=-1) - count * np.square(mean)
        variance = np.maximum(squares, 0.0) / np.maximum(count - 1.0, 1.0)
        return cls(count, mean, np.sqrt(variance))
