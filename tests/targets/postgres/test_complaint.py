"""Complaints: names stay, values of rows and texts of statements do not."""

import psycopg
import pytest

from honed.storage.db import Database
from honed.targets.postgres.complaint import complaint, complaint_of

VALUE = "ann@example.org"


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (f"SELECT '{VALUE}'::integer", "invalid text representation (SQLSTATE 22P02)"),
        (f"SELECT 1 '{VALUE}'", "syntax error (SQLSTATE 42601)"),
        (f"DO $$ BEGIN RAISE '{VALUE}'; END $$", "raise exception (SQLSTATE P0001)"),
        ("SELECT 1 / 0", "division by zero (SQLSTATE 22012)"),
        ("SELECT missing FROM pg_class", 'column "missing" does not exist'),
    ],
)
def test_no_value_is_repeated(store: Database, statement: str, said: str) -> None:
    with store.connect(autocommit=True) as connection:
        with pytest.raises(psycopg.Error) as caught:
            connection.execute(statement.encode())
        assert complaint_of(caught.value) == said


def test_an_error_of_the_connection_says_itself() -> None:
    assert complaint(None, "the server closed it ") == "the server closed it"
    assert complaint("ZZZZZ", VALUE) == "an error (SQLSTATE ZZZZZ)"
