"""How often something happens, before and after: two counts of events that come independently."""

import math

from scipy import special


def chance_of_more(before: int, after: int, before_h: float, after_h: float) -> float:
    """Return the probability of ``after`` or more events if they still come as often as before.

    The exact conditional test of two Poisson rates: given all events, those after are binomial
    (Przyborowski and Wilenski 1940, section 2). Small: it happens more often. What comes in bursts
    is more irregular than a Poisson process, so bursts have to be counted once.

    Args:
        before: events before.

        after: events after.

        before_h: hours in which those before were counted.

        after_h: the same of those after.

    Raises:
        ValueError: a count or a time is negative, or both times are zero.
    """
    share, total = _share(before, after, before_h, after_h), before + after
    if after == 0:
        return 1.0
    # P(X >= k) of a binomial is the regularised incomplete beta function.
    return float(special.betainc(after, total - after + 1, share))


def chance_of_fewer(before: int, after: int, before_h: float, after_h: float) -> float:
    """Return the probability of ``after`` or fewer events if they still come as often as before.

    Small: it happens less often. Arguments, test and errors as of ``chance_of_more``.
    """
    share, total = _share(before, after, before_h, after_h), before + after
    if before == 0:
        return 1.0
    return float(special.betaincc(after + 1, total - after, share))


def _share(before: int, after: int, before_h: float, after_h: float) -> float:
    times = before_h + after_h
    if min(before, after, before_h, after_h) < 0 or not 0 < times < math.inf:
        msg = f"{before} events in {before_h} h and {after} in {after_h} h are no counts"
        raise ValueError(msg)
    return after_h / times
