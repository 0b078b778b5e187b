"""The lab: its copy is production's, its clones are nobody's, and nothing is left behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from honed.config import Settings
from honed.errors import DiskFull, EvaluatorFailed, MissingPrivilege, TargetUnavailable
from honed.targets.postgres.clone import Clone
from honed.targets.postgres.copy import Copying
from honed.targets.postgres.lab import Lab

MakeLab = Callable[..., Lab]

CONTENTS = {
    "rows of customers": 'SELECT customer_id, city, email, shouted FROM "Shop".customer ORDER BY 1',
    "sum of orders": 'SELECT count(*), sum(amount), sum(hashtext(t::text)) FROM "Shop"."Order" t',
    "rows of partitions": """
        SELECT tableoid::regclass::text, count(*) FROM event GROUP BY 1 ORDER BY 1""",
    "materialised view": 'SELECT count(*), sum(total) FROM "Shop".sums',
    "indexes": """
        SELECT pg_get_indexdef(indexrelid), indisvalid, indisunique FROM pg_index
         WHERE indexrelid >= 16384 AND pg_get_indexdef(indexrelid) NOT LIKE '%pg_toast%'
         ORDER BY 1""",
    "constraints": """
        SELECT conname, contype, conrelid::regclass::text FROM pg_constraint
         WHERE oid >= 16384 AND contype IN ('p', 'f', 'c') ORDER BY 3, 1""",
    "statistics objects": """
        SELECT pg_get_statisticsobjdef(oid) FROM pg_statistic_ext ORDER BY 1""",
    "statistics of columns": """
        SELECT schemaname, tablename, attname, n_distinct, null_frac, avg_width
             , most_common_vals::text, histogram_bounds::text, correlation
          FROM pg_stats WHERE schemaname IN ('Shop', 'public') ORDER BY 1, 2, 3""",
    "extensions": "SELECT extname FROM pg_extension ORDER BY 1",
    "collation": """
        SELECT datcollate, datlocprovider, pg_encoding_to_char(encoding) AS encoding
          FROM pg_database WHERE datname = current_database()""",
}

PLANNED = (
    """SELECT * FROM "Shop"."Order" WHERE ordered_on = '2025-03-01'""",
    """SELECT * FROM "Shop"."Order" WHERE state = 'open' AND order_id < 500""",
    """SELECT c.city, sum(o.amount) FROM "Shop".customer c JOIN "Shop"."Order" o
       USING (customer_id) WHERE c.city = 'city 7' AND c.country = 'country 7' GROUP BY 1""",
    """SELECT count(*) FROM event WHERE at BETWEEN '2025-03-01' AND '2025-03-05'""",
    """SELECT * FROM "Shop".sums WHERE customer_id = 5""",
)


def shape(node: dict[str, Any]) -> list[Any]:
    """Return what a plan does and how many rows it reckons with."""
    return [
        node["Node Type"],
        node.get("Relation Name"),
        node.get("Index Name"),
        node["Plan Rows"],
        [shape(child) for child in node.get("Plans", ())],
    ]


def plan_of(run: Callable[[str], list[dict[str, Any]]], statement: str) -> list[Any]:
    return shape(run(f"EXPLAIN (FORMAT JSON) {statement}")[0]["QUERY PLAN"][0]["Plan"])


@pytest.mark.parametrize("what", CONTENTS)
def test_the_copy_has_what_production_has(module_shop: Any, clone: Clone, what: str) -> None:
    production = module_shop.run(CONTENTS[what])
    assert production
    assert clone.query(CONTENTS[what]) == production


@pytest.mark.parametrize("statement", PLANNED)
def test_the_copy_is_planned_as_production_is(
    module_shop: Any, clone: Clone, statement: str
) -> None:
    production = plan_of(module_shop.run, f"/* plan */ {statement}")
    assert plan_of(clone.query, f"/* plan */ {statement}") == production


def test_rows_that_the_planner_reckons_with_are_productions_after_deletions(
    shop: Any, make_lab: MakeLab
) -> None:
    shop.run(
        'ALTER TABLE "Shop"."Order" DISABLE TRIGGER refuse',
        'DELETE FROM "Shop"."Order" WHERE order_id % 2 = 0',
    )
    statement = 'SELECT * FROM "Shop"."Order"'
    production = plan_of(shop.run, statement)
    lab = make_lab(shop)
    with lab.clone("deleted") as clone:
        assert clone.query('SELECT count(*) AS n FROM "Shop"."Order"') == [{"n": 15000}]
        assert plan_of(clone.query, statement) == production


def test_planner_settings_of_production_hold_in_clones(shop: Any, make_lab: MakeLab) -> None:
    name = psycopg.conninfo.conninfo_to_dict(shop.url)["dbname"]
    shop.run(
        f"ALTER DATABASE {name} SET random_page_cost = 1.25",
        f"""ALTER DATABASE {name} SET search_path = "Shop", public""",
        f"ALTER DATABASE {name} SET work_mem = '7MB'",
        f"ALTER DATABASE {name} SET max_parallel_workers_per_gather = 3",
    )
    with make_lab(shop).clone("settings") as clone:
        assert clone.query("SHOW random_page_cost") == [{"random_page_cost": "1.25"}]
        assert clone.query("SHOW work_mem") == [{"work_mem": "7MB"}]
        assert clone.query("SELECT count(*) AS n FROM customer") == [{"n": 3000}]
        parallel = clone.query("SHOW max_parallel_workers_per_gather")
        assert parallel == [{"max_parallel_workers_per_gather": "0"}]


def test_names_are_looked_up_where_the_application_does(shop: Any, honed_home: Path) -> None:
    path = '"Shop", public'
    settings = Settings(home=honed_home)
    lab = Lab(1, shop.observe_url, home=honed_home, settings=settings, search_path=path)
    with lab.clone("path") as clone:
        assert clone.query("SELECT count(*) AS n FROM customer") == [{"n": 3000}]
        clone.run("CREATE INDEX ON customer (country)")
    lab.close()


def test_production_is_only_read(shop: Any, make_lab: MakeLab) -> None:
    superuser = type(shop)(shop.url, shop.url)
    lab = make_lab(superuser)
    written = "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) AS n FROM pg_stat_user_tables"
    before = shop.run(written)
    with lab.clone("reading") as clone:
        clone.run('CREATE INDEX ON "Shop".customer (country)')
    assert shop.run(written) == before
    with (
        pytest.raises(psycopg.errors.ReadOnlySqlTransaction),
        lab._production.connect() as connection,
    ):
        connection.execute("CREATE TABLE mine ()")


def test_a_clone_does_not_change_another(module_lab: Lab, clone: Clone) -> None:
    with module_lab.clone("other") as other:
        other.run('ALTER TABLE "Shop".customer ADD COLUMN mine integer', "DROP TABLE event CASCADE")
        with pytest.raises(EvaluatorFailed, match="event"):
            other.query("SELECT count(*) FROM event")
        assert clone.query("SELECT count(*) AS n FROM event") == [{"n": 2000}]
    with module_lab.clone("third") as third:
        assert third.query("SELECT count(*) AS n FROM event") == [{"n": 2000}]


def test_what_comes_from_a_target_never_runs_as_a_superuser(clone: Clone) -> None:
    is_superuser = "SELECT rolsuper FROM pg_roles WHERE rolname = session_user"
    assert clone.query(is_superuser) == [{"rolsuper": False}]
    with pytest.raises(EvaluatorFailed, match="permission denied"):
        clone.run("COPY event TO PROGRAM 'cat'")
    with pytest.raises(EvaluatorFailed, match="permission denied"):
        clone.query("SELECT pg_read_file('/etc/passwd')")
    owners = clone.query("""
        SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname IN ('Shop', 'public')""")
    assert owners == [{"tableowner": "honed_owner"}]


def test_a_fresh_copy_is_used_again(shop: Any, make_lab: MakeLab) -> None:
    first = make_lab(shop).refresh()
    again = make_lab(shop).refresh()
    assert again.taken_at == first.taken_at


def test_an_old_copy_is_made_again(shop: Any, make_lab: MakeLab) -> None:
    lab = make_lab(shop)
    first = lab.refresh()
    assert lab.refresh(timedelta(0)).taken_at > first.taken_at


@pytest.mark.slow
def test_production_that_changed_is_copied_again(shop: Any, make_lab: MakeLab) -> None:
    lab = make_lab(shop)
    taken_at = lab.refresh().taken_at
    for change in (
        'CREATE INDEX ON "Shop".customer (country)',
        'ALTER TABLE "Shop".customer ADD COLUMN age integer',
        'CREATE STATISTICS (ndistinct) ON city, country FROM "Shop".customer',
        "INSERT INTO nothing SELECT n FROM generate_series(1, 1500) n",
    ):
        shop.run(change, "SELECT pg_stat_force_next_flush()")
        before, taken_at = taken_at, lab.refresh().taken_at
        assert taken_at > before, change


def test_new_statistics_are_carried_over_without_copying(shop: Any, make_lab: MakeLab) -> None:
    lab = make_lab(shop)
    first = lab.refresh()
    distinct = (
        """SELECT n_distinct FROM pg_stats WHERE tablename = 'customer' AND attname = 'city'"""
    )
    shop.run(
        'ALTER TABLE "Shop".customer ALTER city SET (n_distinct = 17)', 'ANALYZE "Shop".customer'
    )
    shop.run('ALTER TABLE "Shop".customer ALTER city RESET (n_distinct)')
    copied = lab.refresh()
    assert copied.taken_at == first.taken_at
    with lab.clone("statistics") as clone:
        assert clone.query(distinct) == [{"n_distinct": 17.0}]


def test_statistics_that_nobody_analysed_are_carried_over(shop: Any, make_lab: MakeLab) -> None:
    lab = make_lab(shop)
    first = lab.refresh()
    shop.run(
        "SELECT pg_restore_attribute_stats('schemaname', 'Shop', 'relname', 'customer',"
        " 'attname', 'city', 'inherited', false, 'n_distinct', 19::real)"
    )
    assert lab.refresh().taken_at == first.taken_at
    with lab.clone("statistics") as clone:
        distinct = (
            "SELECT n_distinct FROM pg_stats WHERE tablename = 'customer' AND attname = 'city'"
        )
        assert clone.query(distinct) == [{"n_distinct": 19.0}]
    shop.run("SELECT pg_clear_attribute_stats('Shop', 'customer', 'city', false)")
    assert lab.refresh().taken_at == first.taken_at
    with lab.clone("statistics") as clone:
        assert clone.query(distinct) == []


def die_in_a_lab(shop: Any, home: Path, *lines: str) -> None:
    """Run ``lines`` in another process with a lab, which must end by SIGKILL."""
    script = [
        "import os, signal",
        "from pathlib import Path",
        "from honed.config import Settings",
        "from honed.targets.postgres.copy import Copying",
        "from honed.targets.postgres.lab import Lab",
        f"home = Path({str(home)!r})",
        f"lab = Lab(1, {shop.observe_url!r}, home=home, settings=Settings(home=home))",
        "def die(*anything): os.kill(os.getpid(), signal.SIGKILL)",
        *lines,
    ]
    done = subprocess.run([sys.executable, "-c", "\n".join(script)], check=False)
    assert done.returncode == -signal.SIGKILL


@pytest.mark.slow
def test_an_interrupted_copy_is_made_again(shop: Any, make_lab: MakeLab, honed_home: Path) -> None:
    die_in_a_lab(shop, honed_home, "Copying._add_foreign_keys = die", "lab.refresh()")
    lab = make_lab(shop)
    with lab.clone("whole") as clone:
        keys = clone.query("SELECT count(*) AS n FROM pg_constraint WHERE contype = 'f'")
        assert keys == [{"n": 1}]
        names = clone.query("SELECT datname FROM pg_database WHERE datname LIKE 'copy%'")
        assert names == [{"datname": "copy"}]


def test_a_killed_process_leaves_no_clone_behind(
    shop: Any, make_lab: MakeLab, honed_home: Path
) -> None:
    die_in_a_lab(
        shop,
        honed_home,
        "with lab.clone('killed') as clone:",
        "    clone.run('CREATE TABLE mine ()')",
        "    die()",
    )
    with make_lab(shop).clone("mine") as clone:
        clones = "SELECT datname FROM pg_database WHERE datname LIKE 'clone%'"
        assert clone.query(clones) == [{"datname": clone.database}]


def test_another_process_keeps_its_clones(shop: Any, make_lab: MakeLab) -> None:
    lab, other = make_lab(shop), make_lab(shop)
    with lab.clone("mine") as clone:
        other.refresh(timedelta(0))
        assert clone.query("SELECT count(*) AS n FROM event") == [{"n": 2000}]
        other.close()
        assert clone.query("SELECT count(*) AS n FROM event") == [{"n": 2000}]


@pytest.mark.slow
def test_a_shadow_server_that_dies_fails_one_trial_only(shop: Any, make_lab: MakeLab) -> None:
    lab = make_lab(shop)
    with lab.clone("dying") as clone:
        backend_pid = clone.query("SELECT pg_backend_pid() AS pid")[0]["pid"]
        os.kill(clone.shadow.server.postmaster_pid(), signal.SIGKILL)
        os.kill(backend_pid, signal.SIGKILL)
        with pytest.raises(EvaluatorFailed):
            clone.query("SELECT count(*) FROM event")
    with lab.clone("next") as clone:
        clones = "SELECT datname FROM pg_database WHERE datname LIKE 'clone%'"
        assert clone.query(clones) == [{"datname": clone.database}]
        assert clone.query("SELECT count(*) AS n FROM event") == [{"n": 2000}]


@pytest.mark.slow
def test_a_server_that_does_not_start_is_made_anew(
    shop: Any, make_lab: MakeLab, honed_home: Path
) -> None:
    lab = make_lab(shop)
    lab.refresh()
    lab.close()
    (honed_home / "lab" / "1" / "data" / "global" / "pg_control").write_bytes(b"spoilt")
    assert make_lab(shop).refresh().rows == 35000


@pytest.mark.slow
def test_a_copy_from_before_a_restart_of_the_machine_is_not_believed(
    shop: Any, make_lab: MakeLab, honed_home: Path
) -> None:
    lab = make_lab(shop)
    first = lab.refresh()
    lab.close()
    (honed_home / "lab" / "1" / "boot_id").write_text("another start")
    assert make_lab(shop).refresh().taken_at > first.taken_at


def test_production_that_is_gone_is_named_and_costs_no_copy(
    shop: Any, make_lab: MakeLab, databases: Any
) -> None:
    lab = make_lab(shop)
    first = lab.refresh()
    databases.drop_all()
    with pytest.raises(TargetUnavailable, match="does not exist"):
        lab.refresh(timedelta(0))
    with lab.clone("still") as clone:
        assert clone.query("SELECT count(*) AS n FROM event") == [{"n": 2000}]
    assert lab.copied() == first


def test_production_that_goes_away_while_it_is_copied_is_named(
    shop: Any, make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = make_lab(shop)
    create_extensions = Copying._create_extensions

    def and_cut_off(copying: Copying) -> None:
        create_extensions(copying)
        shop.run("""
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE usename = 'lab_observer' AND datname = current_database()""")

    monkeypatch.setattr(Copying, "_create_extensions", and_cut_off)
    with pytest.raises(TargetUnavailable):
        lab.refresh()


def test_a_table_that_may_not_be_read_is_named(shop: Any, make_lab: MakeLab) -> None:
    shop.run(
        "DROP ROLE IF EXISTS lab_stranger",
        "CREATE ROLE lab_stranger LOGIN",
        'GRANT USAGE ON SCHEMA "Shop" TO lab_stranger',
    )
    stranger = type(shop)(shop.url, shop.observe_url.replace("lab_observer", "lab_stranger"))
    with pytest.raises(MissingPrivilege, match="permission denied"):
        make_lab(stranger).refresh()


def test_a_locked_table_does_not_make_the_lab_wait(shop: Any, make_lab: MakeLab) -> None:
    with psycopg.connect(shop.url) as connection:
        connection.execute('LOCK TABLE "Shop".customer IN ACCESS EXCLUSIVE MODE')
        with pytest.raises(TargetUnavailable, match="lock"):
            make_lab(shop, lock_timeout_s=0.1).refresh()


def test_what_cannot_be_restored_is_named_and_costs_nothing_else(
    shop: Any, make_lab: MakeLab
) -> None:
    shop.run(
        "CREATE TABLE asked (value integer CHECK (value < 5))",
        "INSERT INTO asked VALUES (1)",
        # The copy is checked by the function as it is now.
        "CREATE FUNCTION positive(integer) RETURNS boolean LANGUAGE sql AS 'SELECT true'",
        "CREATE TABLE checked (value integer CHECK (positive(value)))",
        "INSERT INTO checked VALUES (-1)",
        "CREATE OR REPLACE FUNCTION positive(integer) RETURNS boolean"
        " LANGUAGE sql AS 'SELECT $1 > 0'",
    )
    lab = make_lab(shop)
    copied = lab.refresh()
    assert len(copied.missing) == 1
    assert "checked" in copied.missing[0]
    with lab.clone("rest") as clone:
        assert clone.query("SELECT value FROM asked") == [{"value": 1}]


def test_the_password_of_production_is_in_no_message_and_no_argument(honed_home: Path) -> None:
    url = "postgresql://reader:s3cret@/nowhere?host=/nonexistent"
    lab = Lab(1, url, home=honed_home, settings=Settings(home=honed_home))
    with pytest.raises(TargetUnavailable) as caught:
        lab.refresh()
    assert "s3cret" not in str(caught.value)
    arguments, environment = lab._production.arguments()
    assert "s3cret" not in arguments
    assert environment["PGPASSWORD"] == "s3cret"
    assert "s3cret" not in lab._production.source


@pytest.fixture
def small_disk(honed_home: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    disk = honed_home / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=100m", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("this machine does not let root mount a file system in memory")
    disk.chmod(0o755)
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_named_and_given_back(shop: Any, small_disk: Path) -> None:
    shop.run(
        "CREATE TABLE large AS"
        " SELECT repeat(md5(n::text), 30) AS text FROM generate_series(1, 60000) n"
    )
    lab = Lab(1, shop.observe_url, home=small_disk, settings=Settings(home=small_disk))
    try:
        with pytest.raises(DiskFull):
            lab.refresh()
        shop.run("DROP TABLE large")
        assert lab.refresh().rows == 35000
        large = "CREATE TABLE large AS SELECT repeat('x', 900) FROM generate_series(1, 60000)"
        with pytest.raises(DiskFull), lab.clone("full") as clone:
            clone.run(large)
        with lab.clone("empty") as clone:
            assert clone.query("SELECT count(*) AS n FROM event") == [{"n": 2000}]
    finally:
        lab.close()
