import pytest

from honed.kinds.statistics import Statistics
from honed.testing.contract import KindContract
from honed.testing.worlds import CORRELATED_COLUMNS, INDEPENDENT_COLUMNS

#: What it measures is time.
pytestmark = [pytest.mark.slow, pytest.mark.alone]


class TestStatistics(KindContract):
    kind = Statistics()
    ill = CORRELATED_COLUMNS
    well = INDEPENDENT_COLUMNS
