"""The provenance graph: which entries led to an entry, and what it led to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from honed.errors import LedgerError
from honed.ledger.log import QUERIES
from honed.storage.db import Connection


@dataclass(frozen=True, slots=True)
class Relative:
    """An entry that was reached, with its shortest distance from where the walk began."""

    index: int
    leaf_hash: str
    event: str
    recorded_at: datetime
    #: 0 is the entry itself.
    depth: int


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where a walk came to."""

    #: Nearest first; the entry itself is the first.
    entries: tuple[Relative, ...]
    #: Whether there is nothing beyond; False: a limit ended the walk.
    is_complete: bool


def ancestors(
    conn: Connection, leaf_hash: str, *, max_depth: int = 64, max_rows: int = 10_000
) -> Lineage:
    """Return the entries that led to the entry with this leaf hash, itself first.

    Args:
        conn: any role may read.

        leaf_hash: 64 hexadecimal digits.

        max_depth: longest chain of parents to follow.

        max_rows: most rows to visit. An entry that is reached by chains of several lengths is
            visited once for each, so fewer entries than that may come back from a dense graph.

    Raises:
        LedgerError: the log has no such entry.
    """
    return _walk(conn, "walk_ancestors", leaf_hash, max_depth, max_rows)


def descendants(
    conn: Connection, leaf_hash: str, *, max_depth: int = 64, max_rows: int = 10_000
) -> Lineage:
    """Return the entries that the entry with this leaf hash led to, itself first.

    The limits and errors are those of ``ancestors``.
    """
    return _walk(conn, "walk_descendants", leaf_hash, max_depth, max_rows)


def _walk(conn: Connection, query: str, leaf_hash: str, max_depth: int, max_rows: int) -> Lineage:
    # One more of each than asked for tells whether there is more.
    limits = {"depth": max_depth + 1, "rows": max_rows + 1}
    rows = conn.execute(QUERIES[query], {"leaf": bytes.fromhex(leaf_hash), **limits}).fetchall()
    if not rows:
        msg = f"no entry of the ledger has the leaf hash {leaf_hash}"
        raise LedgerError(msg, hint="`honed improvement show` tells the leaf hashes of its entries")
    within = [row for row in rows[:max_rows] if row["depth"] <= max_depth]
    entries = _nearest(within)
    reached = {entry.index for entry in entries}
    is_cut = len(rows) > max_rows or any(row["leaf_index"] not in reached for row in rows)
    return Lineage(entries, is_complete=not is_cut)


def _nearest(rows: Sequence[dict[str, Any]]) -> tuple[Relative, ...]:
    """Return each entry once, at its shortest distance; ``rows`` come nearest first."""
    found: dict[int, Relative] = {}
    for row in rows:
        index = row["leaf_index"]
        if index not in found:
            found[index] = Relative(
                index=index,
                leaf_hash=row["leaf_hash"].hex(),
                event=row["event"],
                recorded_at=row["recorded_at"],
                depth=row["depth"],
            )
    return tuple(found.values())
