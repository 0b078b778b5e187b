"""What the store knows of why a change is published: gates, approval, entries of the ledger."""

from typing import Any, Final

from honed.core.gate import GateResult
from honed.forge.description import Entry, Grounds
from honed.storage.db import Connection
from honed.storage.queries import load_queries

QUERIES: Final = load_queries("honed.targets.repository.publishing", "grounds.sql")
#: Of an improvement's way: what was claimed, what proved it, who let it go on.
_TOLD: Final = frozenset({"proposed", "proven", "approved"})


def read_grounds(conn: Connection, improvement_id: int | None) -> Grounds | None:
    """Return on what grounds an improvement is published; None: it is in no record."""
    key = {"improvement_id": improvement_id}
    row = conn.execute(QUERIES["read"], key).fetchone()
    if row is None:
        return None
    # Another sort of trial leaves another sort of evidence.
    evidence: dict[str, Any] = row["evidence"]
    told = {each["event"]: each for each in conn.execute(QUERIES["list_entries"], key)}
    return Grounds(
        improvement_id=row["improvement_id"],
        gates=tuple(GateResult(**each) for each in evidence.get("gates", ())),
        judge=str(evidence.get("judge", "")),
        entries=tuple(Entry(**each) for event, each in told.items() if event in _TOLD),
        approved_by=row["approved_by"],
    )


def entry_that_proves(grounds: Grounds | None) -> int | None:
    """Return the entry of the ledger that says why a change is right; None: there is none."""
    entries = grounds.entries if grounds else ()
    return next((each.index for each in entries if each.event == "proven"), None)
