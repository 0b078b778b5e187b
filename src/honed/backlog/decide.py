"""What a person says of tickets: adds one, corrects one, rejects, reopens or resolves one."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from honed.backlog.store import check_move, get
from honed.backlog.ticket import Category, Priority, TicketState
from honed.errors import UnknownTarget
from honed.storage.db import Connection
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.backlog")


@dataclass(frozen=True, slots=True)
class Words:
    """What a person writes of a ticket; None leaves a field as it is, or at its default."""

    title: str | None = None
    description: str | None = None
    category: Category | None = None
    priority: Priority | None = None
    risk_level: int | None = None
    estimated_effort: int | None = None
    proposed_solution: str | None = None
    test_plan: str | None = None
    files_to_modify: Sequence[str] | None = None


#: What a ticket has that nobody said anything else of: the middle.
_UNSAID: Mapping[str, Any] = {
    "description": "",
    "category": Category.BUG_FIX,
    "priority": Priority.MEDIUM,
    "risk_level": 5,
    "estimated_effort": 5,
    "proposed_solution": "",
    "test_plan": "",
    "files_to_modify": [],
}


def add(
    conn: Connection, words: Words, *, target: str = "", project: str = "", acting_for: str = ""
) -> int:
    """Add a ticket by hand, as an operator; return its id.

    Args:
        conn: a transaction of an operator.

        words: with a title at least.

        target: the name of the target that it is about; empty: of none.

        project: the name of the project or repository that it is about; empty: of none.

        acting_for: the person behind the login.

    Raises:
        WrongTicketState: another ticket of this place has this title.
        UnknownTarget: there is no such target.
    """
    said = {name: value for name, value in _columns(words).items() if value is not None}
    _check_target(conn, target)
    where = {"target": target or None, "project": project, "acting_for": acting_for}
    (row,) = conn.execute(_QUERIES["add"], {**_UNSAID, **said, **where})
    ticket_id: int = row["ticket_id"]
    return ticket_id


def edit(
    conn: Connection, ticket_id: int, words: Words, *, reason: str = "", acting_for: str = ""
) -> bool:
    """Write what a person says of a ticket, and return whether anything changed.

    No scan writes these fields again.

    Raises:
        UnknownTicket: there is none with this id.
    """
    get(conn, ticket_id)
    who = {"ticket_id": ticket_id, "reason": reason, "acting_for": acting_for}
    (row,) = conn.execute(_QUERIES["edit"], {**_columns(words), **who})
    is_changed: bool = row["is_changed"]
    return is_changed


def reject(conn: Connection, ticket_id: int, reason: str, *, acting_for: str = "") -> None:
    """Say that a trouble is none, or not worth it; seen again, it is only counted.

    Raises:
        UnknownTicket: there is none with this id.
        WrongTicketState: it is settled already.
    """
    check_move(get(conn, ticket_id), TicketState.REJECTED, by_person=True)
    conn.execute(_QUERIES["reject"], _decision(ticket_id, reason, acting_for))


def reopen(conn: Connection, ticket_id: int, reason: str, *, acting_for: str = "") -> None:
    """Let a ticket wait again, whatever became of it.

    Raises:
        UnknownTicket: there is none with this id.
        WrongTicketState: it is open.
    """
    check_move(get(conn, ticket_id), TicketState.OPEN, by_person=True)
    conn.execute(_QUERIES["reopen"], _decision(ticket_id, reason, acting_for))


def resolve(conn: Connection, ticket_id: int, reason: str, *, acting_for: str = "") -> None:
    """Say that a person has settled the trouble; seen after this, it is open again.

    Raises:
        UnknownTicket: there is none with this id.
        WrongTicketState: it is settled already.
    """
    check_move(get(conn, ticket_id), TicketState.APPLIED, by_person=True)
    conn.execute(_QUERIES["resolve"], _decision(ticket_id, reason, acting_for))


def _decision(ticket_id: int, reason: str, acting_for: str) -> dict[str, Any]:
    return {"ticket_id": ticket_id, "reason": reason, "acting_for": acting_for}


def _check_target(conn: Connection, name: str) -> None:
    (row,) = conn.execute(_QUERIES["is_target_there"], {"name": name})
    if name and not row["is_there"]:
        msg = f"there is no target called {name}"
        raise UnknownTarget(msg)


def _columns(words: Words) -> dict[str, Any]:
    files = words.files_to_modify
    return {**asdict(words), "files_to_modify": None if files is None else list(files)}
