"""Cold partitions kept in columns by a real server that has citus_columnar, where there is one.

Its programs are found in the folder that TEST_COLUMNAR_PROGRAMS names, or among the system's.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
from tests.kinds.conftest import AssertNoDeadlock, Dumped
from tests.kinds.test_columnstore import MEASUREMENTS as REFERRING
from tests.kinds.test_columnstore import NEWEST, OLDEST, aged, dump, run

from honed.core.step import Step, StepState
from honed.kinds.columnstore import COLD_PARTITION_STAYS, ColumnStore
from honed.storage.db import Database
from honed.storage.server import Server
from honed.targets.postgres.columnstore.method import method_obstacle, method_steps
from honed.targets.postgres.columnstore.partitions import read_partitions
from honed.testing.contract import KindContract, Proposed, wanted
from honed.testing.postgres import TEST_OPTIONS
from honed.testing.programs import programs_with
from honed.testing.worlds import MakeWorld, PostgresWorld, WorldPlan, making_worlds

PROGRAMS = programs_with("citus_columnar", "TEST_COLUMNAR_PROGRAMS")
pytestmark = [
    pytest.mark.slow,  # There is much of it.
    pytest.mark.skipif(
        PROGRAMS is None, reason="no PostgreSQL 18 with citus_columnar (TEST_COLUMNAR_PROGRAMS)"
    ),
]

#: A row in a hundred has a text that fits into no page, so that it needs a TOAST table.
MEASUREMENTS: tuple[LiteralString, ...] = (
    "CREATE EXTENSION citus_columnar",
    """
    CREATE TABLE measurement (
      gone integer, station_id integer NOT NULL, at timestamptz NOT NULL,
      value double precision CHECK (value >= 0), note text, tags integer[],
      number bigint GENERATED ALWAYS AS IDENTITY, doubled double precision
        GENERATED ALWAYS AS (value * 2) STORED,
      PRIMARY KEY (station_id, at)
    ) PARTITION BY RANGE (at)
    """,
    "CREATE INDEX ON measurement (at) INCLUDE (value)",
    """
    CREATE TABLE measurement_2024 PARTITION OF measurement
      FOR VALUES FROM ('2024-01-01 00:00+00') TO ('2025-01-01 00:00+00')
      WITH (fillfactor = 90, autovacuum_enabled = false)
    """,
    """
    CREATE TABLE measurement_2025 PARTITION OF measurement
      FOR VALUES FROM ('2025-01-01 00:00+00') TO ('2026-01-01 00:00+00')
    """,
    "ALTER TABLE measurement DROP COLUMN gone",
    "ALTER TABLE measurement_2024 ALTER note SET STORAGE external, ALTER value SET STATISTICS 50",
    "CREATE INDEX of_note ON measurement_2024 USING hash (note) WHERE station_id = 3",
    """
    INSERT INTO measurement (station_id, at, value, note, tags)
    SELECT 1 + n % 50, timestamptz '2024-01-01 00:00+00' + n * interval '20 minutes',
           CASE n % 9 WHEN 0 THEN 'NaN' WHEN 1 THEN 'infinity' ELSE n / 3.0 END,
           CASE WHEN n % 100 = 0
                THEN (SELECT string_agg(md5((n * k)::text), '') FROM generate_series(1, 400) k)
                WHEN n % 7 > 0 THEN 'sensor reading, all is well, nothing to be reported' END,
           ARRAY[n % 5, NULL]
      FROM generate_series(1, 40000) n
    """,
    "CREATE STATISTICS of_station (dependencies) ON station_id, value FROM measurement_2024",
    "COMMENT ON TABLE measurement_2024 IS 'before the new sensors'",
    "GRANT SELECT ON measurement_2024 TO pg_monitor",
    "ALTER TABLE measurement_2024 CLUSTER ON measurement_2024_at_value_idx",
    "CREATE TABLE station (station_id integer PRIMARY KEY)",
    "INSERT INTO station SELECT generate_series(1, 60)",
    "VACUUM ANALYZE measurement",
)
#: What no columns can have, what takes it away again, and what is said of it.
CHANGES: tuple[tuple[LiteralString, LiteralString, str], ...] = (
    (
        "CREATE INDEX of_tags ON measurement_2024 USING gin (tags)",
        "DROP INDEX of_tags",
        "indexes by gin",
    ),
    ("CREATE INDEX of_at ON measurement USING brin (at)", "DROP INDEX of_at", "indexes by brin"),
    (
        "ALTER TABLE measurement ADD CONSTRAINT prior FOREIGN KEY (station_id) REFERENCES station",
        "ALTER TABLE measurement DROP CONSTRAINT prior",
        "foreign key",
    ),
    (
        """
        CREATE TRIGGER told AFTER INSERT ON measurement FOR EACH ROW
        EXECUTE FUNCTION suppress_redundant_updates_trigger()
        """,
        "DROP TRIGGER told ON measurement",
        "triggers",
    ),
    (
        "CREATE RULE none AS ON DELETE TO measurement_2024 DO ALSO NOTHING",
        "DROP RULE none ON measurement_2024",
        "rules",
    ),
    (
        "ALTER TABLE measurement_2024 ADD CONSTRAINT one UNIQUE (number) DEFERRABLE",
        "ALTER TABLE measurement_2024 DROP CONSTRAINT one",
        "deferred",
    ),
    (
        "ALTER TABLE measurement_2024 SET (toast.autovacuum_enabled = false)",
        "ALTER TABLE measurement_2024 RESET (toast.autovacuum_enabled)",
        "TOAST table",
    ),
)
METHOD: LiteralString = """
SELECT amname AS method
FROM pg_class AS c JOIN pg_am AS a ON a.oid = c.relam
WHERE c.oid = 'measurement_2024'::regclass
"""
KNOWN: LiteralString = """
SELECT (SELECT jsonb_build_array(relpages, reltuples, relallvisible > 0, reltoastrelid <> 0)
        FROM pg_class WHERE oid = 'measurement_2024'::regclass) AS table_knows
     , (SELECT jsonb_agg(to_jsonb(s) ORDER BY attname) FROM pg_stats AS s
        WHERE tablename = 'measurement_2024') AS columns_are
     , (SELECT jsonb_agg(to_jsonb(s)) FROM pg_stats_ext AS s) AS together
"""
LATE: LiteralString = (
    "INSERT INTO measurement (station_id, at) VALUES (99, '2024-02-02 00:00:01+00')"
)
PLAN = WorldPlan(MEASUREMENTS, (NEWEST,), settings={"archive_min_mb": 1, "postgres_bin": PROGRAMS})


@pytest.fixture(scope="module")
def columnar_server(session_folder: Path) -> Iterator[Server]:
    server = Server(session_folder / "columnar", binaries=PROGRAMS, options=TEST_OPTIONS)
    server.start()
    with Database(server.url()).connect(autocommit=True) as connection:
        connection.execute("CREATE EXTENSION pg_stat_statements")
    yield server
    server.stop()


@pytest.fixture(scope="class")
def make_world(
    columnar_server: Server, postgres_server: Server, migrated_template: str, session_folder: Path
) -> Iterator[MakeWorld]:
    """Return a maker of worlds on a server with the extension."""
    with making_worlds(columnar_server, postgres_server, migrated_template, session_folder) as make:
        yield make


def known(world: PostgresWorld) -> dict[str, object]:
    """Return what the planner knows of the partition."""
    with world.database.connect() as connection:
        (row,) = connection.execute(KNOWN).fetchall()
    return row


class TestColumnarMethod(KindContract):
    kind = ColumnStore()
    ill = PLAN
    well = replace(PLAN, workload=(NEWEST, OLDEST))

    @pytest.fixture(scope="class")
    @classmethod
    def ill_world(cls, make_world: MakeWorld) -> PostgresWorld:
        return aged(make_world(cls.ill))

    @pytest.fixture(scope="class")
    @classmethod
    def well_world(cls, make_world: MakeWorld) -> PostgresWorld:
        return aged(make_world(cls.well))

    def test_columns_are_narrower_than_an_archive(self, proposed: Proposed) -> None:
        (claim,) = proposed.claims
        assert claim.subject == "public.measurement_2024"
        assert (claim.parameters["provider"], claim.parameters["left_out"]) == ("method", {})
        assert "UPDATE, DELETE and locks of rows" in claim.claim
        assert self.kind.risk.needs_person

    def test_the_undo_brings_back_rows_schema_and_statistics(
        self, ill_world: PostgresWorld, proposed: Proposed, dumped: Dumped
    ) -> None:
        schema, lines, before = dumped(ill_world), dump(ill_world), known(ill_world)
        ill_world.carry_out(proposed.steps)
        assert dump(ill_world) - lines != Counter()
        ill_world.carry_out(self.kind.rollback(proposed.steps))
        assert dumped(ill_world) == schema
        assert dump(ill_world) == lines
        assert known(ill_world) == before

    def test_the_undo_brings_back_rows_and_columns_that_came_meanwhile(
        self, ill_world: PostgresWorld, proposed: Proposed
    ) -> None:
        count = "SELECT count(*), count(extra), max(extra) FROM measurement_2024"
        ill_world.carry_out(proposed.steps)
        run(ill_world, LATE)
        run(ill_world, "ALTER TABLE measurement ADD extra integer DEFAULT 7")
        try:
            before = ill_world.target.query(count, {})
            ill_world.carry_out(self.kind.rollback(proposed.steps))
            assert ill_world.target.query(count, {}) == before
            assert before[0]["max"] == 7
        finally:
            run(ill_world, "ALTER TABLE measurement DROP COLUMN extra")
            run(ill_world, "DELETE FROM measurement_2024 WHERE station_id = 99")

    def test_nobody_and_the_rewrite_wait_for_each_other(
        self, ill_world: PostgresWorld, proposed: Proposed, assert_no_deadlock: AssertNoDeadlock
    ) -> None:
        read: LiteralString = "SELECT count(*) FROM measurement"
        assert_no_deadlock(ill_world, proposed.steps[1], read, LATE)

    def test_the_trial_says_what_is_saved_and_what_reading_costs(
        self, ill_world: PostgresWorld, proposed: Proposed
    ) -> None:
        trial = self.kind.trial(proposed.claims[0], ill_world.target)
        with trial.open(proposed.steps) as arms:
            assert arms.candidate.run("row") < 0.9 * arms.baseline.run("row")
            reads = arms.facts["read_cpu_ms"]
        assert isinstance(reads, dict)
        assert set(reads) == {"all_columns", "one_column", "one_row"}
        assert all(each["before"] > 0 and each["after"] > 0 for each in reads.values())

    def test_a_copy_of_what_was_rewritten_has_its_rows(
        self, ill_world: PostgresWorld, proposed: Proposed
    ) -> None:
        count = "SELECT count(*) AS rows, sum(number) AS total FROM measurement_2024"
        ill_world.carry_out(proposed.steps)
        lab = ill_world.target.lab
        try:
            assert lab.refresh().missing == ()
            with lab.clone("columns") as clone:
                assert clone.query(count) == ill_world.target.query(count, {})
                assert clone.query(METHOD) == [{"method": "columnar"}]
            with lab.phantom("columns") as phantom:
                assert "Total Cost" in str(phantom.explain(OLDEST))
        finally:
            ill_world.carry_out(self.kind.rollback(proposed.steps))

    def test_approvals_are_not_for_what_somebody_else_has_rewritten(
        self, ill_world: PostgresWorld, proposed: Proposed
    ) -> None:
        before = ill_world.target.shape()
        ill_world.carry_out(proposed.steps)
        after = ill_world.target.shape()
        ill_world.carry_out(self.kind.rollback(proposed.steps))
        assert after.fingerprint != before.fingerprint
        assert after.is_due_to(proposed.steps[1], before)
        assert not after.is_due_to(proposed.steps[0], before)

    def test_a_sample_of_columns_is_copied_row_by_row(self, make_world: MakeWorld) -> None:
        world = make_world(replace(PLAN, settings={**PLAN.settings, "copy_limit_mb": 2}))
        (partition,) = read_partitions(world.target)
        world.carry_out(method_steps(partition))
        copied = world.target.lab.refresh()
        assert copied.missing == ()
        assert copied.sampled["public.measurement_2024"] < 1
        with world.target.lab.clone("sample") as clone:
            ((rows,),) = [
                row.values() for row in clone.query("SELECT count(*) FROM measurement_2024")
            ]
            assert 0 < rows < partition.row_count
            assert "Total Cost" in str(clone.explain(OLDEST))


class TestWhatColumnsCannotHave:
    @pytest.fixture(scope="class")
    @classmethod
    def world(cls, make_world: MakeWorld) -> PostgresWorld:
        return make_world(PLAN)

    @pytest.mark.parametrize(("change", "undo", "reason"), CHANGES)
    def test_is_told(
        self, world: PostgresWorld, change: LiteralString, undo: LiteralString, reason: str
    ) -> None:
        run(world, change)
        try:
            (partition,) = read_partitions(world.target)
            assert reason in method_obstacle(partition)
        finally:
            run(world, undo)
        (partition,) = read_partitions(world.target)
        assert method_obstacle(partition) == ""

    def test_stays_if_it_cannot_be_archived_either(self, world: PostgresWorld) -> None:
        change, undo, reason = CHANGES[0]
        run(world, change)
        try:
            (finding,) = ColumnStore().look(aged(world).target)
            assert finding.type == COLD_PARTITION_STAYS
            for each in (reason, "type integer[]"):
                assert each in finding.title
        finally:
            run(world, undo)

    def test_rows_that_change_on_the_way_stop_it(self, world: PostgresWorld) -> None:
        step = rewriting(world)
        lossy = step.do[0].replace("  ALTER", "  DELETE FROM measurement WHERE tags[1] = 1; ALTER")
        with pytest.raises(psycopg.Error, match="are not the same"):
            world.carry_out([replace(step, do=(lossy,))])
        assert world.inspect(step) is StepState.ABSENT

    def test_an_owner_who_could_not_undo_it_is_stopped(self, world: PostgresWorld) -> None:
        step = rewriting(world)
        run(world, "CREATE ROLE columns_owner")
        run(world, "ALTER TABLE measurement_2024 OWNER TO columns_owner")
        (row,) = world.target.query("SELECT quote_ident(current_database()) AS name", {})
        run(world, f"REVOKE TEMPORARY ON DATABASE {row['name']} FROM PUBLIC")
        try:
            with world.database.connect(autocommit=True) as connection:
                connection.execute("SET ROLE columns_owner")
                with pytest.raises(psycopg.errors.InsufficientPrivilege, match="temporary"):
                    connection.execute(step.do[0].encode())
                run(world, f"GRANT TEMPORARY ON DATABASE {row['name']} TO columns_owner")
                connection.execute(step.do[0].encode())
                assert world.inspect(step) is StepState.DONE
                connection.execute(step.undo[0].encode())
                assert world.inspect(step) is StepState.ABSENT
        finally:
            run(world, "REASSIGN OWNED BY columns_owner TO CURRENT_USER")
            run(world, "DROP OWNED BY columns_owner")
            run(world, "DROP ROLE columns_owner")


def rewriting(world: PostgresWorld) -> Step:
    (partition,) = read_partitions(world.target)
    return method_steps(partition)[1]


def test_with_a_foreign_key_it_is_archived_and_the_claim_says_why(make_world: MakeWorld) -> None:
    world = aged(make_world(replace(PLAN, setup=(MEASUREMENTS[0], *REFERRING))))
    (claim,) = ColumnStore().propose(wanted(ColumnStore(), world), world.target)
    assert claim.parameters["provider"] == "parquet"
    assert "foreign key" in str(claim.parameters["left_out"])
