"""The log: appended in the caller's transaction, in one order, and provable from what is stored."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier
from typing import Any, LiteralString

import pytest

from honed.errors import ConfigurationError, LedgerError, LedgerTampered, NotAllowed
from honed.ledger.checkpoint import sign_checkpoint
from honed.ledger.keys import Signer
from honed.ledger.log import (
    Entry,
    append,
    consistency_proof,
    inclusion_proof,
    open_signer,
    read_entry,
    read_head,
    read_key_id,
)
from honed.ledger.merkle import EMPTY_ROOT, leaf_hash, verify_consistency, verify_inclusion
from honed.ledger.statement import MAX_ENVELOPE_BYTES, unseal
from honed.ledger.verify import verify_log
from honed.storage.db import Connection, Database, driver_errors

SUBJECT = {"steps": "ab" * 32}
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def test_an_entry_says_what_it_was_given(store: Database, signer: Signer) -> None:
    with replace(store, fake_now=NOON).transaction() as conn:
        first = append(conn, signer, event="proposed", subject=SUBJECT, predicate={})
        second = append(
            conn,
            signer,
            event="applied",
            subject=SUBJECT,
            predicate={"steps": ["CREATE INDEX \0 é"], "gain": 0.5},
            parents=[first.leaf_hash, first.leaf_hash],
        )
    with store.transaction() as conn:
        assert read_entry(conn, 1) == second
        origin = read_head(conn).origin
    statement = unseal(second.envelope.encode(), signer.public_key)
    assert leaf_hash(second.envelope.encode()).hex() == second.leaf_hash
    assert (statement.event, statement.index, statement.origin) == ("applied", 1, origin)
    assert (statement.recorded_at, statement.subject) == (NOON, SUBJECT)
    assert statement.detail == {"steps": ["CREATE INDEX \0 é"], "gain": "0.5"}
    assert statement.parents == (first.leaf_hash,)


def test_the_view_shows_the_statement_in_psql(filled: Database) -> None:
    with replace(filled, role="honed_viewer").transaction() as conn:
        rows = conn.execute("SELECT * FROM honed.ledger ORDER BY leaf_index").fetchall()
    assert [row["leaf_index"] for row in rows] == list(range(21))
    assert rows[3]["event"] == rows[3]["statement"]["predicate"]["event"] == "approved"


def test_an_empty_log_has_the_empty_root(store: Database) -> None:
    with store.transaction() as conn:
        head = read_head(conn)
    assert (head.size, head.root) == (0, EMPTY_ROOT)
    assert head.origin.startswith("honed.dev/ledger/")


def contents(conn: Connection) -> list[dict[str, Any]]:
    return conn.execute(
        """
        SELECT (SELECT jsonb_agg(e ORDER BY leaf_index) FROM honed.log_entry AS e) AS entries
             , (SELECT jsonb_agg(n ORDER BY level, node_index) FROM honed.log_node AS n) AS nodes
             , (SELECT jsonb_agg(p ORDER BY child_index, parent_index)
                FROM honed.log_parent AS p) AS parents
             , (SELECT jsonb_agg(h) FROM honed.log_head AS h) AS head
        """
    ).fetchall()


def test_a_rolled_back_transaction_leaves_no_trace(
    filled: Database, signer: Signer, fill: Callable[[Connection, int], list[Entry]]
) -> None:
    with filled.transaction() as conn:
        before = contents(conn)

    class ChangeFailed(Exception):
        """What the entries should have recorded did not happen."""

    def change_and_fail() -> None:
        with filled.transaction() as conn:
            fill(conn, 9)
            assert read_head(conn).size == 30
            raise ChangeFailed

    with pytest.raises(ChangeFailed):
        change_and_fail()
    with filled.transaction() as conn:
        assert contents(conn) == before
        assert verify_log(conn, signer.public_key).size == 21
        (entry,) = fill(conn, 1)
    assert entry.index == 21


def test_a_rolled_back_savepoint_leaves_no_trace(
    filled: Database, signer: Signer, fill: Callable[[Connection, int], list[Entry]]
) -> None:
    with filled.transaction() as conn:
        before = contents(conn)
        with conn.transaction(force_rollback=True):
            fill(conn, 9)
        assert contents(conn) == before
        (entry,) = fill(conn, 1)
    assert entry.index == 21
    with filled.transaction() as conn:
        assert verify_log(conn, signer.public_key).size == 22


def test_concurrent_appends_are_serial(store: Database, signer: Signer) -> None:
    barrier = Barrier(2)

    def append_many(name: str) -> list[int]:
        indexes = []
        with replace(store, role="honed_daemon").connect(autocommit=True) as conn:
            barrier.wait()
            for number in range(40):
                with conn.transaction():
                    entry = append(
                        conn,
                        signer,
                        event="measured",
                        subject=SUBJECT,
                        predicate={"by": name, "number": number},
                    )
                indexes.append(entry.index)
        return indexes

    with ThreadPoolExecutor(2) as pool:
        mine, theirs = pool.map(append_many, ["mine", "theirs"])
    assert sorted(mine + theirs) == list(range(80))
    assert mine == sorted(mine)
    assert theirs == sorted(theirs)
    with store.transaction() as conn:
        assert verify_log(conn, signer.public_key).size == 80
        times = [
            unseal(read_entry(conn, index).envelope.encode(), signer.public_key).recorded_at
            for index in range(80)
        ]
    assert times == sorted(times)


def test_an_append_waits_for_the_one_before(
    store: Database, fill: Callable[[Connection, int], list[Entry]]
) -> None:
    with store.connect() as first, store.connect() as second:
        fill(first, 1)
        second.execute("SET lock_timeout = '50ms'")
        with pytest.raises(Exception, match="lock timeout"), second.transaction():
            fill(second, 1)
        first.commit()
        (entry,) = fill(second, 1)
    assert entry.index == 1


def test_every_proof_from_stored_hashes_verifies(filled: Database) -> None:
    with filled.transaction() as conn:
        leaves = [bytes.fromhex(read_entry(conn, index).leaf_hash) for index in range(21)]
        root = read_head(conn).root
        for index, leaf in enumerate(leaves):
            path = inclusion_proof(conn, index, 21)
            assert verify_inclusion(leaf, index, 21, path, root)


def test_consistency_with_every_earlier_head_is_proven(
    store: Database, fill: Callable[[Connection, int], list[Entry]]
) -> None:
    with store.transaction() as conn:
        heads = []
        for _ in range(21):
            fill(conn, 1)
            heads.append(read_head(conn))
        last = heads[-1]
        for head in heads:
            path = consistency_proof(conn, head.size, last.size)
            assert verify_consistency(head.size, last.size, head.root, last.root, path)


def test_a_proof_without_its_hash_names_the_entries(filled: Database) -> None:
    with filled.transaction() as conn:
        conn.execute("ALTER TABLE honed.log_node DISABLE TRIGGER ALL")
        conn.execute("DELETE FROM honed.log_node WHERE level = 2 AND node_index = 1")
        with pytest.raises(LedgerTampered, match="the entries 4 to 7") as raised:
            inclusion_proof(conn, 0, 21)
    assert raised.value.entry == 4


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"event": "Not a word"}, ValueError, "lower-case word"),
        ({"subject": {}}, ValueError, "at least one artifact"),
        ({"subject": {"steps": "?"}}, ValueError, "64 lower-case"),
        ({"predicate": {"x": "x" * MAX_ENVELOPE_BYTES}}, ValueError, "too large"),
        ({"parents": ["cd" * 32]}, LedgerError, "no entry of the ledger has the leaf hash cdcd"),
    ],
)
def test_what_cannot_be_recorded_is_refused(
    filled: Database, signer: Signer, changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    values: dict[str, Any] = {"event": "kept", "subject": SUBJECT, "predicate": {}, **changes}
    with filled.transaction() as conn:
        with pytest.raises(error, match=message):
            append(conn, signer, **values)
        assert read_head(conn).size == 21


def test_a_log_has_one_key(filled: Database, signer: Signer) -> None:
    with filled.transaction() as conn:
        assert read_key_id(conn) == signer.key_id
        with pytest.raises(LedgerError, match="signed with another key") as error:
            append(conn, Signer.generate(), event="kept", subject=SUBJECT, predicate={})
        assert "ledger.key" in error.value.hint
        assert read_head(conn).size == 21
        append(conn, signer, event="kept", subject=SUBJECT, predicate={})


def test_of_two_who_begin_a_log_at_once_one_key_stays(store: Database) -> None:
    both_are_here = Barrier(2)

    def begin(signer: Signer) -> bool:
        with store.transaction() as conn:
            assert read_key_id(conn) is None
            both_are_here.wait()
            try:
                append(conn, signer, event="kept", subject=SUBJECT, predicate={})
            except LedgerError:
                return False
            return True

    keys = [Signer.generate(), Signer.generate()]
    with ThreadPoolExecutor(2) as pool:
        began = list(pool.map(begin, keys))
    assert sorted(began) == [False, True]
    with store.transaction() as conn:
        assert verify_log(conn, keys[began.index(True)].public_key).size == 1


def test_a_key_is_made_only_for_an_empty_log(store: Database, tmp_path: Path) -> None:
    first, second = tmp_path / "first.key", tmp_path / "second.key"
    with store.transaction() as conn:
        made = open_signer(conn, first)
        append(conn, made, event="kept", subject=SUBJECT, predicate={})
        assert open_signer(conn, first).key_id == made.key_id
        with pytest.raises(ConfigurationError, match=r"second\.key is not there") as error:
            open_signer(conn, second)
        assert "copy the file ledger.key" in error.value.hint
        assert not second.exists()
        Signer.load_or_create(second)
        with pytest.raises(LedgerError, match="signed with another key"):
            open_signer(conn, second)


def test_an_append_without_a_transaction_is_refused(store: Database, signer: Signer) -> None:
    with store.connect(autocommit=True) as conn:
        with pytest.raises(LedgerError, match="in the transaction of what it records"):
            append(conn, signer, event="kept", subject=SUBJECT, predicate={})
        assert read_head(conn).size == 0


def test_a_head_that_does_not_fit_is_not_continued(filled: Database, signer: Signer) -> None:
    with filled.transaction() as conn:
        conn.execute("UPDATE honed.log_head SET size = 23")
        with pytest.raises(LedgerTampered, match="not one of 23 entries"):
            append(conn, signer, event="kept", subject=SUBJECT, predicate={})


def test_there_is_no_entry_outside_of_the_log(filled: Database) -> None:
    with filled.transaction() as conn, pytest.raises(LedgerError, match="no entry 21"):
        read_entry(conn, 21)


def test_the_daemon_can_append_and_check(store: Database, signer: Signer) -> None:
    with replace(store, role="honed_daemon").transaction() as conn:
        append(conn, signer, event="kept", subject=SUBJECT, predicate={})
        checkpoint = sign_checkpoint(read_head(conn), signer)
        assert verify_log(conn, signer.public_key, [checkpoint]).covered == 1


CHANGES: list[LiteralString] = [
    "UPDATE honed.log_entry SET event = 'kept'",
    "UPDATE honed.log_entry SET event = 'kept' WHERE false",
    "DELETE FROM honed.log_entry",
    "TRUNCATE honed.log_entry CASCADE",
    "UPDATE honed.log_node SET hash = hash",
    "DELETE FROM honed.log_node",
    "TRUNCATE honed.log_node",
    "UPDATE honed.log_parent SET parent_index = 0",
    "DELETE FROM honed.log_parent",
    "TRUNCATE honed.log_parent",
    "DELETE FROM honed.log_head",
    "TRUNCATE honed.log_head",
    "INSERT INTO honed.log_head SELECT * FROM honed.log_head",
    "UPDATE honed.log_head SET size = size - 1",
    "UPDATE honed.log_head SET origin = 'other'",
]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("role", ["honed_daemon", ""])
def test_nobody_may_change_what_is_recorded(
    filled: Database, role: str, change: LiteralString
) -> None:
    with (
        pytest.raises(NotAllowed, match=r"append-only|permission denied|must be owner"),
        replace(filled, role=role).transaction() as conn,
    ):
        conn.execute(change)


@pytest.mark.parametrize("change", CHANGES)
def test_a_replication_role_does_not_help(filled: Database, change: LiteralString) -> None:
    with filled.connect(autocommit=True) as conn:
        conn.execute("SET session_replication_role = replica")
        with pytest.raises(NotAllowed, match="append-only"), driver_errors():
            conn.execute(change)


@pytest.mark.parametrize("role", ["honed_viewer", "honed_operator", "honed_approver"])
def test_people_may_read_only(filled: Database, role: str) -> None:
    with replace(filled, role=role).transaction() as conn:
        assert read_head(conn).size == 21
        assert read_entry(conn, 20).index == 20
    with pytest.raises(NotAllowed), replace(filled, role=role).transaction() as conn:
        conn.execute("INSERT INTO honed.log_node VALUES (1, 99, decode(repeat('00', 32), 'hex'))")
