"""What the record says of archives."""

from pathlib import Path

from honed.storage.db import Connection
from honed.storage.queries import load_queries
from honed.targets.postgres.archives.files import list_archives, list_unreadable

_QUERIES = load_queries(__package__)


def recorded_digests(store: Connection) -> frozenset[str]:
    """Return the digest of every archive that honed recorded when it was made."""
    rows = store.execute(_QUERIES["list_recorded_archives"]).fetchall()
    return frozenset(row["sha256"] for row in rows)


def missing_archives(store: Connection, root: Path, target: str = "") -> dict[str, str]:
    """Return what is wrong where a recorded archive is not in its folder, by folder below ``root``.

    Those that an undo removed are none, and neither are those whose manifest cannot be read, which
    ``list_unreadable`` has.

    Args:
        store: has the record.

        root: where the archives of all targets are.

        target: only of this one; empty: of all.
    """
    found = {each.sha256 for each in list_archives(root)}
    unreadable = {str(each.relative_to(root)) for each in list_unreadable(root)}
    return {
        row["folder"]: f"{root / row['folder']} holds no archive {row['sha256'][:12]}, which the"
        " record says was made there"
        for row in store.execute(_QUERIES["list_kept_archives"]).fetchall()
        if row["sha256"] not in found
        and row["folder"] not in unreadable
        and target in {"", row["folder"].partition("/")[0]}
    }
