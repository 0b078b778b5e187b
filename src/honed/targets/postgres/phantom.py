"""A phantom: production's schema and statistics in a private database, and not one row.

The planner asks the catalog what is in a table and the file how long it is. Here the catalog has
production's statistics and each file production's length, as one hole that takes no room on the
disk; so statements are planned as in production, whatever its size. Plans are all that it is for:
run there, a statement finds nothing.

The statistics hold values of production. They are private to the shadow server, and go with the
database.
"""

from collections.abc import Mapping

from honed.storage.queries import load_queries
from honed.targets.postgres.grow import grow
from honed.targets.postgres.shadow import Shadow
from honed.targets.postgres.shadow_database import ShadowDatabase
from honed.targets.postgres.trees import raise_trees

QUERIES = load_queries(__package__, "phantom.sql")
_CASTS = ("read_counts_as_bytes", "read_dependencies_as_bytes", "read_common_as_bytes")


class Phantom(ShadowDatabase):
    """One database without rows that plans as production does.

    Nothing may be written there, nor vacuumed or analysed: that would put the truth, no rows, into
    the catalog. CREATE INDEX would too, and would read the holes besides; see
    ``indexes.imagination`` for how an index gets there.

    Not guaranteed: that a production older than PostgreSQL 18 plans the same (the planner here is
    that of 18); that extended statistics count, which the observing role cannot see, before
    ``learn_from``.

    Args:
        shadow: the server that it is on.

        database: its name there.

        sizes: bytes that tables and indexes have in production, by qualified name.

        missing: what could not be restored, one sentence each.
    """

    def __init__(
        self, shadow: Shadow, database: str, *, sizes: Mapping[str, int], missing: tuple[str, ...]
    ) -> None:
        super().__init__(shadow, database)
        self.missing = missing
        grow(shadow.server.data_dir, self.session(), sizes)
        raise_trees(self, sizes)

    def learn_from(self, other: ShadowDatabase) -> None:
        """Take over the extended statistics that ``other`` has of the same columns; call it once.

        Those of expressions are left behind. A clone of a sample has what its sample says.

        Args:
            other: on the same server.

        Raises:
            EvaluatorFailed: the shadow server went away.
        """
        with self.shadow.errors("reading extended statistics"):
            rows = other.session().execute(QUERIES["read_extended"], {}).fetchall()
        with self.shadow.errors("taking over extended statistics"), self.session().transaction():
            for cast in _CASTS if rows else ():
                self.session().execute(QUERIES[cast])
            for row in rows:
                self.session().execute(QUERIES["write_extended"], row)
