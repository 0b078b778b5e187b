from dataclasses import replace

import psycopg
import pytest

from honed.core.step import StepState
from honed.kinds.vacuum import DEAD_ROWS, FREEZE_AGE, Vacuum
from honed.targets.postgres.vacuuming.dead_rows import dead_rows_sql
from honed.targets.postgres.vacuuming.steps import options_step, vacuum_step, wanted_options
from honed.targets.postgres.vacuuming.tables import VacuumedTable, count_holders, read_tables
from honed.testing.contract import KindContract, Proposed, cost
from honed.testing.worlds import MakeWorld, PostgresWorld, WorldPlan

#: What it measures is time.
pytestmark = [pytest.mark.slow, pytest.mark.alone]

TABLES = (
    # Else VACUUM finds rows whose commit is not on disk yet, and no page that all may see.
    "SET synchronous_commit = on",
    "CREATE TABLE ticket (ticket_id integer PRIMARY KEY, state text, note text)",
    "INSERT INTO ticket SELECT n, 'open', repeat('x', 300) FROM generate_series(1, 30000) n",
    "VACUUM ANALYZE ticket",
)
#: The index alone answers, if the pages are known to be visible to all.
COUNT = ("SELECT count(*) FROM ticket",)
CHURN = "UPDATE ticket SET state = 'sent' WHERE ticket_id % 2 = 0 RETURNING 1"
CHURN_A_LITTLE = "UPDATE ticket SET state = 'sent' WHERE ticket_id % 20 = 0 RETURNING 1"


class TestVacuum(KindContract):
    kind = Vacuum()
    ill = WorldPlan(TABLES, (*COUNT, CHURN), calls=1)
    #: Some dead rows, and in another table many that were vacuumed.
    well = WorldPlan(
        (
            *TABLES,
            "CREATE TABLE fresh (value integer)",
            "INSERT INTO fresh SELECT generate_series(1, 20000)",
            "UPDATE fresh SET value = value + 1",
            "VACUUM ANALYZE fresh",
        ),
        (*COUNT, "SELECT count(*) FROM fresh", CHURN_A_LITTLE),
        calls=1,
    )

    def test_the_finding_says_how_many_rows_are_dead(self, make_world: MakeWorld) -> None:
        world = make_world(self.ill)
        (finding,) = self.kind.look(world.target)
        assert finding.type == DEAD_ROWS
        assert finding.subject == "public.ticket"
        assert finding.evidence["dead_rows"] == 15000
        assert finding.evidence["dead_share"] == pytest.approx(1 / 3)
        assert finding.evidence["dead_bytes"] == pytest.approx(
            read_tables(world.target)[0].heap_bytes / 3, abs=1
        )

    def test_where_the_whole_server_has_autovacuum_off_only_vacuum_is_proposed(
        self, proposed: Proposed
    ) -> None:
        (step,) = proposed.steps
        assert step.do[-1] == 'VACUUM (ANALYZE, TRUNCATE false) "public"."ticket"'

    def test_a_role_that_may_not_vacuum_fails_instead_of_doing_nothing(
        self, ill_world: PostgresWorld, proposed: Proposed
    ) -> None:
        (step,) = proposed.steps
        with ill_world.database.connect(autocommit=True) as connection:
            connection.execute("SET ROLE pg_monitor")
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="may not vacuum"):
                connection.execute(step.do[0].encode())

    def test_the_control_lies_with_the_baseline(
        self, make_world: MakeWorld, proposed: Proposed
    ) -> None:
        world = make_world(self.ill)
        (table,) = read_tables(world.target)
        steps = [options_step(table, {"autovacuum_vacuum_scale_factor": "0.05"}), *proposed.steps]
        trial = self.kind.trial(next(iter(proposed.claims)), world.target)
        with trial.open(steps) as arms:
            assert arms.facts["worlds"] == "OwnDatabases"
            costs = [
                cost(arm, trial.design.units[0])
                for arm in (arms.baseline, arms.candidate, arms.control)
            ]
        assert costs[1] < 0.6 * min(costs[0], costs[2])

    def test_nothing_is_proposed_of_a_table_that_nobody_reads(self, make_world: MakeWorld) -> None:
        world = make_world(
            replace(
                self.ill,
                workload=("SELECT 1 FROM other", CHURN),
                setup=(*TABLES, "CREATE TABLE other (value integer)"),
            )
        )
        findings = list(self.kind.look(world.target))
        assert [finding.subject for finding in findings] == ["public.ticket"]
        assert list(self.kind.propose(findings, world.target)) == []

    def test_nothing_is_proposed_where_a_transaction_holds_the_rows_back(
        self, make_world: MakeWorld
    ) -> None:
        world = make_world(self.ill)
        assert count_holders(world.target, old_s=0) == 0
        with world.database.connect() as connection:
            connection.execute("SELECT pg_current_xact_id()")
            assert count_holders(world.target, old_s=0) == 1
            assert count_holders(world.target) == 0, "it is not old"
        (finding,) = self.kind.look(world.target)
        held = replace(finding, evidence={**finding.evidence, "holders": 1})
        assert list(self.kind.propose([held], world.target)) == []

    def test_an_old_row_is_a_finding_and_no_claim(self, make_world: MakeWorld) -> None:
        world = make_world(self.well)
        assert list(self.kind.look(world.target)) == []
        with world.database.connect(autocommit=True) as connection:
            connection.execute("ALTER TABLE fresh SET (autovacuum_freeze_max_age = 100000)")
            connection.execute("CREATE TEMP TABLE burnt (value integer)")
            connection.execute(SPEND_TRANSACTIONS)
        (finding,) = self.kind.look(world.target)
        assert (finding.type, finding.subject) == (FREEZE_AGE, "public.fresh")
        assert finding.type not in self.kind.wants


#: Each block that writes takes one number.
SPEND_TRANSACTIONS = """
    DO $$ BEGIN
        FOR number IN 1 .. 50001 LOOP
            BEGIN
                INSERT INTO burnt VALUES (number);
            EXCEPTION WHEN unique_violation THEN NULL;
            END;
        END LOOP;
    END $$
"""


@pytest.fixture(scope="class")
def world(make_world: MakeWorld) -> PostgresWorld:
    return make_world(WorldPlan((*TABLES, 'CREATE TABLE "Odd one" (value integer)'), COUNT))


def table(world: PostgresWorld, **facts: object) -> VacuumedTable:
    """Return the world's table with ``facts`` instead of what it is."""
    (found,) = (each for each in read_tables(world.target) if each.name == "ticket")
    return replace(found, is_server_on=True, **facts)  # type: ignore[arg-type]  # fields by name


class TestDeadRows:
    @pytest.mark.parametrize("ratio", [0.3, 1.5])
    def test_as_many_are_made_as_are_asked_for(self, make_world: MakeWorld, ratio: float) -> None:
        world = make_world(WorldPlan((*TABLES, *REFUSING), COUNT))
        with world.database.connect(autocommit=True) as connection:
            before = connection.execute(DIGEST).fetchone()
            for statement in dead_rows_sql("public", "ticket", "ticket_id", ratio):
                connection.execute(statement.encode())
            assert connection.execute(DIGEST).fetchone() == before
            connection.execute("SELECT pg_stat_force_next_flush()")
        (table,) = read_tables(world.target)
        assert table.dead_rows == pytest.approx(ratio * 30000, rel=0.05)

    def test_no_more_than_three_rounds_are_made(self) -> None:
        assert len(dead_rows_sql("public", "ticket", "ticket_id", 70.0)) == 5


DIGEST = "SELECT md5(string_agg(t::text, ',' ORDER BY ticket_id)) FROM ticket t"
#: Whoever updates the table by its usual way fails.
REFUSING = (
    """
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE 'nobody writes here'; END $$
    """,
    "CREATE TRIGGER refuse BEFORE UPDATE ON ticket FOR EACH ROW EXECUTE FUNCTION refuse()",
)


class TestOptions:
    def test_a_large_table_that_waits_for_a_fifth_gets_thresholds(
        self, world: PostgresWorld
    ) -> None:
        large = table(world, live_rows=1_000_000, planned_rows=1e6, dead_rows=160_000)
        assert wanted_options(large) == {"autovacuum_vacuum_scale_factor": "0.04"}
        assert wanted_options(replace(large, is_server_on=False)) == {}
        assert wanted_options(replace(large, dead_rows=250_000)) == {}, "it is only late"
        assert wanted_options(replace(large, scale_factor=0.03, threshold=300_000)) == {
            "autovacuum_vacuum_threshold": "50"
        }

    def test_a_small_one_only_where_autovacuum_is_off_for_it(self, world: PostgresWorld) -> None:
        small = table(world, dead_rows=5_000)
        assert wanted_options(small) == {}
        assert wanted_options(replace(small, is_enabled=False)) == {"autovacuum_enabled": "true"}

    @pytest.mark.parametrize(
        "before",
        [
            "",
            "fillfactor = 90",
            "autovacuum_enabled = off, fillfactor = 90, autovacuum_vacuum_scale_factor = 0.3",
            "fillfactor = 90, autovacuum_vacuum_scale_factor = 0.3, parallel_workers = 2",
        ],
    )
    def test_the_undo_is_exact(self, world: PostgresWorld, before: str) -> None:
        with world.database.connect(autocommit=True) as connection:
            connection.execute(
                "ALTER TABLE ticket RESET (autovacuum_enabled, fillfactor, parallel_workers,"
                " autovacuum_vacuum_scale_factor)"
            )
            if before:
                connection.execute(f"ALTER TABLE ticket SET ({before})".encode())
        as_it_was, ill = world.target.fingerprint(), table(world)
        assert ill.is_enabled is ("autovacuum_enabled" not in before)
        assert ill.scale_factor == (0.3 if "scale_factor" in before else 0.2)
        wanted = {"autovacuum_enabled": "true", "autovacuum_vacuum_scale_factor": "0.02"}
        step = options_step(ill, wanted)
        assert world.inspect(step) is StepState.ABSENT
        world.carry_out([step])
        assert world.inspect(step) is StepState.DONE
        now = table(world)
        assert (now.is_enabled, now.scale_factor) == (True, 0.02)
        world.carry_out([step.inverse()])
        assert world.inspect(step) is StepState.ABSENT
        assert world.target.fingerprint() == as_it_was

    def test_odd_names_are_quoted(self, world: PostgresWorld) -> None:
        (odd,) = (each for each in read_tables(world.target) if each.name == "Odd one")
        step = options_step(odd, {"autovacuum_enabled": "true"})
        world.carry_out([vacuum_step(odd), step])
        assert world.inspect(step) is StepState.DONE
        world.carry_out([step.inverse()])
