"""Stashed advice: PostgreSQL 19 keeps advice for one statement in memory (``pg_stash_advice``)."""

from collections.abc import Mapping
from typing import Any

from honed.targets.postgres.plan_pins.advice import advice_of
from honed.targets.postgres.plan_pins.guidance import Guidance
from honed.targets.postgres.plan_pins.guided import Guided
from honed.targets.postgres.plan_pins.provider import Server
from honed.targets.postgres.plan_pins.stash import EXTENSION, MECHANISM

_VERSION_19 = 190000


class StashAdvice(Guided):
    """Advice in the stash that the statement's sessions use; see ``Guided``."""

    name = MECHANISM
    extension = EXTENSION

    def why_not(self, server: Server) -> str:
        """Return why it cannot be used; see ``Provider``."""
        if server.version < _VERSION_19:
            return f"{EXTENSION} comes with PostgreSQL 19"
        if EXTENSION not in server.extensions:
            return f"the server does not have {EXTENSION}"
        return super().why_not(server)

    def guidance_of(self, plan: Mapping[str, Any]) -> list[Guidance]:
        """Return the advice of ``plan``: the server's own, else what its tree tells."""
        return advice_of(plan)
