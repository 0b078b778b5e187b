"""Checking the whole log: every entry, every stored hash, every signature, every checkpoint."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from honed.errors import LedgerTampered
from honed.ledger.checkpoint import LOST_ENTRIES_HINT, Checkpoint, parse_checkpoint
from honed.ledger.keys import PublicKey
from honed.ledger.log import QUERIES, read_nodes
from honed.ledger.merkle import Node, complete_subtrees, grow, leaf_hash, root_of
from honed.ledger.statement import Statement, unseal
from honed.storage.db import Connection

#: Entries in memory at one time; an envelope has at most ``MAX_ENVELOPE_BYTES``.
BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class Report:
    """What was found in order."""

    #: Which log.
    origin: str
    #: Entries checked: all that were committed when the check began.
    size: int
    #: Their root as 64 hexadecimal digits, computed from the envelopes.
    root: str
    #: Checkpoints that the log agrees with.
    checkpoints: int
    #: Entries that a checkpoint covers; those after it could have been rewritten with the key.
    covered: int


@dataclass(slots=True)
class _Audit:
    """The tree as computed from the envelopes so far."""

    origin: str
    public_key: PublicKey
    #: Checkpoints that are still ahead, smallest first.
    ahead: list[Checkpoint]
    size: int = 0
    frontier: tuple[bytes, ...] = ()
    #: Entries that the last checkpoint behind covers.
    covered: int = 0
    parents: int = 0
    stored: Mapping[Node, bytes] = field(default_factory=dict)


def verify_log(
    conn: Connection,
    public_key: PublicKey,
    checkpoints: Sequence[Checkpoint] = (),
    *,
    batch: int = BATCH,
) -> Report:
    """Return a report if every entry is as it was signed, in its place, and none is missing.

    Everything is recomputed from the envelopes; stored hashes are only compared. Memory is bounded
    by ``batch``; entries appended meanwhile are left for the next time. Without a checkpoint from
    outside the database, cutting entries off the end, or rewriting all with the key, is not seen.

    Args:
        conn: any role may check.

        public_key: of the signer of every entry.

        checkpoints: in any order; their signatures are checked again.

        batch: entries in memory at one time.

    Raises:
        LedgerTampered: with the first bad entry.
    """
    head = conn.execute(QUERIES["survey"]).fetchone()
    if head is None:
        msg = "the ledger has lost its head"
        raise LedgerTampered(msg)
    audit = _Audit(head["origin"], public_key, _ordered(checkpoints, public_key, head["origin"]))
    _compare_checkpoints(audit)
    for start in range(0, head["size"], batch):
        _check_batch(conn, audit, start, min(start + batch, head["size"]))
    _check_counts(head, audit)
    if audit.ahead:
        msg = f"the ledger has {audit.size} entries, but {audit.ahead[-1].size} were signed"
        raise LedgerTampered(msg, entry=audit.size, hint=LOST_ENTRIES_HINT)
    root = root_of(audit.frontier).hex()
    return Report(audit.origin, audit.size, root, len(checkpoints), audit.covered)


def _ordered(
    checkpoints: Sequence[Checkpoint], public_key: PublicKey, origin: str
) -> list[Checkpoint]:
    """Return the checkpoints by size, each read again from its signed note."""
    parsed = [parse_checkpoint(checkpoint.note, public_key) for checkpoint in checkpoints]
    for checkpoint in parsed:
        if checkpoint.origin != origin:
            msg = f"the ledger is {origin}, the checkpoint is of {checkpoint.origin}"
            raise LedgerTampered(msg, hint="the ledger was replaced, or it is the wrong checkpoint")
    return sorted(parsed, key=lambda checkpoint: checkpoint.size)


def _check_batch(conn: Connection, audit: _Audit, start: int, stop: int) -> None:
    audit.stored = read_nodes(conn, _completed_between(start, stop))
    rows = conn.execute(QUERIES["read_batch"], {"start": start, "stop": stop}).fetchall()
    for row in rows:
        if row["leaf_index"] != audit.size:
            break
        _check_entry(audit, row)
        _add_leaf(audit, row["leaf_hash"])
        _compare_checkpoints(audit)
    if audit.size < stop:
        _fail(audit.size, "is missing")


def _completed_between(start: int, stop: int) -> Iterator[Node]:
    """Yield the subtrees of two or more leaves that the leaves ``start`` to ``stop`` complete."""
    for index in range(start, stop):
        node = Node(0, index)
        while node.number & 1:
            node = Node(node.level + 1, node.number >> 1)
            yield node


def _check_entry(audit: _Audit, row: Mapping[str, Any]) -> None:
    index = row["leaf_index"]
    envelope = row["envelope"].encode()
    if leaf_hash(envelope) != row["leaf_hash"]:
        _fail(index, "was changed: its envelope does not have its leaf hash")
    try:
        statement = unseal(envelope, audit.public_key)
    except LedgerTampered as error:
        _fail(index, f"was changed: {error}", hint=error.hint)
    if (statement.origin, statement.index) != (audit.origin, index):
        _fail(index, f"was moved: it was signed as {statement.index} of {statement.origin}")
    if _columns(statement) != (row["event"], row["recorded_at"], sorted(row["parents"])):
        _fail(index, "has an event, a time or parents beside it that were not signed")
    audit.parents += len(statement.parents)


def _columns(statement: Statement) -> tuple[object, ...]:
    return statement.event, statement.recorded_at, sorted(statement.parents)


def _add_leaf(audit: _Audit, leaf: bytes) -> None:
    growth = grow(audit.size, audit.frontier, leaf)
    for node, hash_ in growth.completed[1:]:
        if audit.stored.get(node) != hash_:
            first = node.number << node.level
            msg = f"the stored hash over the entries {first} to {audit.size} is wrong or missing"
            raise LedgerTampered(msg, entry=first, hint=_NODE_HINT)
    audit.size += 1
    audit.frontier = growth.frontier


def _compare_checkpoints(audit: _Audit) -> None:
    """Compare the tree with each checkpoint of its present size."""
    while audit.ahead and audit.ahead[0].size == audit.size:
        checkpoint = audit.ahead.pop(0)
        if checkpoint.root != root_of(audit.frontier):
            msg = (
                f"the entries {audit.covered} to {audit.size - 1} are not those "
                f"that the checkpoint of {audit.size} entries covers"
            )
            raise LedgerTampered(msg, entry=audit.covered, hint=_REWRITTEN_HINT)
        audit.covered = audit.size


def _check_counts(head: Mapping[str, Any], audit: _Audit) -> None:
    """Compare the head with the tree, and refuse rows that belong to no entry."""
    if tuple(head["frontier"]) != audit.frontier:
        msg = "the head is not the one of its entries"
        raise LedgerTampered(msg, hint=_NODE_HINT)
    expected = {
        "entries": audit.size,
        "nodes": complete_subtrees(audit.size),
        "parents": audit.parents,
    }
    for table, count in expected.items():
        if head[table] != count:
            msg = f"the ledger has {head[table]} {table} where its head allows {count}"
            raise LedgerTampered(msg, entry=audit.size, hint=_STRAY_HINT)


def _fail(index: int, what: str, *, hint: str = "") -> NoReturn:
    msg = f"entry {index} {what}"
    raise LedgerTampered(msg, entry=index, hint=hint)


_NODE_HINT: Final = (
    "the entries before it are as signed; who can write to the tables without honed?"
)
_REWRITTEN_HINT: Final = (
    "they were rewritten with the signing key, or by a fork of this ledger: replace the key, and "
    "trust only the entries before"
)
_STRAY_HINT: Final = (
    "rows were written that no append wrote; who can write to the tables without honed?"
)
