"""The words of the backlog: a ticket, what happened to it, and what was tried."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from honed.core.answer import Answer
from honed.core.canonical import Json


class TicketSource(StrEnum):
    """Where a ticket comes from."""

    EXCEPTION = "exception"
    #: Anomalies, regressions and slow statements.
    PERFORMANCE = "performance"
    #: Failing and flaky tests.
    TEST = "test"
    FEEDBACK = "feedback"
    #: What most of the money goes into.
    COST = "cost"
    #: Static analysis.
    CODE = "code"
    FORECAST = "forecast"
    #: A person.
    MANUAL = "manual"


class Category(StrEnum):
    """What sort of change would settle it."""

    BUG_FIX = "bug_fix"
    PERFORMANCE = "performance"
    FEATURE = "feature"
    REFACTOR = "refactor"
    TEST = "test"
    COST = "cost"


class Priority(StrEnum):
    """How much it matters; ``honed.backlog.score.PRIORITY_VALUES`` has the numbers."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class TicketState(StrEnum):
    """Where a ticket is (seed 003, "Ticket Lifecycle")."""

    OPEN = "open"
    #: An attempt has begun.
    IN_PROGRESS = "in_progress"
    #: The change is made, its tests run.
    TESTING = "testing"
    #: The tests passed; it waits for a review.
    READY = "ready"
    #: The change is merged, or a person settled it otherwise.
    APPLIED = "applied"
    #: The tests failed, or something else did.
    FAILED = "failed"
    #: A person said no.
    REJECTED = "rejected"


#: Tickets in these states need nothing more, unless the trouble comes back.
SETTLED = frozenset({TicketState.APPLIED, TicketState.REJECTED})
UNSETTLED = frozenset(TicketState) - SETTLED


@dataclass(frozen=True, slots=True)
class Term:
    """One thing that counted, and for how much."""

    name: str
    #: What was seen.
    value: Json
    #: What it adds to a number; of a category: the category.
    contribution: float | str

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> "Term":
        """Return the term of its JSON."""
        return cls(said["name"], said["value"], said["contribution"])

    def to_json(self) -> dict[str, Json]:
        """Return it as JSON."""
        return {"name": self.name, "value": self.value, "contribution": self.contribution}


#: Why a ticket has its category, priority, risk_level and estimated_effort, by that name.
Terms = Mapping[str, tuple[Term, ...]]


@dataclass(frozen=True, slots=True)
class Ticket:
    """One trouble that waits, or waited."""

    ticket_id: int
    source: TicketSource
    #: The target's id and name; None and empty: it is about no target.
    target_id: int | None
    target: str
    #: A project of the intake, or a repository by its name; empty: neither.
    project: str
    subject: str
    title: str
    description: str
    category: Category
    priority: Priority
    #: 1 to 10.
    risk_level: int
    #: 1 to 10.
    estimated_effort: int
    terms: Terms
    #: Fields that a person wrote: no scan writes them again.
    set_by_person: tuple[str, ...]
    state: TicketState
    evidence: Mapping[str, Json]
    proposed_solution: str
    test_plan: str
    files_to_modify: tuple[str, ...]
    metadata: Mapping[str, Json]
    times_seen: int
    first_seen_at: datetime
    last_seen_at: datetime
    #: How often it was settled and came back.
    reopened_count: int
    applied_at: datetime | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Ticket":
        """Return the ticket of one row of ``honed.ticket`` with its target's name."""
        read: dict[str, Any] = {
            "source": TicketSource(row["source"]),
            "category": Category(row["category"]),
            "priority": Priority(row["priority"]),
            "state": TicketState(row["state"]),
            "terms": {
                name: tuple(Term.from_json(term) for term in terms)
                for name, terms in row["terms"].items()
            },
            "set_by_person": tuple(row["set_by_person"]),
            "files_to_modify": tuple(row["files_to_modify"]),
        }
        return cls(**{**row, **read})


@dataclass(frozen=True, slots=True)
class TicketEvent:
    """One change of a ticket, as it was recorded."""

    event_id: int
    #: ``created``, ``edited``, ``triaged``, ``moved``, ``regressed``, ``reopened``, ``rejected`` or
    #: ``resolved``.
    event: str
    #: Empty for the first.
    from_state: str
    to_state: TicketState
    #: Of an edit or a new judgement: by field, what was and what is.
    detail: Mapping[str, Json]
    reason: str
    #: The login, as the server knows it.
    done_by: str
    #: The person that the interface says it acted for.
    acting_for: str
    happened_at: datetime

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "TicketEvent":
        """Return the event of one row of ``honed.ticket_event``."""
        return cls(**{**row, "to_state": TicketState(row["to_state"])})


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to settle a ticket; kept for ever."""

    attempt_id: int
    ticket_id: int
    #: From 1.
    attempt_number: int
    branch_name: str
    changes_summary: str
    test_results: Mapping[str, Json]
    #: None while it goes on.
    success: bool | None
    error_message: str
    attempted_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class TicketAnswer:
    """What a person said that a call does when it is right."""

    answer_id: int
    answer: Answer
    #: The login, and the person that the interface said it acted for; empty: not said.
    done_by: str
    acting_for: str
    answered_at: datetime
