"""Cold partitions are archived and detached, and dropped only by a second claim."""

import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from typing import LiteralString

import pytest

from honed.core.step import StepState
from honed.kinds.columnstore import (
    ARCHIVED_PARTITION,
    COLD_PARTITION,
    COLD_PARTITION_STAYS,
    DAMAGED_ARCHIVE,
    ColumnStore,
)
from honed.storage.programs import find_programs
from honed.targets.postgres.archives.files import folder_of, list_archives
from honed.targets.postgres.columnstore.partitions import read_moment, read_partitions
from honed.targets.postgres.columnstore.providers import (
    choose_provider,
    find_providers,
    untried_method,
)
from honed.testing.contract import KindContract, Proposed, wanted
from honed.testing.worlds import MakeWorld, PostgresWorld, WorldPlan

pytestmark = pytest.mark.slow  # There is much of it.

MEASUREMENTS: tuple[LiteralString, ...] = (
    "CREATE TABLE station (station_id integer PRIMARY KEY)",
    "INSERT INTO station SELECT generate_series(1, 50)",
    """
    CREATE TABLE measurement (
      station_id integer NOT NULL REFERENCES station, at timestamptz NOT NULL,
      value numeric(12, 3) CHECK (value >= 0), note text, tags jsonb,
      PRIMARY KEY (station_id, at)
    ) PARTITION BY RANGE (at)
    """,
    "CREATE INDEX ON measurement (at, value)",
    """
    CREATE TABLE measurement_2024 PARTITION OF measurement
      FOR VALUES FROM ('2024-01-01 00:00+00') TO ('2025-01-01 00:00+00')
    """,
    """
    CREATE TABLE measurement_2025 PARTITION OF measurement
      FOR VALUES FROM ('2025-01-01 00:00+00') TO ('2026-01-01 00:00+00')
    """,
    """
    INSERT INTO measurement
    SELECT 1 + n % 50, timestamptz '2024-01-01 00:00+00' + n * interval '20 minutes',
           n % 700, 'sensor reading, all is well', '{"unit": "kelvin"}'
      FROM generate_series(1, 40000) n
    """,
    "CREATE STATISTICS of_station (dependencies) ON station_id, value FROM measurement_2024",
    "COMMENT ON TABLE measurement_2024 IS 'before the new sensors'",
    "GRANT SELECT ON measurement_2024 TO pg_monitor",
    "VACUUM ANALYZE measurement, station",
)
NEWEST: LiteralString = "SELECT avg(value) FROM measurement WHERE at >= '2025-03-01 00:00+00'"
OLDEST: LiteralString = "SELECT avg(value) FROM measurement WHERE at < '2024-03-01 00:00+00'"


def dump(world: PostgresWorld) -> Counter[str]:
    """Return every line that pg_dump says of a world, data too."""
    program = find_programs(None, None) / "pg_dump"
    command = [str(program), "-d", world.database.url, "--restrict-key=x"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    return Counter(done.stdout.splitlines())


def aged(world: PostgresWorld) -> PostgresWorld:
    """Return a world at which honed looked long ago, and that has lived once more since."""
    list(ColumnStore().look(world.target))
    with world.target.store.transaction() as store:
        store.execute(
            "UPDATE honed.partition_use"
            " SET first_seen_at = now() - interval '100 days', used_at = NULL"
        )
    world.live()
    return world


class TestColumnStore(KindContract):
    kind = ColumnStore()
    ill = WorldPlan(
        MEASUREMENTS,
        (NEWEST,),
        settings={"archive_min_mb": 1, "archive_wait_days": 7},
    )
    well = replace(ill, workload=(NEWEST, OLDEST))

    @pytest.fixture(scope="class")
    @classmethod
    def ill_world(cls, make_world: MakeWorld) -> PostgresWorld:
        return aged(make_world(cls.ill))

    @pytest.fixture(scope="class")
    @classmethod
    def well_world(cls, make_world: MakeWorld) -> PostgresWorld:
        return aged(make_world(cls.well))

    def test_the_oldest_is_cold_and_the_newest_is_not(self, proposed: Proposed) -> None:
        assert [claim.subject for claim in proposed.claims] == ["public.measurement_2024"]

    def test_a_dump_after_the_undo_is_the_dump_before(
        self, ill_world: PostgresWorld, proposed: Proposed
    ) -> None:
        before = dump(ill_world)
        ill_world.carry_out(proposed.steps)
        assert dump(ill_world) != before
        ill_world.carry_out(self.kind.rollback(proposed.steps))
        assert dump(ill_world) - before == before - dump(ill_world) == Counter()
        assert list_archives(ill_world.target.settings.archives) == []

    def test_dropping_is_another_claim_after_a_while(
        self, ill_world: PostgresWorld, proposed: Proposed
    ) -> None:
        ill_world.carry_out(proposed.steps)
        target = ill_world.target
        settings = target.settings
        try:
            assert list(self.kind.propose(wanted(self.kind, ill_world), target)) == []
            target._settings = settings.model_copy(update={"archive_wait_days": 0.0})
            (claim,) = self.kind.propose(wanted(self.kind, ill_world), target)
            assert claim.subject == "drop of public.measurement_2024"
            steps = self.kind.apply(claim, target)
            before = dump(ill_world)
            trial = self.kind.trial(claim, target)
            with trial.open(steps) as arms:
                assert arms.candidate.run("row") < 0.5 * arms.baseline.run("row")
            for step in steps:
                assert ill_world.inspect(step) is StepState.ABSENT
                ill_world.carry_out([step])
                assert ill_world.inspect(step) is StepState.DONE
            assert not any("measurement_2024" in line for line in dump(ill_world))
            ill_world.carry_out(self.kind.rollback(steps))
            assert [ill_world.inspect(step) for step in steps] == [StepState.ABSENT] * 2
            assert dump(ill_world) - before == before - dump(ill_world) == Counter()
        finally:
            target._settings = settings
            ill_world.carry_out(self.kind.rollback(proposed.steps))
        assert target.fingerprint() == proposed.before

    def test_a_backup_is_no_reader(self, make_world: MakeWorld) -> None:
        world = aged(make_world(self.ill))
        dump(world)
        world.target.lab.refresh()
        assert [each.type for each in self.kind.look(world.target)] == [COLD_PARTITION]

    def test_a_row_that_is_written_keeps_it(self, make_world: MakeWorld) -> None:
        world = aged(make_world(self.ill))
        run(world, "DELETE FROM measurement_2024 WHERE station_id = 1")
        assert list(self.kind.look(world.target)) == []

    def test_what_cannot_come_back_stays_and_says_why(self, make_world: MakeWorld) -> None:
        world = aged(make_world(self.ill))
        reasons = {
            "ALTER TABLE measurement ADD COLUMN took interval": "type interval",
            "CREATE PUBLICATION told FOR ALL TABLES": "published",
            "CREATE PUBLICATION told FOR TABLE measurement WITH (publish_via_partition_root)": (
                "published"
            ),
            "CREATE TABLE other PARTITION OF measurement DEFAULT": "default partition",
        }
        for change, reason in reasons.items():
            run(world, change)
            (finding,) = self.kind.look(world.target)
            assert finding.type == COLD_PARTITION_STAYS
            assert reason in finding.title
            assert list(self.kind.propose(wanted(self.kind, world), world.target)) == []
            run(world, "ALTER TABLE measurement DROP COLUMN IF EXISTS took")
            run(world, "DROP PUBLICATION IF EXISTS told")

    def test_the_archive_of_another_table_of_its_name_stands_in_the_way(
        self, ill_world: PostgresWorld
    ) -> None:
        target = aged(ill_world).target
        folder = target.settings.archives / folder_of(target.name, "public", "measurement_2024")
        folder.mkdir(parents=True)
        try:
            (finding,) = self.kind.look(target)
            assert finding.type == COLD_PARTITION_STAYS
            assert "another table" in finding.title
        finally:
            folder.rmdir()

    def test_without_duckdb_it_says_so(
        self, ill_world: PostgresWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "duckdb", None)
        (finding,) = self.kind.look(aged(ill_world).target)
        assert finding.type == COLD_PARTITION_STAYS
        assert "honed[columnar]" in finding.title

    def test_a_damaged_archive_is_told_and_nothing_is_dropped(
        self, ill_world: PostgresWorld, proposed: Proposed
    ) -> None:
        target, settings = ill_world.target, ill_world.target.settings
        ill_world.carry_out(proposed.steps)
        try:
            target._settings = settings.model_copy(update={"archive_wait_days": 0.0})
            (archive,) = list_archives(settings.archives)
            content = archive.paths[0].read_bytes()
            archive.paths[0].write_bytes(content[:-1])
            assert [each.type for each in self.kind.look(target)] == [DAMAGED_ARCHIVE]
            archive.paths[0].write_bytes(content)
            assert [each.type for each in self.kind.look(target)] == [ARCHIVED_PARTITION]
            run(ill_world, "CREATE PUBLICATION told FOR ALL TABLES")
            assert [each.type for each in self.kind.look(target)] == [COLD_PARTITION_STAYS]
            run(ill_world, "DROP PUBLICATION told")
            manifest = archive.folder / "manifest.json"
            said = manifest.read_bytes()
            manifest.write_bytes(said[:-1])
            assert [each.type for each in self.kind.look(target)] == [DAMAGED_ARCHIVE]
            manifest.write_bytes(said)
        finally:
            target._settings = settings
            ill_world.carry_out(self.kind.rollback(proposed.steps))

    def test_what_the_private_server_cannot_try_is_told_and_parquet_taken(
        self, ill_world: PostgresWorld
    ) -> None:
        target = ill_world.target
        moment = replace(read_moment(target), has_columnar=True, columnar_extension="citus")
        assert [each.name for each in find_providers(target, moment)] == ["parquet"]
        assert "does not have citus" in untried_method(target, moment)
        for extension in ("", "pg_prewarm"):
            known = replace(moment, columnar_extension=extension)
            found = [each.name for each in find_providers(target, known)]
            assert (found, untried_method(target, known)) == (["method", "parquet"], "")

    def test_columns_leave_to_an_archive_what_they_cannot_have(
        self, ill_world: PostgresWorld
    ) -> None:
        target = ill_world.target
        moment = replace(read_moment(target), has_columnar=True, columnar_extension="")
        providers = find_providers(target, moment)
        (partition,) = read_partitions(target)
        choice = choose_provider(providers, partition)
        assert choice.provider is not None
        assert choice.provider.name == "parquet"
        assert "foreign key" in choice.left_out["method"]
        free = replace(partition, has_foreign_key=False)
        assert choose_provider(providers, free).left_out == {}
        large = choose_provider(providers, replace(free, size_bytes=10**11))
        assert "too long" in large.left_out["method"]
        published = choose_provider(providers, replace(free, is_published=True))
        assert published.provider is None
        assert "not decoded" in published.obstacle
        assert "subscribers would follow" in published.obstacle

    def test_what_is_copied_in_part_stays_and_the_rest_is_tried(
        self, make_world: MakeWorld
    ) -> None:
        large: LiteralString = (
            "CREATE TABLE other AS SELECT repeat('x', 900) FROM generate_series(1, 20000)"
        )
        plan = replace(
            self.ill,
            setup=(*MEASUREMENTS, large),
            settings={**self.ill.settings, "copy_limit_mb": 20},
        )
        world = aged(make_world(plan))
        (claim,) = self.kind.propose(wanted(self.kind, world), world.target)
        trial = self.kind.trial(claim, world.target)
        with trial.open(self.kind.apply(claim, world.target)) as arms:
            assert arms.candidate.run("row") < arms.baseline.run("row")
        sampled = replace(plan, settings={**self.ill.settings, "copy_limit_mb": 2})
        world = aged(make_world(sampled))
        (finding,) = self.kind.look(world.target)
        assert finding.type == COLD_PARTITION_STAYS
        assert "copy_limit_mb" in finding.title


def run(world: PostgresWorld, statement: LiteralString) -> None:
    """Run a statement whose counters are told at once."""
    with world.database.connect(autocommit=True) as connection:
        connection.execute(statement)
        connection.execute("SELECT pg_stat_force_next_flush()")
