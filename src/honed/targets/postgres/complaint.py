"""Complaints: what a server says of an error, without the values of rows and of statements."""

import re

import psycopg

#: Classes of SQLSTATE whose messages speak of names, limits and connections. Those of others may
#: repeat a value: a row's that could not be cast (22), a key's (23), whatever a function raises
#: (P0). What is stored and signed must hold none.
_NAMES_ONLY = frozenset({"08", "0A", "25", "28", "3D", "3F", "40", "42", "53", "54", "55", "57"})
#: Repeats the text of the statement where it went wrong.
_SYNTAX_ERROR = "42601"
_HUMPS = re.compile(r"(?<=[a-z])(?=[A-Z])")


def complaint(sqlstate: str | None, words: str) -> str:
    """Return ``words`` where they can hold no value, else the name of the error.

    Args:
        sqlstate: of the error; None: it is the connection's, not the server's.

        words: its primary message.
    """
    if sqlstate is None or (sqlstate[:2] in _NAMES_ONLY and sqlstate != _SYNTAX_ERROR):
        return words.strip() or "the connection broke"
    try:
        name = _HUMPS.sub(" ", psycopg.errors.lookup(sqlstate).__name__).lower()
    except KeyError:
        name = "an error"
    return f"{name} (SQLSTATE {sqlstate})"


def complaint_of(error: psycopg.Error) -> str:
    """Return what ``error`` says; see ``complaint``."""
    return complaint(error.sqlstate, error.diag.message_primary or str(error))
