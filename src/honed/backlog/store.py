"""The tickets in the store: taken in, found again, decided about and tried."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum

from honed.backlog.draft import Draft
from honed.backlog.lifecycle import may_move
from honed.backlog.ticket import (
    UNSETTLED,
    Attempt,
    Category,
    Priority,
    Ticket,
    TicketAnswer,
    TicketEvent,
    TicketSource,
    TicketState,
)
from honed.backlog.triage import triage
from honed.core.answer import Answer
from honed.core.canonical import Json
from honed.core.risk import MAX_ATTEMPTED_RISK
from honed.errors import UnknownTicket, WrongTicketState
from honed.storage.db import Connection
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.backlog")


class Became(StrEnum):
    """What came of a draft."""

    CREATED = "created"
    #: It is known, and counted once more, or as often as its source says.
    COUNTED = "counted"
    #: It is known, and nothing has happened since it was counted.
    KNOWN = "known"
    #: It was applied, and is seen since then.
    REOPENED = "reopened"


@dataclass(frozen=True, slots=True)
class Filter:
    """Which tickets are meant; an empty one of these does not narrow them."""

    states: Sequence[TicketState] = tuple(UNSETTLED)
    priorities: Sequence[Priority] = ()
    categories: Sequence[Category] = ()
    sources: Sequence[TicketSource] = ()


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ended."""

    success: bool
    changes_summary: str = ""
    test_results: Mapping[str, Json] = field(default_factory=dict)
    error_message: str = ""


def take_in(conn: Connection, draft: Draft, *, found_by: str) -> tuple[int, Became]:
    """Take in what a source says of one trouble; return its ticket's id and what came of it.

    A trouble without a ticket gets one. One with a ticket is counted again where there is news of
    it, and judged again where no person has judged it; if it was applied and the trouble is seen
    since, the ticket is open again. A ticket that a person rejected stays so, and is counted.

    Args:
        conn: a transaction of the daemon or of an operator.

        draft: what the source says.

        found_by: the name of the source's plug-in; the history keeps it.
    """
    judged = triage(draft)
    said: dict[str, Json] = {
        "source": draft.source.value,
        "target_id": draft.target_id,
        "project": draft.project,
        "subject": draft.subject,
        "title": draft.title,
        "description": draft.description,
        "evidence": draft.evidence,
        "proposed_solution": draft.proposed_solution,
        "test_plan": draft.test_plan,
        "files_to_modify": draft.files_to_modify,
        "metadata": draft.metadata,
        "source_count": draft.count,
        "first_seen_at": draft.first_seen_at.isoformat(),
        "last_seen_at": draft.last_seen_at.isoformat(),
        "category": judged.category.value,
        "priority": judged.priority.value,
        "risk_level": judged.risk_level,
        "estimated_effort": judged.estimated_effort,
        "terms": {name: [term.to_json() for term in of] for name, of in judged.terms.items()},
    }
    (row,) = conn.execute(_QUERIES["take_in"], {"draft": _text(said), "found_by": found_by})
    return row["ticket_id"], Became(row["became"])


def known(conn: Connection, drafts: Sequence[Draft]) -> set[int]:
    """Return the positions in ``drafts`` of those whose trouble has a ticket, settled or not."""
    keys = [draft.key for draft in drafts]
    sources, target_ids, projects, subjects = ([key[n] for key in keys] for n in range(4))
    rows = conn.execute(
        _QUERIES["list_known"],
        {
            "sources": sources,
            "target_ids": target_ids,
            "projects": projects,
            "subjects": subjects,
        },
    )
    return {row["position"] for row in rows}


def tickets(conn: Connection, wanted: Filter | None = None, *, limit: int = 100) -> list[Ticket]:
    """Return tickets, those that pay most first, settled ones last; unsettled ones by default."""
    asked = wanted or Filter()
    return _find(
        conn,
        states=_values(asked.states),
        priorities=_values(asked.priorities),
        categories=_values(asked.categories),
        sources=_values(asked.sources),
        limit=limit,
    )


def get(conn: Connection, ticket_id: int) -> Ticket:
    """Return one ticket.

    Raises:
        UnknownTicket: there is none with this id.
    """
    found = _find(conn, ticket_id=ticket_id)
    if not found:
        msg = f"there is no ticket {ticket_id}"
        raise UnknownTicket(msg)
    return found[0]


def next_ticket(conn: Connection, max_risk: int) -> Ticket | None:
    """Return the ticket to be taken next, by ``honed.backlog.score.select_next``, or None.

    It is not locked: ``begin_attempt`` refuses one that somebody else has taken meanwhile.
    """
    limit = min(max_risk, MAX_ATTEMPTED_RISK)
    row = conn.execute(_QUERIES["next"], {"max_risk": limit}).fetchone()
    return get(conn, row["ticket_id"]) if row else None


def events(conn: Connection, ticket_id: int) -> list[TicketEvent]:
    """Return every change of one ticket, oldest first."""
    rows = conn.execute(_QUERIES["list_events"], {"ticket_id": ticket_id})
    return [TicketEvent.from_row(row) for row in rows]


def attempts(conn: Connection, ticket_id: int) -> list[Attempt]:
    """Return every attempt at one ticket, oldest first."""
    return [
        Attempt(**row) for row in conn.execute(_QUERIES["list_attempts"], {"ticket_id": ticket_id})
    ]


def answers(conn: Connection, ticket_id: int) -> list[TicketAnswer]:
    """Return every answer to what one ticket asks, oldest first; of one call the last counts."""
    return [
        TicketAnswer(answer=Answer(row.pop("call"), row.pop("returns"), row.pop("raises")), **row)
        for row in conn.execute(_QUERIES["list_answers"], {"ticket_id": ticket_id})
    ]


def move(conn: Connection, ticket_id: int, to: TicketState, *, reason: str = "") -> None:
    """Bring a ticket into its next state, as the daemon.

    Raises:
        UnknownTicket: there is none with this id.
        WrongTicketState: it may not go there, or only by a person.
    """
    check_move(get(conn, ticket_id), to, by_person=False)
    asked = {"ticket_id": ticket_id, "to_state": to.value, "reason": reason}
    conn.execute(_QUERIES["move"], asked)


def check_move(ticket: Ticket, to: TicketState, *, by_person: bool) -> None:
    """Return if a ticket may go to ``to``; the store checks it again, under its lock.

    Raises:
        WrongTicketState: it may not.
    """
    if not may_move(ticket.state, to, by_person=by_person):
        msg = f"ticket {ticket.ticket_id} is {ticket.state.value}; it cannot become {to.value}"
        raise WrongTicketState(msg)


def begin_attempt(conn: Connection, ticket_id: int, *, branch_name: str = "") -> int:
    """Begin an attempt at an open ticket, as the daemon; return the attempt's id.

    Raises:
        UnknownTicket: there is none with this id.
        WrongTicketState: it is not open.
    """
    check_move(get(conn, ticket_id), TicketState.IN_PROGRESS, by_person=False)
    asked = {"ticket_id": ticket_id, "branch_name": branch_name}
    (row,) = conn.execute(_QUERIES["begin_attempt"], asked)
    attempt_id: int = row["attempt_id"]
    return attempt_id


def end_attempt(conn: Connection, attempt_id: int, ending: Ending) -> None:
    """Say how an attempt ended, as the daemon; its ticket becomes ready or failed.

    A ticket that was settled or taken back meanwhile stays as it is.

    Raises:
        WrongTicketState: the attempt has ended, or it succeeded without its tests.
    """
    said = {**asdict(ending), "test_results": _text(ending.test_results)}
    conn.execute(_QUERIES["end_attempt"], {"attempt_id": attempt_id, **said})


def _values(of: Iterable[StrEnum]) -> list[str] | None:
    return [each.value for each in of] or None


def _text(value: Json) -> str:
    return json.dumps(_storable(value), allow_nan=False)


def _storable(value: Json) -> Json:
    """Return ``value`` without what PostgreSQL's jsonb refuses: NUL, half a character, infinity."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(_storable(key)): _storable(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_storable(item) for item in value]
    return value


def _find(conn: Connection, **conditions: int | list[str] | None) -> list[Ticket]:
    every = dict.fromkeys(("ticket_id", "states", "priorities", "categories", "sources", "limit"))
    return [Ticket.from_row(row) for row in conn.execute(_QUERIES["find"], every | conditions)]
