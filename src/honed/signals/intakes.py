"""The intakes that are installed: honed's own and those of other packages."""

import logging
from collections.abc import Mapping

from honed.config import Settings
from honed.core.intake import Intake
from honed.core.plugins import discover
from honed.signals.pipeline import sources_off

_LOG = logging.getLogger(__name__)


def installed_intakes() -> Mapping[str, Intake]:
    """Return every intake that is installed, by name."""
    return discover("honed.intake", Intake)  # type: ignore[type-abstract]  # the family's base


def open_intakes(settings: Settings) -> list[Intake]:
    """Return every intake that is installed, ready to take what comes.

    Raises:
        ConfigurationError: a setting of one of them is wrong.
    """
    intakes = installed_intakes()
    for name in sorted(sources_off(settings) - set(intakes)):
        _LOG.warning("intake_sources_off names %s, which is not installed", name)
    for intake in intakes.values():
        intake.configure(settings.model_dump(mode="json"))
    return list(intakes.values())
