"""Whether anybody uses a partition: what its counters say now against what they said before."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg import sql

from honed.storage.queries import load_queries
from honed.targets.postgres.columnstore.partitions import QUERIES as TARGET_QUERIES
from honed.targets.postgres.target import PostgresTarget

_QUERIES = load_queries(__package__)


@dataclass(frozen=True, slots=True)
class Use:
    """Since when honed knows a partition's counters, and when somebody used it."""

    first_seen_at: datetime
    #: When a look found that it had been written or read; None: never.
    used_at: datetime | None
    seen_at: datetime

    def is_cold(self, days: float) -> bool:
        """Return whether honed has looked for so long, and nobody used it in that time."""
        since = self.seen_at - timedelta(days=days)
        return self.first_seen_at <= since and (self.used_at is None or self.used_at <= since)


def note_use(target: PostgresTarget, names: Sequence[str]) -> dict[str, Use]:
    """Return how some partitions are used, by qualified name, and remember what the counters say.

    A scan counts as a use unless a COPY that names the table, or honed, made it: backups read
    every table, and no statement of production does so by COPY. What was read on a standby is
    not counted on its primary: not guaranteed there.
    """
    rows = target.query(_count_use(target), {"tables": list(names)}) if names else []
    found: dict[str, Use] = {}
    with target.store.transaction() as store:
        for row in rows:
            explained = row.pop("explained")
            about = {**row, "unexplained": row["scans"] - explained}
            (noted,) = store.execute(
                _QUERIES["remember_use"], {"target_id": target.target_id, **about}
            ).fetchall()
            found[row["table_name"]] = Use(**noted)
    return found


def _count_use(target: PostgresTarget) -> str:
    (where,) = target.query(TARGET_QUERIES["find_statements"], {})
    query = sql.SQL(TARGET_QUERIES["count_use"])
    return query.format(schema=sql.Identifier(where["schema"])).as_string(None)
