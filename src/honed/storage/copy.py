"""COPY: many rows at once, in the text form of PostgreSQL."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import LiteralString

import psycopg

from honed.errors import RowsRefused, StoreUnavailable
from honed.storage.db import Connection

#: What the text form gives a meaning of its own; NUL has no place in a text of PostgreSQL.
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": None})

#: What PostgreSQL says of a value that it cannot hold: too large, or too deeply nested.
_TOO_MUCH = "54"


class PartitionMissing(StoreUnavailable):
    """A row has no partition: the table is not ready for it, and nothing is wrong with the row."""


def escaped(text: str) -> str:
    """Return ``text`` as one value of a row."""
    return text.translate(_ESCAPES)


def copy_rows(conn: Connection, statement: LiteralString, rows: bytes) -> None:
    """Send ``rows``, each ended by a line feed, with ``COPY ... FROM STDIN``.

    Raises:
        RowsRefused: one of them is not what its table can hold; the transaction is broken.
        PartitionMissing: likewise, but there is no partition for it.
    """
    with refused_rows(), conn.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(rows)


@contextmanager
def refused_rows() -> Iterator[None]:
    """Turn what the driver says of values that fit no column into ``RowsRefused``."""
    try:
        yield
    except psycopg.errors.CheckViolation as error:
        # PostgreSQL has no SQLSTATE of its own for it: it is a check that has no name.
        missing = error.diag.constraint_name is None
        kind = PartitionMissing if missing else RowsRefused
        raise kind(str(error).partition("\n")[0]) from error
    except (psycopg.DataError, psycopg.IntegrityError) as error:
        raise RowsRefused(str(error).partition("\n")[0]) from error
    except psycopg.OperationalError as error:
        if not (error.sqlstate or "").startswith(_TOO_MUCH):
            raise
        raise RowsRefused(str(error).partition("\n")[0]) from error
