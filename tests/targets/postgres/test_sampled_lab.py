"""A sampled copy: a part of the rows, and plans as if all were there."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from honed.config import Settings
from honed.storage.databases import drop_database
from honed.storage.db import Database
from honed.storage.server import Server
from honed.targets.postgres.clone import Clone
from honed.targets.postgres.lab import Lab
from honed.targets.postgres.production import Relation, shares
from honed.targets.postgres.write_cost import write_cost

_LARGE = """
CREATE TABLE large (id integer PRIMARY KEY, kind integer, amount integer, filler text);
INSERT INTO large SELECT n, n % 1000, n % 77, repeat('x', 100) FROM generate_series(1, 60000) n;
CREATE INDEX large_amount ON large (amount);
CREATE TABLE small AS SELECT n AS id FROM generate_series(1, 100) n;
VACUUM ANALYZE;
"""

PLANNED = (
    "SELECT * FROM large WHERE id = 7",
    "SELECT * FROM large WHERE amount = 5",
    "SELECT kind, count(*) FROM large GROUP BY kind",
    "SELECT * FROM large JOIN small USING (id)",
    "SELECT * FROM large WHERE kind = 3 ORDER BY amount LIMIT 5",
)


@pytest.fixture(scope="module")
def production(postgres_server: Server) -> Iterator[str]:
    admin = Database(postgres_server.url())
    with psycopg.connect(postgres_server.url(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE large_shop")
    url = postgres_server.url("large_shop")
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in filter(str.strip, _LARGE.split(";")):
            connection.execute(statement)
    yield url
    drop_database(admin, "large_shop")


@pytest.fixture(scope="module")
def sampled_lab(production: str, session_folder: Path) -> Iterator[Lab]:
    home = session_folder / "sampled"
    home.mkdir(mode=0o755)
    lab = Lab(1, production, home=home, settings=Settings(home=home, copy_limit_mb=2))
    lab.refresh()
    yield lab
    lab.close()


@pytest.fixture
def sampled(sampled_lab: Lab) -> Iterator[Clone]:
    with sampled_lab.clone("sampled") as clone:
        yield clone


def plan_in(production: str) -> Callable[[str], Any]:
    def plan(statement: str) -> Any:
        with psycopg.connect(production) as connection:
            connection.execute("SET max_parallel_workers_per_gather = 0")
            explained = f"EXPLAIN (FORMAT JSON) {statement}"
            return connection.execute(explained).fetchall()[0][0][0]["Plan"]

    return plan


def shape(node: dict[str, Any]) -> list[Any]:
    names = ("Node Type", "Relation Name", "Index Name", "Plan Rows")
    return [*(node.get(name) for name in names), *map(shape, node.get("Plans", ()))]


def test_large_tables_are_sampled_and_small_ones_are_not(sampled: Clone) -> None:
    counts = "SELECT (SELECT count(*) FROM large) AS large, (SELECT count(*) FROM small) AS small"
    row = sampled.query(counts)[0]
    assert 3000 < row["large"] < 30000
    assert row["small"] == 100
    assert sampled.is_sampled
    assert sampled.sampled.keys() == {"public.large"}


@pytest.mark.parametrize("statement", PLANNED)
def test_a_sampled_copy_is_planned_as_production_is(
    production: str, sampled: Clone, statement: str
) -> None:
    before = plan_in(production)(statement)
    plan = sampled.explain(statement)["Plan"]
    assert isinstance(plan, dict)
    assert shape(plan) == shape(before)
    assert plan["Total Cost"] == pytest.approx(before["Total Cost"], rel=0.05)


def test_a_candidate_is_planned_and_sized_as_it_would_be_in_production(
    sampled: Clone, databases: Any
) -> None:
    class ByKind:
        name = "by_kind"
        build_sql = "CREATE INDEX by_kind ON large (kind)"

    statement = "SELECT * FROM large WHERE kind = 3"
    estimated_bytes = sampled.add([ByKind()])["by_kind"].size_bytes
    plan = sampled.estimate(statement, {"by_kind"})
    twin = databases.create("large_shop")
    with psycopg.connect(twin) as connection:
        connection.execute(ByKind.build_sql)
        size = connection.execute("SELECT pg_relation_size('by_kind')").fetchall()[0][0]
    before = plan_in(twin)(statement)
    assert plan.indexes == {"by_kind"}
    assert plan.cost == pytest.approx(before["Total Cost"], rel=0.1)
    # Equal keys share entries, and a sample has fewer equal keys: the estimate is on the safe side.
    assert size <= estimated_bytes < 2 * size


def test_holes_take_no_space(sampled: Clone) -> None:
    path = sampled.query("SELECT pg_relation_filepath('large') AS path")[0]["path"]
    file = sampled.shadow.server.data_dir / path
    status = file.stat()
    assert status.st_blocks * 512 < status.st_size / 2


def test_writes_to_a_sampled_table_can_be_priced(sampled: Clone) -> None:
    cost = write_cost(sampled, "public.large", rows=1000)
    assert cost is not None
    assert cost.rows == 1000
    assert cost.insert_wal_bytes > 150


def relation(name: str, size_bytes: int) -> Relation:
    return Relation(
        name=name,
        of_table="",
        sort="r",
        pages=0,
        row_count=0,
        all_visible=0,
        blocks=0,
        file_bytes=0,
        size_bytes=size_bytes,
        hides_rows=False,
        is_filled=True,
        columns=("id",),
    )


def test_a_database_within_the_limit_is_copied_whole() -> None:
    assert shares([relation("a", 60), relation("b", 40)], 100) == {}


def test_the_largest_tables_are_cut_to_equal_size() -> None:
    tables = [relation("a", 10), relation("b", 100), relation("c", 200)]
    assert shares(tables, 110) == {"b": 0.5, "c": 0.25}


def test_samples_fill_the_limit() -> None:
    sizes = {"a": 7, "b": 31, "c": 500, "d": 20}
    cut = shares([relation(name, size) for name, size in sizes.items()], 100)
    assert sum(size * cut.get(name, 1) for name, size in sizes.items()) == pytest.approx(100)
