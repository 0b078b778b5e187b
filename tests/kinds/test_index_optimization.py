import math
from dataclasses import replace
from typing import Any, LiteralString, cast

import pytest

from honed.core.hypothesis import Hypothesis
from honed.core.trial import GUARD
from honed.kinds.index_optimization import IndexOptimization
from honed.targets.postgres.indexes.definition import IndexDefinition, Key
from honed.testing.contract import KindContract, Proposed
from honed.testing.worlds import GOOD_INDEXES, MISSING_INDEX, PostgresWorld, WorldPlan

#: What it measures is time.
pytestmark = [pytest.mark.slow, pytest.mark.alone]


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


_VISITS: tuple[LiteralString, ...] = (
    """
    CREATE TABLE visit (visit_id integer NOT NULL, customer_id integer NOT NULL,
                        day integer NOT NULL, page text, PRIMARY KEY (visit_id, day))
      PARTITION BY RANGE (day)
    """,
    "CREATE TABLE visit_old PARTITION OF visit FOR VALUES FROM (0) TO (100)",
    "CREATE TABLE visit_new PARTITION OF visit FOR VALUES FROM (100) TO (200)",
    "CREATE TABLE visit_next PARTITION OF visit FOR VALUES FROM (200) TO (300)",
    "CREATE TABLE visit_other PARTITION OF visit DEFAULT",
    """
    INSERT INTO visit SELECT n, n * 7 % 2000, n % 330, repeat('x', 80)
      FROM generate_series(1, 40000) n
    """,
)
_OF_A_VISITOR: tuple[LiteralString, ...] = (
    "SELECT count(*), min(day) FROM visit WHERE customer_id = 23",
    "SELECT page FROM visit WHERE visit_id = 5 AND day = 5",
)


class TestPartitionedTable(KindContract):
    kind = IndexOptimization()
    #: One statement that writes names a partition.
    ill = WorldPlan(
        (*_VISITS, "VACUUM ANALYZE visit"),
        (*_OF_A_VISITOR, "UPDATE visit_old SET page = page WHERE visit_id = 6 RETURNING 1"),
    )
    well = WorldPlan(
        (
            *_VISITS,
            "CREATE INDEX ON visit (customer_id) INCLUDE (day)",
            "VACUUM ANALYZE visit",
        ),
        _OF_A_VISITOR,
    )

    def test_one_index_is_proposed_for_all_partitions(self, proposed: Proposed) -> None:
        (claim,) = proposed.claims
        parameters: Any = claim.parameters
        (definition,) = parameters["definitions"]
        assert definition["table"] == "visit"
        assert definition["keys"][0]["text"] == "customer_id"
        assert len(proposed.steps) == 1 + 4 + 4

    def test_statements_that_write_to_a_partition_guard(
        self, ill_world: PostgresWorld, proposed: Proposed
    ) -> None:
        sample = self.kind.measure(proposed.claims[0], ill_world.target)
        assert sum(name.startswith(GUARD) for name in sample) == 1

    def test_a_trial_shows_and_hides_all_parts(
        self, ill_world: PostgresWorld, proposed: Proposed
    ) -> None:
        trial = self.kind.trial(proposed.claims[0], ill_world.target)
        with trial.open(proposed.steps) as arms:
            facts: Any = arms.facts
            assert facts["worlds"] == "OneDatabase"
            assert len(facts["built_index_bytes"]) == 4
            assert facts["index_bytes"] == sum(facts["built_index_bytes"].values()) > 0


def test_what_harms_is_left_out_of_a_revised_claim() -> None:
    by_day, by_state = (
        IndexDefinition("public", "orders", (Key(name),)) for name in ("day", "state")
    )
    gains: list[dict[str, Any]] = [
        {"statement_id": "1", "before_s": 1.0, "after_s": 0.1, "used": [by_day.name]},
        {"statement_id": "2", "before_s": 1.0, "after_s": 0.9, "used": [by_state.name]},
        {"statement_id": "3", "before_s": 1.0, "after_s": 0.2, "used": [by_day.name]},
    ]
    claim = Hypothesis(
        kind="index_optimization",
        subject="both",
        claim="both help",
        priority=5,
        risk=2,
        predicted_log_ratio=-1.3,
        parameters={
            "definitions": [by_day.to_json(), by_state.to_json()],
            "sizes_bytes": {by_day.name: 300, by_state.name: 200},
            "statements": [{**each, "is_measured": True} for each in gains],
            "guards": {"4": 0.5},
            "base_s": {"1": 1.0, "2": 1.0, "3": 1.0},
            "cut_s": 2.0,
            "examined": {},
        },
    )
    kind, target = IndexOptimization(), cast("Any", None)
    rest = kind.revise(claim, ["2"], target)
    assert rest is not None
    assert rest.parameters["definitions"] == [by_day.to_json()]
    assert rest.parameters["size_bytes"] == 300
    assert rest.predicted_log_ratio == pytest.approx(math.log(0.1 * 0.2) / 3)
    assert rest.subject != claim.subject
    assert kind.revise(claim, ["5"], target) is None
    assert kind.revise(claim, ["1"], target) is None
    assert kind.revise(rest, ["3"], target) is None
