import math
from collections.abc import Callable
from dataclasses import replace
from typing import LiteralString

import psycopg
import pytest

from honed.core.step import StepState
from honed.core.verdict import Verdict
from honed.errors import EvaluatorFailed
from honed.experiments.trial import run_trial
from honed.kinds.batch_size import SMALL_BATCHES, WRITER, BatchSize
from honed.targets.postgres.batches.bench import BatchBench
from honed.targets.postgres.batches.insertions import find_insertions
from honed.targets.postgres.batches.search import find_size, ladder
from honed.targets.postgres.batches.writers import Writer, read_writers, register_sql, size_step
from honed.targets.postgres.target import PostgresTarget
from honed.testing.contract import KindContract, Proposed
from honed.testing.worlds import MakeWorld, PostgresWorld, WorldPlan

#: What it measures is time.
pytestmark = [pytest.mark.slow, pytest.mark.alone]

TABLES: tuple[LiteralString, ...] = (
    """
    CREATE TABLE visit (visit_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                        "Page" text NOT NULL, tags text[], at timestamptz DEFAULT now())
    """,
    """
    INSERT INTO visit ("Page", tags)
    SELECT 'it''s page \\' || n, ARRAY['a', NULL] FROM generate_series(1, 12000) n
    """,
    "VACUUM ANALYZE visit",
)
ONE_BY_ONE: tuple[LiteralString, ...] = (
    "INSERT INTO visit (\"Page\") VALUES ('start') RETURNING 1",
)
VISITS = Writer("visits", "public.visit", 1, 1, 10_000)


def registered(writer: Writer) -> str:
    return register_sql(writer, actor="honed_act_world")


class TestBatchSize(KindContract):
    kind = BatchSize()
    ill = WorldPlan((*TABLES, registered(VISITS)), ONE_BY_ONE, calls=1100)
    well = WorldPlan((*TABLES, registered(replace(VISITS, batch_size=400))), ONE_BY_ONE, calls=1100)

    def test_rows_one_by_one_are_gathered(
        self, ill_world: PostgresWorld, proposed: Proposed
    ) -> None:
        (claim,) = proposed.claims
        assert (claim.subject, claim.parameters["before"]) == ("visits", 1)
        assert 8 <= int(str(claim.parameters["after"])) <= 10_000
        assert claim.predicted_log_ratio < math.log(0.6)
        (writer,) = read_writers(ill_world.target)
        assert writer == VISITS, "nothing was changed"

    def test_the_shared_judge_calls_it_better(
        self, ill_world: PostgresWorld, proposed: Proposed
    ) -> None:
        trial = self.kind.trial(proposed.claims[0], ill_world.target)
        result = run_trial(trial, proposed.steps, seed=1)
        assert result.verdict is Verdict.IMPROVED, result.judgement.reason

    def test_the_writer_is_told_and_a_persons_choice_stays(
        self, ill_world: PostgresWorld, proposed: Proposed
    ) -> None:
        (step,) = proposed.steps
        after = int(str(proposed.claims[0].parameters["after"]))
        ill_world.carry_out([step])
        assert asked(ill_world) == after
        with ill_world.database.connect(autocommit=True) as connection:
            connection.execute("UPDATE honed.writer SET batch_size = 7")
        try:
            assert ill_world.inspect(step) is StepState.ABSENT
            with pytest.raises(psycopg.errors.RaiseException, match="not the one that was tried"):
                ill_world.carry_out([step])
            ill_world.carry_out([step.inverse()])
            assert asked(ill_world) == 7
        finally:
            with ill_world.database.connect(autocommit=True) as connection:
                connection.execute("UPDATE honed.writer SET batch_size = 1")

    def test_production_is_measured_by_the_row(
        self, ill_world: PostgresWorld, proposed: Proposed
    ) -> None:
        with ill_world.database.connect(autocommit=True) as connection:
            ill_world.target.sample()
            many = ", ".join(["('many')"] * 500)
            connection.execute(b'INSERT INTO visit ("Page") VALUES ' + many.encode())
            connection.execute("SELECT pg_stat_force_next_flush()")
            ill_world.target.sample()
        (cost,) = ill_world.target.statement_costs().values()
        assert cost.rows_per_call == 500
        sample = self.kind.measure(proposed.claims[0], ill_world.target)
        assert sample == {"row": pytest.approx(cost.exec_ms_per_call / 500)}

    def test_an_acting_role_that_may_not_is_told(self, ill_world: PostgresWorld) -> None:
        # The counters are the whole server's: another world has reset them.
        ill_world.live()
        record = replace(ill_world.target.record, act_url="postgresql://nobody@localhost/world")
        target = PostgresTarget(record, ill_world.target.store, ill_world.target.settings)
        (finding,) = self.kind.look(target)
        assert finding.type == WRITER
        assert "the acting role may not change its size" in finding.title
        assert list(self.kind.propose([finding], target)) == []


def asked(world: PostgresWorld) -> int:
    with world.database.connect() as connection:
        (row,) = connection.execute("SELECT honed.batch_size('visits') AS size").fetchall()
    return int(row["size"])


def test_a_writer_that_is_not_registered_is_only_told(make_world: MakeWorld) -> None:
    world = make_world(WorldPlan(TABLES, ONE_BY_ONE, calls=1100))
    kind = BatchSize()
    (finding,) = kind.look(world.target)
    assert (finding.type, finding.subject) == (SMALL_BATCHES, "public.visit")
    assert SMALL_BATCHES not in kind.wants
    costs = finding.evidence["cpu_us_per_row"]
    assert isinstance(costs, dict)
    assert set(costs) == {"1", "10", "100", "1000", "10000"}
    assert costs["100"] < 0.8 * costs["1"]
    (insertions,) = find_insertions(world.target.workload(), world.target.catalog())
    assert insertions.rows_per_call == 1


@pytest.fixture(scope="class")
def world(make_world: MakeWorld) -> PostgresWorld:
    return make_world(WorldPlan((*TABLES, registered(VISITS)), ()))


class TestBench:
    def test_the_same_rows_come_back(self, world: PostgresWorld) -> None:
        digest = "SELECT md5(string_agg(v::text, ',' ORDER BY visit_id)) AS md5 FROM visit v"
        with world.target.lab.clone("bench") as clone:
            before = clone.query(digest)
            bench = BatchBench(clone, "public.visit")
            assert bench.cost(300, rows=1000)
            assert clone.query(digest) == before

    def test_no_trigger_is_run(self, world: PostgresWorld) -> None:
        with world.target.lab.clone("bench") as clone:
            clone.run(
                "CREATE FUNCTION reach_outside() RETURNS trigger LANGUAGE plpgsql"
                " AS 'BEGIN RAISE ''it reaches outside''; END'",
                "CREATE TRIGGER outside BEFORE INSERT OR DELETE ON visit"
                " FOR EACH ROW EXECUTE FUNCTION reach_outside()",
                "ALTER TABLE visit ENABLE ALWAYS TRIGGER outside",
            )
            with pytest.raises(EvaluatorFailed, match="P0001"):
                clone.run("DELETE FROM visit")
            assert BatchBench(clone, "public.visit").cost(100)

    def test_too_few_rows_are_told_apart(self, world: PostgresWorld) -> None:
        with world.target.lab.clone("bench") as clone:
            bench = BatchBench(clone, "public.visit")
            assert bench.cost(20_000) is None
            assert bench.cost(10_000)
            with pytest.raises(EvaluatorFailed, match="no plain table"):
                BatchBench(clone, "public.nothing")

    def test_an_unknown_writer_changes_nothing(self, world: PostgresWorld) -> None:
        with pytest.raises(psycopg.errors.RaiseException):
            world.carry_out([size_step("nobody", before=1, after=2)])
        assert asked(world) == 1


def measured(cost: Callable[[int], float | None], before: int, most: int = 10_000) -> int:
    search = find_size(cost, before=before, least=1, most=most)
    assert search is not None
    assert search.ratio <= 1.0
    return search.size


class TestSearch:
    def test_grows_until_a_row_gets_no_cheaper(self) -> None:
        assert measured(lambda size: 5 + 40 / size, 1) == 256

    def test_shrinks_what_is_too_large(self) -> None:
        assert measured(lambda size: 5 + 40 / size + size / 50, 8000) == 31

    def test_stays_within_its_bounds(self) -> None:
        assert measured(lambda size: 1000 / size, 3, most=60) == 60
        assert ladder(3, 1, 50) == [1, 3, 12, 48, 50]
        assert ladder(20, 20, 20) == [20]

    def test_stays_where_nothing_is_better(self) -> None:
        assert measured(lambda _: 3.0, 1) == 1

    def test_what_disturbs_one_turn_changes_nothing(self) -> None:
        asked_for: list[int] = []

        def cost(size: int) -> float:
            asked_for.append(size)
            return (5 + 40 / size) * (3 if 10 < len(asked_for) < 18 else 1)

        assert measured(cost, 1) == 256

    def test_the_hopeless_are_measured_once(self) -> None:
        asked_for: list[int] = []

        def cost(size: int) -> float:
            asked_for.append(size)
            return 5 + 400 / size

        measured(cost, 64)
        assert asked_for.count(1) == 1
        assert asked_for.count(64) == asked_for.count(4096) == 5

    def test_what_cannot_be_measured_ends_it(self) -> None:
        assert measured(lambda size: 1000 / size if size < 100 else None, 1) == 64
        assert find_size(lambda _: None, before=1, least=1, most=9) is None
