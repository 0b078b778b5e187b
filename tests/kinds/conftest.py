"""What tests of kinds look at: a schema as a whole, and who waits for whom."""

import subprocess
from collections.abc import Callable
from typing import LiteralString, TypeAlias

import psycopg
import pytest

from honed.core.step import Step
from honed.testing.worlds import PostgresWorld

Dumped: TypeAlias = Callable[[PostgresWorld], str]
AssertNoDeadlock: TypeAlias = Callable[[PostgresWorld, Step, LiteralString, LiteralString], None]


@pytest.fixture
def dumped() -> Dumped:
    """Return what writes down the schema of a world, as pg_dump does."""
    return _dumped


@pytest.fixture
def assert_no_deadlock() -> AssertNoDeadlock:
    """Return what asserts that nobody and a step wait for each other."""
    return _assert_no_deadlock


def _dumped(world: PostgresWorld) -> str:
    """Return what pg_dump writes of the schema of ``world``."""
    program = world.target.lab._shadow.server.program("pg_dump")
    command = [str(program), "--schema-only", "--restrict-key=same", "-d", world.database.url]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _assert_no_deadlock(
    world: PostgresWorld, step: Step, first: LiteralString, then: LiteralString
) -> None:
    """Assert that who has run ``first`` can go on with ``then`` while ``step`` waits for it."""
    connect = world.database.connect
    with connect() as application, connect() as acting:
        application.execute(first)
        application.execute("SET LOCAL lock_timeout = 100")
        acting.execute("SET LOCAL lock_timeout = 100")
        waiting = False
        for text in step.do:
            try:
                with acting.transaction():
                    acting.execute(text.encode())
            except psycopg.errors.LockNotAvailable:
                # It would wait here, with the locks of what came before.
                waiting = True
                break
        assert waiting
        application.execute(then)
        application.rollback()
        acting.rollback()
