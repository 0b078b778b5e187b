"""The kind ``configuration``: its contract, and what must not be proposed."""

from honed.kinds.configuration import Configuration
from honed.testing.contract import KindContract, Proposed
from honed.testing.worlds import (
    WorldPlan,
)

SALES = (
    """
    CREATE TABLE sale (sale_id integer PRIMARY KEY, customer integer, item text, amount integer)
    """,
    """
    INSERT INTO sale
    SELECT n, n * 7919 % 40000, md5(n::text), n % 500 FROM generate_series(1, 80000) n
    """,
    "VACUUM ANALYZE sale",
)
SORTING = (
    "SELECT count(*) FROM (SELECT item FROM sale ORDER BY item, sale_id OFFSET 10) x",
    "SELECT count(*) FROM sale a JOIN sale b ON a.item = b.item",
)


def assign(setting: str) -> str:
    """Return what gives the world's database a setting; its name is not known before."""
    return (
        f"DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET {setting}', current_database()); END $$"
    )


class TestConfiguration(KindContract):
    kind = Configuration()
    ill = WorldPlan((*SALES, assign("work_mem = ''64kB''")), SORTING)
    well = WorldPlan((*SALES, assign("work_mem = ''64MB''")), SORTING)

    def test_a_database_that_sorts_on_disk_gets_memory(self, proposed: Proposed) -> None:
        (claim,) = proposed.claims
        assert claim.parameters["name"] == "work_mem"
        assert claim.parameters["role"] == ""
        assert claim.parameters["before"] == "64kB"
        assert "connect again" in proposed.steps[0].description
