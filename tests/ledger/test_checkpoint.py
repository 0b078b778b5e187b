"""Checkpoints: signed notes outside of the database that never contradict each other."""

import base64
import errno
import os
import resource
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from honed.errors import ConfigurationError, DiskFull, LedgerError, LedgerTampered
from honed.ledger.checkpoint import (
    Checkpoint,
    _file_error,
    note_key_id,
    parse_checkpoint,
    read_checkpoints,
    sign_checkpoint,
    write_checkpoint,
)
from honed.ledger.keys import PublicKey, Signer
from honed.ledger.log import Entry, Head, read_head
from honed.ledger.merkle import leaf_hash
from honed.storage.db import Connection, Database

Fill = Callable[[Connection, int], list[Entry]]

SIGNER = Signer.generate()
HEAD = Head("honed.dev/ledger/test", 5, (leaf_hash(b"left"), leaf_hash(b"right")))
NOTE = sign_checkpoint(HEAD, SIGNER).note


def test_the_key_id_is_that_of_signed_notes() -> None:
    # The public key of Go's checksum database: sum.golang.org+033de0ae+Ac4z...
    key = base64.b64decode("Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8")
    assert note_key_id("sum.golang.org", PublicKey(key[1:])).hex() == "033de0ae"


def test_a_checkpoint_is_a_signed_note() -> None:
    origin, size, root, blank, signature, end = NOTE.split("\n")
    assert (origin, size, blank, end) == ("honed.dev/ledger/test", "5", "", "")
    assert base64.b64decode(root) == HEAD.root
    mark, name, encoded = signature.split(" ")
    assert (mark, name) == ("\N{EM DASH}", origin)
    signed = base64.b64decode(encoded)
    assert signed[:4] == note_key_id(origin, SIGNER.public_key)
    assert SIGNER.public_key.verifies(signed[4:], f"{origin}\n5\n{root}\n".encode())


def test_what_is_signed_is_what_is_read() -> None:
    read = parse_checkpoint(NOTE, SIGNER.public_key)
    assert read == Checkpoint(HEAD.origin, 5, HEAD.root, NOTE)


def test_a_witness_may_sign_beside() -> None:
    witness = f"{NOTE}\N{EM DASH} witness.example AAAAAAAA\n"
    assert parse_checkpoint(witness, SIGNER.public_key).size == 5


@settings(derandomize=True, deadline=None)
@given(st.integers(0, len(NOTE) - 1), st.characters(exclude_categories=["Cs"]))
def test_no_changed_character_passes(place: int, character: str) -> None:
    changed = NOTE[:place] + character + NOTE[place + 1 :]
    if changed == NOTE:
        return
    try:
        read = parse_checkpoint(changed, SIGNER.public_key)
    except LedgerTampered:
        return
    # Only base64's ignored bits in the signature are left, and they change nothing.
    assert place > NOTE.index("\n\n")
    assert (read.origin, read.size, read.root) == (HEAD.origin, 5, HEAD.root)


@pytest.mark.parametrize(
    "note",
    ["", "\n", NOTE[:-1], NOTE + "\n", NOTE + NOTE, "x\n" + NOTE, NOTE.replace("\n5\n", "\n05\n")],
)
def test_what_is_no_note_is_refused(note: str) -> None:
    with pytest.raises(LedgerTampered):
        parse_checkpoint(note, SIGNER.public_key)


def test_another_key_is_refused() -> None:
    with pytest.raises(LedgerTampered, match="of 5 entries is not signed by this key"):
        parse_checkpoint(NOTE, Signer.generate().public_key)


def test_checkpoints_are_appended_as_the_log_grows(
    store: Database, signer: Signer, fill: Fill, tmp_path: Path
) -> None:
    file = tmp_path / "checkpoints"
    written = []
    for count in (0, 1, 4, 0, 5):
        with store.transaction() as conn:
            fill(conn, count)
        with store.transaction() as conn:
            written.append(write_checkpoint(conn, signer, file))
            assert written[-1].root == read_head(conn).root
    assert [checkpoint.size for checkpoint in written] == [0, 1, 5, 5, 10]
    # Nothing is written while the log does not grow.
    assert read_checkpoints(file, signer.public_key) == (*written[:3], written[4])


def test_no_file_means_no_checkpoints(tmp_path: Path, signer: Signer) -> None:
    assert read_checkpoints(tmp_path / "none", signer.public_key) == ()


def test_what_may_be_rolled_back_is_not_signed(
    store: Database, signer: Signer, fill: Fill, tmp_path: Path
) -> None:
    file = tmp_path / "checkpoints"
    with store.connect() as conn:
        fill(conn, 3)
        with pytest.raises(LedgerError, match="has written nothing"):
            write_checkpoint(conn, signer, file)
        conn.rollback()
    assert read_checkpoints(file, signer.public_key) == ()


def test_a_log_that_went_back_is_not_signed(
    store: Database, signer: Signer, fill: Fill, tmp_path: Path
) -> None:
    file = tmp_path / "checkpoints"
    elsewhere = Head(origin_of(store), 8, (leaf_hash(b"later"),))
    file.write_text(sign_checkpoint(elsewhere, signer).note)
    with store.transaction() as conn:
        fill(conn, 7)
    with (
        store.transaction() as conn,
        pytest.raises(LedgerTampered, match="has 7 entries, but 8 were signed") as raised,
    ):
        write_checkpoint(conn, signer, file)
    assert raised.value.entry == 7
    assert len(read_checkpoints(file, signer.public_key)) == 1


def test_a_fork_is_not_signed(store: Database, signer: Signer, fill: Fill, tmp_path: Path) -> None:
    file = tmp_path / "checkpoints"
    fork = Head(origin_of(store), 4, (leaf_hash(b"another history"),))
    file.write_text(sign_checkpoint(fork, signer).note)
    with store.transaction() as conn:
        fill(conn, 7)
    with (
        store.transaction() as conn,
        pytest.raises(LedgerTampered, match="does not continue its checkpoint of 4"),
    ):
        write_checkpoint(conn, signer, file)


def test_the_file_of_another_log_is_left_alone(
    store: Database, signer: Signer, tmp_path: Path
) -> None:
    file = tmp_path / "checkpoints"
    file.write_text(sign_checkpoint(HEAD, signer).note)
    with (
        store.transaction() as conn,
        pytest.raises(LedgerTampered, match="of another ledger, honed"),
    ):
        write_checkpoint(conn, signer, file)


def origin_of(store: Database) -> str:
    with store.transaction() as conn:
        return read_head(conn).origin


def test_another_key_signs_no_checkpoint(filled: Database, tmp_path: Path) -> None:
    file = tmp_path / "checkpoints"
    with pytest.raises(LedgerError, match="another key"), filled.transaction() as conn:
        write_checkpoint(conn, Signer.generate(), file)
    assert file.read_text() == ""


def test_a_changed_file_is_noticed(filled: Database, signer: Signer, tmp_path: Path) -> None:
    file = tmp_path / "checkpoints"
    with filled.transaction() as conn:
        write_checkpoint(conn, signer, file)
    file.write_text(file.read_text().replace("\n21\n", "\n20\n"))
    with pytest.raises(LedgerTampered, match="of 20 entries is not signed"):
        read_checkpoints(file, signer.public_key)
    with filled.transaction() as conn, pytest.raises(LedgerTampered, match="of 20 entries"):
        write_checkpoint(conn, signer, file)


def test_a_torn_write_costs_nothing_but_itself(
    filled: Database, signer: Signer, fill: Fill, tmp_path: Path
) -> None:
    file = tmp_path / "checkpoints"
    with filled.transaction() as conn:
        first = write_checkpoint(conn, signer, file)
    with file.open("a") as handle:
        handle.write("\nhoned.dev/ledger/test\n22\nAAAA")
    with filled.transaction() as conn:
        fill(conn, 2)
    with filled.transaction() as conn:
        second = write_checkpoint(conn, signer, file)
    assert read_checkpoints(file, signer.public_key) == (first, second)


def test_processes_that_write_at_once_write_one_history(
    filled: Database, signer: Signer, fill: Fill, tmp_path: Path
) -> None:
    file = tmp_path / "checkpoints"

    def grow_and_write(_: int) -> int:
        with filled.transaction() as conn:
            fill(conn, 1)
        with filled.transaction() as conn:
            return write_checkpoint(conn, signer, file).size

    with ThreadPoolExecutor(4) as pool:
        sizes = set(pool.map(grow_and_write, range(16)))
    written = [checkpoint.size for checkpoint in read_checkpoints(file, signer.public_key)]
    assert written == sorted(sizes)
    assert max(written) == 37


def test_a_full_disk_leaves_the_file_as_it_was(
    filled: Database, signer: Signer, fill: Fill, tmp_path: Path
) -> None:
    file = tmp_path / "checkpoints"
    with filled.transaction() as conn:
        write_checkpoint(conn, signer, file)
    before = file.read_bytes()
    with filled.transaction() as conn:
        fill(conn, 1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 20, hard))
    try:
        with (
            filled.transaction() as conn,
            pytest.raises(ConfigurationError, match=os.strerror(errno.EFBIG)),
        ):
            write_checkpoint(conn, signer, file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert file.read_bytes() == before


def test_a_full_disk_is_called_one(tmp_path: Path) -> None:
    error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    full = _file_error(tmp_path / "checkpoints", error)
    assert isinstance(full, DiskFull)
    assert str(full) == f"the checkpoint file {tmp_path}/checkpoints: No space left on device"


def test_a_place_that_cannot_be_written_is_named(
    filled: Database, signer: Signer, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path, tmp_path / "file" / "checkpoints"):
        with filled.transaction() as conn, pytest.raises(ConfigurationError, match=str(place)):
            write_checkpoint(conn, signer, place)
    with pytest.raises(ConfigurationError, match="Is a directory"):
        read_checkpoints(tmp_path, signer.public_key)
