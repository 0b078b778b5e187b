import subprocess
from dataclasses import replace
from datetime import datetime, timedelta
from typing import LiteralString

import psycopg
import pytest

from honed.core.step import Step, StepState, inverses
from honed.kinds.partitioning import Partitioning
from honed.targets.postgres.partitioning.growing import find_growing
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
        self, ill_world: PostgresWorld, proposed: Proposed
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


SMALL = {"partition_min_mb": 1}
GROWING = (
    "CREATE TABLE shop (shop_id integer PRIMARY KEY)",
    "INSERT INTO shop VALUES (1)",
    """
    CREATE TABLE event (event_id bigserial, at timestamptz NOT NULL, what text COLLATE "C",
                        amount numeric NOT NULL CHECK (amount >= 0),
                        doubled numeric GENERATED ALWAYS AS (amount * 2) STORED,
                        shop_id integer REFERENCES shop ON DELETE CASCADE,
                        CONSTRAINT one_event PRIMARY KEY (event_id, at))
    WITH (fillfactor = 95)
    """,
    "CREATE INDEX of_shop ON event (shop_id, at DESC) WHERE amount > 90",
    # The server would call another of them so.
    "CREATE INDEX event_pkey ON event (what) WHERE false",
    "CREATE INDEX event_at_idx ON event (shop_id) WHERE false",
    "CREATE STATISTICS of_event (dependencies) ON what, shop_id FROM event",
    "COMMENT ON TABLE event IS 'what happened'",
    "COMMENT ON COLUMN event.what IS 'in a word'",
    "GRANT SELECT ON event TO pg_monitor",
    """
    INSERT INTO event (at, what, amount, shop_id)
    SELECT now() - interval '120 days' + n * interval '68 seconds', 'seen ' || n % 7, n % 100, 1
      FROM generate_series(1, 150000) n
    """,
    "VACUUM ANALYZE event",
)
APPENDING = (
    (
        "INSERT INTO event (at, what, amount, shop_id) SELECT now(), 'new', n, 1"
        " FROM generate_series(1, 20) n RETURNING event_id"
    ),
    "SELECT what, sum(amount) FROM event WHERE at > now() - interval '10 days' GROUP BY what",
)


class TestConversion(KindContract):
    kind = Partitioning()
    ill = WorldPlan(GROWING, APPENDING, settings=SMALL)
    #: Its updates are as many as its inserts.
    well = WorldPlan(
        GROWING,
        (
            *APPENDING,
            (
                "UPDATE event SET what = 'sold' WHERE at > now() - interval '1 hour'"
                " RETURNING event_id"
            ),
        ),
        settings=SMALL,
    )

    def test_the_schema_is_the_same_after_the_undo_and_no_row_is_lost(
        self, ill_world: PostgresWorld, proposed: Proposed
    ) -> None:
        before, rows = dumped(ill_world), counted(ill_world)
        ill_world.carry_out(proposed.steps)
        with ill_world.database.connect(autocommit=True) as connection:
            connection.execute(LATER)
            connection.execute("DELETE FROM event WHERE event_id = 1")
        assert counted(ill_world) == rows + 2
        ill_world.carry_out(inverses(proposed.steps))
        assert counted(ill_world) == rows + 2
        assert dumped(ill_world) == before
        with ill_world.database.connect(autocommit=True) as connection:
            (row,) = connection.execute(
                "INSERT INTO event (at, amount) VALUES (now(), 1) RETURNING event_id"
            ).fetchall()
            assert row["event_id"] > rows
            connection.execute("DELETE FROM event WHERE at > now() + interval '1 day'")

    def test_what_was_cut_off_goes_on_where_it_was(
        self, ill_world: PostgresWorld, proposed: Proposed
    ) -> None:
        promise, look_through, swap, _ = proposed.steps
        asked = (promise, look_through, swap)
        done: list[list[StepState]] = []
        for step in asked:
            ill_world.carry_out([step])
            done.append([ill_world.inspect(each) for each in asked])
        ill_world.carry_out(inverses(proposed.steps))
        there, absent = StepState.DONE, StepState.ABSENT
        assert done == [[there, absent, absent], [there, there, absent], [there, there, there]]
        # A swap that fails within leaves nothing of itself behind: it is one transaction.
        assert all(step.in_transaction for step in asked)

    def test_the_boundary_is_so_far_that_a_person_can_end_the_promise(
        self, ill_world: PostgresWorld
    ) -> None:
        (growing,) = find_growing(ill_world.target)
        assert isinstance(growing.cut, datetime)
        assert isinstance(growing.reached, datetime)
        assert growing.cut - growing.reached >= timedelta(days=30)

    @pytest.mark.parametrize("is_undo", [False, True], ids=["do", "undo"])
    def test_who_holds_what_it_refers_to_is_not_locked_out_of_it(
        self, ill_world: PostgresWorld, proposed: Proposed, *, is_undo: bool
    ) -> None:
        *before, swap, _ = proposed.steps
        ill_world.carry_out([*before, swap] if is_undo else before)
        step = swap.inverse() if is_undo else swap
        try:
            assert_no_deadlock(ill_world, step, "UPDATE shop SET shop_id = 1", "SELECT FROM event")
        finally:
            ill_world.carry_out(inverses([*before, swap] if is_undo else before))

    def test_nobody_waits_while_the_old_rows_are_attached(
        self, ill_world: PostgresWorld, proposed: Proposed
    ) -> None:
        promise, look_through, swap, _ = proposed.steps
        said: list[str] = []
        ill_world.carry_out([promise, look_through])
        with ill_world.database.connect(autocommit=True) as connection:
            connection.add_notice_handler(lambda notice: said.append(notice.message_primary or ""))
            connection.execute("SET client_min_messages = debug1")
            with connection.transaction(force_rollback=True):
                for statement in swap.do:
                    connection.execute(statement.encode())
        ill_world.carry_out(inverses([promise, look_through]))
        assert (
            'partition constraint for table "event_before" is implied by existing constraints'
            in said
        )
        assert not any("verifying table" in each for each in said), said

    def test_a_parameter_prunes(self, ill_world: PostgresWorld, proposed: Proposed) -> None:
        ill_world.carry_out(proposed.steps)
        try:
            with ill_world.database.connect() as connection:
                connection.execute("SET plan_cache_mode = force_generic_plan")
                connection.execute(
                    "PREPARE of_time (timestamptz) AS SELECT count(*) FROM event WHERE at > $1"
                )
                rows = connection.execute(
                    "EXPLAIN EXECUTE of_time ('2001-01-01'::timestamptz + interval '90 years')"
                ).fetchall()
            assert "Subplans Removed" in "\n".join(row["QUERY PLAN"] for row in rows)
        finally:
            ill_world.carry_out(inverses(proposed.steps))

    def test_owner_grants_and_comments_go_over(
        self, ill_world: PostgresWorld, proposed: Proposed
    ) -> None:
        ill_world.carry_out(proposed.steps)
        try:
            with ill_world.database.connect() as connection:
                rows = connection.execute(
                    "SELECT relname, relacl::text AS acl, reloptions FROM pg_class"
                    " WHERE relname ~ '^event_(p|rest)' AND relkind = 'r' OR relname = 'event'"
                ).fetchall()
                (whole,) = connection.execute(
                    "SELECT obj_description('event'::regclass, 'pg_class') AS said"
                    ", col_description('event'::regclass, 3) AS column"
                    ", pg_get_serial_sequence('event', 'event_id') AS sequence"
                    ", to_regclass('one_event') IS NOT NULL AS has_index"
                ).fetchall()
            assert len(rows) >= 4
            assert all("pg_monitor=r/" in row["acl"] for row in rows)
            assert {tuple(row["reloptions"] or ()) for row in rows} == {(), ("fillfactor=95",)}
            assert whole == {
                "said": "what happened",
                "column": "in a word",
                "sequence": "public.event_event_id_seq",
                "has_index": True,
            }
        finally:
            ill_world.carry_out(inverses(proposed.steps))

    def test_the_acting_role_need_only_be_a_member_of_the_owner(
        self, ill_world: PostgresWorld, proposed: Proposed
    ) -> None:
        before = ill_world.target.fingerprint()
        with ill_world.database.connect(autocommit=True) as connection:
            for statement in ACTING:
                connection.execute(statement)
            try:
                connection.execute("SET ROLE honed_event_actor")
                for step in (*proposed.steps, *inverses(proposed.steps)):
                    with connection.transaction():
                        for text in step.do:
                            connection.execute(text.encode())
                    owners = connection.execute(
                        "SELECT DISTINCT relowner::regrole::text AS owner FROM pg_class"
                        " WHERE relname ~ '^event' OR relname ~ '^(of_shop|one_event)'"
                    ).fetchall()
                    assert owners == [{"owner": "honed_event_owner"}]
            finally:
                connection.execute("RESET ROLE")
                for statement in NOT_ACTING:
                    connection.execute(statement)
        assert ill_world.target.fingerprint() == before

    @pytest.mark.slow  # A world of its own.
    def test_nothing_is_proposed_where_a_statement_reads_every_partition(
        self, make_world: MakeWorld
    ) -> None:
        by_number = ("SELECT what FROM event WHERE event_id = 77",)
        world = make_world(replace(self.ill, workload=(*APPENDING, *by_number)))
        (finding,) = self.kind.look(world.target)
        assert not finding.evidence["obstacle"]
        assert list(self.kind.propose([finding], world.target)) == []


ACTING = (
    "CREATE ROLE honed_event_owner",
    "CREATE ROLE honed_event_actor",
    "GRANT honed_event_owner TO honed_event_actor",
    "GRANT USAGE, CREATE ON SCHEMA public TO honed_event_owner",
    "GRANT REFERENCES ON shop TO honed_event_owner",
    "ALTER TABLE event OWNER TO honed_event_owner",
)
NOT_ACTING = (
    "REASSIGN OWNED BY honed_event_owner TO CURRENT_USER",
    "DROP OWNED BY honed_event_owner, honed_event_actor",
    "DROP ROLE honed_event_owner, honed_event_actor",
)

#: What each of them makes impossible, in words of the finding.
REFUSED: dict[str, tuple[LiteralString, ...]] = {
    "it holds rows of the future": (
        "INSERT INTO event (at, amount) VALUES (now() + interval '1 year', 1)",
        "CREATE INDEX ON event (at)",
    ),
    "the column number is an identity": (
        "ALTER TABLE event ADD COLUMN number integer GENERATED ALWAYS AS IDENTITY",
        "ANALYZE event",
    ),
    "constraint sold_event_id_at_fkey on table sold depends on it": (
        (
            "CREATE TABLE sold (event_id bigint, at timestamptz, FOREIGN KEY (event_id, at)"
            " REFERENCES event)"
        ),
    ),
    "the unique index once does not contain at": ("CREATE UNIQUE INDEX once ON event (event_id)",),
    "it is published": ("CREATE PUBLICATION everything FOR ALL TABLES",),
    "rule _RETURN on view late depends on it": ("CREATE VIEW late AS SELECT what FROM event",),
    "it has row security": ("ALTER TABLE event ENABLE ROW LEVEL SECURITY",),
    "policy mine on table event depends on it": ("CREATE POLICY mine ON event USING (true)",),
    "trigger noted on table event depends on it": (
        (
            "CREATE TRIGGER noted BEFORE UPDATE ON event FOR EACH ROW"
            " EXECUTE FUNCTION suppress_redundant_updates_trigger()"
        ),
    ),
    "function first_event() depends on it": (
        "CREATE FUNCTION first_event() RETURNS event LANGUAGE sql AS 'SELECT * FROM event LIMIT 1'",
    ),
    "table more depends on it": ("CREATE TABLE more () INHERITS (event)",),
    "column kept of table shop depends on it": ("ALTER TABLE shop ADD COLUMN kept event[]",),
    "its constraint mostly is not validated": (
        "ALTER TABLE event ADD CONSTRAINT mostly CHECK (amount < 1) NOT VALID",
    ),
    "its constraint alone is not inherited": (
        "ALTER TABLE event ADD CONSTRAINT alone CHECK (amount < 1000) NO INHERIT",
    ),
    "the column shop_id has grants of its own": ("GRANT SELECT (shop_id) ON event TO pg_monitor",),
    "it has a type, a tablespace, a replica identity": ("ALTER TABLE event REPLICA IDENTITY FULL",),
}


class TestRefused:
    """A table that cannot be converted without breaking something is left alone; it says why."""

    @pytest.fixture(scope="class")
    @classmethod
    def world(cls, make_world: MakeWorld) -> PostgresWorld:
        return make_world(TestConversion.ill)

    @pytest.fixture(scope="class")
    @classmethod
    def obstacle(cls, world: PostgresWorld) -> str:
        """Return what the finding says once everything stands in the way at the same time."""
        with world.database.connect(autocommit=True) as connection:
            for statements in REFUSED.values():
                for statement in statements:
                    connection.execute(statement)
        (finding,) = (
            each for each in Partitioning().look(world.target) if each.subject == "public.event"
        )
        assert list(Partitioning().propose([finding], world.target)) == []
        return str(finding.evidence["obstacle"])

    @pytest.mark.parametrize("why", REFUSED)
    def test_it_says_why(self, obstacle: str, why: str) -> None:
        assert why in obstacle

    def test_it_says_nothing_else(self, obstacle: str) -> None:
        known = (*REFUSED, "it holds rows of the future", "sequence event_number_seq")
        others = [each for each in obstacle.split("; ") if not any(why in each for why in known)]
        assert others == []


#: Rows for a new partition, for the default one, and for the first.
LATER = """
    INSERT INTO event (at, what, amount, shop_id)
    VALUES (now() + interval '40 days', 'later', 1, 1), (now() + interval '9 years', 'odd', 1, 1),
           (now() - interval '9 years', 'late', 1, 1)
"""


def counted(world: PostgresWorld) -> int:
    """Return how many rows the table of ``world`` has."""
    with world.database.connect() as connection:
        (row,) = connection.execute("SELECT count(*) AS rows FROM event").fetchall()
    return int(row["rows"])


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

    def test_who_is_about_to_read_it_is_not_locked_out(self, world: PostgresWorld) -> None:
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


def assert_no_deadlock(
    world: PostgresWorld, step: Step, first: LiteralString, then: LiteralString
) -> None:
    """Assert that who has run ``first`` can go on with ``then`` while ``step`` waits for it."""
    connect = world.database.connect
    with connect() as application, connect() as acting:
        application.execute(first)
        application.execute("SET LOCAL lock_timeout = 100")
        acting.execute("SET LOCAL lock_timeout = 100")
        waiting = False
        for text in step.do:
            try:
                with acting.transaction():
                    acting.execute(text.encode())
            except psycopg.errors.LockNotAvailable:
                # It would wait here, with the locks of what came before.
                waiting = True
                break
        assert waiting
        application.execute(then)
        application.rollback()
        acting.rollback()


def steps_of(world: PostgresWorld) -> list[Step]:
    """Return the steps of the only claim of ``world``."""
    kind = Partitioning()
    (claim,) = kind.propose(wanted(kind, world), world.target)
    return kind.apply(claim, world.target)


def dumped(world: PostgresWorld) -> str:
    """Return what pg_dump writes of the schema of ``world``."""
    program = world.target.lab._shadow.server.program("pg_dump")
    command = [str(program), "--schema-only", "--restrict-key=same", "-d", world.database.url]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
