from dataclasses import replace
from typing import Any

import psycopg
import pytest

from honed.core.step import Step, StepState, inverses
from honed.kinds.partitioning import Partitioning
from honed.testing.contract import KindContract, Proposed, wanted
from honed.testing.worlds import MakeWorld, PostgresWorld, WorldPlan

#: Twelve months back, this month, and as many to come as {ahead}.
MONTHS = """
    DO $$
    DECLARE
        this date := date_trunc('month', now());
        since date;
    BEGIN
        FOR number IN -3 .. {ahead} LOOP
            since := this + make_interval(months => number);
            EXECUTE format('CREATE TABLE event_%s PARTITION OF event FOR VALUES FROM (%L) TO (%L)',
                to_char(since, 'YYYY_MM'), since, (since + interval '1 month')::date);
        END LOOP;
    END $$
"""
TABLE = (
    """
    CREATE TABLE event (event_id bigint, at timestamptz NOT NULL, what text,
                        CHECK (length(what) < 100), PRIMARY KEY (event_id, at))
    PARTITION BY RANGE (at)
    """,
    "CREATE INDEX event_what ON event (what)",
)
ROWS = (
    """
    INSERT INTO event
    SELECT n, date_trunc('month', now()) - interval '80 days' + n * interval '5 minutes', 'seen'
      FROM generate_series(1, 20000) n
    """,
    "VACUUM ANALYZE event",
)
TRAFFIC = (
    "INSERT INTO event VALUES (0, now(), 'new'), (1, now(), 'new') RETURNING event_id",
    "SELECT count(*) FROM event WHERE at > now() - interval '1 day'",
)
ENDING = (*TABLE, MONTHS.replace("{ahead}", "0"), *ROWS)
NUMBERED = (
    "CREATE TABLE item (item_id bigint PRIMARY KEY, what text) PARTITION BY RANGE (item_id)",
    "CREATE TABLE item_p0 PARTITION OF item FOR VALUES FROM (0) TO (10000)",
    "CREATE TABLE item_p1 PARTITION OF item FOR VALUES FROM (10000) TO (20000)",
    "CREATE TABLE item_rest PARTITION OF item DEFAULT",
    "INSERT INTO item SELECT n, 'thing' FROM generate_series(1, 15000) n",
    "VACUUM ANALYZE item",
)
COUNTING = (
    "INSERT INTO item SELECT max(item_id) + 1, 'thing' FROM item RETURNING 1",
    "SELECT count(*) FROM item",
)


class TestAhead(KindContract):
    kind = Partitioning()
    ill = WorldPlan(ENDING, TRAFFIC)
    well = WorldPlan((*TABLE, MONTHS.replace("{ahead}", "3"), *ROWS), TRAFFIC)

    def test_the_next_ones_are_called_as_the_others(
        self, ill_world: PostgresWorld, proposed: Proposed
    ) -> None:
        with ill_world.database.connect() as connection:
            rows = connection.execute(
                "SELECT to_char(date_trunc('month', now()) + make_interval(months => n),"
                " 'YYYY_MM') AS month FROM generate_series(1, 3) n"
            ).fetchall()
        made = [step.description.split()[3] for step in proposed.steps]
        assert made == [f"event_{row['month']}" for row in rows][: len(made)]
        assert 1 <= len(made) <= 3


class TestNumbered(KindContract):
    kind = Partitioning()
    ill = WorldPlan(NUMBERED, COUNTING)
    well = WorldPlan(
        (*NUMBERED, "CREATE TABLE item_p2 PARTITION OF item FOR VALUES FROM (20000) TO (40000)"),
        COUNTING,
    )

    def test_rows_that_have_strayed_already_are_told(self, make_world: MakeWorld) -> None:
        setup = (*NUMBERED, "INSERT INTO item VALUES (20001, 'stray')")
        world = make_world(replace(self.ill, setup=setup))
        (finding,) = self.kind.look(world.target)
        assert "item_rest holds rows of the next ranges" in finding.title
        assert list(self.kind.propose([finding], world.target)) == []


#: Of a hundred thousand numbers that were given, so many are kept.
RETENTION = {"partition_retention": {"world.public.item": "5000"}}
OLD = (
    "CREATE TABLE shop (shop_id integer PRIMARY KEY)",
    "INSERT INTO shop VALUES (1)",
    """
    CREATE TABLE item (item_id bigint PRIMARY KEY, what text, shop_id integer REFERENCES shop,
                       CHECK (length(what) < 100))
    PARTITION BY RANGE (item_id)
    """,
    "CREATE TABLE item_old PARTITION OF item FOR VALUES FROM (MINVALUE) TO (0)",
    "CREATE TABLE item_p0 PARTITION OF item FOR VALUES FROM (0) TO (10000)",
    "CREATE TABLE item_p1 PARTITION OF item FOR VALUES FROM (10000) TO (20000)",
    "CREATE TABLE item_p2 PARTITION OF item FOR VALUES FROM (20000) TO (30000)",
    "CREATE TABLE item_p3 PARTITION OF item FOR VALUES FROM (30000) TO (40000)",
    "CREATE INDEX item_what ON item (what)",
    "INSERT INTO item SELECT n, 'thing ' || n, 1 FROM generate_series(-1000, 25000) n",
    "VACUUM ANALYZE item",
)
DEFAULT = "CREATE TABLE item_rest PARTITION OF item DEFAULT"


class TestOld(KindContract):
    kind = Partitioning()
    ill = WorldPlan(OLD, COUNTING, settings=RETENTION)
    #: Nothing is that old yet.
    well = WorldPlan(
        (
            *OLD[:3],
            "CREATE TABLE item_p2 PARTITION OF item FOR VALUES FROM (20000) TO (30000)",
            "CREATE TABLE item_p3 PARTITION OF item FOR VALUES FROM (30000) TO (40000)",
            "INSERT INTO item SELECT n, 'thing', 1 FROM generate_series(20000, 22000) n",
        ),
        COUNTING,
        settings=RETENTION,
    )

    def test_the_oldest_go_first(self, proposed: Proposed) -> None:
        (claim,) = proposed.claims
        assert claim.subject == "public.item without item_old to item_p1"
        assert [step.description.split()[1] for step in proposed.steps[2::3]] == [
            "item_old",
            "item_p0",
            "item_p1",
        ]

    def test_the_schema_is_the_same_after_the_undo(
        self, dumped: Any, ill_world: PostgresWorld, proposed: Proposed
    ) -> None:
        before = dumped(ill_world)
        ill_world.carry_out(proposed.steps)
        assert dumped(ill_world) != before
        ill_world.carry_out(inverses(proposed.steps))
        assert dumped(ill_world) == before

    def test_what_was_cut_off_is_finished_and_done_again(
        self, ill_world: PostgresWorld, proposed: Proposed
    ) -> None:
        *checks, detach = proposed.steps[:3]
        ill_world.carry_out(checks)
        connect = ill_world.database.connect
        with connect(autocommit=True) as connection, connect() as reader:
            reader.execute("SELECT FROM item LIMIT 1")
            connection.execute("SET lock_timeout = 10")
            connection.execute("SET statement_timeout = 300")
            with pytest.raises(psycopg.OperationalError):
                connection.execute(detach.do[0].encode())
        assert ill_world.inspect(detach) is StepState.PARTIAL
        ill_world.carry_out([detach.inverse()])
        assert ill_world.inspect(detach) is StepState.ABSENT
        ill_world.carry_out(inverses(checks))
        assert ill_world.target.fingerprint() == proposed.before

    def test_nobody_queues_behind_an_undo_that_waits(self, proposed: Proposed) -> None:
        assert all(step.inverse().in_transaction for step in proposed.steps)

    def test_without_a_retention_nothing_is_old(self, make_world: MakeWorld) -> None:
        world = make_world(replace(self.ill, settings={}))
        assert list(Partitioning().look(world.target)) == []

    def test_a_retention_of_time_does_not_suit_numbers(self, make_world: MakeWorld) -> None:
        wrong = {"partition_retention": {"world.public.item": "3 months"}}
        world = make_world(replace(self.ill, settings=wrong))
        (finding,) = Partitioning().look(world.target)
        assert "does not suit a key of type bigint" in finding.title
        assert list(Partitioning().propose([finding], world.target)) == []


#: Of the range of item_old: while that is detached, the default partition takes it.
LATE = "INSERT INTO item VALUES (-5000, 'late', 1)"


class TestOldWithDefault(KindContract):
    kind = Partitioning()
    ill = WorldPlan((*OLD, DEFAULT), COUNTING, settings=RETENTION)
    #: A foreign key refers to it: perhaps to rows that would go.
    well = WorldPlan(
        (*OLD, DEFAULT, "CREATE TABLE sold (item_id bigint REFERENCES item)"),
        COUNTING,
        settings=RETENTION,
    )

    def test_rows_that_came_late_go_back_with_the_undo(
        self, ill_world: PostgresWorld, proposed: Proposed
    ) -> None:
        where = "SELECT tableoid::regclass::text AS name FROM item WHERE item_id = -5000"
        ill_world.carry_out(proposed.steps)
        with ill_world.database.connect(autocommit=True) as connection:
            connection.execute(LATE)
            assert connection.execute(where).fetchall() == [{"name": "item_rest"}]
            ill_world.carry_out(inverses(proposed.steps))
            assert connection.execute(where).fetchall() == [{"name": "item_old"}]
            connection.execute("DELETE FROM item WHERE item_id = -5000")
        assert ill_world.target.fingerprint() == proposed.before


class TestUndoOfCreation:
    """What is made ahead goes again only as long as nobody needs it."""

    @pytest.fixture(scope="class")
    @classmethod
    def world(cls, make_world: MakeWorld) -> PostgresWorld:
        return make_world(TestNumbered.ill)

    def test_a_partition_that_holds_rows_stays(self, world: PostgresWorld) -> None:
        step, *_ = steps_of(world)
        world.carry_out([step])
        with world.database.connect(autocommit=True) as connection:
            connection.execute("INSERT INTO item VALUES (20001, 'needs it')")
            with pytest.raises(psycopg.errors.RaiseException, match="holds rows by now"):
                world.carry_out([step.inverse()])
            connection.execute("DELETE FROM item WHERE item_id = 20001")
        world.carry_out([step.inverse()])
        assert world.inspect(step) is StepState.ABSENT

    def test_who_is_about_to_read_it_is_not_locked_out(
        self, assert_no_deadlock: Any, world: PostgresWorld
    ) -> None:
        step, *_ = steps_of(world)
        world.carry_out([step])
        begun = "LOCK TABLE ONLY item IN ACCESS SHARE MODE"
        assert_no_deadlock(world, step.inverse(), begun, "SELECT FROM item_p2")
        world.carry_out([step.inverse()])

    def test_owner_grants_and_options_are_those_of_the_newest(self, world: PostgresWorld) -> None:
        with world.database.connect(autocommit=True) as connection:
            for statement in ROLES:
                connection.execute(statement)
            try:
                steps = steps_of(world)
                connection.execute("SET ROLE honed_item_actor")
                for step in steps:
                    with connection.transaction():
                        for statement in step.do:
                            connection.execute(statement.encode())
                connection.execute("RESET ROLE")
                (row,) = connection.execute(
                    "SELECT relowner::regrole::text AS owner, relacl::text AS acl, reloptions"
                    "  FROM pg_class WHERE relname = 'item_p2'"
                ).fetchall()
                assert row["owner"] == "honed_item_owner"
                assert "honed_item_reader=r/honed_item_owner" in row["acl"]
                assert row["reloptions"] == ["fillfactor=90"]
                world.carry_out(inverses(steps))
            finally:
                connection.execute("RESET ROLE")
                for statement in NO_ROLES:
                    connection.execute(statement)


ROLES = (
    "CREATE ROLE honed_item_owner",
    "CREATE ROLE honed_item_reader",
    "CREATE ROLE honed_item_actor",
    "GRANT honed_item_owner TO honed_item_actor",
    "GRANT USAGE, CREATE ON SCHEMA public TO honed_item_owner",
    "ALTER TABLE item OWNER TO honed_item_owner",
    "ALTER TABLE item_p0 OWNER TO honed_item_owner",
    "ALTER TABLE item_p1 OWNER TO honed_item_owner",
    "ALTER TABLE item_rest OWNER TO honed_item_owner",
    "GRANT SELECT ON item_p1 TO honed_item_reader",
    "ALTER TABLE item_p1 SET (fillfactor = 90)",
)
NO_ROLES = (
    "REASSIGN OWNED BY honed_item_owner TO CURRENT_USER",
    "DROP OWNED BY honed_item_owner, honed_item_reader, honed_item_actor",
    "DROP ROLE honed_item_owner, honed_item_reader, honed_item_actor",
)


def steps_of(world: PostgresWorld) -> list[Step]:
    """Return the steps of the only claim of ``world``."""
    kind = Partitioning()
    (claim,) = kind.propose(wanted(kind, world), world.target)
    return kind.apply(claim, world.target)
