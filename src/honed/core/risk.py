"""Risk: how dangerous a kind is, and what honed never does without a person."""

from dataclasses import dataclass
from enum import StrEnum

#: Above this level a change is never attempted by honed itself (seed 003, "Risk threshold").
MAX_ATTEMPTED_RISK = 7

#: The highest risk level there is.
MAX_RISK = 10


class Danger(StrEnum):
    """What makes a change dangerous whatever its risk level."""

    #: Undone completely and at once.
    NONE = "none"
    #: Changes the weights of a model.
    WEIGHTS = "weights"
    #: Changes tables, columns or constraints.
    SCHEMA = "schema"
    #: Removes data, or an object whose re-creation takes long.
    DELETION = "deletion"
    #: Calls something outside with side effects.
    EXTERNAL = "external"


@dataclass(frozen=True, slots=True)
class Risk:
    """How dangerous a kind is.

    Args:
        level: 1 (harmless) to 10, as in the seeds.

        danger: what puts it beyond every automatic approval, or ``Danger.NONE``.
    """

    level: int
    danger: Danger = Danger.NONE

    def __post_init__(self) -> None:
        """Refuse levels outside 1 to 10."""
        if not 1 <= self.level <= MAX_RISK:
            msg = f"a risk level is 1 to 10, not {self.level}"
            raise ValueError(msg)

    @property
    def needs_person(self) -> bool:
        """Whether only a person may approve it."""
        return self.danger is not Danger.NONE or self.level > MAX_ATTEMPTED_RISK
