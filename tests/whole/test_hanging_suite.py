"""Tests that do not end cost nobody else anything, and end when honed is told to."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from honed.config import Settings
from honed.loop.cycle import Options, Phase, request
from honed.sandbox.probe import _is_left
from honed.storage.db import Database
from honed.targets.registry import TargetRecord, add_target
from honed.testing.repositories import Checkout
from honed.testing.repository_worlds import require_sandbox
from honed.wiring import App, open_app

HANGS = """import subprocess, sys

def test_that_never_ends():
    subprocess.run([sys.executable, "-I", "-c", "import time; time.sleep(3600)", "{mark}"])
"""
ENDS = "def test_that_ends():\n    assert True\n"
#: Far below the limit of a run of tests.
SOON_S = 5.0


@pytest.fixture
def app(store: Database, honed_home: Path) -> Iterator[App]:
    require_sandbox()
    with open_app(Settings(home=honed_home, store_url=store.url), kinds={}) as opened:
        yield opened


def add(app: App, folder: Path, tests: str) -> int:
    """Return the id of a new target with those tests."""
    checkout = Checkout(folder)
    checkout.commit({"tests/test_it.py": tests.encode()})
    url = str(checkout.folder)
    options = {"tests": ["tests"], "branch": "main"}
    record = TargetRecord(folder.name, url, url, "repository", options)
    return add_target(app.store.owner, record).target_id


def begin(app: App, name: str) -> None:
    with app.store.owner.transaction() as conn:
        request(conn, name, Options.of(app.settings))


def jobs(app: App, target_id: int) -> list[tuple[str, int]]:
    """Return state and attempts of each message about a target."""
    with app.store.owner.transaction() as conn:
        rows = conn.execute(
            "SELECT status::text, attempts FROM honed.procrastinate_jobs"
            " WHERE args ->> 'target_id' = %s ORDER BY id",
            (str(target_id),),
        ).fetchall()
    return [(row["status"], row["attempts"]) for row in rows]


@contextmanager
def working(app: App) -> Iterator[threading.Thread]:
    """Let a worker work meanwhile, and tell it to end."""
    worker = app._foreground.worker()
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield thread
    finally:
        worker.stop()


def test_tests_that_run_end_when_their_worker_is_told_to(app: App, tmp_path: Path) -> None:
    mark = uuid4().hex
    target_id = add(app, tmp_path / "hangs", HANGS.format(mark=mark))
    begin(app, "hangs")
    pause = threading.Event()
    with working(app) as thread:
        while not _is_left(mark):
            assert not pause.wait(0.05)
            assert thread.is_alive()
    thread.join(SOON_S)
    assert not thread.is_alive()
    assert not _is_left(mark)
    assert jobs(app, target_id) == [("todo", 1)]


def test_a_turn_of_one_target_leaves_what_is_about_another(app: App, tmp_path: Path) -> None:
    other_id = add(app, tmp_path / "hangs", HANGS.format(mark=uuid4().hex))
    add(app, tmp_path / "ends", ENDS)
    begin(app, "hangs")
    report = app.run_cycle("ends", Options.of(app.settings))
    assert report.cycle.phase is Phase.FINISHED
    assert jobs(app, other_id) == [("todo", 0)]
