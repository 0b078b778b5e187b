import math
from collections.abc import Iterator
from dataclasses import replace
from typing import LiteralString
from uuid import uuid4

import pytest

from honed.core.step import StepState
from honed.errors import EvaluatorFailed
from honed.kinds.configuration import Configuration, restart_findings
from honed.storage.db import Database
from honed.storage.server import Server
from honed.targets.postgres.session_settings.scope import read_scopes
from honed.targets.postgres.session_settings.search import find_setting
from honed.targets.postgres.target import PostgresTarget
from honed.testing.contract import KindContract, Proposed, cost, wanted
from honed.testing.worlds import CORRELATED_COLUMNS, MakeWorld, PostgresWorld, WorldPlan

#: There is much of it, and what it measures is time.
pytestmark = [pytest.mark.slow, pytest.mark.alone]

SALES: tuple[LiteralString, ...] = (
    """
    CREATE TABLE sale (sale_id integer PRIMARY KEY, customer integer, item text, amount integer)
    """,
    """
    INSERT INTO sale
    SELECT n, n * 7919 % 40000, md5(n::text), n % 500 FROM generate_series(1, 80000) n
    """,
    "VACUUM ANALYZE sale",
)
SORTING: tuple[LiteralString, ...] = (
    "SELECT count(*) FROM (SELECT item FROM sale ORDER BY item, sale_id OFFSET 10) x",
    "SELECT count(*) FROM sale a JOIN sale b ON a.item = b.item",
)
#: The name of the world's database is not known before.
LITTLE: LiteralString = """
DO $$ BEGIN
  EXECUTE format('ALTER DATABASE %I SET work_mem = ''64kB''', current_database());
END $$
"""
ENOUGH: LiteralString = """
DO $$ BEGIN
  EXECUTE format('ALTER DATABASE %I SET work_mem = ''64MB''', current_database());
END $$
"""
#: One row of a large table by its key: without a nested loop all of it is read.
OF_ONE_ROW: LiteralString = (
    "SELECT count(*) FROM pair a JOIN pair b ON b.pair_id = a.other_id WHERE a.pair_id = 5"
)
PAIRS: tuple[LiteralString, ...] = (
    "CREATE TABLE pair (pair_id integer PRIMARY KEY, other_id integer)",
    "INSERT INTO pair SELECT n, 60001 - n FROM generate_series(1, 60000) n",
    "VACUUM ANALYZE pair",
)


@pytest.fixture(scope="class")
def role(postgres_server: Server) -> Iterator[str]:
    """Return the name of a role that only reads; roles are the whole server's."""
    name = f"report_{uuid4().hex[:8]}"
    with Database(postgres_server.url()).connect(autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} IN ROLE pg_read_all_data".encode())
    yield name
    with Database(postgres_server.url()).connect(autocommit=True) as connection:
        connection.execute(f"DROP ROLE {name}".encode())


class TestConfiguration(KindContract):
    kind = Configuration()
    ill = WorldPlan((*SALES, LITTLE), SORTING)
    well = WorldPlan((*SALES, ENOUGH), SORTING)

    def test_a_database_that_sorts_on_disk_gets_memory(self, proposed: Proposed) -> None:
        (claim,) = proposed.claims
        (step,) = proposed.steps
        assert (claim.parameters["name"], claim.parameters["before"]) == ("work_mem", "64kB")
        assert step.do[0].startswith("ALTER DATABASE")
        assert step.undo[0].endswith("SET \"work_mem\" = '64kB'")
        assert "connect again" in step.description

    def test_a_workload_that_is_well_is_looked_at(self, well_world: PostgresWorld) -> None:
        well_world.live()
        (everybody,) = read_scopes(well_world.target)
        assert wanted(self.kind, well_world)
        assert everybody.temp_bytes == 0

    def test_other_steps_are_not_what_is_tried(
        self, ill_world: PostgresWorld, proposed: Proposed
    ) -> None:
        trial = self.kind.trial(proposed.claims[0], ill_world.target)
        others = [replace(proposed.steps[0], do=("SELECT 1",))]
        with pytest.raises(EvaluatorFailed, match="to be tried"), trial.open(others):
            pass

    def test_both_sides_without_the_setting_cost_the_same(
        self, ill_world: PostgresWorld, proposed: Proposed
    ) -> None:
        trial = self.kind.trial(proposed.claims[0], ill_world.target)
        with trial.open(proposed.steps) as arms:
            for unit in trial.design.units:
                with_it, without = cost(arms.candidate, unit), cost(arms.control, unit)
                assert without > with_it
                # A neighbour may slow one side for a moment, and not three times in a row.
                apart = [
                    abs(math.log(cost(arms.control, unit) / cost(arms.baseline, unit)))
                    for _ in range(3)
                ]
                assert min(apart) < math.log(1.5)

    def test_an_acting_role_that_may_not_is_told_by_a_finding(
        self, ill_world: PostgresWorld
    ) -> None:
        # The counters are the whole server's: another world has reset them.
        ill_world.live()
        record = replace(ill_world.target.record, act_url="postgresql://nobody@localhost/world")
        target = PostgresTarget(record, ill_world.database, ill_world.target.settings)
        (finding,) = self.kind.look(target)
        assert "the acting role nobody is no member of postgres" in finding.title
        assert list(self.kind.propose([finding], target)) == []

    def test_a_role_gets_a_setting_of_its_own(self, make_world: MakeWorld, role: str) -> None:
        world = make_world(WorldPlan(SALES, ("SELECT amount FROM sale WHERE sale_id = 7",)))
        with world.database.connect(autocommit=True) as connection:
            (named,) = connection.execute("SELECT current_database() AS database").fetchall()
            connection.execute(
                f"ALTER ROLE {role} IN DATABASE {named['database']} SET work_mem = '64kB'".encode()
            )
            connection.execute(f"SET ROLE {role}".encode())
            connection.execute("SET work_mem = '64kB'")
            for statement in SORTING * 3:
                connection.execute(statement)
        world.target.sample()
        before = world.target.fingerprint()
        claims = list(self.kind.propose(wanted(self.kind, world), world.target))
        (claim,) = claims
        (step,) = self.kind.apply(claim, world.target)
        assert (claim.parameters["role"], claim.parameters["name"]) == (role, "work_mem")
        assert len(self.kind.trial(claim, world.target).design.units) == len(SORTING)
        world.carry_out([step])
        assert world.inspect(step) is StepState.DONE
        world.carry_out([step.inverse()])
        assert world.inspect(step) is StepState.ABSENT
        assert world.target.fingerprint() == before

    def test_a_value_that_slows_another_statement_down_is_not_proposed(
        self, make_world: MakeWorld
    ) -> None:
        chosen = []
        for more in ((), (OF_ONE_ROW,)):
            plan = CORRELATED_COLUMNS
            setup, workload = (*plan.setup, *PAIRS), (*plan.workload, *more)
            world = make_world(WorldPlan(setup, workload))
            (everybody,) = read_scopes(world.target)
            choice = find_setting(world.target, everybody)
            chosen.append(choice.candidate.name if choice and choice.log_ratio < 0 else "")
        assert chosen[0] == "enable_nestloop"
        assert chosen[1] != "enable_nestloop"


def test_what_needs_a_restart_is_only_told() -> None:
    place = {
        "has_default_buffers": True,
        "buffers_bytes": 128 * 2**20,
        "size_bytes": 2**34,
        "hit_share": 0.7,
    }
    (finding,) = restart_findings(place)
    assert finding.type not in Configuration.wants
    assert "restart" in finding.title
    assert list(restart_findings({**place, "hit_share": 0.999})) == []
    assert list(restart_findings({**place, "has_default_buffers": False})) == []
