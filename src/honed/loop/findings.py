"""Findings as they are stored: what was seen, how often, and what was claimed because of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from honed.core.canonical import Json
from honed.errors import UnknownFinding
from honed.storage.db import Connection
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.loop")


@dataclass(frozen=True, slots=True)
class StoredFinding:
    """One observed fact as it is stored; see ``honed.core.finding.Finding``."""

    finding_id: int
    #: The target's name.
    target: str
    type: str
    subject: str
    title: str
    evidence: Mapping[str, Json]
    weight: float
    times_seen: int
    first_seen_at: datetime
    last_seen_at: datetime
    #: When a look no longer found it; None: it is open.
    closed_at: datetime | None
    #: Improvements that answer it.
    improvement_ids: tuple[int, ...]

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "StoredFinding":
        """Return the finding of one row of ``honed.finding``."""
        return cls(**{**row, "improvement_ids": tuple(row["improvement_ids"])})


def list_findings(
    conn: Connection, *, target: str | None = None, closed: bool = False, limit: int = 100
) -> list[StoredFinding]:
    """Return findings, open ones first, the heaviest of them first.

    Args:
        conn: a transaction of a role that may read.

        target: only of the target of this name; None: of all.

        closed: also those that later looks no longer found.

        limit: no more than these.
    """
    wanted = {"finding_id": None, "target": target, "closed": closed, "limit": limit}
    return [StoredFinding.from_row(row) for row in conn.execute(_QUERIES["list_findings"], wanted)]


def get_finding(conn: Connection, finding_id: int) -> StoredFinding:
    """Return one finding, open or not.

    Raises:
        UnknownFinding: there is none with this id.
    """
    wanted = {"finding_id": finding_id, "target": None, "closed": True, "limit": 1}
    row = conn.execute(_QUERIES["list_findings"], wanted).fetchone()
    if row is None:
        msg = f"there is no finding {finding_id}"
        raise UnknownFinding(msg)
    return StoredFinding.from_row(row)
