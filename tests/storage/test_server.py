"""The server: starts, attaches, survives, stops."""

from pathlib import Path

import psycopg

from honed.storage.db import Database
from honed.storage.server import Server
from honed.testing.postgres import TEST_OPTIONS


def test_a_started_server_answers_and_a_stopped_one_does_not(honed_home: Path) -> None:
    server = Server(honed_home / "data", options=TEST_OPTIONS)
    assert not server.is_running()
    server.start()
    with psycopg.connect(server.url()) as connection:
        row = connection.execute("SHOW listen_addresses").fetchone()
    assert row == ("",)
    server.stop()
    assert not server.is_running()


def test_a_store_has_the_queue(store: Database) -> None:
    with store.transaction() as connection:
        assert connection.execute("SELECT count(*) FROM procrastinate_jobs").fetchone()
