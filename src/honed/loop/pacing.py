"""What an effect in production is called, and how long the loop rests after it."""

import math
from collections.abc import Iterable

from honed.core.verdict import Outcome

#: Gains above these shares shorten the pause; seed 001, phase 4, step 5.
GREAT_GAIN = 0.20
#: Gains above this share are a high success; seed 001, phase 4, step 3.
HIGH_GAIN = 0.10

#: Pauses in units of the setting ``cycle_interval_s``: with its default of 15 minutes they are the
#: 5, 15, 30 and 60 minutes of seed 001, phase 4, step 5.
AFTER_GREAT_GAIN, AFTER_GAIN, AFTER_NOTHING, AFTER_REGRESSION = 1 / 3, 1.0, 2.0, 4.0


def gain(log_ratio: float) -> float:
    """Return the share of the cost that was saved: 0.2 is 20 % better, below 0 is worse.

    Args:
        log_ratio: natural logarithm of cost after / cost before.
    """
    return -math.expm1(log_ratio)


def classify(log_ratio: float) -> Outcome:
    """Return what an applied change did, by its effect in production (seed 001, phase 4, step 3).

    An effect of exactly zero counts as regressed, because it is not above zero.
    """
    share = gain(log_ratio)
    if share > HIGH_GAIN:
        return Outcome.HIGH_SUCCESS
    return Outcome.SUCCESS if share > 0 else Outcome.REGRESSED


def next_delay_s(effects: Iterable[float], interval_s: float) -> float:
    """Return the seconds until the next cycle (seed 001, phase 4, step 5).

    Args:
        effects: for each change that the cycle applied, the natural logarithm of cost after /
            cost before in production. One regression outweighs every gain.

        interval_s: the pause after a gain; the others are shares and multiples of it.
    """
    gains = [gain(effect) for effect in effects]
    if any(share < 0 for share in gains):
        return AFTER_REGRESSION * interval_s
    if any(share > GREAT_GAIN for share in gains):
        return AFTER_GREAT_GAIN * interval_s
    if any(share > 0 for share in gains):
        return AFTER_GAIN * interval_s
    return AFTER_NOTHING * interval_s
