"""Empty b-trees of some height, as files: the planner asks an index how high it is.

It reads the height from the first page, and sometimes goes down to an end of the tree for the least
or the greatest key. So the way down has to be there: one page of each level, and no entry.
The layout is that of src/include/access/nbtree.h and storage/bufpage.h, the same since
PostgreSQL 12; the checksum is that of storage/checksum_impl.h.
"""

import math
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from honed.targets.postgres.shadow import QUERIES
from honed.targets.postgres.shadow_database import ShadowDatabase

_PAGE_BYTES = 8192
_HEADER = struct.Struct("=QHHHHHHI")
_HEADER_BYTES, _OPAQUE_BYTES, _CHECKSUM_AT = 24, 16, 8
_LAYOUT_VERSION = 4
#: Where the first page has root, level, fast root and its level.
_ROOT = struct.Struct("=IIII")
_ROOT_AT = _HEADER_BYTES + 8
_IS_LEAF, _IS_ROOT = 1, 2
#: A pointer to a child page without a key: the least of its level. Block, no keys, size and flag.
_DOWNLINK = struct.Struct("=HHHH")
_DOWNLINK_INFO = 0x2008
_LINE_POINTER_BYTES = 4
#: Children of an inner page: filled to 70 %, 20 bytes each with a key of 8.
_FANOUT = 285

_PRIME, _LANES = np.uint32(16777619), 32
_OFFSETS = np.array(
    [
        *(0x5B1F36E9, 0xB8525960, 0x02AB50AA, 0x1DE66D2A, 0x79FF467A, 0x9BB9F8A3, 0x217E7CD2),
        *(0x83E13D2C, 0xF8D4474F, 0xE39EB970, 0x42C6AE16, 0x993216FA, 0x7B093B5D, 0x98DAFF3C),
        *(0xF718902A, 0x0B1C9CDB, 0xE58F764B, 0x187636BC, 0x5D7B3BB1, 0xE73DE7DE, 0x92BEC979),
        *(0xCCA6C0B2, 0x304A0979, 0x85AA43D4, 0x783125BB, 0x6CA8EAA2, 0xE407EAC6, 0x4B5CFC3E),
        *(0x9FBF8C76, 0x15CA20BE, 0xF2CA9FD3, 0x959BD756),
    ],
    dtype=np.uint32,
)


def raise_trees(database: ShadowDatabase, sizes: Mapping[str, int]) -> None:
    """Give the empty b-trees in ``sizes`` the height that so many bytes would have.

    Nothing happens before PostgreSQL 18, which cannot forget a page that it has read.

    Args:
        database: our own; nobody else uses these indexes.

        sizes: bytes, by qualified name; what is no b-tree is left alone.
    """
    shadow = database.shadow
    if not shadow.forgets_pages:
        return
    with shadow.errors("raising trees"):
        rows = database.session().execute(QUERIES["list_trees"], {}).fetchall()
    files = {row["name"]: shadow.server.data_dir / row["path"] for row in rows}
    found = {files[name]: level_of(size) for name, size in sizes.items() if name in files}
    # A page in memory may still be written, and would not be read again.
    shadow.forget_pages(database.database, [int(file.name) for file in found])
    for file, level in found.items():
        _raise_tree(file, level)


def level_of(size_bytes: int) -> int:
    """Return the level of the root of a b-tree of ``size_bytes``; that of a leaf is 0."""
    leaves = max(1, size_bytes // _PAGE_BYTES - 1)
    return math.ceil(math.log(leaves, _FANOUT) - 1e-9)


def _raise_tree(file: Path, level: int) -> None:
    with file.open("r+b") as tree:
        first = bytearray(tree.read(_PAGE_BYTES))
        _ROOT.pack_into(first, _ROOT_AT, 1, level, 1, level)
        tree.seek(0)
        for block, page in enumerate([first, *_way_down(level)]):
            struct.pack_into("=H", page, _CHECKSUM_AT, checksum(bytes(page), block))
            tree.write(page)


def _way_down(level: int) -> Iterator[bytearray]:
    """Yield one page of each level, the root's first; each points to the next."""
    special = _PAGE_BYTES - _OPAQUE_BYTES
    for block, height in enumerate(range(level, -1, -1), start=1):
        page = bytearray(_PAGE_BYTES)
        lower, upper = _HEADER_BYTES, special
        if height:
            lower, upper = lower + _LINE_POINTER_BYTES, upper - _DOWNLINK.size
            pointer = upper | 1 << 15 | _DOWNLINK.size << 17
            struct.pack_into("=I", page, _HEADER_BYTES, pointer)
            _DOWNLINK.pack_into(page, upper, 0, block + 1, 0, _DOWNLINK_INFO)
        version = _PAGE_BYTES | _LAYOUT_VERSION
        _HEADER.pack_into(page, 0, 0, 0, 0, lower, upper, special, version, 0)
        flags = _IS_ROOT * (height == level) | _IS_LEAF * (height == 0)
        struct.pack_into("=IIIHH", page, special, 0, 0, height, flags, 0)
        yield page


def checksum(page: bytes, block: int) -> int:
    """Return the checksum of ``page``, whatever is in the place where the checksum belongs."""
    clean = page[:_CHECKSUM_AT] + b"\0\0" + page[_CHECKSUM_AT + 2 :]
    sums = _OFFSETS.copy()
    silence = np.zeros((2, _LANES), np.uint32)
    for row in (*np.frombuffer(clean, np.uint32).reshape(-1, _LANES), *silence):
        mixed = sums ^ row
        sums = (mixed * _PRIME) ^ (mixed >> np.uint32(17))
    whole = int(np.bitwise_xor.reduce(sums)) ^ block
    return whole % 65535 + 1
