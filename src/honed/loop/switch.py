"""The kill switch: who stopped honed, and why; reading and setting it."""

from dataclasses import dataclass
from datetime import datetime

from honed.storage.db import Connection
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.loop")


@dataclass(frozen=True, slots=True)
class Switch:
    """Whether honed may change anything."""

    stopped: bool
    reason: str
    #: The login that changed it last.
    changed_by: str
    changed_at: datetime


def read_switch(conn: Connection) -> Switch:
    """Return the switch as it is; any role may ask."""
    (row,) = conn.execute(_QUERIES["is_stopped"])
    return Switch(**row)


def stop(conn: Connection, reason: str) -> Switch:
    """Let nothing more be changed, from the next step on, once this is committed.

    It calls ``honed.stop``, so the role must be an operator.

    Raises:
        NotAllowed: the role may not.
    """
    conn.execute(_QUERIES["stop"], {"reason": reason})
    return read_switch(conn)


def start(conn: Connection) -> Switch:
    """Allow changes again, and wake what has waited.

    It calls ``honed.start``, so the role must be an operator.

    Raises:
        NotAllowed: the role may not.
    """
    conn.execute(_QUERIES["start"])
    return read_switch(conn)
