"""Tables as vacuuming sees them: their dead rows, and when autovacuum would come."""

from dataclasses import dataclass

from honed.storage.queries import load_queries
from honed.targets.postgres.target import PostgresTarget

_QUERIES = load_queries(__package__, "vacuuming.sql")

#: Dead rows are reported from this share of a table's rows on: half of what autovacuum waits for
#: as the server comes (autovacuum_vacuum_scale_factor = 0.2) ...
LEAST_SHARE = 0.1
#: ... and from so many on: fewer are passed over faster than a person reads of them.
LEAST_ROWS = 1000
#: A table's oldest row is reported from this share of autovacuum_freeze_max_age on.
FREEZE_SHARE = 0.5
#: Transactions older than this hold dead rows back; most reports have ended by then.
OLD_S = 600.0


@dataclass(frozen=True, slots=True)
class VacuumedTable:
    """One table with what its vacuuming depends on, now."""

    schema: str
    name: str
    #: ``schema.name``, each part quoted where it must be.
    qualified_name: str
    #: As the server counts them; both are estimates.
    live_rows: int
    dead_rows: int
    #: Without indexes and TOAST.
    heap_bytes: int
    #: Rows that autovacuum reckons with.
    planned_rows: float
    #: By hand, and by autovacuum; empty: never since the counters were reset.
    vacuumed_at: str
    autovacuumed_at: str
    #: Storage options in their order: ``fillfactor=90``.
    options: tuple[str, ...]
    #: A column that an UPDATE may set to what it is; empty: there is none.
    settable_column: str
    #: Whether the server has autovacuum on at all, and for this table.
    is_server_on: bool
    is_enabled: bool
    #: Of the table, else of the server.
    scale_factor: float
    threshold: float
    #: -1: no limit, or a server before PostgreSQL 18.
    max_threshold: float
    #: Transactions since its oldest row, and at how many autovacuum must come.
    frozen_age: int
    freeze_max_age: int

    @property
    def dead_share(self) -> float:
        """Share of dead rows among all, 0 to 1."""
        return self.dead_rows / max(1, self.live_rows + self.dead_rows)

    @property
    def dead_ratio(self) -> float:
        """Dead rows for each living one."""
        return self.dead_rows / max(1, self.live_rows)

    @property
    def dead_bytes(self) -> int:
        """Bytes of the heap that dead rows take, if they are as wide as the others."""
        return round(self.heap_bytes * self.dead_share)

    @property
    def is_dead_enough(self) -> bool:
        """Whether its dead rows are worth a finding."""
        return self.dead_rows >= LEAST_ROWS and self.dead_share >= LEAST_SHARE

    @property
    def is_old(self) -> bool:
        """Whether an anti-wraparound vacuum comes nearer than it should."""
        return self.frozen_age > FREEZE_SHARE * self.freeze_max_age

    @property
    def trigger_rows(self) -> float:
        """Dead rows at which autovacuum comes (PostgreSQL's documentation, section 25.1.6)."""
        rows = self.threshold + self.scale_factor * self.planned_rows
        return min(rows, self.max_threshold) if self.max_threshold >= 0 else rows


def read_tables(target: PostgresTarget) -> list[VacuumedTable]:
    """Return every user table of ``target``, in the order of their names."""
    rows = target.query(_QUERIES["list_tables"], {})
    return [VacuumedTable(**{**row, "options": tuple(row["options"])}) for row in rows]


def count_holders(target: PostgresTarget, *, old_s: float = OLD_S) -> int:
    """Return how many old transactions and slots hold dead rows back: no VACUUM removes those.

    Args:
        target: of which.

        old_s: seconds from which a transaction is old.
    """
    (row,) = target.query(_QUERIES["count_holders"], {"old_s": old_s})
    return int(row["holders"])
