"""The conversion of a growing table: no row is lost, nobody is locked out, refusals say why."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, LiteralString

import pytest

from honed.core.step import StepState, inverses
from honed.kinds.partitioning import Partitioning
from honed.targets.postgres.partitioning.growing import find_growing
from honed.testing.contract import KindContract, Proposed
from honed.testing.worlds import MakeWorld, PostgresWorld, WorldPlan

pytestmark = pytest.mark.slow  # There is much of it.

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
        self, dumped: Any, ill_world: PostgresWorld, proposed: Proposed
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
        self,
        assert_no_deadlock: Any,
        ill_world: PostgresWorld,
        proposed: Proposed,
        *,
        is_undo: bool,
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
