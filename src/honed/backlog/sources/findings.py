"""Findings of targets that nobody answers: no kind had a claim, or each claim was tried in vain."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, ClassVar, Final

from honed.backlog.draft import Draft, Facts
from honed.backlog.source import Source
from honed.backlog.ticket import TicketSource
from honed.config import Settings
from honed.core.finding import REGRESSION
from honed.storage.db import Connection
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.backlog.sources", "findings.sql")

_UNANSWERED: Final = "No kind knows a remedy: it takes a change of the statement or of the schema."
_IN_VAIN: Final = "What was tried did not help ({tried}): it takes another change."
_TEST_PLAN: Final = (
    "1. Run the statements of the evidence on a copy\n"
    "2. Change what they do, or what they read\n"
    "3. See that `honed finding show {finding_id}` says that it is gone"
)


class Findings(Source):
    """Open findings of targets for which the last cycle had no answer."""

    name: ClassVar[str] = "findings"
    source: ClassVar[TicketSource] = TicketSource.PERFORMANCE

    def drafts(self, conn: Connection, since: datetime, settings: Settings) -> Iterator[Draft]:
        """Yield one draft for each finding that is open after its cycle and has no answer left."""
        for row in conn.execute(_QUERIES["list_unanswered"]).fetchall():
            yield _draft(row)


def _draft(row: Mapping[str, Any]) -> Draft:
    evidence: Mapping[str, Any] = row["evidence"]
    tried = [f"improvement {each['improvement_id']} {each['state']}" for each in row["tried"]]
    solution = _IN_VAIN.format(tried=", ".join(tried)) if tried else _UNANSWERED
    return Draft(
        source=TicketSource.PERFORMANCE,
        target_id=row["target_id"],
        subject=f"{row['type']}: {row['subject']}",
        title=row["title"],
        description=f"A finding of {row['target']} that waits: {row['title']}.",
        evidence={
            "finding": {"finding_id": row["finding_id"], "type": row["type"], **evidence},
            "tried": row["tried"],
        },
        proposed_solution=solution,
        test_plan=_TEST_PLAN.format(finding_id=row["finding_id"]),
        count=row["times_seen"],
        first_seen_at=row["first_seen_at"],
        last_seen_at=row["last_seen_at"],
        facts=Facts(
            share=row["weight"],
            excess=_excess(evidence),
            is_regression=row["type"] == REGRESSION,
        ),
    )


def _excess(evidence: Mapping[str, Any]) -> float:
    """Return how many times as long it takes as before, where the finding knows."""
    before, after = evidence.get("mean_ms_before"), evidence.get("mean_ms_after")
    if not isinstance(before, (int, float)) or not isinstance(after, (int, float)) or before <= 0:
        return 1.0
    return after / before
