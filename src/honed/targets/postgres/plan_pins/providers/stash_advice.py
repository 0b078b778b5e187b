"""Stashed advice: PostgreSQL 19 can keep a plan for one query identifier (``pg_stash_advice``)."""

from collections.abc import Iterator

from honed.targets.postgres.plan_pins.bench import Bench
from honed.targets.postgres.plan_pins.case import Case
from honed.targets.postgres.plan_pins.pin import Remedy
from honed.targets.postgres.plan_pins.provider import Server

_EXTENSION = "pg_stash_advice"
_VERSION_19 = 190000


class StashAdvice:
    """The narrowest mechanism there is; honed tells where it is, and does not use it yet.

    No server of this version could be tried. Nothing is proposed that was not tried.
    """

    name = "stash_advice"

    def why_not(self, server: Server) -> str:
        """Return why it cannot be used; see ``Provider``."""
        if server.version < _VERSION_19:
            return f"{_EXTENSION} comes with PostgreSQL 19"
        if _EXTENSION not in server.extensions:
            return f"the server does not have {_EXTENSION}"
        return f"the server has {_EXTENSION}, and honed cannot use it yet"

    def remedies(self, case: Case, bench: Bench) -> Iterator[Remedy]:
        """Yield nothing."""
        del case, bench
        yield from ()
