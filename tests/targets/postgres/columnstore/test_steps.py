"""Detaching that was cut off is taken back; what could not come back exactly is not detached."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest

from honed.config import Settings
from honed.core.step import Step, StepState
from honed.errors import StepFailed
from honed.storage.db import Database
from honed.targets.execute import acting
from honed.targets.postgres.columnstore.partitions import Partition, read_partitions
from honed.targets.postgres.columnstore.steps import archive_steps
from honed.targets.postgres.target import PostgresTarget
from honed.targets.registry import TargetRecord, add_target

TABLES: tuple[LiteralString, ...] = (
    "CREATE EXTENSION pg_stat_statements",
    "CREATE TABLE visit (visit_id integer, day date) PARTITION BY RANGE (day, visit_id)",
    (
        'CREATE TABLE "Visit 10" PARTITION OF visit'
        " FOR VALUES FROM ('2024-01-01', 0) TO ('2024-02-01', MAXVALUE)"
    ),
    (
        "CREATE TABLE visit_9 PARTITION OF visit"
        " FOR VALUES FROM ('2024-02-02', MINVALUE) TO ('2024-03-01', 0)"
    ),
    "INSERT INTO visit SELECT n, date '2024-01-01' + n % 50 FROM generate_series(1, 900) n",
)


@pytest.fixture
def url(empty_database: Callable[[], str]) -> str:
    url = empty_database()
    run(url, *TABLES)
    return url


@pytest.fixture
def target(url: str, store: Database, tmp_path: Path) -> PostgresTarget:
    record = add_target(store, TargetRecord("visits", url))
    return PostgresTarget(record, store, Settings(home=tmp_path))


def run(url: str, *statements: LiteralString) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def oldest(target: PostgresTarget) -> Partition:
    (found,) = read_partitions(target)
    return found


def detaching(target: PostgresTarget) -> Step:
    return archive_steps(oldest(target), "visits")[-1]


def test_the_newest_by_its_bounds_is_left_out(target: PostgresTarget) -> None:
    assert oldest(target).qualified_name == 'public."Visit 10"'


def test_a_detaching_that_was_cut_off_is_taken_back(url: str, target: PostgresTarget) -> None:
    first = target.fingerprint()
    settings = target.settings.model_copy(update={"build_timeout_s": 0.5})
    _, bounds, checked, step = archive_steps(oldest(target), "visits")
    with acting(url, holder="act", settings=target.settings, stop_if_told=lambda: None) as hand:
        hand.run(bounds)
        hand.run(checked)
    before = target.fingerprint()
    with psycopg.connect(url) as reader:
        reader.execute("SELECT count(*) FROM visit")
        with acting(url, holder="act", settings=settings, stop_if_told=lambda: None) as hand:
            with pytest.raises(StepFailed, match="statement timeout"):
                hand.run(step)
            assert hand.inspect(step) is StepState.PARTIAL
    with acting(url, holder="act", settings=target.settings, stop_if_told=lambda: None) as hand:
        hand.run(step.inverse())
        assert hand.inspect(step) is StepState.ABSENT
        assert target.fingerprint() == before
        hand.run(step)
        assert hand.inspect(step) is StepState.DONE
        hand.run(step.inverse())
        assert target.fingerprint() == before
        hand.run(bounds.inverse())
    assert target.fingerprint() == first


def test_readers_and_writers_go_on_while_it_is_detached(url: str, target: PostgresTarget) -> None:
    step = detaching(target)
    with (
        psycopg.connect(url) as reader,
        acting(url, holder="act", settings=target.settings, stop_if_told=lambda: None) as hand,
    ):
        reader.execute("SELECT count(*) FROM visit")
        waiting = threading.Thread(target=hand.run, args=(step,))
        waiting.start()
        run(url, "SET statement_timeout = '10s'", "INSERT INTO visit VALUES (1, '2024-02-20')")
        run(url, "SET statement_timeout = '10s'", "SELECT count(*) FROM visit")
        reader.rollback()
        waiting.join()
        assert hand.inspect(step) is StepState.DONE


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("CREATE TABLE rest PARTITION OF visit DEFAULT", "default partition"),
        ('ALTER TABLE "Visit 10" ENABLE ROW LEVEL SECURITY', "row security"),
        ("CREATE PUBLICATION it FOR TABLE visit", "is published"),
        ('CREATE SEQUENCE it OWNED BY "Visit 10".visit_id', "owns a sequence"),
        (
            (
                "ALTER TABLE visit ADD UNIQUE (visit_id, day);"
                "CREATE TABLE bill (id integer, day date, FOREIGN KEY (id, day) REFERENCES visit"
                " (visit_id, day))"
            ),
            "foreign keys refer",
        ),
        (
            (
                "CREATE TABLE pet (pet_id integer PRIMARY KEY) PARTITION BY HASH (pet_id);"
                "ALTER TABLE visit ADD FOREIGN KEY (visit_id) REFERENCES pet NOT VALID"
            ),
            "refers to a partitioned",
        ),
    ],
)
def test_what_could_not_come_back_stays(
    url: str, target: PostgresTarget, change: LiteralString, reason: str
) -> None:
    assert oldest(target).obstacle() == ""
    if "NOT VALID" in change:
        # A partitioned table takes foreign keys only whole.
        run(url, "TRUNCATE visit")
        change = change.replace(" NOT VALID", "")
    run(url, *change.split(";"))
    assert all(reason in each.obstacle() for each in read_partitions(target))
    assert read_partitions(target)
