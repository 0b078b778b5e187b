"""A phantom: production's schema and statistics in a private database, and not one row.

The planner asks the catalog what is in a table and the file how long it is. Here the catalog has
production's statistics and each file production's length, as one hole that takes no room on the
disk; so statements are planned as in production, whatever its size. Plans are all that it is for:
run there, a statement finds nothing.

The statistics hold values of production. They are private to the shadow server, and go with the
database.
"""

from collections.abc import Mapping

from honed.targets.postgres.grow import grow
from honed.targets.postgres.shadow import Shadow
from honed.targets.postgres.shadow_database import ShadowDatabase
from honed.targets.postgres.trees import raise_trees


class Phantom(ShadowDatabase):
    """One database without rows that plans as production does.

    Nothing may be written there, nor vacuumed or analysed: that would put the truth, no rows, into
    the catalog. CREATE INDEX would too, and would read the holes besides; see
    ``indexes.imagination`` for how an index gets there.

    Not guaranteed: that a production older than PostgreSQL 18 plans the same (the planner here is
    that of 18); that its extended statistics count, which the observing role cannot see.

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
