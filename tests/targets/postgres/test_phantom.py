"""A phantom: no row of production, and plans as if all were there."""

import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from honed.config import Settings
from honed.errors import ConfigurationError, EvaluatorFailed
from honed.storage.databases import create_database, drop_database
from honed.storage.db import Database
from honed.storage.server import Server
from honed.targets.postgres.catalog import read_catalog
from honed.targets.postgres.grow import grow
from honed.targets.postgres.indexes.access import walk
from honed.targets.postgres.indexes.advise import advise
from honed.targets.postgres.indexes.bench import Bench
from honed.targets.postgres.indexes.candidates import ColumnShape, TableShape
from honed.targets.postgres.indexes.definition import IndexDefinition, Key
from honed.targets.postgres.indexes.folding import FoldedLaboratory
from honed.targets.postgres.indexes.imagination import Imagination
from honed.targets.postgres.indexes.partitions import read_trees
from honed.targets.postgres.indexes.query import Query
from honed.targets.postgres.lab import Lab
from honed.targets.postgres.phantom import Phantom
from honed.targets.postgres.trees import checksum, level_of
from honed.targets.postgres.whatif import plan
from honed.testing.postgres import TEST_OPTIONS
from honed.testing.worlds import MISSING_INDEX, MakeWorld, WorldPlan

OLD = next(iter(sorted(Path("/usr/lib/postgresql").glob("1[4-7]/bin/postgres"))), None)

#: Statements on everything whose plan can be lost: partitions, expressions, conditions, views, the
#: ends of an index.
PLANNED = (
    'SELECT * FROM "Shop".customer WHERE customer_id = 7',
    """SELECT * FROM "Shop".customer WHERE lower(city) = 'city 17'""",
    """SELECT order_id FROM "Shop"."Order" WHERE state = 'open' AND order_id < 500""",
    """SELECT sum(amount) FROM "Shop"."Order" WHERE ordered_on > date '2026-11-20'""",
    """SELECT at, count(*) FROM event WHERE at < date '2026-02-01' GROUP BY at""",
    'SELECT * FROM "Shop".sums WHERE customer_id = 5',
    """
    SELECT c.city, sum(o.amount) FROM "Shop".customer c JOIN "Shop"."Order" o USING (customer_id)
     WHERE o.ordered_on BETWEEN date '2025-03-01' AND date '2025-03-09' GROUP BY c.city
    """,
    "SELECT count(*) FROM nothing",
)

ORDERS = TableShape(
    30_000,
    {
        "customer_id": ColumnShape(3_000, 4),
        "amount": ColumnShape(1_000, 5),
        "order_id": ColumnShape(30_000, 4),
        "ordered_on": ColumnShape(700, 4),
    },
)
CUSTOMERS = TableShape(3_000, {"shouted": ColumnShape(200, 8), "city": ColumnShape(200, 8)})
EVENTS = TableShape(1_000, {"event_id": ColumnShape(1_000, 8)})
SHAPES = {
    ("Shop", "Order"): ORDERS,
    ("Shop", "customer"): CUSTOMERS,
    ("public", "event_2025"): EVENTS,
    ("public", "event_2026"): EVENTS,
}


@pytest.fixture(scope="module")
def pristine(module_lab: Lab) -> Iterator[Phantom]:
    """Return a phantom of the module's shop that no index is imagined on."""
    with module_lab.phantom("pristine") as made:
        yield made


@pytest.fixture
def phantom(module_lab: Lab) -> Iterator[Phantom]:
    """Return a phantom of the module's shop."""
    with module_lab.phantom("test") as made:
        yield made


def planner_of(url: str, *settings: str) -> Callable[[str], Any]:
    def planned(statement: str) -> Any:
        with psycopg.connect(url, autocommit=True) as connection:
            for setting in ("max_parallel_workers_per_gather = 0", *settings):
                connection.execute(f"SET {setting}".encode())
            row = connection.execute(f"EXPLAIN (FORMAT JSON) {statement}".encode()).fetchone()
        assert row is not None
        return row[0][0]["Plan"]

    return planned


def shape(node: Mapping[str, Any]) -> list[Any]:
    names = ("Node Type", "Relation Name", "Index Name", "Plan Rows")
    return [*(node.get(name) for name in names), *map(shape, node.get("Plans", ()))]


@pytest.mark.parametrize("statement", PLANNED)
def test_without_rows_it_plans_as_production_does(
    module_shop: Any, pristine: Phantom, statement: str
) -> None:
    expected = planner_of(module_shop.url)(statement)
    found: Any = pristine.explain(statement)["Plan"]
    assert shape(found) == shape(expected)
    assert found["Total Cost"] == pytest.approx(expected["Total Cost"], rel=0.01)
    assert pristine.missing == ()


def test_it_has_no_rows_takes_no_room_and_goes(module_lab: Lab) -> None:
    with module_lab.phantom("brief") as made:
        data_dir, name = made.shadow.server.data_dir, made.database
        assert made.query('SELECT count(*) AS n FROM "Shop"."Order"') == [{"n": 0}]
        row = made.query("""SELECT pg_relation_filepath('"Shop"."Order"') AS path""")[0]
        status = (data_dir / row["path"]).stat()
        assert status.st_size > 2_000_000
        assert status.st_blocks == 0
    assert not list(module_lab_dumps(module_lab))
    with module_lab.clone("after") as clone:
        query = "SELECT FROM pg_database WHERE datname = %(name)s"
        assert clone.query(query, {"name": name}) == []


def module_lab_dumps(lab: Lab) -> Iterator[Path]:
    with lab.clone("folder") as clone:
        yield from clone.shadow.folder.glob("dump-*")


def test_it_goes_when_its_user_fails(module_lab: Lab) -> None:
    class Failure(Exception):
        pass

    names = []

    def fail() -> None:
        with module_lab.phantom("failing") as made:
            names.append(made.database)
            raise Failure

    with pytest.raises(Failure):
        fail()
    with module_lab.clone("after") as clone:
        query = "SELECT FROM pg_database WHERE datname = %(name)s"
        assert clone.query(query, {"name": names[0]}) == []


PARTIAL = IndexDefinition(
    "Shop", "Order", (Key("customer_id"),), include=("amount",), where='"amount" < 20'
)
ON_EXPRESSION = IndexDefinition("Shop", "customer", (Key('upper("city")', is_expression=True),))
ON_GENERATED = IndexDefinition("Shop", "customer", (Key("shouted"),))
CANDIDATES = {
    PARTIAL: 'SELECT sum(amount) FROM "Shop"."Order" WHERE customer_id = 5 AND amount < 20',
    ON_EXPRESSION: """SELECT * FROM "Shop".customer WHERE upper(city) = 'CITY 17'""",
    ON_GENERATED: """SELECT * FROM "Shop".customer WHERE shouted = 'CITY 17'""",
}


@pytest.mark.parametrize("candidate", CANDIDATES, ids=lambda each: each.keys[0].text)
def test_an_imagined_index_is_planned_as_if_it_were_there(
    shop: Any, phantom: Phantom, candidate: IndexDefinition
) -> None:
    statement = CANDIDATES[candidate]
    imagination = Imagination(phantom, SHAPES)
    before = plan(imagination, statement)
    built = imagination.add([candidate])
    assert plan(imagination, statement) == before
    found = plan(imagination, statement, with_indexes=[candidate.name])
    shop.run(candidate.build_sql)
    expected = planner_of(shop.url)(statement)
    assert candidate.name in {node.get("Index Name") for node in walk(expected)}
    assert candidate.name in found.indexes
    assert found.cost == pytest.approx(expected["Total Cost"], rel=0.1)
    size = shop.run(f"""SELECT pg_relation_size('"Shop"."{candidate.name}"') AS bytes""")[0][
        "bytes"
    ]
    assert 1 / 2 < built[candidate.name].size_bytes / size < 2


def test_tables_keep_their_numbers_when_indexes_are_imagined(phantom: Phantom) -> None:
    numbers = "SELECT oid, relpages, reltuples FROM pg_class WHERE relkind = 'r' ORDER BY oid"
    before = phantom.query(numbers)
    Imagination(phantom, SHAPES).add(CANDIDATES)
    after = {row["oid"]: row for row in phantom.query(numbers)}
    assert [after[row["oid"]] for row in before] == before


def test_what_production_could_not_build_is_left_out(phantom: Phantom) -> None:
    phantom.run("CREATE TABLE virtual (a integer, b integer GENERATED ALWAYS AS (a + 1) VIRTUAL)")
    shapes = {("public", "virtual"): TableShape(5_000, {})}
    good, bad = (IndexDefinition("public", "virtual", (Key(name),)) for name in "ab")
    assert set(Imagination(phantom, shapes).add([bad, good])) == {good.name}


def test_an_index_on_a_partitioned_table_is_imagined_on_each_part(
    module_shop: Any, phantom: Phantom
) -> None:
    with psycopg.connect(module_shop.url, row_factory=dict_row) as connection:
        trees = read_trees(read_catalog(connection))
    index = IndexDefinition("public", "event", (Key("event_id"),))
    laboratory = FoldedLaboratory(Imagination(phantom, SHAPES), trees)
    assert set(laboratory.add([index])) == {index.name}
    asked = "SELECT * FROM event WHERE event_id = 7"
    assert plan(laboratory, asked).indexes == set()
    assert plan(laboratory, asked, with_indexes=[index.name]).indexes == {index.name}


@pytest.fixture(scope="module")
def odd_url(postgres_server: Server, shop_template: str) -> Iterator[str]:
    """Return the URL of a shop with a table of some gigabytes, and with indexes of every method."""
    admin, name = Database(postgres_server.url()), "odd_shop"
    create_database(admin, name, template=shop_template)
    url = postgres_server.url(name)
    with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
        for statement in EVERY_METHOD:
            connection.execute(statement.encode())
        # A hole in production's own file is as good as rows to its planner.
        grow(postgres_server.data_dir, connection, {'"Shop"."Order"': LARGE_BYTES})
    yield url
    drop_database(admin, name)


@pytest.fixture(scope="module")
def odd_phantom(odd_url: str, session_folder: Path) -> Iterator[Phantom]:
    """Return a phantom of the shop with everything odd."""
    home = session_folder / "odd-lab"
    home.mkdir(mode=0o755)
    lab = Lab(1, odd_url, home=home, settings=Settings(home=home))
    with lab.phantom("odd") as made:
        yield made
    lab.close()


LARGE_BYTES = 5 * 1024**3 // 2
EVERY_METHOD = (
    "CREATE TABLE thing (a integer, list integer[], span int4range, name text, at point)",
    """
    INSERT INTO thing
    SELECT n, ARRAY[n % 100, n % 77], int4range(n, n + 10), md5(n::text), point(n % 300, n % 200)
      FROM generate_series(1, 20000) n
    """,
    "CREATE INDEX ON thing USING gin (list)",
    "CREATE INDEX ON thing USING gist (span)",
    "CREATE INDEX ON thing USING brin (a)",
    "CREATE INDEX ON thing USING hash (name)",
    "CREATE INDEX ON thing USING spgist (at)",
    "VACUUM ANALYZE thing",
)


@pytest.mark.parametrize(
    "condition",
    [
        "list @> ARRAY[5]",
        "span @> 500",
        "a BETWEEN 100 AND 300",
        "name = 'x'",
        "at <@ box '(1,1),(5,5)'",
    ],
)
def test_indexes_of_every_method_are_planned_with(
    odd_url: str, odd_phantom: Phantom, condition: str
) -> None:
    statement = f"SELECT * FROM thing WHERE {condition}"  # noqa: S608 - one of the five above
    expected = planner_of(odd_url)(statement)
    found: Any = odd_phantom.explain(statement)["Plan"]
    assert any("Index Name" in node for node in walk(expected))
    assert shape(found) == shape(expected)
    assert found["Total Cost"] == pytest.approx(expected["Total Cost"], rel=0.01)


def test_a_table_of_many_files_is_planned_by_its_size(odd_url: str, odd_phantom: Phantom) -> None:
    statement = """
        SELECT * FROM "Shop".customer c JOIN "Shop"."Order" o USING (customer_id)
         WHERE c.customer_id < 10
    """
    expected = planner_of(odd_url)(statement)
    assert expected["Total Cost"] > 300_000
    found: Any = odd_phantom.explain(statement)["Plan"]
    names = [each["Node Type"] for each in walk(expected)]
    assert [each["Node Type"] for each in walk(found)] == names
    assert found["Total Cost"] == pytest.approx(expected["Total Cost"], rel=0.01)
    (row,) = odd_phantom.query("""SELECT pg_relation_filepath('"Shop"."Order"') AS path""")
    file = odd_phantom.shadow.server.data_dir / row["path"]
    segments = [file, file.with_name(f"{file.name}.1"), file.with_name(f"{file.name}.2")]
    assert [each.stat().st_size for each in segments] == [1024**3, 1024**3, 1024**3 // 2]
    assert sum(each.stat().st_blocks for each in segments) == 0


def test_beyond_the_end_of_an_index_it_finds_no_more_than_its_statistics_say(
    pristine: Phantom,
) -> None:
    """The planner goes down the tree for the greatest key, which is not there."""
    found: Any = pristine.explain('SELECT * FROM "Shop"."Order" WHERE order_id > 40000')["Plan"]
    assert found["Index Name"] == "Order_pkey"
    assert found["Plan Rows"] < 30


def test_extended_statistics_are_learnt_from_a_clone(
    module_shop: Any, module_lab: Lab, phantom: Phantom
) -> None:
    statement = """
        SELECT * FROM "Shop".customer WHERE city = 'city 17' AND country = 'country 17'
    """
    expected = planner_of(module_shop.url)(statement)["Plan Rows"]
    before: Any = phantom.explain(statement)["Plan"]
    assert before["Plan Rows"] < expected / 5
    with module_lab.clone("teacher") as clone:
        phantom.learn_from(clone)
    after: Any = phantom.explain(statement)["Plan"]
    assert after["Plan Rows"] == expected


def test_what_an_object_of_other_columns_knows_is_not_taken_over(
    module_lab: Lab, phantom: Phantom
) -> None:
    """Read as values of another type, it could bring the server down."""
    with module_lab.clone("teacher") as clone:
        clone.run(
            'DROP STATISTICS "Shop".city_country',
            'CREATE STATISTICS "Shop".city_country (mcv) ON amount, state FROM "Shop"."Order"',
            'ANALYZE "Shop"."Order"',
        )
        phantom.learn_from(clone)
    counted = phantom.session().execute("SELECT FROM pg_statistic_ext_data")
    assert counted.rowcount == 0


def test_an_odd_statement_costs_itself_alone(phantom: Phantom) -> None:
    odd = Query("odd", "SELECT * FROM no_such_table", 0.5, production_s=1.0)
    well = Query("well", CANDIDATES[PARTIAL], 0.5, production_s=1.0)
    bench = Bench(
        Imagination(phantom, SHAPES), [odd, well], cut_s=1.0, budget_s=60.0, can_run=False
    )
    bench.open(until=-1.0)
    assert bench.queries == [well]
    assert "no_such_table" in bench.left_out[odd]
    bench.build([PARTIAL])
    assert bench.plan(well, bench.built).used == {PARTIAL.name}


def test_a_statement_that_ends_its_backend_costs_itself_alone(phantom: Phantom) -> None:
    (row,) = phantom.query("SELECT pg_backend_pid() AS pid")
    phantom.session().execute("SELECT pg_terminate_backend(%(pid)s, 10000)", row)
    with pytest.raises(EvaluatorFailed):
        phantom.explain(PLANNED[0])
    assert phantom.explain(PLANNED[0])["Plan"]


def test_a_plan_known_from_a_larger_set_is_what_the_planner_says(phantom: Phantom) -> None:
    candidates = [
        PARTIAL,
        IndexDefinition("Shop", "Order", (Key("customer_id"),)),
        IndexDefinition("Shop", "Order", (Key("customer_id"), Key("ordered_on"))),
        IndexDefinition("Shop", "Order", (Key("amount"),)),
        IndexDefinition("Shop", "customer", (Key("city"),)),
    ]
    queries = [Query(str(n), each, 0.1, production_s=1.0) for n, each in enumerate(PLANNED)]
    queries.append(Query("partial", CANDIDATES[PARTIAL], 0.1, production_s=1.0))
    imagination = Imagination(phantom, SHAPES)
    bench = Bench(imagination, queries, cut_s=1.0, budget_s=600.0, can_run=False)
    bench.open(until=-1.0)
    bench.build(candidates)
    names = sorted(bench.built)
    # The largest set first, so that the smaller ones are known from it.
    for number in range(2 ** len(names) - 1, -1, -1):
        visible = {name for at, name in enumerate(names) if number >> at & 1}
        for query in queries:
            asked = plan(imagination, query.sql, with_indexes=visible)
            known = bench.plan(query, visible)
            assert known.used == asked.indexes
            assert known.cost == pytest.approx(asked.cost, rel=1e-6)


def test_when_it_is_late_the_cheapest_known_plan_stands_in(phantom: Phantom) -> None:
    query = Query("late", CANDIDATES[PARTIAL], 1.0, production_s=1.0)
    bench = Bench(Imagination(phantom, SHAPES), [query], cut_s=1.0, budget_s=600.0, can_run=False)
    bench.open(until=-1.0)
    plain = IndexDefinition("Shop", "Order", (Key("customer_id"),))
    bench.build([PARTIAL, plain])
    bench.plan(query, {plain.name})
    bench._clock.budget_s = 1e-9
    assert bench.plan(query, {plain.name, PARTIAL.name}).used == {plain.name}
    assert bench.plan(query, {PARTIAL.name}).used == set()
    assert bench.guessed == 2


def test_a_database_beyond_the_limit_is_advised_on_its_phantom(make_world: MakeWorld) -> None:
    plan_ = WorldPlan(MISSING_INDEX.setup, MISSING_INDEX.workload, settings={"copy_limit_mb": 1})
    target = make_world(plan_).target
    (found,) = advise(target).sets
    assert target.lab.copied().sampled
    assert found.definitions


_LEVEL = "SELECT level FROM bt_metap('{}')"


def test_checksums_and_heights_are_those_of_the_server(shop: Any, postgres_server: Server) -> None:
    shop.run("CREATE EXTENSION pageinspect", "CREATE TABLE one (id integer PRIMARY KEY)")
    shop.run("CHECKPOINT")
    name = '"Shop"."Order_pkey"'
    row = shop.run(f"SELECT pg_relation_filepath('{name}') AS path")[0]
    content = (postgres_server.data_dir / row["path"]).read_bytes()
    for block in range(3):
        page = content[8192 * block : 8192 * (block + 1)]
        assert struct.unpack_from("=H", page, 8)[0] == checksum(page, block)
    for index, size in ((name, len(content)), ("one_pkey", 8192)):
        (row,) = shop.run(_LEVEL.format(index))
        assert row["level"] == level_of(size)


@pytest.fixture(scope="module")
def old_url(session_folder: Path) -> Iterator[str]:
    """Return the URL of a production of the oldest server at hand."""
    if OLD is None:
        pytest.skip("there is no older PostgreSQL here")
    options = {
        name: value for name, value in TEST_OPTIONS.items() if name != "shared_preload_libraries"
    }
    server = Server(session_folder / "old-phantom", binaries=OLD.parent, options=options)
    server.start()
    with psycopg.connect(server.url(), autocommit=True) as connection:
        for statement in (
            "CREATE TABLE item (id integer PRIMARY KEY, kind integer, made date, name text)",
            """
            INSERT INTO item SELECT n, n % 500, date '2026-01-01' + n % 90, 'item ' || n
              FROM generate_series(1, 40000) n
            """,
            "CREATE INDEX item_made ON item (made) WHERE kind < 50",
            "VACUUM ANALYZE",
        ):
            connection.execute(statement)
    yield server.url()
    server.stop()


@pytest.fixture(scope="module")
def old_phantom(old_url: str, session_folder: Path) -> Iterator[Phantom]:
    """Return a phantom, on the embedded server, of an older production."""
    home = session_folder / "old-lab"
    home.mkdir(mode=0o755)
    lab = Lab(1, old_url, home=home, settings=Settings(home=home))
    with lab.phantom("old") as made:
        yield made
    lab.close()


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM item WHERE id = 7",
        "SELECT * FROM item WHERE kind = 7",
        "SELECT id FROM item WHERE kind < 50 AND made > date '2026-03-29'",
        "SELECT kind, count(*) FROM item WHERE made < date '2026-01-09' GROUP BY kind",
        "SELECT * FROM item a JOIN item b ON a.kind = b.id WHERE a.made = date '2026-02-02'",
    ],
)
def test_an_older_production_has_a_phantom_too(
    old_url: str, old_phantom: Phantom, statement: str
) -> None:
    expected = planner_of(old_url)(statement)
    found: Any = old_phantom.explain(statement)["Plan"]
    assert shape(found) == shape(expected)
    assert found["Total Cost"] == pytest.approx(expected["Total Cost"], rel=0.05)


def test_with_old_programs_there_is_no_phantom(old_url: str, honed_home: Path) -> None:
    assert OLD is not None
    settings = Settings(home=honed_home, postgres_bin=OLD.parent)
    lab = Lab(1, old_url, home=honed_home, settings=settings)
    with pytest.raises(ConfigurationError, match="PostgreSQL 18"), lab.phantom("old"):
        pass
    lab.close()
