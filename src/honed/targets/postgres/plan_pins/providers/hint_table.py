"""Hints: the extension pg_hint_plan keeps hints for one query in a table."""

from collections.abc import Iterator

from honed.targets.postgres.plan_pins.bench import Bench
from honed.targets.postgres.plan_pins.case import Case
from honed.targets.postgres.plan_pins.pin import Remedy
from honed.targets.postgres.plan_pins.provider import Server

_EXTENSION = "pg_hint_plan"


class HintTable:
    """Hints for one statement; honed tells where they could be, and does not write them yet.

    The lab's own server does not load the extension, so that no hint could be tried there. Nothing
    is proposed that was not tried.
    """

    name = "hint_table"

    def why_not(self, server: Server) -> str:
        """Return why it cannot be used; see ``Provider``."""
        if not server.extensions.get(_EXTENSION, False):
            return f"{_EXTENSION} is not installed in the database"
        return f"{_EXTENSION} is installed, but the lab's server does not load it: no trial"

    def remedies(self, case: Case, bench: Bench) -> Iterator[Remedy]:
        """Yield nothing."""
        del case, bench
        yield from ()
