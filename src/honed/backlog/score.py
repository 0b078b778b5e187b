"""Which ticket is taken next: cheap, harmless and important ones first (seed 003, "Autopatch")."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, Protocol, TypeVar

from honed.backlog.ticket import Priority, Term, TicketState
from honed.core.risk import MAX_ATTEMPTED_RISK

#: The seed subtracts a priority from 10 and gives it no number. These lie evenly between 1 and 10,
#: so that one step of priority weighs as much as six steps of risk or effort.
PRIORITY_VALUES: Final[Mapping[Priority, int]] = {
    Priority.LOW: 1,
    Priority.MEDIUM: 4,
    Priority.HIGH: 7,
    Priority.CRITICAL: 10,
}


class Scored(Protocol):
    """What has a score."""

    @property
    def priority(self) -> Priority:
        """How much it matters."""

    @property
    def risk_level(self) -> int:
        """From 1 to 10."""

    @property
    def estimated_effort(self) -> int:
        """From 1 to 10."""


class Selectable(Scored, Protocol):
    """What can be taken next."""

    @property
    def ticket_id(self) -> int:
        """Settles what nothing else does."""

    @property
    def state(self) -> TicketState:
        """Only what is open is taken."""

    @property
    def first_seen_at(self) -> datetime:
        """Among equals the oldest is taken."""


SelectableT = TypeVar("SelectableT", bound=Selectable)


def score_terms(ticket: Scored) -> tuple[Term, ...]:
    """Return what a ticket's score is the sum of."""
    value = PRIORITY_VALUES[ticket.priority]
    return (
        Term("10 - priority", f"{ticket.priority.value} = {value}", float(10 - value)),
        Term("risk / 2", ticket.risk_level, ticket.risk_level / 2),
        Term("effort / 2", ticket.estimated_effort, ticket.estimated_effort / 2),
    )


def score(ticket: Scored) -> float:
    """Return (10 - priority) + risk / 2 + effort / 2, from 1 to 19: the lowest is taken first."""
    return sum(float(term.contribution) for term in score_terms(ticket))


def is_selectable(ticket: Selectable, max_risk: int) -> bool:
    """Return whether a ticket may be taken without a person: open, and its risk not too high.

    Args:
        ticket: which one.

        max_risk: the setting ``improvement_max_risk``; above 7 nothing is taken, whatever it says.
    """
    limit = min(max_risk, MAX_ATTEMPTED_RISK)
    return ticket.state is TicketState.OPEN and ticket.risk_level <= limit


def select_next(tickets: Iterable[SelectableT], max_risk: int) -> SelectableT | None:
    """Return the ticket to be taken next, or None; the same for any order of ``tickets``."""
    return min(
        (each for each in tickets if is_selectable(each, max_risk)),
        key=lambda each: (score(each), each.first_seen_at, each.ticket_id),
        default=None,
    )


def needs_review(ticket: Scored, auto_apply_max_risk: int) -> bool:
    """Return whether a change for it waits for a person whatever the policy allows.

    Only what lies below the threshold may go ahead (seed 003: "auto-apply tickets below this risk
    level").
    """
    return ticket.risk_level >= auto_apply_max_risk
