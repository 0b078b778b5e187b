"""The partitions of signals: one a day, made ahead, dropped when the time of their day is over."""

from honed.storage.db import Connection
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.signals")


def keep_partitions(conn: Connection, retention_days: int) -> int:
    """Make the partitions of the next three days, drop those that are older; return how many.

    A partition that somebody reads for longer than a second stays until the next time.

    Raises:
        NotAllowed: the login is neither a daemon nor an intake.
    """
    (row,) = conn.execute(_QUERIES["keep_partitions"], {"retention_days": retention_days})
    changed: int = row["changed"]
    return changed
