"""Growing the files of a sampled table to production's size, without taking space on the disk.

The planner asks the file for its length. A file with a hole at its end has production's length and
takes no room; the server reads the hole as pages without rows.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from honed.storage.db import Connection
from honed.targets.postgres.shadow import QUERIES

#: PostgreSQL goes on in another file after each full gigabyte (its default RELSEG_SIZE).
_SEGMENT_BYTES = 1024**3
_BLOCK_BYTES = 8192


def grow(data_dir: Path, connection: Connection, sizes: Mapping[str, int]) -> None:
    """Give the relations in ``sizes`` at least that many bytes, by qualified name.

    Args:
        data_dir: of the server; it must be our own, nothing else may use the relations.

        connection: to the database.

        sizes: bytes; rounded up to whole pages.
    """
    for row in connection.execute(QUERIES["list_locations"], {}).fetchall():
        if row["name"] in sizes:
            _extend(data_dir / row["path"], sizes[row["name"]])


def _extend(file: Path, size_bytes: int) -> None:
    left = -(-size_bytes // _BLOCK_BYTES) * _BLOCK_BYTES
    number = 0
    while left > 0:
        segment = file if number == 0 else file.with_name(f"{file.name}.{number}")
        length = min(left, _SEGMENT_BYTES)
        if not segment.exists():
            segment.touch(mode=0o600)
            owner = file.stat()
            os.chown(segment, owner.st_uid, owner.st_gid)
        if segment.stat().st_size < length:
            os.truncate(segment, length)
        left -= length
        number += 1
