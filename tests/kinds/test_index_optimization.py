from honed.kinds.index_optimization import IndexOptimization
from honed.testing.contract import KindContract
from honed.testing.worlds import GOOD_INDEXES, MISSING_INDEX


class TestIndexOptimization(KindContract):
    kind = IndexOptimization()
    ill = MISSING_INDEX
    well = GOOD_INDEXES
