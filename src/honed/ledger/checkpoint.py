"""Checkpoints: signed heads of the log, kept outside the database as C2SP signed notes.

Sources: c2sp.org/signed-note and c2sp.org/tlog-checkpoint. A checkpoint is what makes a rewritten
history visible: it protects exactly the entries that it covers, and only as long as a copy of it
exists that whoever rewrites the database cannot rewrite too.
"""

import base64
import binascii
import errno
import fcntl
import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from io import FileIO
from pathlib import Path
from typing import Final

from honed.errors import ConfigurationError, DiskFull, LedgerTampered, MissingCheckpoints
from honed.ledger.keys import PublicKey, Signer
from honed.ledger.log import QUERIES, Head, consistency_proof, read_committed_head, refuse_other_key
from honed.ledger.merkle import HASH_BYTES, verify_consistency
from honed.storage.db import Connection

_SIGNATURE_MARK: Final = "\N{EM DASH} "
# The type byte of an Ed25519 key in a signed note.
_ED25519: Final = b"\x01"

_NOTE = re.compile(
    rf"^(?P<text>(?:(?!{_SIGNATURE_MARK})[^\n]+\n)+)\n(?P<lines>(?:{_SIGNATURE_MARK}[^\n]+\n)+)",
    re.MULTILINE,
)
#: By then honed has signed a checkpoint: the daemon does every few minutes, a cycle at its end.
_FIRST_AFTER: Final = timedelta(hours=1)
_TEXT = re.compile(r"(?P<origin>[!-*,-~]+)\n(?P<size>0|[1-9][0-9]{0,18})\n(?P<root>[^\n]+)\n")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A head that was signed. Made by ``sign_checkpoint`` or ``parse_checkpoint`` alone."""

    #: Which log it is of.
    origin: str
    #: How many entries it covers.
    size: int
    #: The root hash over them.
    root: bytes
    #: The whole signed note, as it is kept and handed on.
    note: str


def note_key_id(name: str, public_key: PublicKey) -> bytes:
    """Return the 4 bytes that name a key in a signed note (signed-note, "Signatures")."""
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public_key.raw).digest()[:4]


def sign_checkpoint(head: Head, signer: Signer) -> Checkpoint:
    """Return the checkpoint of ``head``. The key's name in the note is the log's origin."""
    text = f"{head.origin}\n{head.size}\n{base64.b64encode(head.root).decode()}\n"
    signature = note_key_id(head.origin, signer.public_key) + signer.sign(text.encode())
    line = f"{_SIGNATURE_MARK}{head.origin} {base64.b64encode(signature).decode()}\n"
    return Checkpoint(head.origin, head.size, head.root, f"{text}\n{line}")


def parse_checkpoint(note: str, public_key: PublicKey) -> Checkpoint:
    """Return the checkpoint in ``note``, which ``public_key`` must have signed.

    Signatures by other keys (witnesses) may stand beside it; they are not checked.

    Raises:
        LedgerTampered: the note is malformed, or this key did not sign it.
    """
    match = _NOTE.fullmatch(note)
    head = match and _TEXT.fullmatch(match["text"])
    if not match or not head:
        msg = "this is not a checkpoint of a ledger"
        raise LedgerTampered(msg, hint="a checkpoint is the whole signed note, to its last line")
    origin = head["origin"]
    name = note_key_id(origin, public_key)
    signatures = [sig for key, sig in _signatures(match["lines"], origin) if key == name]
    if not any(public_key.verifies(sig, match["text"].encode()) for sig in signatures):
        msg = f"the checkpoint of {head['size']} entries is not signed by this key"
        raise LedgerTampered(msg, hint="check the public key, and who wrote the checkpoint")
    root = _decoded(head["root"])
    if len(root) != HASH_BYTES:
        msg = "the checkpoint's root is not a SHA-256"
        raise LedgerTampered(msg)
    return Checkpoint(origin, int(head["size"]), root, note)


def read_checkpoints(file: Path, public_key: PublicKey) -> tuple[Checkpoint, ...]:
    """Return the checkpoints in ``file``, oldest first; none where there is no file.

    Raises:
        ConfigurationError: the file cannot be read.
        LedgerTampered: this key did not sign one of them.
    """
    try:
        content = file.read_text("utf-8", errors="replace")
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise _file_error(file, error) from error
    return tuple(parse_checkpoint(note, public_key) for note in _notes(content))


def refuse_no_checkpoints(conn: Connection, file: Path, known: Sequence[Checkpoint]) -> None:
    """Refuse an empty or missing ``file``, unless the log is younger than its first checkpoint.

    Raises:
        MissingCheckpoints: ``known``, which was read from the file, is empty, and should not be.
    """
    row = conn.execute(QUERIES["is_old"], {"limit": _FIRST_AFTER}).fetchone()
    if row and row["is_old"] and not known:
        msg = f"{file} holds no checkpoints, so nobody would see it if the record had been cut off"
        raise MissingCheckpoints(msg)


def write_checkpoint(conn: Connection, signer: Signer, file: Path) -> Checkpoint:
    """Return the checkpoint of the log as it is now, appended to ``file`` and flushed to disk.

    Nothing is signed that does not continue the file's last checkpoint: a restored backup, or a
    rewritten history, is refused here. Where the log has not grown, nothing is written.

    Raises:
        LedgerTampered: the log does not continue the last checkpoint in ``file``.
        LedgerError: this transaction has written something, so what it sees may never be; or the
            log is signed with another key.
        ConfigurationError: the file cannot be written.
        DiskFull: there is no room for it; the file is as it was.
    """
    with _locked(file) as handle:
        # Read under the lock: otherwise a slower process would take a faster one for a fork.
        head = read_committed_head(conn)
        refuse_other_key(conn, signer)
        content = handle.read().decode("utf-8", errors="replace")
        notes = list(_notes(content))
        if notes:
            last = parse_checkpoint(notes[-1], signer.public_key)
            _refuse_fork(conn, last, head)
            if last.size == head.size:
                return last
        checkpoint = sign_checkpoint(head, signer)
        # The blank line is for people. After a torn write it also ends what was torn.
        gap = "" if not content else "\n" if content.endswith("\n") else "\n\n"
        _append(handle, file, (gap + checkpoint.note).encode())
    return checkpoint


def _refuse_fork(conn: Connection, last: Checkpoint, head: Head) -> None:
    if last.origin != head.origin:
        msg = f"the last checkpoint is of another ledger, {last.origin}"
        raise LedgerTampered(msg, hint="choose another checkpoint_file for this ledger")
    if last.size > head.size:
        msg = f"the ledger has {head.size} entries, but {last.size} were signed"
        raise LedgerTampered(msg, entry=head.size, hint=LOST_ENTRIES_HINT)
    path = consistency_proof(conn, last.size, head.size) if last.size else []
    if not verify_consistency(last.size, head.size, last.root, head.root, path):
        msg = f"the ledger does not continue its checkpoint of {last.size} entries"
        raise LedgerTampered(msg, hint="run `honed verify` to find the first changed entry")


LOST_ENTRIES_HINT: Final = (
    "entries were cut off, or an old backup was restored; restore a newer one before honed goes on"
)


def _notes(content: str) -> Iterator[str]:
    """Yield the notes in ``content``. What a torn write left, without signature, is no note."""
    for match in _NOTE.finditer(content):
        yield match[0]


def _signatures(lines: str, name: str) -> Iterator[tuple[bytes, bytes]]:
    """Yield key id and signature of each line by a key called ``name``."""
    for line in lines.splitlines():
        signer, _, encoded = line.removeprefix(_SIGNATURE_MARK).partition(" ")
        if signer == name:
            signature = _decoded(encoded)
            yield signature[:4], signature[4:]


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        msg = "the checkpoint holds malformed base64"
        raise LedgerTampered(msg) from error


@contextmanager
def _locked(file: Path) -> Iterator[FileIO]:
    """Hold ``file`` open for reading and appending, one process at a time."""
    try:
        handle = file.open("a+b", buffering=0)
    except OSError as error:
        raise _file_error(file, error) from error
    with handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        handle.seek(0)
        yield handle


def _append(handle: FileIO, file: Path, data: bytes) -> None:
    before = os.fstat(handle.fileno()).st_size
    rest = data
    try:
        while rest:
            rest = rest[handle.write(rest) :]
        os.fsync(handle.fileno())
    except OSError as error:
        handle.truncate(before)
        raise _file_error(file, error) from error


def _file_error(file: Path, error: OSError) -> ConfigurationError | DiskFull:
    msg = f"the checkpoint file {file}: {error.strerror}"
    if error.errno == errno.ENOSPC:
        return DiskFull(msg)
    return ConfigurationError(msg, hint="set checkpoint_file to a place that honed may append to")
