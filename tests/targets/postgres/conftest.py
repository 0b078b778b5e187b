"""A small production database with everything that a copy can lose, and its lab."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from honed.config import Settings
from honed.storage.databases import create_database, drop_database
from honed.storage.db import Database
from honed.storage.server import Server
from honed.targets.postgres.clone import Clone
from honed.targets.postgres.lab import Lab

_OBSERVER = "lab_observer"

_ROLE = f"""
DO $$ BEGIN
    CREATE ROLE {_OBSERVER} LOGIN;
    ALTER ROLE {_OBSERVER} SET default_transaction_read_only = on;
    GRANT pg_monitor, pg_read_all_data TO {_OBSERVER};
EXCEPTION WHEN duplicate_object THEN NULL;
END $$
"""

_SHOP = """
CREATE EXTENSION citext;
CREATE SCHEMA "Shop";
CREATE TYPE "Shop".state AS ENUM ('open', 'sent', 'lost');
CREATE TABLE "Shop".customer (
    customer_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    city        text NOT NULL,
    country     text NOT NULL,
    email       citext,
    shouted     text GENERATED ALWAYS AS (upper(city)) STORED
);
CREATE TABLE "Shop"."Order" (
    order_id    integer PRIMARY KEY,
    customer_id integer NOT NULL REFERENCES "Shop".customer,
    state       "Shop".state NOT NULL,
    amount      numeric(12, 2) NOT NULL CHECK (amount >= 0),
    ordered_on  date NOT NULL,
    note        text
);
CREATE TABLE event (event_id bigint NOT NULL, at date NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE event_2025 PARTITION OF event FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE event_2026 PARTITION OF event FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE nothing (value integer);

INSERT INTO "Shop".customer (city, country, email)
SELECT 'city ' || n % 200, 'country ' || n % 20, 'Someone' || n || '@example.org'
  FROM generate_series(1, 3000) n;
INSERT INTO "Shop"."Order"
SELECT n, 1 + n * 7 % 3000, CASE WHEN n % 50 = 0 THEN 'open' ELSE 'sent' END::"Shop".state
     , n % 1000, date '2025-01-01' + n % 700, repeat('x', 60)
  FROM generate_series(1, 30000) n;
INSERT INTO event SELECT n, date '2025-01-01' + n % 700 FROM generate_series(1, 2000) n;

CREATE INDEX order_on ON "Shop"."Order" (ordered_on);
CREATE INDEX order_open ON "Shop"."Order" (order_id) WHERE state = 'open';
CREATE INDEX customer_city ON "Shop".customer (lower(city));
CREATE STATISTICS "Shop".city_country (dependencies) ON city, country FROM "Shop".customer;
CREATE MATERIALIZED VIEW "Shop".sums AS
    SELECT customer_id, sum(amount) AS total FROM "Shop"."Order" GROUP BY customer_id;
CREATE UNIQUE INDEX sums_key ON "Shop".sums (customer_id);
CREATE FUNCTION "Shop".refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE 'nobody writes here'; END $$;
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE OR DELETE ON "Shop"."Order"
    FOR EACH ROW EXECUTE FUNCTION "Shop".refuse();
VACUUM ANALYZE;
"""


@dataclass(frozen=True, slots=True)
class Shop:
    """A production database: as its superuser, and as the role that honed observes it with."""

    url: str
    observe_url: str

    def run(self, *statements: str) -> list[dict[str, Any]]:
        """Run statements as the superuser; return the rows of the last."""
        return rows(self.url, *statements)


def rows(url: str, *statements: str) -> list[dict[str, Any]]:
    """Run ``statements`` each by itself; return the rows of the last."""
    with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
        for statement in statements:
            cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="session")
def shop_template(postgres_server: Server) -> str:
    """Return the name of a database to copy a shop from."""
    name = "shop_template"
    create_database(Database(postgres_server.url()), name)
    parts = [part for part in _split(_SHOP) if part.strip()]
    rows(postgres_server.url(name), _ROLE, *parts)
    return name


def _split(script: str) -> Iterator[str]:
    """Yield the statements of ``script``; the function's body is the only quoted semicolon."""
    statement = ""
    for line in script.splitlines():
        statement += f"{line}\n"
        if line.rstrip().endswith(";") and statement.count("$$") % 2 == 0:
            yield statement
            statement = ""


@pytest.fixture
def shop(postgres_server: Server, shop_template: str, databases: Any) -> Shop:
    """Return a shop of this test alone."""
    url = databases.create(shop_template)
    name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
    # Counters and the time of the last ANALYZE are not copied with a template.
    rows(url, "ANALYZE")
    return Shop(url, postgres_server.url(str(name), _OBSERVER))


@pytest.fixture
def make_lab(honed_home: Path) -> Iterator[Callable[..., Lab]]:
    """Return a maker of labs; each call makes a new one on the same folder, as a restart does."""
    made: list[Lab] = []

    def make(shop: Shop, **settings: Any) -> Lab:
        lab = Lab(1, shop.observe_url, home=honed_home, settings=_settings(honed_home, **settings))
        made.append(lab)
        return lab

    yield make
    for lab in made:
        lab.close()
    # At once, so that it is never written to the disk.
    shutil.rmtree(honed_home / "lab", ignore_errors=True)


@pytest.fixture(scope="module")
def module_shop(postgres_server: Server, shop_template: str) -> Iterator[Shop]:
    """Return a shop for tests that change nothing in it."""
    name = "shop_of_module"
    admin = Database(postgres_server.url())
    create_database(admin, name, template=shop_template)
    yield Shop(postgres_server.url(name), postgres_server.url(name, _OBSERVER))
    drop_database(admin, name)


@pytest.fixture(scope="module")
def module_lab(
    module_shop: Shop, tmp_path_factory: pytest.TempPathFactory, session_folder: Path
) -> Iterator[Lab]:
    """Return a lab with a copy of the module's shop."""
    home = session_folder / f"lab-{tmp_path_factory.mktemp('lab').name}"
    home.mkdir(mode=0o755)
    lab = Lab(1, module_shop.observe_url, home=home, settings=_settings(home))
    lab.refresh()
    yield lab
    lab.close()


@pytest.fixture
def clone(module_lab: Lab) -> Iterator[Clone]:
    """Return a clone of the module's shop."""
    with module_lab.clone("test") as made:
        yield made


def _settings(home: Path, **settings: Any) -> Settings:
    return Settings(home=home, **settings)
