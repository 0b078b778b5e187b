"""A hypothesis: one claim of a kind that can be tried."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from honed.core.canonical import Json
from honed.core.risk import MAX_RISK

#: The most urgent priority there is.
MAX_PRIORITY = 5


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One claim: these steps make this metric better, because of this.

    Two hypotheses of one kind with equal subject are the same claim; honed does not propose a
    claim again while it is open, nor while it is refuted and nothing changed.
    """

    #: Name of the kind that made it.
    kind: str
    #: What would be changed, stable from cycle to cycle.
    subject: str
    #: The claim in one sentence for a person.
    claim: str
    #: 1 (may wait) to 5 (do it first), seed 001.
    priority: int
    #: 1 to 10.
    risk: int
    #: Predicted natural logarithm of cost after / cost before; negative is better.
    predicted_log_ratio: float
    #: Everything that the kind's ``apply`` and ``trial`` need.
    parameters: Mapping[str, Json] = field(default_factory=dict)
    #: Rows of the findings that it answers.
    finding_ids: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a priority outside 1 to 5 and a risk outside 1 to 10."""
        if not 1 <= self.priority <= MAX_PRIORITY or not 1 <= self.risk <= MAX_RISK:
            msg = f"priority is 1 to 5 and risk 1 to 10, not {self.priority} and {self.risk}"
            raise ValueError(msg)

    @property
    def told(self) -> str:
        """A digest of what people have said is right, which it rests on; empty: nothing."""
        return str(self.parameters.get("told", ""))

    def to_json(self) -> dict[str, Json]:
        """Return the hypothesis as plain JSON."""
        return {
            "kind": self.kind,
            "subject": self.subject,
            "claim": self.claim,
            "priority": self.priority,
            "risk": self.risk,
            "predicted_log_ratio": self.predicted_log_ratio,
            "parameters": dict(self.parameters),
            "finding_ids": list(self.finding_ids),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Hypothesis":
        """Return the hypothesis that ``to_json`` wrote."""
        return cls(**{**value, "finding_ids": tuple(value["finding_ids"])})
