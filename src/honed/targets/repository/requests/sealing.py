"""What became of changes, in the ledger: signed, whoever decided it and wherever.

People decide in psql or on a forge, without the key of the ledger. So an entry is written by the
daemon, in the transaction in which it records what it did or saw, and for what it finds decided in
the store at its next look. Each event has one entry.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from honed.core.canonical import Json
from honed.ledger.keys import Signer
from honed.ledger.log import append
from honed.storage.db import Connection, Database
from honed.storage.queries import load_queries
from honed.targets.repository.requests import changes
from honed.targets.repository.requests.change import Change

_QUERIES: Final = load_queries("honed.targets.repository.requests", "changes.sql")


def seal(conn: Connection, signer: Signer | None, change_id: int) -> None:
    """Append to the ledger what became of a change and is not there yet; commit soon.

    Without a key nothing is appended; the daemon's next look does it.
    """
    if signer is None:
        return
    events = conn.execute(_QUERIES["unsealed"], {"change_id": change_id}).fetchall()
    if not events:
        return
    change = changes.get(conn, change_id)
    parent = events[0]["parent"]
    for each in events:
        entry = append(
            conn,
            signer,
            event=f"change_{each['event']}",
            subject={"patch": each["patch_digest"]},
            predicate=_predicate(change, each),
            parents=[parent] if parent else [],
        )
        parent = entry.leaf_hash
        kept = {"event_id": each["event_id"], "ledger_index": entry.index, "leaf_hash": parent}
        conn.execute(_QUERIES["keep_entry"], kept)


def seal_all(store: Database, signer: Signer | None, target: str) -> None:
    """Append what was decided of a repository's changes by whoever has no key."""
    if signer is None:
        return
    with store.transaction() as conn:
        found = conn.execute(_QUERIES["list_unsealed"], {"target": target}).fetchall()
    for each in found:
        with store.transaction() as conn:
            seal(conn, signer, each["change_id"])


@dataclass(frozen=True, slots=True)
class Sealed:
    """What became of a request, as the ledger says it."""

    change_id: int
    title: str
    #: ``merged``, ``closed`` or ``reopened``.
    event: str
    #: Why; empty: nobody said it.
    reason: str


def sealed_since(conn: Connection, target: str, from_index: int) -> list[Sealed]:
    """Return how requests of a repository ended or were opened again, oldest first.

    Args:
        conn: a transaction of the daemon.

        target: the repository's name.

        from_index: only what entries of the ledger from this one on say.
    """
    asked = {"target": target, "from_index": from_index}
    return [Sealed(**row) for row in conn.execute(_QUERIES["list_ends"], asked)]


def _predicate(change: Change, event: Mapping[str, Any]) -> dict[str, Json]:
    # The ledger never forgets: the login is a database role; names and free text stay in the rows.
    return {
        "change_id": change.change_id,
        "target": change.target,
        "improvement_id": change.improvement_id,
        "ticket_id": change.ticket_id,
        "forge": change.forge,
        "number": change.number,
        "branch": change.branch,
        "base_branch": change.base_branch,
        "base_commit": change.base_commit,
        "head_commit": change.head_commit,
        "merge_commit": change.merge_commit,
        "detail": event["detail"],
        "done_by": event["done_by"],
    }
