"""Verification: whatever is done to the tables behind honed's back is seen and located."""

import base64
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from honed.errors import LedgerTampered
from honed.ledger.checkpoint import Checkpoint, sign_checkpoint
from honed.ledger.keys import Signer
from honed.ledger.log import Entry, Head, append, read_head
from honed.ledger.merkle import EMPTY_ROOT, grow, leaf_hash, root_of
from honed.ledger.statement import Statement, seal, unseal
from honed.ledger.verify import verify_log
from honed.storage.db import Connection, Database

SIZE = 41
ROUNDS = 200
SEED = 20261121

Fill = Callable[[Connection, int], list[Entry]]


@dataclass(frozen=True)
class Forger:
    """A superuser who has switched the triggers off, and may have stolen the key."""

    conn: Connection
    rng: random.Random
    signer: Signer

    def envelopes(self) -> list[bytes]:
        rows = self.conn.execute("SELECT envelope FROM honed.log_entry ORDER BY leaf_index")
        return [row["envelope"].encode() for row in rows]

    def statement(self, envelope: bytes) -> Statement:
        return unseal(envelope, self.signer.public_key)

    def rebuild(self, envelopes: Sequence[bytes]) -> None:
        """Write a log of these envelopes without a flaw in its hashes, columns and head."""
        for table in ("log_parent", "log_node", "log_entry"):
            self.conn.execute(f"DELETE FROM honed.{table}")  # noqa: S608 - three fixed names
        places: dict[str, int] = {}
        frontier: tuple[bytes, ...] = ()
        for index, envelope in enumerate(envelopes):
            leaf = leaf_hash(envelope)
            payload = json.loads(base64.b64decode(json.loads(envelope)["payload"]))["predicate"]
            self.conn.execute(
                "INSERT INTO honed.log_entry VALUES (%s, %s, %s, %s, %s)",
                (index, leaf, payload["event"], payload["recordedAt"], envelope.decode()),
            )
            growth = grow(index, frontier, leaf)
            for node, hash_ in growth.completed[1:]:
                self.conn.execute("INSERT INTO honed.log_node VALUES (%s, %s, %s)", (*node, hash_))
            for parent in payload["parents"]:
                if parent in places:
                    self.conn.execute(
                        "INSERT INTO honed.log_parent VALUES (%s, %s)", (index, places[parent])
                    )
            places[leaf.hex()] = index
            frontier = growth.frontier
        self.conn.execute(
            "UPDATE honed.log_head SET size = %s, frontier = %s::bytea[]",
            (len(envelopes), list(frontier)),
        )

    def resigned(self, envelopes: Sequence[bytes], signer: Signer) -> list[bytes]:
        """Sign the statements again at the places where they stand now, parents renamed."""
        names: dict[str, str] = {}
        signed = []
        for index, envelope in enumerate(envelopes):
            old = self.statement(envelope)
            parents = tuple(names[parent] for parent in old.parents if parent in names)
            signed.append(seal(replace(old, index=index, parents=parents), signer))
            names[leaf_hash(envelope).hex()] = leaf_hash(signed[-1]).hex()
        return signed


#: Which entry is named depends on what was drawn, or no entry is to blame.
ANY = -1

#: Does its harm and returns the entry that must be named.
Tampering = Callable[[Forger], int]


def edit_envelope(forger: Forger) -> int:
    index = forger.rng.randrange(SIZE)
    text = forger.envelopes()[index].decode()
    place = forger.rng.randrange(len(text))
    other = forger.rng.choice([char for char in "abcXYZ019" if char != text[place]])
    forger.conn.execute(
        "UPDATE honed.log_entry SET envelope = %s WHERE leaf_index = %s",
        (text[:place] + other + text[place + 1 :], index),
    )
    return index


def edit_envelope_and_every_hash(forger: Forger) -> int:
    envelopes = forger.envelopes()
    index = forger.rng.randrange(SIZE)
    value = json.loads(envelopes[index])
    payload = base64.b64decode(value["payload"]).replace(b'"gain":"0.25"', b'"gain":"0.75"')
    value["payload"] = base64.b64encode(payload).decode()
    envelopes[index] = json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    forger.rebuild(envelopes)
    return index


def edit_with_the_key(forger: Forger) -> int:
    envelopes = forger.envelopes()
    index = forger.rng.randrange(SIZE)
    old = forger.statement(envelopes[index])
    envelopes[index] = seal(replace(old, detail={"gain": "0.75"}), forger.signer)
    forger.conn.execute(
        "UPDATE honed.log_entry SET envelope = %s, leaf_hash = %s WHERE leaf_index = %s",
        (envelopes[index].decode(), leaf_hash(envelopes[index]), index),
    )
    # What is seen first: the last entry has no brother yet, so only the root shows it.
    return 0 if index == SIZE - 1 else ANY


def edit_leaf_hash(forger: Forger) -> int:
    index = forger.rng.randrange(SIZE)
    forger.conn.execute(
        "UPDATE honed.log_entry SET leaf_hash = %s WHERE leaf_index = %s",
        (forger.rng.randbytes(32), index),
    )
    return index


def delete_entry(forger: Forger) -> int:
    index = forger.rng.randrange(SIZE)
    forger.conn.execute(
        "DELETE FROM honed.log_parent WHERE child_index = %(index)s OR parent_index = %(index)s",
        {"index": index},
    )
    forger.conn.execute("DELETE FROM honed.log_entry WHERE leaf_index = %s", (index,))
    # An entry that lost its parent comes after it, so the gap is seen first.
    return index


def delete_and_close_the_gap(forger: Forger) -> int:
    envelopes = forger.envelopes()
    index = forger.rng.randrange(SIZE - 1)
    del envelopes[index]
    forger.rebuild(envelopes)
    return index


def reorder(forger: Forger) -> int:
    envelopes = forger.envelopes()
    left, right = sorted(forger.rng.sample(range(SIZE), 2))
    envelopes[left], envelopes[right] = envelopes[right], envelopes[left]
    forger.rebuild(envelopes)
    return left


def truncate(forger: Forger) -> int:
    size = forger.rng.randrange(SIZE)
    forger.rebuild(forger.envelopes()[:size])
    return size


def rebuild_without_one_with_the_key(forger: Forger) -> int:
    envelopes = forger.envelopes()
    del envelopes[forger.rng.randrange(SIZE)]
    more = seal(replace(forger.statement(envelopes[-1]), index=SIZE - 1), forger.signer)
    forger.rebuild(forger.resigned([*envelopes, more], forger.signer))
    return 0


def fork_with_the_key(forger: Forger) -> int:
    size = forger.rng.randrange(SIZE - 1)
    forger.rebuild(forger.envelopes()[:size])
    for _ in range(SIZE + 3 - size):
        append(
            forger.conn,
            forger.signer,
            event="kept",
            subject={"steps": forger.rng.randbytes(32).hex()},
            predicate={},
        )
    return 0


def sign_with_another_key(forger: Forger) -> int:
    forger.rebuild(forger.resigned(forger.envelopes(), Signer.generate()))
    return 0


def replay_an_old_entry(forger: Forger) -> int:
    envelopes = forger.envelopes()
    forger.conn.execute("ALTER TABLE honed.log_entry DROP CONSTRAINT log_entry_leaf_hash_key")
    forger.rebuild([*envelopes, forger.rng.choice(envelopes)])
    return SIZE


def edit_node(forger: Forger) -> int:
    forger.conn.execute(
        """
        UPDATE honed.log_node SET hash = %s WHERE (level, node_index) = (
            SELECT level, node_index FROM honed.log_node
            ORDER BY level, node_index OFFSET %s LIMIT 1)
        """,
        (forger.rng.randbytes(32), forger.rng.randrange(SIZE - SIZE.bit_count())),
    )
    return ANY


def delete_node(forger: Forger) -> int:
    forger.conn.execute(
        """
        DELETE FROM honed.log_node WHERE (level, node_index) = (
            SELECT level, node_index FROM honed.log_node
            ORDER BY level, node_index OFFSET %s LIMIT 1)
        """,
        (forger.rng.randrange(SIZE - SIZE.bit_count()),),
    )
    return ANY


def add_node(forger: Forger) -> int:
    forger.conn.execute(
        "INSERT INTO honed.log_node VALUES (%s, %s, %s)",
        (forger.rng.randrange(1, 7), forger.rng.randrange(SIZE, 99), forger.rng.randbytes(32)),
    )
    return ANY


def edit_event(forger: Forger) -> int:
    index = forger.rng.randrange(SIZE)
    forger.conn.execute(
        "UPDATE honed.log_entry SET event = 'forged' WHERE leaf_index = %s", (index,)
    )
    return index


def edit_time(forger: Forger) -> int:
    index = forger.rng.randrange(SIZE)
    forger.conn.execute(
        """
        UPDATE honed.log_entry SET recorded_at = recorded_at + interval '1 microsecond'
        WHERE leaf_index = %s
        """,
        (index,),
    )
    return index


def delete_parent(forger: Forger) -> int:
    index = forger.rng.randrange(1, SIZE)
    forger.conn.execute("DELETE FROM honed.log_parent WHERE child_index = %s", (index,))
    return index


def add_parent(forger: Forger) -> int:
    index = forger.rng.randrange(10, SIZE)
    forger.conn.execute("INSERT INTO honed.log_parent VALUES (%s, 2)", (index,))
    return index


def add_parent_behind_the_head(forger: Forger) -> int:
    forger.conn.execute("INSERT INTO honed.log_parent VALUES (%s, 2)", (SIZE,))
    return SIZE


def edit_head(forger: Forger) -> int:
    size = forger.rng.choice([size for size in range(SIZE + 9) if size != SIZE])
    forger.conn.execute("UPDATE honed.log_head SET size = %s", (size,))
    return ANY


def edit_frontier(forger: Forger) -> int:
    frontier = [forger.rng.randbytes(32) for _ in range(SIZE.bit_count())]
    forger.conn.execute("UPDATE honed.log_head SET frontier = %s::bytea[]", (frontier,))
    return ANY


def move_to_another_log(forger: Forger) -> int:
    forger.conn.execute("UPDATE honed.log_head SET origin = 'honed.dev/ledger/other'")
    return ANY


def add_entry_behind_the_head(forger: Forger) -> int:
    statement = replace(forger.statement(forger.envelopes()[-1]), index=SIZE)
    envelope = seal(statement, forger.signer)
    forger.conn.execute(
        "INSERT INTO honed.log_entry VALUES (%s, %s, %s, %s, %s)",
        (SIZE, leaf_hash(envelope), statement.event, statement.recorded_at, envelope.decode()),
    )
    return SIZE


def delete_head(forger: Forger) -> int:
    forger.conn.execute("DELETE FROM honed.log_head")
    return ANY


TAMPERINGS: list[Tampering] = [
    edit_envelope,
    edit_envelope_and_every_hash,
    edit_with_the_key,
    edit_leaf_hash,
    delete_entry,
    delete_and_close_the_gap,
    reorder,
    truncate,
    rebuild_without_one_with_the_key,
    fork_with_the_key,
    sign_with_another_key,
    replay_an_old_entry,
    edit_node,
    delete_node,
    add_node,
    edit_event,
    edit_time,
    delete_parent,
    add_parent,
    add_parent_behind_the_head,
    edit_head,
    edit_frontier,
    move_to_another_log,
    add_entry_behind_the_head,
    delete_head,
]


@pytest.fixture
def forger(store: Database, signer: Signer, fill: Fill) -> Any:
    with store.transaction() as conn:
        fill(conn, SIZE)
        for table in ("log_parent", "log_node", "log_entry", "log_head"):
            conn.execute(f"ALTER TABLE honed.{table} DISABLE TRIGGER ALL")
    with store.connect() as conn:
        yield Forger(conn, random.Random(SEED), signer)  # noqa: S311 - an example, not a secret
        conn.rollback()


@pytest.fixture
def checkpoint(forger: Forger, signer: Signer) -> Checkpoint:
    return sign_checkpoint(read_head(forger.conn), signer)


@pytest.mark.slow
def test_every_random_tampering_is_detected_with_one_checkpoint(
    forger: Forger, checkpoint: Checkpoint
) -> None:
    for number in range(ROUNDS):
        tamper = TAMPERINGS[number % len(TAMPERINGS)]
        batch = forger.rng.choice([3, 500])
        with forger.conn.transaction(force_rollback=True):
            expected = tamper(forger)
            with pytest.raises(LedgerTampered) as raised:
                verify_log(forger.conn, forger.signer.public_key, [checkpoint], batch=batch)
            assert raised.value.hint
            assert expected in {ANY, raised.value.entry}, (number, tamper.__name__, raised.value)
    # It was the tampering that was refused: without it the log is as it should be.
    report = verify_log(forger.conn, forger.signer.public_key, [checkpoint])
    assert (report.size, report.covered) == (SIZE, SIZE)


@pytest.mark.parametrize(
    ("tamper", "message"),
    [
        (truncate, "were signed"),
        (rebuild_without_one_with_the_key, "the entries 0 to 40 are not those"),
        (fork_with_the_key, "the entries 0 to 40 are not those"),
    ],
)
def test_only_a_checkpoint_outside_shows_a_history_that_is_flawless_in_itself(
    forger: Forger, checkpoint: Checkpoint, tamper: Tampering, message: str
) -> None:
    tamper(forger)
    assert verify_log(forger.conn, forger.signer.public_key).covered == 0
    with pytest.raises(LedgerTampered, match=message):
        verify_log(forger.conn, forger.signer.public_key, [checkpoint])


def test_the_last_checkpoint_that_agrees_bounds_what_was_rewritten(
    forger: Forger, fill: Fill, signer: Signer
) -> None:
    checkpoints = [sign_checkpoint(read_head(forger.conn), signer)]
    for _ in range(3):
        fill(forger.conn, 5)
        checkpoints.append(sign_checkpoint(read_head(forger.conn), signer))
    envelopes = forger.envelopes()
    envelopes[48] = seal(replace(forger.statement(envelopes[48]), parents=()), signer)
    forger.rebuild(envelopes[:49])
    fill(forger.conn, 7)
    with pytest.raises(LedgerTampered, match="the entries 46 to 50 are not those") as raised:
        verify_log(forger.conn, signer.public_key, checkpoints[::-1])
    assert raised.value.entry == 46


@pytest.mark.parametrize("batch", [1, 7, SIZE, 500])
def test_a_log_as_it_was_signed_is_reported_so(
    forger: Forger, checkpoint: Checkpoint, batch: int
) -> None:
    head = read_head(forger.conn)
    report = verify_log(forger.conn, forger.signer.public_key, [checkpoint], batch=batch)
    assert (report.origin, report.size, report.root) == (head.origin, SIZE, head.root.hex())
    assert (report.checkpoints, report.covered) == (1, SIZE)


def test_an_empty_log_verifies(store: Database, signer: Signer) -> None:
    with store.transaction() as conn:
        origin = read_head(conn).origin
        empty = sign_checkpoint(Head(origin, 0, ()), signer)
        report = verify_log(conn, signer.public_key, [empty])
        assert (report.size, report.root, report.covered) == (0, EMPTY_ROOT.hex(), 0)


def test_what_is_appended_meanwhile_is_left_for_the_next_time(
    filled: Database, signer: Signer, fill: Fill
) -> None:
    with filled.connect() as reader, filled.connect() as writer:
        fill(writer, 5)
        assert verify_log(reader, signer.public_key).size == 21
        writer.commit()
        assert verify_log(reader, signer.public_key).size == 26


def test_a_checkpoint_of_another_log_is_refused(filled: Database, signer: Signer) -> None:
    other = sign_checkpoint(Head("honed.dev/ledger/other", 0, ()), signer)
    with filled.transaction() as conn, pytest.raises(LedgerTampered, match="checkpoint is of hon"):
        verify_log(conn, signer.public_key, [other])


def test_a_checkpoint_that_nobody_signed_is_refused(filled: Database, signer: Signer) -> None:
    with filled.transaction() as conn:
        head = read_head(conn)
        forged = sign_checkpoint(head, Signer.generate())
        dressed = Checkpoint(head.origin, head.size, root_of(head.frontier), forged.note)
        with pytest.raises(LedgerTampered, match="not signed by this key"):
            verify_log(conn, signer.public_key, [dressed])


def test_another_key_is_told_apart_from_a_changed_entry(filled: Database) -> None:
    with filled.transaction() as conn, pytest.raises(LedgerTampered) as raised:
        verify_log(conn, Signer.generate().public_key)
    assert raised.value.entry == 0
    assert raised.value.hint.startswith("check that this is the public key")
