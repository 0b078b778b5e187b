"""Sample ratio mismatch: whether both arms were measured as often as they should have been."""

import numpy as np

from honed.stats.e_process import sign_log_e

#: Probability of a false alarm: the customary threshold of such checks (Fabijan et al. 2019,
#: "Diagnosing sample ratio mismatch in online controlled experiments", KDD).
THRESHOLD = 0.001


def is_mismatched(first: int, second: int, *, threshold: float = THRESHOLD) -> bool:
    """Return whether two arms that should be measured equally often were not.

    The test of Lindon, Malek 2020, arXiv:2011.03567, which may be looked at after every block: a
    fair coin gives True with probability at most ``threshold``, ever. Arms that are paired by
    design differ less than a coin, so there it is stricter on itself than it says.
    """
    return bool(sign_log_e(first, second) >= -np.log(threshold))
