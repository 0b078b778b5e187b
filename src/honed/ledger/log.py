"""The log itself: appending an entry in the caller's transaction, reading it, proving it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from honed.core.canonical import Json
from honed.errors import ConfigurationError, LedgerError, LedgerTampered, UnknownEntry
from honed.ledger.keys import Signer
from honed.ledger.merkle import (
    Growth,
    Node,
    Span,
    consistency_spans,
    grow,
    inclusion_spans,
    leaf_hash,
    root_of,
    span_hash,
    span_nodes,
)
from honed.ledger.statement import Statement, seal
from honed.storage.db import Connection
from honed.storage.queries import load_queries

#: The statements of the whole package.
QUERIES = load_queries("honed.ledger")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the record."""

    #: Its place in the log, from 0.
    index: int
    #: Names the entry in proofs and as a parent: 64 hexadecimal digits.
    leaf_hash: str
    #: The signed statement: canonical JSON of a DSSE envelope.
    envelope: str


@dataclass(frozen=True, slots=True)
class Head:
    """How far the log goes. It proves nothing until it is signed (see ``checkpoint``)."""

    #: Which log it is; never changes.
    origin: str
    #: Number of entries.
    size: int
    #: Hashes of the complete subtrees, largest first.
    frontier: tuple[bytes, ...]

    @property
    def root(self) -> bytes:
        """The root hash of the tree."""
        return root_of(self.frontier)


def open_signer(conn: Connection, path: Path) -> Signer:
    """Return the key of this log, which is in ``path``; an empty log gets a new one.

    A key that is made is none of this log before it signs its first entry: of two machines that
    begin one log at once, each with a key of its own, the first keeps it.

    Raises:
        ConfigurationError: the log has entries and ``path`` holds no key, or none that may be used.
        LedgerError: it holds the key of another log.
    """
    key_id = read_key_id(conn)
    if key_id is None:
        return Signer.load_or_create(path)
    if not path.exists():
        msg = f"the ledger is signed with the key {key_id[:16]}, and {path} is not there"
        raise ConfigurationError(msg, hint=_COPY_HINT)
    signer = Signer.load(path)
    refuse_other_key(conn, signer)
    return signer


def read_key_id(conn: Connection) -> str | None:
    """Return the id of the key that this log is signed with, or None while it is empty."""
    row = conn.execute(QUERIES["read_key"]).fetchone()
    return row["key_id"] if row else None


def refuse_other_key(conn: Connection, signer: Signer) -> None:
    """Return unless this log is signed with another key than the signer's.

    Raises:
        LedgerError: it is. An entry by a second key could never be taken out again, and the log
            would not verify any more.
    """
    key_id = read_key_id(conn)
    if key_id not in {None, signer.key_id}:
        msg = f"the ledger is signed with another key than {signer.key_id[:16]}"
        raise LedgerError(msg, hint=_COPY_HINT)


_COPY_HINT = (
    "copy the file ledger.key, mode 0600, from the home of the honed that began this ledger;"
    " one ledger has one key"
)


def append(  # noqa: PLR0913 - an entry has that many parts, all but two by name
    conn: Connection,
    signer: Signer,
    *,
    event: str,
    subject: Mapping[str, str],
    predicate: Mapping[str, Json],
    parents: Sequence[str] = (),
) -> Entry:
    """Return the entry appended to the log, in the caller's transaction.

    It is there when that transaction commits and leaves no trace when it does not. From here on to
    its end the transaction holds the lock on the log's head, so append last and commit soon; in
    REPEATABLE READ an append after somebody else's fails instead of waiting.

    Args:
        conn: in a transaction, READ COMMITTED.

        signer: the key of this log.

        event: what happened, a lower-case word: ``proposed``, ``applied``.

        subject: SHA-256 of each artifact it is about, by name; at least one.

        predicate: everything else as JSON. It can never be deleted: no personal data.

        parents: leaf hashes of the entries that led to this one.

    Raises:
        ValueError: event, subject or parents are malformed, or the entry is too large.
        LedgerError: a parent is not in the log, it is signed with another key, or there is no
            transaction to append in.
        LedgerTampered: the head does not fit its own size.
    """
    if conn.autocommit and conn.info.transaction_status.name == "IDLE":
        msg = "an entry is appended in the transaction of what it records"
        raise LedgerError(msg, hint="open a transaction around the change and the append")
    causes = tuple(dict.fromkeys(parents))
    cause_indexes = _places(conn, causes)
    head, recorded_at = _lock_head(conn)
    # Asked under the lock: the first entry of somebody else may have been committed just now.
    refuse_other_key(conn, signer)
    statement = Statement(
        event=event,
        recorded_at=recorded_at,
        origin=head.origin,
        index=head.size,
        subject=subject,
        detail=predicate,
        parents=causes,
    )
    envelope = seal(statement, signer)
    leaf = leaf_hash(envelope)
    _write(conn, statement, envelope, _grown(head, leaf), cause_indexes)
    return Entry(head.size, leaf.hex(), envelope.decode())


def read_head(conn: Connection) -> Head:
    """Return the head as this transaction sees it."""
    return _head(_only_row(conn, "read_head"))


def read_committed_head(conn: Connection) -> Head:
    """Return the head, which no rollback can take back any more.

    Raises:
        LedgerError: this transaction has written something, so its head may be one that never is.
    """
    row = _only_row(conn, "read_head")
    if row["has_written"]:
        msg = "a checkpoint is made in a transaction that has written nothing"
        raise LedgerError(msg, hint="commit first, then write the checkpoint")
    return _head(row)


def read_entry(conn: Connection, index: int) -> Entry:
    """Return entry ``index``.

    Raises:
        UnknownEntry: the log has no such entry.
    """
    row = conn.execute(QUERIES["read_entry"], {"index": index}).fetchone()
    if row is None:
        msg = f"the ledger has no entry {index}"
        raise UnknownEntry(msg)
    return Entry(row["leaf_index"], row["leaf_hash"].hex(), row["envelope"])


def read_entries(conn: Connection, start: int, stop: int) -> list[Entry]:
    """Return the entries ``start`` to ``stop`` - 1 that are there, in the log's order."""
    rows = conn.execute(QUERIES["read_batch"], {"start": start, "stop": stop})
    return [Entry(row["leaf_index"], row["leaf_hash"].hex(), row["envelope"]) for row in rows]


def inclusion_proof(conn: Connection, index: int, size: int) -> list[bytes]:
    """Return the path that proves entry ``index`` to be in the log of the first ``size`` entries.

    It is read from stored hashes and not checked: ``merkle.verify_inclusion`` does that.

    Raises:
        ValueError: there is no such proof.
        LedgerTampered: a stored hash is missing.
    """
    return _span_hashes(conn, inclusion_spans(index, size))


def consistency_proof(conn: Connection, first: int, second: int) -> list[bytes]:
    """Return the path that proves the log of ``first`` entries to begin that of ``second``.

    It is read from stored hashes and not checked: ``merkle.verify_consistency`` does that.

    Raises:
        ValueError: there is no such proof.
        LedgerTampered: a stored hash is missing.
    """
    return _span_hashes(conn, consistency_spans(first, second))


def read_nodes(conn: Connection, nodes: Iterable[Node]) -> dict[Node, bytes]:
    """Return the stored hashes of ``nodes``, without those that are not there."""
    wanted = list(nodes)
    inner = [node for node in wanted if node.level > 0]
    rows = conn.execute(
        QUERIES["read_nodes"],
        {
            "leaves": [node.number for node in wanted if node.level == 0],
            "levels": [node.level for node in inner],
            "indexes": [node.number for node in inner],
        },
    )
    return {Node(row["level"], row["node_index"]): row["hash"] for row in rows}


def _span_hashes(conn: Connection, spans: Sequence[Span]) -> list[bytes]:
    hashes = read_nodes(conn, (node for span in spans for node in span_nodes(span)))
    try:
        return [span_hash(span, hashes) for span in spans]
    except KeyError as error:
        level, number = error.args[0]
        first, last = number << level, (number + 1 << level) - 1
        msg = f"the ledger lacks the hash over the entries {first} to {last}"
        raise LedgerTampered(msg, entry=first) from error


def _places(conn: Connection, hashes: Sequence[str]) -> list[int]:
    """Return the leaf indexes of the entries with these leaf hashes."""
    if not hashes:
        return []
    rows = conn.execute(
        QUERIES["find_entries"], {"hashes": [bytes.fromhex(hash_) for hash_ in hashes]}
    )
    found = {row["leaf_hash"].hex(): row["leaf_index"] for row in rows}
    missing = [hash_ for hash_ in hashes if hash_ not in found]
    if missing:
        msg = f"no entry of the ledger has the leaf hash {missing[0]}"
        raise LedgerError(msg, hint="parents are leaf hashes of entries of the same ledger")
    return sorted(found.values())


def _lock_head(conn: Connection) -> tuple[Head, datetime]:
    row = _only_row(conn, "lock_head")
    return _head(row), row["recorded_at"]


def _only_row(conn: Connection, query: str) -> dict[str, Any]:
    row = conn.execute(QUERIES[query]).fetchone()
    if row is None:
        msg = "the ledger has lost its head"
        raise LedgerTampered(msg)
    return row


def _head(row: Mapping[str, Any]) -> Head:
    return Head(row["origin"], row["size"], tuple(row["frontier"]))


def _grown(head: Head, leaf: bytes) -> Growth:
    try:
        return grow(head.size, head.frontier, leaf)
    except ValueError as error:
        msg = f"the head of the ledger is not one of {head.size} entries"
        raise LedgerTampered(msg, hint="run `honed verify`") from error


def _write(
    conn: Connection,
    statement: Statement,
    envelope: bytes,
    growth: Growth,
    cause_indexes: Sequence[int],
) -> None:
    (_, leaf), *inner = growth.completed
    conn.execute(
        QUERIES["append_entry"],
        {
            "index": statement.index,
            "leaf": leaf,
            "event": statement.event,
            "recorded_at": statement.recorded_at,
            "envelope": envelope.decode(),
            "parents": list(cause_indexes),
            "levels": [node.level for node, _ in inner],
            "indexes": [node.number for node, _ in inner],
            "hashes": [hash_ for _, hash_ in inner],
            "frontier": list(growth.frontier),
        },
    )
