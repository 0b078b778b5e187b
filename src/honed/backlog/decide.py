"""What a person says of tickets: adds, corrects, answers, rejects, reopens or resolves one."""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

from honed.backlog.store import check_move, get
from honed.backlog.ticket import Category, Priority, TicketState
from honed.core.answer import Answer
from honed.core.privacy import Scrubber
from honed.errors import ConfigurationError, UnknownTarget
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

    def scrubbed(self, scrubber: Scrubber) -> dict[str, Any]:
        """Return by column what may be stored of it."""
        files = self.files_to_modify
        columns = {**asdict(self), "files_to_modify": None if files is None else list(files)}
        return cast("dict[str, Any]", scrubber.value(columns))


@dataclass(frozen=True, slots=True)
class Author:
    """A person who writes of tickets."""

    #: The store's: what a person copies from a log may have anything in it.
    scrubber: Scrubber
    #: The person behind the login.
    acting_for: str = ""


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
    conn: Connection, words: Words, author: Author, *, target: str = "", project: str = ""
) -> int:
    """Add a ticket by hand, as an operator; return its id.

    Args:
        conn: a transaction of an operator.

        words: with a title at least.

        author: who writes it.

        target: the name of the target that it is about; empty: of none.

        project: the name of the project or repository that it is about; empty: of none.

    Raises:
        WrongTicketState: another ticket of this place has this title.
        UnknownTarget: there is no such target.
    """
    said = {
        name: each for name, each in words.scrubbed(author.scrubber).items() if each is not None
    }
    _check_target(conn, target)
    where = {
        "target": target or None,
        "project": author.scrubber.text(project),
        "acting_for": author.acting_for,
    }
    (row,) = conn.execute(_QUERIES["add"], {**_UNSAID, **said, **where})
    ticket_id: int = row["ticket_id"]
    return ticket_id


def edit(
    conn: Connection,
    ticket_id: int,
    words: Words,
    author: Author,
    *,
    reason: str = "",
) -> bool:
    """Write what a person says of a ticket, scrubbed, and return whether anything changed.

    No scan writes these fields again.

    Raises:
        UnknownTicket: there is none with this id.
    """
    get(conn, ticket_id)
    said = words.scrubbed(author.scrubber)
    who = _decision(ticket_id, author.scrubber.text(reason), author.acting_for)
    (row,) = conn.execute(_QUERIES["edit"], {**said, **who})
    is_changed: bool = row["is_changed"]
    return is_changed


def answer(conn: Connection, ticket_id: int, said: Answer, author: Author) -> Answer:
    """Keep what a call does when it is right, as an operator, and return it as it is kept.

    Texts in it are scrubbed, each by itself, as the variables of the exception were: equal ones
    stay equal.

    Raises:
        ConfigurationError: it holds what is not kept, and is no text by itself.
        UnknownTicket: there is none with this id.
    """
    get(conn, ticket_id)
    kept = Answer(
        _scrubbed(said.call, author.scrubber),
        _scrubbed(said.returns, author.scrubber),
        said.raises,
    )
    conn.execute(
        _QUERIES["answer"],
        {"ticket_id": ticket_id, **asdict(kept), "acting_for": author.acting_for},
    )
    return kept


def reject(conn: Connection, ticket_id: int, reason: str, *, acting_for: str = "") -> None:
    """Say that a trouble is none, or not worth it; seen again, it is only counted.

    Raises:
        UnknownTicket: there is none with this id.
        WrongTicketState: it is settled already.
    """
    check_move(get(conn, ticket_id), TicketState.REJECTED, by_person=True)
    conn.execute(_QUERIES["reject"], _decision(ticket_id, reason, acting_for))


def reopen(conn: Connection, ticket_id: int, reason: str, *, acting_for: str = "") -> None:
    """Let a ticket wait again, whatever became of it; one that is open is tried again.

    Raises:
        UnknownTicket: there is none with this id.
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


def _scrubbed(text: str, scrubber: Scrubber) -> str:
    """Return Python's text of a value with each of its texts scrubbed."""
    if not text:
        return text
    tree = ast.parse(text, mode="eval")
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = scrubber.text(node.value)
    kept = ast.unparse(tree)
    if scrubber.text(kept) != kept:
        msg = "the answer holds what looks like a secret or like personal data, which is not kept"
        raise ConfigurationError(msg, hint="write a test that says what is right, and push it")
    return kept
