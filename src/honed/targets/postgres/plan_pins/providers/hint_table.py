"""Hints: the extension pg_hint_plan keeps hints for one statement in a table."""

from collections.abc import Mapping
from typing import Any

from honed.targets.postgres.plan_pins.guidance import Guidance
from honed.targets.postgres.plan_pins.guided import Guided
from honed.targets.postgres.plan_pins.hint_rows import EXTENSION, MECHANISM
from honed.targets.postgres.plan_pins.hints import hints_of


class HintTable(Guided):
    """Hints in a table; see ``Guided``. A hint in the statement's own text keeps them away, too."""

    name = MECHANISM
    extension = EXTENSION

    def guidance_of(self, plan: Mapping[str, Any]) -> list[Guidance]:
        """Return the hints of ``plan``."""
        return hints_of(plan)
