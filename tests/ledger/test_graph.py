"""The provenance graph: all that led to an entry, all that it led to, and honest limits."""

import random
from collections.abc import Callable

import pytest

from honed.errors import LedgerError
from honed.ledger.graph import Lineage, ancestors, descendants
from honed.ledger.keys import Signer
from honed.ledger.log import Entry, append
from honed.storage.db import Connection, Database

SUBJECT = {"steps": "ab" * 32}


def distances(edges: dict[int, set[int]], start: int) -> dict[int, int]:
    """Return the shortest distance of everything that ``edges`` lead to, breadth first."""
    found = {start: 0}
    border = [start]
    while border:
        reached = sorted({new for old in border for new in edges[old]} - found.keys())
        found.update(dict.fromkeys(reached, found[border[0]] + 1))
        border = reached
    return found


def found(lineage: Lineage) -> dict[int, int]:
    return {entry.index: entry.depth for entry in lineage.entries}


@pytest.fixture
def graph(store: Database, signer: Signer) -> tuple[Database, list[Entry], dict[int, set[int]]]:
    """A random graph of 60 entries, and which entries led to which."""
    rng = random.Random(20261121)  # noqa: S311 - an example, not a secret
    entries: list[Entry] = []
    parents: dict[int, set[int]] = {}
    with store.transaction() as conn:
        for index in range(60):
            parents[index] = set(rng.sample(range(index), min(index, rng.randrange(4))))
            entries.append(
                append(
                    conn,
                    signer,
                    event="measured",
                    subject=SUBJECT,
                    predicate={},
                    parents=[entries[parent].leaf_hash for parent in sorted(parents[index])],
                )
            )
    return store, entries, parents


def test_a_walk_finds_exactly_what_is_connected(
    graph: tuple[Database, list[Entry], dict[int, set[int]]],
) -> None:
    store, entries, parents = graph
    children: dict[int, set[int]] = {index: set() for index in parents}
    for child, causes in parents.items():
        for cause in causes:
            children[cause].add(child)
    with store.transaction() as conn:
        for entry in entries:
            back = ancestors(conn, entry.leaf_hash)
            forth = descendants(conn, entry.leaf_hash)
            assert back.is_complete
            assert forth.is_complete
            assert found(back) == distances(parents, entry.index)
            assert found(forth) == distances(children, entry.index)


def test_a_walk_begins_with_the_entry_itself_and_goes_outwards(
    graph: tuple[Database, list[Entry], dict[int, set[int]]],
) -> None:
    store, entries, _ = graph
    with store.transaction() as conn:
        first, *rest = ancestors(conn, entries[-1].leaf_hash).entries
    assert (first.index, first.leaf_hash, first.depth) == (59, entries[-1].leaf_hash, 0)
    assert first.event == "measured"
    depths = [entry.depth for entry in rest]
    assert depths == sorted(depths)


@pytest.fixture
def chain(store: Database, fill: Callable[[Connection, int], list[Entry]]) -> list[Entry]:
    """Entries that each have the one before, and one further back, as parents."""
    with store.transaction() as conn:
        return fill(conn, 40)


def test_the_depth_limit_is_kept_and_told(store: Database, chain: list[Entry]) -> None:
    with store.transaction() as conn:
        near = ancestors(conn, chain[39].leaf_hash, max_depth=2)
        far = ancestors(conn, chain[39].leaf_hash, max_depth=40)
        exact = ancestors(conn, chain[3].leaf_hash, max_depth=3)
    assert {entry.depth for entry in near.entries} == {0, 1, 2}
    assert not near.is_complete
    assert len(far.entries) == 40
    assert far.is_complete
    assert exact.is_complete


def test_the_row_limit_is_kept_and_told(store: Database, chain: list[Entry]) -> None:
    with store.transaction() as conn:
        few = descendants(conn, chain[0].leaf_hash, max_rows=5)
        all_ = descendants(conn, chain[0].leaf_hash)
    assert 1 <= len(few.entries) <= 5
    assert few.entries[0].index == 0
    assert not few.is_complete
    assert len(all_.entries) == 40
    assert all_.is_complete


def test_a_graph_with_exponentially_many_paths_is_walked_at_once(
    store: Database, signer: Signer
) -> None:
    # 30 layers of two entries, each a child of both before: 2**30 paths.
    layer: list[str] = []
    with store.transaction() as conn:
        for _ in range(30):
            layer = [
                append(
                    conn,
                    signer,
                    event="measured",
                    subject=SUBJECT,
                    predicate={},
                    parents=layer,
                ).leaf_hash
                for _ in range(2)
            ]
        lineage = ancestors(conn, layer[0])
    assert len(lineage.entries) == 59
    assert lineage.is_complete


def test_an_unknown_entry_is_an_error(store: Database) -> None:
    with store.transaction() as conn, pytest.raises(LedgerError, match="leaf hash abab"):
        ancestors(conn, "ab" * 32)
