"""e-LOND: which of a stream of claims to believe, with a bound on the share of false ones."""

from collections.abc import Iterable

import numpy as np

#: Exponent of the discount; see ``discount``.
_EXPONENT = 1.2
#: Riemann's zeta function of the exponent: the sum over all positions.
_ZETA = 5.591582441177751


def discount(position: int) -> float:
    """Return the share of alpha that belongs to the claim at ``position``, from 1 on.

    Any sequence that adds up to 1 is allowed; this one is 1 / position^1.2 over its sum, chosen
    flat because a target sees hundreds of claims, not millions.
    """
    if position < 1:
        msg = f"positions count from 1, not {position}"
        raise ValueError(msg)
    return float(position**-_EXPONENT / _ZETA)


def level(position: int, discoveries: int, *, alpha: float) -> float:
    """Return the level at which the claim at ``position`` is tested: believe it if e >= 1/level.

    Args:
        position: of the claim in the stream, from 1 on; every claim that was tried counts.

        discoveries: how many of the earlier claims were believed.

        alpha: bound on the expected share of false ones among the believed.

    Source: Xu, Ramdas 2024, "Online multiple testing with e-values", AISTATS, arXiv:2311.06412:
    level = alpha * discount(position) * (discoveries + 1).

    The bound on the false discovery rate holds after every claim and however the e-values depend
    on each other. Not guaranteed: each must be an e-value of its own null given what was chosen to
    be tried, so a claim is not to be retried until it passes without counting each try.
    """
    return min(alpha * discount(position) * (discoveries + 1), 1.0)


def believed(log_e_values: Iterable[float], *, alpha: float) -> list[bool]:
    """Return for each claim of the stream whether e-LOND believes it, in the order of the stream.

    ``log_e_values`` are natural logarithms.
    """
    decisions: list[bool] = []
    for position, log_e in enumerate(log_e_values, start=1):
        threshold = -np.log(level(position, sum(decisions), alpha=alpha))
        decisions.append(bool(log_e >= threshold))
    return decisions
