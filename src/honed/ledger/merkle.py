"""Merkle trees as in RFC 9162, section 2.1, as pure functions over hashes of complete subtrees.

A tree of n leaves is kept as the hashes of its complete subtrees, each named by a ``Node``: they
never change once written. A ``Span`` names any subtree of the tree, complete or not; proofs are
lists of spans, and a span's hash is folded from the complete subtrees that it consists of.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

#: Length of every hash, in bytes.
HASH_BYTES = 32
#: Root of the tree without leaves (RFC 9162, 2.1.1: the hash of the empty string).
EMPTY_ROOT = hashlib.sha256(b"").digest()

# The prefixes keep a leaf from being passed off as an inner node (RFC 9162, 2.1.1).
_LEAF_PREFIX = b"\x00"
_NODE_PREFIX = b"\x01"


class Node(NamedTuple):
    """A complete subtree: leaves ``number << level`` up to, without, ``(number + 1) << level``."""

    level: int
    number: int


class Span(NamedTuple):
    """The leaves ``start`` up to, without, ``end``."""

    start: int
    end: int


class Growth(NamedTuple):
    """What one more leaf does to a tree."""

    #: Hashes of the complete subtrees, largest first: all that the next leaf needs.
    frontier: tuple[bytes, ...]
    #: The subtrees that the leaf completes, the leaf itself first.
    completed: tuple[tuple[Node, bytes], ...]


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of the leaf that holds ``data``."""
    return hashlib.sha256(_LEAF_PREFIX + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of the node above ``left`` and ``right``."""
    return hashlib.sha256(_NODE_PREFIX + left + right).digest()


def grow(size: int, frontier: Sequence[bytes], leaf: bytes) -> Growth:
    """Return what adding the hash ``leaf`` to a tree of ``size`` leaves gives.

    Raises:
        ValueError: ``frontier`` is not one of a tree of ``size`` leaves.
    """
    if len(frontier) != size.bit_count():
        msg = (
            f"a tree of {size} leaves has {size.bit_count()} complete subtrees, not {len(frontier)}"
        )
        raise ValueError(msg)
    remaining = list(frontier)
    node, hash_ = Node(0, size), leaf
    completed = [(node, hash_)]
    # Each one bit at the end of size is a complete subtree that waits for its right brother.
    while node.number & 1:
        node, hash_ = Node(node.level + 1, node.number >> 1), node_hash(remaining.pop(), hash_)
        completed.append((node, hash_))
    return Growth((*remaining, hash_), tuple(completed))


def root_of(frontier: Sequence[bytes]) -> bytes:
    """Return the root of the tree with these complete subtrees, largest first."""
    if not frontier:
        return EMPTY_ROOT
    *rest, root = frontier
    for hash_ in reversed(rest):
        root = node_hash(hash_, root)
    return root


def span_nodes(span: Span) -> list[Node]:
    """Return the complete subtrees that ``span``, a subtree of some tree, consists of.

    Largest first. The start of a subtree is a multiple of the power of two above its length, so
    the one bits of the length name them.
    """
    nodes = []
    start, length = span.start, span.end - span.start
    for level in reversed(range(length.bit_length())):
        if length >> level & 1:
            nodes.append(Node(level, start >> level))
            start += 1 << level
    return nodes


def span_hash(span: Span, hashes: Mapping[Node, bytes]) -> bytes:
    """Return the hash of ``span``.

    Raises:
        KeyError: ``hashes`` lacks one of ``span_nodes(span)``.
    """
    return root_of([hashes[node] for node in span_nodes(span)])


def complete_subtrees(size: int) -> int:
    """Return how many complete subtrees of two or more leaves a tree of ``size`` leaves has."""
    return size - size.bit_count()


def inclusion_spans(index: int, size: int) -> list[Span]:
    """Return the subtrees whose hashes prove that leaf ``index`` is in the tree of ``size`` leaves.

    In the order of PATH(m, D[n]) in RFC 9162, 2.1.3.1.

    Raises:
        ValueError: there is no such leaf.
    """
    if not 0 <= index < size:
        msg = f"a tree of {size} leaves has no leaf {index}"
        raise ValueError(msg)
    spans = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            spans.append(Span(middle, end))
            end = middle
        else:
            spans.append(Span(start, middle))
            start = middle
    return spans[::-1]


def consistency_spans(first: int, second: int) -> list[Span]:
    """Return the subtrees that prove that the tree of ``first`` leaves begins that of ``second``.

    In the order of PROOF(m, D[n]) in RFC 9162, 2.1.4.1; none where the sizes are equal.

    Raises:
        ValueError: not ``0 < first <= second``; the RFC defines no other proof.
    """
    if not 0 < first <= second:
        msg = f"there is no consistency proof from {first} to {second} leaves"
        raise ValueError(msg)
    spans = []
    start, end = 0, second
    while end != first:
        middle = start + _split(end - start)
        if first <= middle:
            spans.append(Span(middle, end))
            end = middle
        else:
            spans.append(Span(start, middle))
            start = middle
    # The verifier knows the first root: where the walk never went right, this subtree is it.
    if start > 0:
        spans.append(Span(start, end))
    return spans[::-1]


def verify_inclusion(
    leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes
) -> bool:
    """Return whether ``path`` proves that ``leaf`` is leaf ``index`` under ``root``.

    RFC 9162, 2.1.3.2. ``size`` and ``root`` must come from one signed checkpoint: a root alone does
    not fix the size.
    """
    if not 0 <= index < size:
        return False
    position, last, hash_ = index, size - 1, leaf
    for part in path:
        if last == 0:
            return False
        if position & 1 or position == last:
            hash_ = node_hash(part, hash_)
            # On the right edge, levels where the subtree has no right brother are skipped.
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            hash_ = node_hash(hash_, part)
        position, last = position >> 1, last >> 1
    return last == 0 and hash_ == root


def verify_consistency(
    first: int, second: int, first_root: bytes, second_root: bytes, path: Sequence[bytes]
) -> bool:
    """Return whether ``path`` proves that the first root's tree begins the second root's.

    RFC 9162, 2.1.4.2. An empty tree begins every tree, by an empty path.
    """
    if not 0 <= first <= second:
        return False
    if first in {0, second}:
        expected = EMPTY_ROOT if first == 0 else second_root
        return not path and first_root == expected
    parts = list(path)
    if first & (first - 1) == 0:
        # The first tree is one complete subtree, which the proof leaves out.
        parts.insert(0, first_root)
    if not parts:
        return False
    return _folds_to_both(first, second, parts) == (first_root, second_root)


def _folds_to_both(first: int, second: int, parts: Sequence[bytes]) -> tuple[bytes, bytes] | None:
    """Return the two roots that a consistency path gives, or None where its length is wrong."""
    position, last = first - 1, second - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    old = new = parts[0]
    for part in parts[1:]:
        if last == 0:
            return None
        if position & 1 or position == last:
            old, new = node_hash(part, old), node_hash(part, new)
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            new = node_hash(new, part)
        position, last = position >> 1, last >> 1
    return (old, new) if last == 0 else None


def _split(length: int) -> int:
    """Return the largest power of two below ``length`` (k in RFC 9162, 2.1.1)."""
    return 1 << (length - 1).bit_length() - 1
