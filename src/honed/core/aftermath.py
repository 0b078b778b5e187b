"""What became of a change that waits for people before it does anything: a request for review."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from honed.core.canonical import Json

#: A change whose success scores at least this is a high success.
HIGH_SCORE = 0.8


class Standing(StrEnum):
    """How a change stands that was handed to people."""

    #: People have not decided, or its time under watch is not over: look again later.
    WAITING = "waiting"
    #: It is in use and does harm: take it back.
    HARMED = "harmed"
    #: It is in use, and its time under watch is over without harm.
    WELL = "well"
    #: A person ended it before it was in use: nothing is left to take back but what proposed it.
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What a kind says of a change that was carried out."""

    standing: Standing
    #: One sentence for a person. It can never be deleted: no personal data.
    reason: str
    #: How well it went, 0 to 1, where it is ``WELL``; the kind says by which formula.
    score: float | None = None
    #: What it rests on, as JSON; kept in history and ledger.
    facts: Mapping[str, Json] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a score outside 0 to 1, and one of what is not well."""
        if self.score is None:
            return
        if self.standing is not Standing.WELL or not 0.0 <= self.score <= 1.0:
            msg = f"a score is 0 to 1 of what is well, not {self.score} of {self.standing.value}"
            raise ValueError(msg)
