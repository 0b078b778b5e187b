"""A finding: one observed fact with its evidence."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NewType

from honed.core.canonical import Json

FindingType = NewType("FindingType", str)

SLOW_STATEMENT = FindingType("slow_statement")
ANOMALY = FindingType("anomaly")
REGRESSION = FindingType("regression")
STALE_STATISTICS = FindingType("stale_statistics")
MISESTIMATE = FindingType("misestimate")
INVALID_INDEX = FindingType("invalid_index")
FAILING_TEST = FindingType("failing_test")
EXCEPTION = FindingType("exception")
SAME_BUG = FindingType("same_bug")


@dataclass(frozen=True, slots=True)
class Finding:
    """One observed fact; two findings with equal type and subject are the same fact seen twice."""

    #: What sort of fact it is; kinds say which types they want.
    type: FindingType
    #: What the fact is about, stable from cycle to cycle: a statement's id, a table's name.
    subject: str
    #: One sentence for a person.
    title: str
    #: The numbers behind it, as JSON.
    evidence: Mapping[str, Json] = field(default_factory=dict)
    #: Share of the target's total cost that it concerns, 0 to 1.
    weight: float = 0.0
    #: The row in the store; 0 before it is stored.
    finding_id: int = 0
