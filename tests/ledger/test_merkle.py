"""Merkle trees: proofs as RFC 9162 defines them, and refusals of everything else."""

import hashlib
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from honed.ledger.merkle import (
    EMPTY_ROOT,
    Node,
    Span,
    complete_subtrees,
    consistency_spans,
    grow,
    inclusion_spans,
    leaf_hash,
    node_hash,
    root_of,
    span_hash,
    span_nodes,
    verify_consistency,
    verify_inclusion,
)

#: The same examples on every machine, however slow it is.
EXAMPLES = settings(derandomize=True, deadline=None)
#: The largest tree that is checked exhaustively.
LARGEST = 70
#: The largest tree that hypothesis draws from.
FOREST = 2_000


class Tree:
    """A growing tree that remembers all it was told, as the database does."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self.leaves = [leaf_hash(leaf) for leaf in leaves]
        self.nodes: dict[Node, bytes] = {}
        self.roots = [EMPTY_ROOT]
        frontier: tuple[bytes, ...] = ()
        for index, leaf in enumerate(self.leaves):
            growth = grow(index, frontier, leaf)
            frontier = growth.frontier
            self.nodes.update(growth.completed)
            self.roots.append(root_of(frontier))

    def inclusion(self, index: int, size: int) -> list[bytes]:
        return [span_hash(span, self.nodes) for span in inclusion_spans(index, size)]

    def consistency(self, first: int, second: int) -> list[bytes]:
        return [span_hash(span, self.nodes) for span in consistency_spans(first, second)]


TREE = Tree([b"leaf %d" % index for index in range(FOREST)])


# The definitions of RFC 9162, word by word: 2.1.1, 2.1.3.1, 2.1.4.1.


def largest_power_below(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def mth(d: Sequence[bytes]) -> bytes:
    if not d:
        return hashlib.sha256().digest()
    if len(d) == 1:
        return d[0]
    k = largest_power_below(len(d))
    return hashlib.sha256(b"\x01" + mth(d[:k]) + mth(d[k:])).digest()


def path(m: int, d: Sequence[bytes]) -> list[bytes]:
    if len(d) == 1:
        return []
    k = largest_power_below(len(d))
    if m < k:
        return [*path(m, d[:k]), mth(d[k:])]
    return [*path(m - k, d[k:]), mth(d[:k])]


def subproof(m: int, d: Sequence[bytes], *, is_whole: bool) -> list[bytes]:
    if m == len(d):
        return [] if is_whole else [mth(d)]
    k = largest_power_below(len(d))
    if m <= k:
        return [*subproof(m, d[:k], is_whole=is_whole), mth(d[k:])]
    return [*subproof(m - k, d[k:], is_whole=False), mth(d[:k])]


def test_roots_are_those_of_certificate_transparency() -> None:
    # The eight leaves and roots of the test data of Google's certificate-transparency project.
    leaves = ["", "00", "10", "2021", "3031", "40414243"]
    leaves += ["5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    roots = Tree([bytes.fromhex(leaf) for leaf in leaves]).roots
    assert [root.hex() for root in (roots[0], roots[1], roots[2], roots[5], roots[8])] == [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ]


def test_every_root_is_the_rfcs() -> None:
    for size in range(LARGEST + 1):
        assert TREE.roots[size] == mth(TREE.leaves[:size])


def test_every_inclusion_proof_is_the_rfcs_and_verifies() -> None:
    for size in range(1, LARGEST + 1):
        for index in range(size):
            proof = TREE.inclusion(index, size)
            assert proof == path(index, TREE.leaves[:size])
            assert verify_inclusion(TREE.leaves[index], index, size, proof, TREE.roots[size])


def test_every_consistency_proof_is_the_rfcs_and_verifies() -> None:
    for second in range(1, LARGEST + 1):
        for first in range(1, second + 1):
            proof = TREE.consistency(first, second)
            assert proof == subproof(first, TREE.leaves[:second], is_whole=True)
            assert verify_consistency(first, second, TREE.roots[first], TREE.roots[second], proof)


def test_an_inclusion_proof_is_of_one_leaf_at_one_place() -> None:
    for size in range(1, 20):
        for index in range(size):
            proof = TREE.inclusion(index, size)
            for other in range(-1, size + 2):
                for leaf in range(size):
                    proves = verify_inclusion(
                        TREE.leaves[leaf], other, size, proof, TREE.roots[size]
                    )
                    assert proves == (other == leaf == index)


def test_a_consistency_proof_is_of_two_roots() -> None:
    for second in range(1, 20):
        for first in range(1, second + 1):
            proof = TREE.consistency(first, second)
            for old in range(20):
                for new in range(20):
                    proves = verify_consistency(
                        first, second, TREE.roots[old], TREE.roots[new], proof
                    )
                    # Of equal sizes it says only that the roots are equal.
                    is_right = old == new if first == second else (old, new) == (first, second)
                    assert proves == is_right


def damages(proof: list[bytes]) -> list[list[bytes]]:
    """Return every proof that differs in one hash, one missing, one more, or one swap."""
    flipped = [
        [*proof[:place], bytes([part[0] ^ 1]) + part[1:], *proof[place + 1 :]]
        for place, part in enumerate(proof)
    ]
    shorter = [proof[:place] + proof[place + 1 :] for place in range(len(proof))]
    longer = [
        [*proof[:place], extra, *proof[place:]]
        for place in range(len(proof) + 1)
        for extra in (b"\0" * 32, TREE.leaves[0])
    ]
    swapped = [
        [*proof[:place], proof[place + 1], proof[place], *proof[place + 2 :]]
        for place, (left, right) in enumerate(pairwise(proof))
        if left != right
    ]
    return flipped + shorter + longer + swapped


@EXAMPLES
@given(st.integers(1, FOREST).flatmap(lambda n: st.tuples(st.integers(0, n - 1), st.just(n))))
def test_no_damaged_inclusion_proof_verifies(place: tuple[int, int]) -> None:
    index, size = place
    proof = TREE.inclusion(index, size)
    leaf, root = TREE.leaves[index], TREE.roots[size]
    assert verify_inclusion(leaf, index, size, proof, root)
    assert not any(verify_inclusion(leaf, index, size, bad, root) for bad in damages(proof))


@EXAMPLES
@given(st.integers(1, FOREST).flatmap(lambda n: st.tuples(st.integers(1, n), st.just(n))))
def test_no_damaged_consistency_proof_verifies(sizes: tuple[int, int]) -> None:
    first, second = sizes
    proof = TREE.consistency(first, second)
    roots = TREE.roots[first], TREE.roots[second]
    assert verify_consistency(first, second, *roots, proof)
    assert not any(verify_consistency(first, second, *roots, bad) for bad in damages(proof))


def test_an_empty_tree_begins_every_tree() -> None:
    assert verify_consistency(0, 0, EMPTY_ROOT, EMPTY_ROOT, [])
    assert verify_consistency(0, 5, EMPTY_ROOT, TREE.roots[5], [])
    assert not verify_consistency(0, 5, TREE.roots[1], TREE.roots[5], [])
    assert not verify_consistency(0, 5, EMPTY_ROOT, TREE.roots[5], [TREE.roots[5]])


def test_impossible_sizes_are_refused() -> None:
    assert not verify_consistency(6, 5, TREE.roots[6], TREE.roots[5], [])
    assert not verify_consistency(-1, 5, EMPTY_ROOT, TREE.roots[5], [])
    assert not verify_consistency(3, 5, TREE.roots[3], TREE.roots[5], [])
    assert not verify_inclusion(TREE.leaves[0], 0, 0, [], EMPTY_ROOT)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (5, 5), (-1, 5)])
def test_there_is_no_inclusion_proof_outside_of_the_tree(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="has no leaf"):
        inclusion_spans(index, size)


@pytest.mark.parametrize(("first", "second"), [(0, 5), (6, 5), (-1, 5)])
def test_there_is_no_consistency_proof_that_the_rfc_does_not_define(
    first: int, second: int
) -> None:
    with pytest.raises(ValueError, match="no consistency proof"):
        consistency_spans(first, second)


def test_a_frontier_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="1 complete subtrees, not 2"):
        grow(4, (TREE.leaves[0], TREE.leaves[1]), TREE.leaves[2])


@EXAMPLES
@given(st.integers(0, FOREST))
def test_complete_subtrees_are_counted(size: int) -> None:
    stored = [
        node for node in TREE.nodes if node.level > 0 and (node.number + 1) << node.level <= size
    ]
    assert complete_subtrees(size) == len(stored)


@EXAMPLES
@given(st.integers(1, 2**62))
def test_a_proof_is_short_in_every_tree(size: int) -> None:
    for index in (0, size // 2, size - 1):
        assert len(inclusion_spans(index, size)) <= size.bit_length()
    assert len(span_nodes(Span(0, size))) == size.bit_count()


def test_a_leaf_is_not_a_node() -> None:
    left, right = TREE.leaves[:2]
    assert leaf_hash(left + right) != node_hash(left, right)
