"""Findings of targets that nobody answers: no kind had a claim, or each claim was tried in vain."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, ClassVar, Final

from honed.backlog.draft import Draft, Facts
from honed.backlog.source import Source
from honed.backlog.ticket import Category, TicketSource
from honed.config import Settings
from honed.core.finding import FAILING_TEST, REGRESSION, SAME_BUG
from honed.storage.db import Connection
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.backlog.sources", "findings.sql")

#: Faults of code, whatever they cost.
_CODE: Final = frozenset({FAILING_TEST, SAME_BUG})
_UNANSWERED: Final = "No kind knows a remedy: it takes a change of the statement or of the schema."
_IN_VAIN: Final = "What was tried did not help ({tried}): it takes another change."
_ALIKE: Final = (
    "The same change as in {change}, if it is wrong here too: the functions are alike in form, and"
    " what they are given may differ."
)
_OF_CODE: Final = (
    "1. Write a test that fails because of it\n"
    "2. Change the code\n"
    "3. See that `honed finding show {finding_id}` says that it is gone"
)
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
    is_of_code = row["type"] in _CODE
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
        proposed_solution=_solution(row),
        test_plan=(_OF_CODE if is_of_code else _TEST_PLAN).format(finding_id=row["finding_id"]),
        files_to_modify=tuple(map(str, evidence.get("files", ()))) if is_of_code else (),
        count=row["times_seen"],
        first_seen_at=row["first_seen_at"],
        last_seen_at=row["last_seen_at"],
        facts=Facts(
            category=Category.BUG_FIX if is_of_code else None,
            share=row["weight"],
            excess=_excess(evidence),
            is_regression=row["type"] == REGRESSION,
        ),
    )


def _solution(row: Mapping[str, Any]) -> str:
    if tried := [f"improvement {each['improvement_id']} {each['state']}" for each in row["tried"]]:
        return _IN_VAIN.format(tried=", ".join(tried))
    if row["type"] == SAME_BUG:
        change = row["evidence"]["change"]
        return _ALIKE.format(change=f"change {change['change_id']} of {change['repository']}")
    # Who found it may know what is to be done.
    return str(row["evidence"].get("remedy") or _UNANSWERED)


def _excess(evidence: Mapping[str, Any]) -> float:
    """Return how many times as long it takes as before, where the finding knows."""
    before, after = evidence.get("mean_ms_before"), evidence.get("mean_ms_after")
    if not isinstance(before, (int, float)) or not isinstance(after, (int, float)) or before <= 0:
        return 1.0
    return after / before
