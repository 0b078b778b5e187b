"""People who log in to the store, each a member of one of honed's roles, or of none."""

import itertools
import os
from collections.abc import Callable, Iterator

import pytest

from honed.storage.db import Database
from honed.storage.server import Server

_NUMBERS = itertools.count(1)

#: Returns the store as seen by a new login: a member of the role, or of none.
LogIn = Callable[[str], Database]


@pytest.fixture
def log_in(store: Database, postgres_server: Server) -> Iterator[LogIn]:
    """Return what makes a login; all of them are dropped at the end."""
    made: list[str] = []
    with store.transaction() as conn:
        (row,) = conn.execute("SELECT current_database() AS name")

    def new_login(role: str = "") -> Database:
        login = f"test_login_{os.getpid()}_{next(_NUMBERS)}"
        with store.transaction() as conn:
            conn.execute(f"CREATE ROLE {login} LOGIN".encode())
            if role:
                conn.execute(f"GRANT {role} TO {login}".encode())
        made.append(login)
        return Database(postgres_server.url(row["name"], user=login))

    yield new_login
    with store.transaction() as conn:
        for login in made:
            conn.execute(f"DROP ROLE {login}".encode())
