"""A login that may no more than a daemon needs."""

from collections.abc import Iterator

import psycopg
import pytest

from honed.storage.db import Database


@pytest.fixture
def daemon_url(store: Database) -> Iterator[str]:
    """Return the URL of the store for a login that is a member of honed_daemon alone."""
    with psycopg.connect(store.url, autocommit=True) as conn:
        conn.execute("CREATE ROLE dora_of_cli LOGIN IN ROLE honed_daemon")
        yield store.url.replace("postgres@", "dora_of_cli@")
        conn.execute("DROP ROLE dora_of_cli")
