"""What a demonstration showed, as numbers: each query before and after, and its improvements."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

#: No query may be slower than this, before counted as regressed (design, section 4).
SLOWER_SHARE = 0.10


@dataclass(frozen=True, slots=True)
class QueryCost:
    """CPU seconds of one query, cut at the same limit before and after."""

    name: str
    before_s: float
    after_s: float

    @property
    def ratio(self) -> float:
        """After divided by before; below 1 is better."""
        return self.after_s / self.before_s


@dataclass(frozen=True, slots=True)
class ImprovementSummary:
    """What became of one improvement."""

    improvement_id: int
    kind: str
    claim: str
    state: str
    verdict: str
    predicted_log_ratio: float | None
    measured_log_ratio: float | None
    production_log_ratio: float | None


@dataclass(frozen=True, slots=True)
class DemoReport:
    """Everything that a demonstration showed."""

    scale: float
    cut_s: float
    queries: tuple[QueryCost, ...]
    index_sizes_bytes: Mapping[str, int]
    improvements: tuple[ImprovementSummary, ...]
    #: Seconds from the first statement of traffic to the first proven improvement.
    first_proof_s: float | None
    #: Seconds of the first cycle until its last verdict.
    decision_s: float
    ledger_entries: int
    ledger_root: str

    @property
    def geometric_mean_ratio(self) -> float:
        """Geometric mean over the queries of CPU time after / before."""
        logs = [math.log(query.ratio) for query in self.queries]
        return math.exp(sum(logs) / len(logs))

    @property
    def total_ratio(self) -> float:
        """CPU time of all queries after / before."""
        before_s = sum(query.before_s for query in self.queries)
        return sum(query.after_s for query in self.queries) / before_s

    @property
    def slower(self) -> tuple[str, ...]:
        """Queries that cost over 10 % more than before."""
        return tuple(query.name for query in self.queries if query.ratio > 1 + SLOWER_SHARE)

    def to_json(self) -> dict[str, object]:
        """Return the report as plain JSON, with the ratios worked out."""
        return {
            "scale": self.scale,
            "cut_s": self.cut_s,
            "geometric_mean_ratio": self.geometric_mean_ratio,
            "total_ratio": self.total_ratio,
            "slower_than_10_percent": list(self.slower),
            "indexes": len(self.index_sizes_bytes),
            "index_bytes": sum(self.index_sizes_bytes.values()),
            "index_sizes_bytes": dict(self.index_sizes_bytes),
            "first_proof_s": self.first_proof_s,
            "decision_s": self.decision_s,
            "ledger_entries": self.ledger_entries,
            "ledger_root": self.ledger_root,
            "queries": [
                {
                    "name": query.name,
                    "before_s": query.before_s,
                    "after_s": query.after_s,
                    "ratio": query.ratio,
                }
                for query in self.queries
            ],
            "improvements": [
                {name: getattr(each, name) for name in ImprovementSummary.__dataclass_fields__}
                for each in self.improvements
            ],
        }
