"""Databases that are not what honed would like: it works there, or says what is missing."""

import itertools
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from honed.config import Autonomy, Settings
from honed.core.verdict import State
from honed.errors import HonedError, MissingExtension, MissingPrivilege
from honed.loop.cycle import Options, Phase
from honed.loop.foreground import CycleReport
from honed.loop.parts import AnyKind
from honed.storage.db import Database
from honed.storage.programs import server_account
from honed.storage.queries import load_queries
from honed.storage.server import Server
from honed.targets.postgres.check import Access, check_target
from honed.targets.postgres.roles import observer_name, roles_sql
from honed.targets.registry import TargetRecord, add_target
from honed.testing.pets import PetKind
from honed.testing.postgres import TEST_OPTIONS
from honed.wiring import App, installed_kinds, open_app

#: What it measures is time.
pytestmark = pytest.mark.alone

_NAME = "pets"
_OLD = Path("/usr/lib/postgresql/15/bin")
_WITH_STANDBYS = {**TEST_OPTIONS, "wal_level": "replica", "max_wal_senders": "4"}

_SCHEMA = (
    "CREATE EXTENSION IF NOT EXISTS pg_stat_statements",
    "CREATE TABLE pet (pet_id int PRIMARY KEY, owner int NOT NULL, name text NOT NULL)",
    "INSERT INTO pet SELECT n, n % 1000, 'pet ' || n FROM generate_series(1, 100000) n",
    "VACUUM ANALYZE pet",
)
_QUESTION = "SELECT count(*) FROM pet WHERE owner = %(owner)s"


@dataclass(frozen=True, slots=True)
class Place:
    """One sort of target: where it answers, as whom honed comes, and as whom its application."""

    observe_url: str
    act_url: str
    client_url: str

    @property
    def record(self) -> TargetRecord:
        """The target as it is registered."""
        return TargetRecord(_NAME, self.observe_url, self.act_url)


@pytest.fixture(scope="module")
def primary(session_folder: Path) -> Iterator[Server]:
    """Return an embedded server that may have standbys, with pets and honed's roles."""
    server = Server(session_folder / "primary", options=_WITH_STANDBYS)
    server.start()
    _fill(server)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def standby(primary: Server, session_folder: Path) -> Iterator[Server]:
    """Return a hot standby of ``primary`` that streams from it."""
    folder = session_folder / "standby"
    copied = [str(primary.program("pg_basebackup")), "-D", str(folder), "-d", primary.url()]
    subprocess.run([*copied, "-R", "--checkpoint=fast", "--no-sync"], check=True)
    if account := server_account():
        for path in (folder, *folder.rglob("*")):
            os.chown(path, account.uid, account.gid, follow_symlinks=False)
    server = Server(folder, options=_WITH_STANDBYS)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def old(session_folder: Path) -> Iterator[Server]:
    """Return a server of PostgreSQL 15 from the system's packages."""
    if not (_OLD / "postgres").exists():
        pytest.skip(f"there is no PostgreSQL in {_OLD}")
    server = Server(session_folder / "fifteen", binaries=_OLD, options=TEST_OPTIONS)
    server.start()
    _fill(server)
    yield server
    server.stop()


def _fill(server: Server) -> None:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        for statement in _SCHEMA:
            connection.execute(statement.encode())
        connection.execute(roles_sql(_NAME, "postgres").encode())


def _place(server: Server, *, may_act: bool = False) -> Place:
    observer = server.url(user=observer_name(_NAME))
    return Place(observer, server.url() if may_act else "", server.url())


@pytest.fixture(
    params=[
        pytest.param("read-only role", marks=pytest.mark.slow),
        "standby",
        pytest.param("PostgreSQL 15", marks=pytest.mark.slow),
    ]
)
def place(request: pytest.FixtureRequest) -> Place:
    """Return each sort of target on which a dry run finds and proposes."""
    fixture = {"read-only role": "primary", "standby": "standby", "PostgreSQL 15": "old"}
    return _place(request.getfixturevalue(fixture[request.param]))


@contextmanager
def _traffic(url: str) -> Iterator[None]:
    """Let the application ask all the while."""
    told = threading.Event()

    def ask() -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            for number in itertools.count():
                connection.execute(_QUESTION, {"owner": number % 1000})
                if told.wait(0.02):
                    break

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        told.set()
        thread.join()


@contextmanager
def _honed(
    store: Database, home: Path, place: Place, kind: AnyKind | None = None, **settings: object
) -> Iterator[App]:
    kind = kind or installed_kinds()["index_optimization"]
    values = {"home": home, "store_url": store.url, "sample_interval_s": 0.3, **settings}
    options = Settings.model_validate({"watch_intervals": 8, "trial_budget_s": 60.0} | values)
    with open_app(options, kinds={kind.name: kind}) as app:
        add_target(store, place.record)
        yield app


def _turn(app: App, place: Place, options: Options) -> CycleReport:
    """Take one turn of the loop, after some readings of the application's questions."""
    with app.reading(), _traffic(place.client_url):
        while len(app.target(_NAME).intervals()) < 5:
            pass
        return app.run_cycle(_NAME, options)


@pytest.mark.slow
def test_a_dry_run_finds_and_proposes(store: Database, honed_home: Path, place: Place) -> None:
    with _honed(store, honed_home, place) as app:
        report = _turn(app, place, Options())
        with app.parts.store.transaction() as conn:
            findings = conn.execute("SELECT type FROM honed.finding").fetchall()
    assert (report.cycle.phase, report.cycle.error) == (Phase.FINISHED, "")
    assert "slow_statement" in {each["type"] for each in findings}
    (found,) = report.improvements
    assert found.state is State.DRY_RUN
    assert "owner" in found.steps[0].do[0]


@pytest.fixture
def check(store: Database, honed_home: Path) -> Callable[[Place], Access]:
    """Return what ``honed target add`` and ``honed doctor`` ask of a target."""
    return lambda place: check_target(place.record, store, Settings(home=honed_home))


def test_a_target_without_an_acting_role_is_only_looked_at(
    primary: Server, check: Callable[[Place], Access]
) -> None:
    access = check(_place(primary))
    assert (access.may_change, access.warning) == (False, "")
    assert "no URL for changing it" in access.why_not
    assert "honed target add pets --sql" in access.fix


def test_a_standby_is_looked_at_and_not_changed(
    standby: Server, primary: Server, check: Callable[[Place], Access]
) -> None:
    access = check(_place(standby, may_act=True))
    assert not access.may_change
    assert "standby" in access.why_not
    assert "primary" in access.fix
    elsewhere = Place(standby.url(user=observer_name(_NAME)), primary.url(), standby.url())
    assert check(elsewhere).may_change


@pytest.mark.slow
def test_a_change_that_is_sent_to_a_standby_fails_and_says_why(
    standby: Server, store: Database, honed_home: Path
) -> None:
    place = _place(standby, may_act=True)
    free = {"autonomy": Autonomy.FULL, "require_human_approval": False}
    with _honed(store, honed_home, place, PetKind(), **free) as app:
        report = _turn(app, place, Options(dry_run=False, require_approval=False))
    (failed,) = report.improvements
    assert failed.state is State.ROLLED_BACK
    assert "cannot execute CREATE INDEX" in failed.error
    assert "the acting URL must lead to the primary" in failed.error


def test_a_standby_that_is_away_counts_while_its_slot_is_there(primary: Server) -> None:
    read_use = load_queries("honed.targets.postgres.indexes", "cleanup.sql")["read_index_use"]
    with psycopg.connect(primary.url(), autocommit=True) as connection:

        def standbys() -> int:
            rows = connection.execute(read_use, {}, prepare=False)
            assert rows.description
            names = [each.name for each in rows.description]
            (row,) = rows.fetchall()
            return int(row[names.index("standbys")])

        before = standbys()
        connection.execute("SELECT pg_create_physical_replication_slot('away')")
        try:
            assert standbys() == before + 1
        finally:
            connection.execute("SELECT pg_drop_replication_slot('away')")


def _without_extension(server: Server) -> str:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE bare")
    return server.url("bare", user=observer_name(_NAME))


def _plain_role(server: Server) -> str:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("CREATE ROLE stranger LOGIN")
    return server.url(user="stranger")


def _reader_of_nothing(server: Server) -> str:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("CREATE ROLE monitor LOGIN")
        connection.execute("GRANT pg_monitor TO monitor")
    return server.url(user="monitor")


@pytest.mark.parametrize(
    ("make", "said", "hint"),
    [
        (_without_extension, (MissingExtension, "pg_stat_statements"), "CREATE EXTENSION"),
        (_plain_role, (MissingPrivilege, "pg_read_all_stats"), "honed target add --sql"),
        (_reader_of_nothing, (MissingPrivilege, "pg_read_all_data"), "honed target add --sql"),
    ],
)
def test_what_is_missing_is_said_with_what_to_do(
    primary: Server,
    check: Callable[[Place], Access],
    make: Callable[[Server], str],
    said: tuple[type[HonedError], str],
    hint: str,
) -> None:
    place = Place(make(primary), "", primary.url())
    meaning, words = said
    with pytest.raises(meaning, match=words) as missing:
        check(place)
    assert hint in missing.value.hint


def test_a_cycle_on_a_database_without_counters_says_so_at_once(
    primary: Server, store: Database, honed_home: Path
) -> None:
    with psycopg.connect(primary.url(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE countless")
    place = Place(primary.url("countless"), "", primary.url())
    with (
        _honed(store, honed_home, place) as app,
        pytest.raises(MissingExtension, match="pg_stat_statements is not installed"),
    ):
        app.run_cycle(_NAME, Options())
