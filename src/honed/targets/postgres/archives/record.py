"""What the record says of archives."""

from honed.storage.db import Connection
from honed.storage.queries import load_queries

_QUERIES = load_queries(__package__)


def recorded_digests(store: Connection) -> frozenset[str]:
    """Return the digest of every archive that honed recorded when it was made."""
    rows = store.execute(_QUERIES["list_recorded_archives"]).fetchall()
    return frozenset(row["sha256"] for row in rows)
