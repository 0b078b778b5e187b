"""A worker is killed in the middle of archiving: what it left is known for what it is."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from honed.config import Settings
from honed.core.step import Step, StepState
from honed.targets.execute import Hand, acting
from honed.targets.postgres.archives.files import Archive, folder_of, list_archives
from honed.targets.postgres.archives.runner import act

PROGRAM = Path(__file__).with_name("archive_process.py")
FOLDER = folder_of("shop", "public", "sale")
ABOUT: dict[str, Any] = {"folder": FOLDER, "schema": "public", "table": "sale"}
EXPORT = Step(
    "archive it",
    do=(act("export", **ABOUT, parent=["public", "sales"], bound=""),),
    undo=(act("remove", **ABOUT),),
    inspect=act("archived", **ABOUT),
    runner="archive",
)
ROWS = 500


@pytest.fixture
def url(empty_database: Callable[[], str]) -> str:
    url = empty_database()
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE sale (sale_id integer PRIMARY KEY, amount numeric)")
        connection.execute(
            "INSERT INTO sale SELECT n, n / 7.0 FROM generate_series(1, %s) n", [ROWS]
        )
    return url


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


@pytest.fixture
def hand(url: str, settings: Settings) -> Callable[[], Any]:
    """Return what takes hold of the target, as the next worker does."""
    return lambda: acting(url, holder="archive", settings=settings, stop_if_told=lambda: None)


def kill(url: str, settings: Settings, do: str, kill_at: str) -> None:
    done = subprocess.run(
        [sys.executable, PROGRAM, url, str(settings.home), do],
        env={**os.environ, "KILL_AT": kill_at},
        capture_output=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


def count(url: str) -> int:
    with psycopg.connect(url) as connection:
        ((rows,),) = connection.execute("SELECT count(*) FROM sale").fetchall()
    return int(rows)


def settle(hand: Hand, step: Step, found: StepState) -> None:
    """Bring a step to its end, the way the act phase does after a death."""
    assert hand.inspect(step) is found
    if found is StepState.PARTIAL:
        hand.run(step.inverse())
    if found is not StepState.DONE:
        hand.run(step)
    assert hand.inspect(step) is StepState.DONE


@pytest.mark.parametrize(
    ("kill_at", "found"),
    [
        ("_refuse_values", StepState.PARTIAL),
        ("_fill", StepState.PARTIAL),
        ("_parquet", StepState.PARTIAL),
        ("write_archive", StepState.PARTIAL),
        ("_sync", StepState.PARTIAL),
        ("publish", StepState.DONE),
    ],
)
def test_a_copy_that_was_cut_off_is_made_again(
    url: str, settings: Settings, hand: Callable[[], Any], kill_at: str, found: StepState
) -> None:
    kill(url, settings, EXPORT.do[0], kill_at)
    with hand() as held:
        settle(held, EXPORT, found)
        (archive,) = list_archives(settings.archives)
        archive.verify()
        assert archive.manifest.proof.rows == ROWS == count(url)
        assert held.facts(EXPORT)["archive_sha256"] == archive.sha256
        held.run(EXPORT.inverse())
        assert held.inspect(EXPORT) is StepState.ABSENT


@pytest.mark.parametrize("kill_at", ["prove_equal", "set_aside", "remove"])
def test_an_archive_whose_removal_was_cut_off_is_removed(
    url: str, settings: Settings, hand: Callable[[], Any], kill_at: str
) -> None:
    with hand() as held:
        held.run(EXPORT)
    if kill_at == "set_aside":
        with psycopg.connect(url) as connection:
            connection.execute("INSERT INTO sale VALUES (0)")
    kill(url, settings, EXPORT.undo[0], kill_at)
    with hand() as held:
        if held.inspect(EXPORT) is not StepState.ABSENT:
            held.run(EXPORT.inverse())
        assert held.inspect(EXPORT) is StepState.ABSENT
    assert count(url) >= ROWS


@pytest.mark.parametrize("kill_at", ["prove_equal", "restore_rows"])
def test_rows_go_and_come_back_whole(
    url: str, settings: Settings, hand: Callable[[], Any], kill_at: str
) -> None:
    with hand() as held:
        held.run(EXPORT)
    about = {**ABOUT, "rows": ROWS, "sha256": Archive.open(settings.archives / FOLDER).sha256}
    step = Step(
        "delete its rows",
        do=(act("empty", **about),),
        undo=(act("load", **about),),
        inspect=act("emptied", **about),
        runner="archive",
    )
    if kill_at == "prove_equal":
        kill(url, settings, step.do[0], kill_at)
        assert count(url) == ROWS
    with hand() as held:
        settle(held, step, StepState.ABSENT)
    assert count(url) == 0
    kill(url, settings, step.undo[0], kill_at)
    assert count(url) == 0
    with hand() as held:
        assert held.inspect(step) is StepState.DONE
        held.run(step.inverse())
        assert held.inspect(step) is StepState.ABSENT
    assert count(url) == ROWS
