"""Tickets that rest: what was settled needs time before its effect can be seen.

Most sources tell of events, and an event after a ticket was applied opens it again. Some measure a
stretch of days instead, and for as long as it reaches back to before, it tells of what was settled.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from honed.backlog.draft import Draft
from honed.backlog.ticket import TicketSource
from honed.core.canonical import Json
from honed.storage.db import Connection
from honed.storage.queries import load_queries

#: What ``Draft.key`` is.
TicketKey: TypeAlias = tuple[str, int, str, str]

_QUERIES = load_queries("honed.backlog", "settled.sql")


@dataclass(frozen=True, slots=True)
class Settled:
    """A ticket that was applied."""

    applied_at: datetime
    #: What was told of it last.
    evidence: Mapping[str, Json]


def settled(conn: Connection, source: TicketSource) -> dict[TicketKey, Settled]:
    """Return the applied tickets of a source, by ``Draft.key``."""
    return {
        (source.value, row["target_id"], row["project"], row["subject"]): Settled(
            row["applied_at"], row["evidence"]
        )
        for row in conn.execute(_QUERIES["list_applied"], {"source": source.value})
    }


def rests(known: Mapping[TicketKey, Settled], draft: Draft, begin: datetime) -> bool:
    """Return whether a draft tells of what was settled after ``begin``, where it measures from."""
    found = known.get(draft.key)
    return found is not None and found.applied_at > begin
