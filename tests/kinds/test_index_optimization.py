from dataclasses import replace

import pytest

from honed.core.trial import GUARD
from honed.kinds.index_optimization import IndexOptimization
from honed.testing.contract import KindContract, Proposed
from honed.testing.worlds import GOOD_INDEXES, MISSING_INDEX, PostgresWorld


class TestIndexOptimization(KindContract):
    kind = IndexOptimization()
    #: Of the two statements that write, the first pays for an index of its table.
    ill = replace(
        MISSING_INDEX,
        setup=(*MISSING_INDEX.setup, "CREATE TABLE visit (visit_id integer)"),
        workload=(
            *MISSING_INDEX.workload,
            "UPDATE purchase SET note = note WHERE purchase_id = 6 RETURNING 1",
            "INSERT INTO visit VALUES (1) RETURNING 1",
        ),
    )
    well = GOOD_INDEXES

    def test_statements_that_pay_for_the_index_guard(
        self, ill_world: PostgresWorld, proposed: Proposed
    ) -> None:
        statements = {each.statement_id: each for each in ill_world.target.workload().statements}
        (update,) = (each for each in statements.values() if "UPDATE" in each.text)
        sample = self.kind.measure(proposed.claims[0], ill_world.target)
        assert [name for name in sample if name.startswith(GUARD)] == [
            f"{GUARD}{update.statement_id}"
        ]
        served_ms = sum(statements[name].total_ms for name in sample if name in statements)
        assert served_ms > 0
        # A tenth more of it is a tenth more of what this update and those it slows for cost.
        expected = (update.total_ms + served_ms) / update.calls
        assert sample[f"{GUARD}{update.statement_id}"] == pytest.approx(expected)
