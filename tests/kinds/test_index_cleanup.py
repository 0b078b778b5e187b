from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import LiteralString

import pytest

from honed.kinds.index_cleanup import IndexCleanup
from honed.testing.contract import KindContract, Proposed
from honed.testing.worlds import MakeWorld, PostgresWorld, WorldPlan

#: What it measures is time.
pytestmark = [pytest.mark.slow, pytest.mark.alone]

TABLES = (
    "CREATE TABLE client (client_id integer PRIMARY KEY)",
    "INSERT INTO client SELECT generate_series(1, 500)",
    """
    CREATE TABLE invoice (invoice_id integer PRIMARY KEY, client_id integer REFERENCES client,
                          day date NOT NULL, state text, amount numeric, note text)
    """,
    """
    INSERT INTO invoice
    SELECT n, 1 + n % 500, date '2026-01-01' + n % 300, 'open', n % 90
         , repeat(md5(n::text), 4)
      FROM generate_series(1, 30000) n
    """,
)
#: Each of them has a reason to stay.
KEPT = (
    "CREATE INDEX of_client ON invoice (client_id)",
    "CREATE INDEX by_day ON invoice (day DESC, amount)",
    "CREATE INDEX open_days ON invoice (day) WHERE state = 'open'",
    "CREATE INDEX by_state ON invoice USING hash (state)",
    "CREATE UNIQUE INDEX one_amount ON invoice (invoice_id, amount)",
    "CREATE INDEX by_note ON invoice (note, day)",
)
TRAFFIC = (
    "INSERT INTO invoice SELECT max(invoice_id) + 1, 1, '2026-02-02' FROM invoice RETURNING 1",
    "SELECT sum(amount) FROM invoice WHERE day = '2026-03-03'",
)


class TestIndexCleanup(KindContract):
    kind = IndexCleanup()
    ill = WorldPlan(
        (
            *TABLES,
            *KEPT,
            "CREATE INDEX of_client_again ON invoice (client_id)",
            "CREATE INDEX by_day_only ON invoice (day DESC)",
            # The largest, and dear to write: that it goes is seen at once.
            "CREATE INDEX by_note_only ON invoice (note)",
            "VACUUM ANALYZE invoice",
        ),
        TRAFFIC,
    )
    well = WorldPlan((*TABLES, *KEPT, "VACUUM ANALYZE invoice"), TRAFFIC)

    def test_one_of_two_equal_indexes_goes_and_a_beginning(self, proposed: Proposed) -> None:
        subjects = {claim.subject: claim.parameters["reason"] for claim in proposed.claims}
        assert subjects.pop("public.by_day_only") == "prefix"
        assert subjects.pop("public.by_note_only") == "prefix"
        (duplicate,) = subjects
        assert duplicate in {"public.of_client", "public.of_client_again"}

    def test_a_statement_that_used_it_guards(
        self, ill_world: PostgresWorld, proposed: Proposed
    ) -> None:
        prefix = next(each for each in proposed.claims if each.subject == "public.by_day_only")
        units = [unit.name for unit in self.kind.trial(prefix, ill_world.target).design.units]
        (reader,) = (
            each.statement_id
            for each in ill_world.target.workload().statements
            if "sum(amount)" in each.text
        )
        assert set(units) <= {"write", reader}

    def test_a_half_built_index_of_somebody_else_goes(self, make_world: MakeWorld) -> None:
        setup = (*TABLES, "CREATE INDEX half ON invoice (amount)")
        world = make_world(replace(self.well, setup=setup))
        with world.database.connect(autocommit=True) as connection:
            connection.execute(
                "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'half'::regclass"
            )
        (finding,) = self.kind.look(world.target)
        assert finding.evidence["reason"] == "invalid"

    def test_an_index_that_is_being_built_is_no_half_built_one(self, make_world: MakeWorld) -> None:
        world = make_world(self.well)
        connect = partial(world.database.connect, autocommit=True)
        with connect() as reader, connect() as builder, ThreadPoolExecutor(1) as pool:
            # The build waits for everybody who may still read the table as it was.
            reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            reader.execute("SELECT count(*) FROM invoice")
            sql: LiteralString = "CREATE INDEX CONCURRENTLY slowly ON invoice (amount)"
            building = pool.submit(builder.execute, sql)
            try:
                while not any(i.name == "slowly" for i in world.target.catalog().indexes):
                    assert not building.done()
                assert list(self.kind.look(world.target)) == []
            finally:
                reader.execute("ROLLBACK")
            building.result()

    def test_an_index_that_nobody_used_long_enough_goes(self, make_world: MakeWorld) -> None:
        class Impatient(IndexCleanup):
            unused_days = 0.0

        setup = (
            *TABLES,
            "INSERT INTO invoice SELECT n, 1, '2026-01-01' FROM generate_series(30001, 200000) n",
            "CREATE INDEX of_client ON invoice (client_id)",
            "CREATE INDEX by_day ON invoice (day)",
            "CREATE INDEX by_amount ON invoice (amount)",
            "VACUUM ANALYZE invoice",
        )
        world = make_world(replace(self.well, setup=setup))
        # The first serves a foreign key, the second the statement of the traffic.
        (finding,) = Impatient().look(world.target)
        assert (finding.subject, finding.evidence["reason"]) == ("public.by_amount", "unused")
        assert list(self.kind.look(world.target)) == []
