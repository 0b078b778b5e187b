"""All faults of the planted service."""

from collections.abc import Sequence
from typing import Final

from honed.testing.hire.fixable import FIXABLE
from honed.testing.hire.planted import Planted
from honed.testing.hire.unfixable import UNFIXABLE

FAULTS: Final[Sequence[Planted]] = (*FIXABLE, *UNFIXABLE)
