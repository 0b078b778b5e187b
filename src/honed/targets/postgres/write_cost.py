"""The price that readers do not see: what a row costs to insert and update on a clone."""

from collections.abc import Sequence
from dataclasses import dataclass

from honed.targets.postgres.clone import Clone


@dataclass(frozen=True, slots=True)
class WriteCost:
    """What writing one row of a table costs, indexes included, triggers and foreign keys not."""

    #: Backend CPU, microseconds a row.
    insert_us: float
    update_us: float
    #: Write-ahead log, bytes a row.
    insert_wal_bytes: float
    update_wal_bytes: float
    #: Rows that it was measured on.
    rows: int


def write_cost(
    clone: Clone, table: str, *, update_columns: Sequence[str] = (), rows: int = 5000
) -> WriteCost | None:
    """Return what writing a row of ``table`` costs on ``clone``, None for an empty table.

    Rows of the table are inserted again under new keys and updated, and rolled back.

    Args:
        clone: where; it is left as it was, but for dead rows.

        table: qualified name, quoted where it must be.

        update_columns: columns that production's updates set; empty: all columns of no index.

        rows: rows to write.
    """
    raise NotImplementedError
