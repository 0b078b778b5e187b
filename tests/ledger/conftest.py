"""A signer and a log with some entries."""

import hashlib
from collections.abc import Callable
from typing import TypeAlias

import pytest

from honed.ledger.keys import Signer
from honed.ledger.log import Entry, append
from honed.storage.db import Connection, Database

#: Appends so many entries in the transaction of a connection and returns them.
Fill: TypeAlias = Callable[[Connection, int], list[Entry]]

EVENTS = ["proposed", "trial_started", "measured", "approved", "started", "applied", "kept"]


@pytest.fixture(scope="session")
def signer() -> Signer:
    return Signer.generate()


@pytest.fixture
def fill(signer: Signer) -> Fill:
    """Each entry has the one before and the one at half its index as its parents."""

    def append_entries(conn: Connection, count: int) -> list[Entry]:
        entries: list[Entry] = []
        for number in range(count):
            causes = {entries[-1].leaf_hash, entries[number // 2].leaf_hash} if entries else set()
            entry = append(
                conn,
                signer,
                event=EVENTS[number % len(EVENTS)],
                subject={"steps": hashlib.sha256(b"%d" % number).hexdigest()},
                predicate={"number": number, "gain": 0.25},
                parents=sorted(causes),
            )
            entries.append(entry)
        return entries

    return append_entries


@pytest.fixture
def filled(store: Database, fill: Fill) -> Database:
    """A store with 21 entries."""
    with store.transaction() as conn:
        fill(conn, 21)
    return store
