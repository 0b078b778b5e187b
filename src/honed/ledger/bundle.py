"""One entry with its proof, so that a stranger can check it without a database or a network."""

import json
from collections.abc import Mapping
from typing import Any, Final

from honed.core.canonical import Json, canonical_json
from honed.errors import LedgerError, LedgerTampered
from honed.ledger.checkpoint import Checkpoint, parse_checkpoint
from honed.ledger.keys import PublicKey
from honed.ledger.log import inclusion_proof, read_entry
from honed.ledger.merkle import leaf_hash, verify_inclusion
from honed.ledger.statement import Statement, unseal
from honed.storage.db import Connection

MEDIA_TYPE: Final = "application/vnd.honed.bundle.v1+json"


def export_bundle(conn: Connection, index: int, checkpoint: Checkpoint) -> dict[str, Json]:
    """Return entry ``index`` with what proves that it is under ``checkpoint``, as plain JSON.

    Raises:
        LedgerError: there is no such entry, or the checkpoint does not cover it.
        LedgerTampered: the stored entry is not the one that the checkpoint covers.
    """
    entry = read_entry(conn, index)
    if index >= checkpoint.size:
        msg = f"the checkpoint covers {checkpoint.size} entries, so not entry {index}"
        raise LedgerError(msg, hint="write a new checkpoint first")
    path = inclusion_proof(conn, index, checkpoint.size)
    leaf = leaf_hash(entry.envelope.encode())
    if not verify_inclusion(leaf, index, checkpoint.size, path, checkpoint.root):
        msg = f"entry {index} is not the one that the checkpoint covers"
        raise LedgerTampered(msg, entry=index, hint="run `honed verify`")
    return {
        "mediaType": MEDIA_TYPE,
        "envelope": json.loads(entry.envelope),
        "index": index,
        "path": [hash_.hex() for hash_ in path],
        "checkpoint": checkpoint.note,
    }


def verify_bundle(bundle: Mapping[str, Any], public_key: PublicKey) -> Statement:
    """Return what the entry in ``bundle`` says, proven to be in the log that ``public_key`` signed.

    Pure: reads nothing but its arguments. It proves that honed recorded this and has committed to
    it in the checkpoint; not that what was recorded is true, nor that everybody was shown the same
    checkpoint.

    Raises:
        LedgerTampered: the bundle is malformed or does not prove what it should.
    """
    try:
        media_type, index = bundle["mediaType"], int(bundle["index"])
        leaf = canonical_json(bundle["envelope"])
        path = [bytes.fromhex(hash_) for hash_ in bundle["path"]]
        note = str(bundle["checkpoint"])
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        msg = "this is not a bundle of a ledger"
        raise LedgerTampered(msg, hint="`honed ledger export` writes bundles") from error
    if media_type != MEDIA_TYPE:
        msg = f"this is a {media_type!r}, not a {MEDIA_TYPE!r}"
        raise LedgerTampered(msg, hint="check it with the honed that wrote it")
    checkpoint = parse_checkpoint(note, public_key)
    statement = unseal(leaf, public_key)
    if (statement.origin, statement.index) != (checkpoint.origin, index):
        msg = f"the statement belongs at entry {statement.index} of {statement.origin}"
        raise LedgerTampered(msg, entry=index)
    if not verify_inclusion(leaf_hash(leaf), index, checkpoint.size, path, checkpoint.root):
        msg = f"the path does not prove entry {index} to be under the checkpoint"
        raise LedgerTampered(msg, entry=index)
    return statement
