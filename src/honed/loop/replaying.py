"""The record of a change of code: what the ledger says was published, each entry proven."""

from dataclasses import dataclass
from typing import Any

from honed.core.canonical import digest
from honed.core.verdict import State
from honed.errors import LedgerError, LedgerTampered
from honed.improvement.record import events, get
from honed.ledger.keys import PublicKey
from honed.ledger.log import QUERIES, inclusion_proof, read_entry, read_head
from honed.ledger.merkle import leaf_hash, verify_inclusion
from honed.ledger.statement import Statement, unseal
from honed.loop.effects import Direction, effects_of
from honed.storage.db import Connection
from honed.targets.repository.replay import Publication, publication
from honed.targets.repository.requests import changes
from honed.targets.repository.requests.change import Change


@dataclass(frozen=True, slots=True)
class Record:
    """What the store and its ledger say of a change that was published."""

    change: Change
    #: The row of its repository.
    target_id: int
    publication: Publication
    #: The claim in full, as the ledger has it.
    hypothesis: dict[str, Any]
    #: The commit that the entry after the push names; empty: it is not recorded as done.
    published: str


def read_record(conn: Connection, public_key: PublicKey, change_id: int) -> Record:
    """Return what is recorded of a change, with every entry's signature and place checked.

    Raises:
        UnknownChange: there is none with this id.
        LedgerTampered: an entry is not as it was signed, or at another place.
        LedgerError: the change is of no improvement, or the record does not say what it is.
    """
    change = changes.get(conn, change_id)
    if change.improvement_id is None:
        msg = f"change {change_id} is of no improvement, so nothing records how it is made"
        raise LedgerError(msg)
    happened = {each.to_state: each.ledger_index for each in events(conn, change.improvement_id)}
    if State.APPLYING not in happened:
        msg = f"improvement {change.improvement_id} was not begun"
        raise LedgerError(msg)
    recorded = publication(_proven(conn, public_key, happened[State.APPLYING]))
    if recorded.commit != change.head_commit:
        msg = f"change {change_id} is no publication of improvement {change.improvement_id}"
        raise LedgerError(msg, hint="the revert of a merged change is made of that one's files")
    proposed = _proven(conn, public_key, happened[State.PROPOSED])
    hypothesis: Any = proposed.detail["hypothesis"]
    if recorded.claim and digest(hypothesis) != recorded.claim:
        msg = f"the commit of change {change_id} names another claim than entry {proposed.index}"
        raise LedgerTampered(msg, entry=proposed.index)
    return Record(
        change=change,
        target_id=get(conn, change.improvement_id).target_id,
        publication=recorded,
        hypothesis=hypothesis,
        published=_published(conn, public_key, change.improvement_id),
    )


def _published(conn: Connection, public_key: PublicKey, improvement_id: int) -> str:
    """Return the commit that the entry after the push names; empty: there is none."""
    ended = [
        bytes.fromhex(str(each.detail["ledger_ended"]))
        for each in effects_of(conn, improvement_id)
        if each.direction is Direction.DO and "ledger_ended" in each.detail
    ]
    rows = conn.execute(QUERIES["find_entries"], {"hashes": ended}).fetchall()
    said = [_proven(conn, public_key, row["leaf_index"]) for row in rows]
    return next((str(each.detail["commit"]) for each in said if "commit" in each.detail), "")


def _proven(conn: Connection, public_key: PublicKey, index: int) -> Statement:
    """Return what an entry says, proven to be signed and to be in the log at its place.

    Raises:
        LedgerTampered: it is not.
    """
    entry, head = read_entry(conn, index), read_head(conn)
    envelope = entry.envelope.encode()
    statement = unseal(envelope, public_key)
    path = inclusion_proof(conn, index, head.size)
    is_in = verify_inclusion(leaf_hash(envelope), index, head.size, path, head.root)
    if not is_in or (statement.origin, statement.index) != (head.origin, index):
        msg = f"entry {index} is not the one that was appended there"
        raise LedgerTampered(msg, entry=index, hint="run `honed verify`")
    return statement
