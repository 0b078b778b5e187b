"""Accidents that happen to a target at a moment that a test chooses."""

from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from honed.testing.pets import PetShop


class Door:
    """The way into the production database; shut, the target is away."""

    def __init__(self, shop: PetShop) -> None:
        self._shop = shop
        self._name = str(conninfo_to_dict(shop.production.url)["dbname"])

    def shut(self) -> None:
        """Let nobody in any more, and throw everybody out but production's own client."""
        self._let_in(sql.SQL("false"))
        with self._elsewhere() as conn:
            conn.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
                " WHERE datname = %s AND application_name <> 'pets'",
                [self._name],
            )

    def open(self) -> None:
        """Let everybody in again."""
        self._let_in(sql.SQL("true"))

    def _let_in(self, whether: sql.SQL) -> None:
        statement = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
        with self._elsewhere() as conn:
            conn.execute(statement.format(sql.Identifier(self._name), whether))

    def _elsewhere(self) -> psycopg.Connection[tuple[object, ...]]:
        where = make_conninfo(self._shop.production.url, dbname="postgres")
        return psycopg.connect(where, autocommit=True)


@pytest.fixture
def door(pet_shop: PetShop) -> Iterator[Door]:
    """Return the way into production, open at first and at the end."""
    made = Door(pet_shop)
    yield made
    made.open()


@pytest.fixture
def switch(pet_shop: PetShop) -> Callable[[str], None]:
    """Return what runs ``stop`` or ``start``, as an operator does."""

    def turn(which: str) -> None:
        statement = {"stop": "SELECT honed.stop('enough')", "start": "SELECT honed.start()"}[which]
        with psycopg.connect(pet_shop.store.url) as conn:
            conn.execute(statement.encode())

    return turn
