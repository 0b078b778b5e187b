"""What is said of a target that does not let honed in."""

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from honed.config import Settings
from honed.errors import LoginRefused, MissingExtension, TargetUnavailable
from honed.storage.db import Database
from honed.storage.server import Server
from honed.targets.postgres.check import Access, check_target
from honed.targets.registry import TargetRecord


@pytest.fixture
def check(store: Database, honed_home: Path) -> Callable[[str], Access]:
    """Return a check of a target called ``shop`` at a URL."""
    return lambda url: check_target(TargetRecord("shop", url), store, Settings(home=honed_home))


@pytest.fixture(scope="module")
def guarded(session_folder: Path) -> Iterator[str]:
    """Return the URL of a server that asks ``reader`` for a password, and loads no library."""
    server = Server(session_folder / "guarded", options={"fsync": "off"})
    server.start()
    with psycopg.connect(server.url(), autocommit=True) as conn:
        conn.execute("CREATE EXTENSION pg_stat_statements")
        conn.execute("CREATE ROLE reader LOGIN PASSWORD 'right'")
    server.stop()
    rules = server.data_dir / "pg_hba.conf"
    rules.write_text(f"local all reader scram-sha-256\n{rules.read_text()}")
    server.start()
    yield server.url()
    server.stop()


@pytest.mark.parametrize(
    ("password", "words"),
    [(None, "no password supplied"), ("wrong", "password authentication failed")],
)
def test_a_password_that_is_missing_or_wrong_is_answered_by_where_it_goes(
    guarded: str,
    check: Callable[[str], Access],
    monkeypatch: pytest.MonkeyPatch,
    password: str | None,
    words: str,
) -> None:
    if password:
        monkeypatch.setenv("HONED_TARGET_SHOP_PASSWORD", password)
        monkeypatch.setenv("HONED_TARGET_SHOP_ACT_PASSWORD", password)
    reader = guarded.replace("postgres@", "reader@")
    with pytest.raises(LoginRefused, match=words) as refused:
        check(reader)
    assert "~/.pgpass, or into HONED_TARGET_SHOP_PASSWORD" in refused.value.hint


def test_a_library_that_is_not_loaded_is_answered_by_the_setting(
    guarded: str, check: Callable[[str], Access]
) -> None:
    with pytest.raises(MissingExtension) as missing:
        check(guarded)
    assert "shared_preload_libraries in postgresql.conf" in missing.value.hint


def test_a_server_that_is_down_is_no_refusal(check: Callable[[str], Access]) -> None:
    with pytest.raises(TargetUnavailable) as down:
        check("postgresql:///x?host=/nowhere")
    assert not isinstance(down.value, LoginRefused)
    assert "that the server is up" in down.value.hint
