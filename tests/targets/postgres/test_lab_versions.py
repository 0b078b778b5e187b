"""The lab of a production server of another major version."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from honed.config import Settings
from honed.errors import ConfigurationError
from honed.storage.server import Server
from honed.targets.postgres.lab import Lab
from honed.targets.postgres.metering import MeteredSession
from honed.targets.postgres.write_cost import write_cost
from honed.testing.postgres import TEST_OPTIONS

OLD = next(iter(sorted(Path("/usr/lib/postgresql").glob("1[4-7]/bin/postgres"))), None)

pytestmark = pytest.mark.skipif(OLD is None, reason="there is no older PostgreSQL here")

ROWS = """
CREATE TABLE numbered AS
SELECT n AS id, n % 100 AS kind, md5(n::text) AS text FROM generate_series(1, 20000) n
"""
PLANNED = "SELECT * FROM numbered WHERE kind = 5"


@pytest.fixture(scope="module")
def old_url(session_folder: Path) -> Iterator[str]:
    """Return the URL of a production on the oldest server at hand."""
    assert OLD is not None
    options = {
        name: value for name, value in TEST_OPTIONS.items() if name != "shared_preload_libraries"
    }
    server = Server(session_folder / "old", binaries=OLD.parent, options=options)
    server.start()
    with psycopg.connect(server.url(), autocommit=True) as connection:
        for statement in (ROWS, "CREATE INDEX by_kind ON numbered (kind)", "VACUUM ANALYZE"):
            connection.execute(statement)
    yield server.url()
    server.stop()


@pytest.mark.parametrize("programs", ["embedded", "production's"])
def test_an_older_production_is_copied_planned_and_measured(
    old_url: str, honed_home: Path, programs: str
) -> None:
    folder = OLD.parent if OLD is not None and programs == "production's" else None
    settings = Settings(home=honed_home, postgres_bin=folder)
    lab = Lab(1, old_url, home=honed_home, settings=settings)
    try:
        assert lab.refresh().rows == 20000
        with lab.clone("old") as clone:
            before = top_node(old_url)
            plan: Any = clone.explain(PLANNED)["Plan"]
            assert plan["Node Type"] == before["Node Type"]
            assert plan["Plan Rows"] == before["Plan Rows"]
            assert write_cost(clone, "numbered", rows=500) is not None
            with MeteredSession(clone, cut_s=1.0) as session:
                assert session.run(PLANNED).rows == 200
    finally:
        lab.close()


def test_programs_older_than_production_are_refused(
    postgres_server: Server, honed_home: Path
) -> None:
    assert OLD is not None
    settings = Settings(home=honed_home, postgres_bin=OLD.parent)
    lab = Lab(1, postgres_server.url(), home=honed_home, settings=settings)
    with pytest.raises(ConfigurationError, match="newer than pg_dump"):
        lab.refresh()
    lab.close()


def top_node(url: str) -> dict[str, Any]:
    with psycopg.connect(url) as connection:
        row = connection.execute(f"EXPLAIN (FORMAT JSON) {PLANNED}").fetchone()
    assert row is not None
    node: dict[str, Any] = row[0][0]["Plan"]
    return node
