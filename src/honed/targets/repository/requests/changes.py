"""Changes of code in the store: opened within rules that spare people, and followed to their end.

One root cause has one open change. What a person closed is neither opened again nor repeated,
unless a person reopens its ticket; after a close the repository is left alone for a while. Those
that wait for a person and those that a policy lets in have a quota each, so that a few that nobody
reviews do not hold up the harmless ones.
"""

import json
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict
from datetime import datetime
from typing import Final

import psycopg

from honed.core.forge import ChangeRequest, ChangeState, Check, verdict
from honed.errors import ChangeWithheld, StaleApproval, UnknownChange, WrongChangeState
from honed.storage.db import Connection
from honed.storage.queries import load_queries
from honed.targets.repository.requests.change import (
    Change,
    ChangeEvent,
    Lane,
    Limits,
    NewChange,
    Renewal,
    Wanted,
    check_to_json,
    read_changes,
)

_QUERIES = load_queries("honed.targets.repository.requests", "changes.sql")
#: What honed.open_change raises.
_WITHHELD: Final = "HN429"
#: Why a change is withheld, for a person.
WORDS: Final = {
    "duplicate": "a change for this root cause is open already",
    "closed_by_person": "a person closed a change for this root cause, or with these lines",
    "cooldown": "a person closed a change of this repository a short while ago",
    "quota": "as many changes of this repository are open as may be",
}


def open_change(conn: Connection, new: NewChange, limits: Limits) -> Change:
    """Open a change, or return the one that is open with this branch and head.

    Args:
        conn: a transaction of the daemon.

        new: what is proposed.

        limits: of its repository.

    Raises:
        ChangeWithheld: it is not opened now; ``reason`` says why.
        UnknownImprovement: the target is gone.
    """
    limit = {"open_limit": limits.of(new.lane), "cooldown_s": limits.cooldown.total_seconds()}
    draft = {
        "target_id": new.target_id,
        "ticket_id": new.ticket_id,
        "improvement_id": new.improvement_id,
        "root_cause": new.root_cause,
        "patch_digest": new.patch_digest,
        "branch": new.proposal.branch,
        "base_branch": new.proposal.base,
        "base_commit": new.base_commit,
        "head_commit": new.head_commit,
        "title": new.proposal.title,
        "body": new.proposal.body,
        "lane": new.lane.value,
        "forge": new.forge,
        "ledger_index": new.ledger_index,
    }
    try:
        with conn.transaction():
            (row,) = conn.execute(_QUERIES["open"], {"draft": json.dumps(draft), **limit})
    except psycopg.DatabaseError as error:
        if error.sqlstate != _WITHHELD:
            raise
        raise _withheld(str(error)) from error
    return get(conn, row["change_id"])


def withheld(conn: Connection, new: NewChange, limits: Limits) -> str:
    """Return why a change would not be opened now, before work is spent on it; empty: it would."""
    (row,) = conn.execute(
        _QUERIES["why_withheld"],
        {
            "target_id": new.target_id,
            "ticket_id": new.ticket_id,
            "root_cause": new.root_cause,
            "patch_digest": new.patch_digest,
            "lane": new.lane.value,
            "open_limit": limits.of(new.lane),
            "cooldown_s": limits.cooldown.total_seconds(),
        },
    )
    return str(row["reason"] or "")


def was_asked_again(conn: Connection, ticket_id: int, since: datetime) -> bool:
    """Return whether a person has reopened a ticket since then, or said what is right."""
    values = {"ticket_id": ticket_id, "since": since}
    (row,) = conn.execute(_QUERIES["asked_again"], values)
    return bool(row["is_asked"])


def lane_of(
    conn: Connection, improvement_id: int | None, *, risk_limit: int | None = None
) -> tuple[Lane, str]:
    """Return who lets the change of an improvement in by the policy in force, and why.

    What has a risk of ``risk_limit`` or more is a person's.
    """
    values = {"improvement_id": improvement_id, "risk_limit": risk_limit}
    (row,) = conn.execute(_QUERIES["lane"], values)
    return Lane(row["lane"]), str(row["reason"])


def merge_by_policy(
    conn: Connection,
    change_id: int,
    *,
    base_head: str,
    risk_limit: int | None = None,
) -> tuple[bool, str]:
    """Ask for a merge in the name of the policy; return whether it is asked for, and why.

    What the policy no longer allows waits for a person from then on.

    Args:
        conn: a transaction of the daemon.

        change_id: which one.

        base_head: where the base branch is: it must be where the change was proven. Empty: nobody
            knows, and the change waits.

        risk_limit: what has this risk or more is a person's.

    Raises:
        UnknownChange: there is none with this id.
    """
    get(conn, change_id)
    values = {"change_id": change_id, "base_head": base_head, "risk_limit": risk_limit}
    (row,) = conn.execute(_QUERIES["merge_by_policy"], values)
    return row["answer"] == "asked", str(row["reason"])


def get(conn: Connection, change_id: int) -> Change:
    """Return one change.

    Raises:
        UnknownChange: there is none with this id.
    """
    found = _find(conn, Wanted(states=()), change_id=change_id)
    if not found:
        msg = f"there is no change {change_id}"
        raise UnknownChange(msg)
    return found[0]


def changes(conn: Connection, wanted: Wanted | None = None, *, limit: int = 100) -> list[Change]:
    """Return changes, newest first; the open ones by default."""
    return _find(conn, wanted or Wanted(), most=limit)


def events(conn: Connection, change_id: int) -> list[ChangeEvent]:
    """Return everything that became of one change, oldest first."""
    rows = conn.execute(_QUERIES["list_events"], {"change_id": change_id})
    return [ChangeEvent(**row) for row in rows]


def record(conn: Connection, change_id: int, seen: ChangeRequest) -> bool:
    """Record what a forge says of a change; return whether it is news.

    An answer that is older than one before is no news, in whatever order they come. What is found
    closed, and was not withdrawn before, a person closed. What is closed here and open there is
    still to be closed there; a person has opened it again only if it was seen closed before.
    """
    said = {
        "number": seen.number,
        "url": seen.url,
        "title": seen.title,
        "body": seen.body,
        "state": seen.state.value,
        "forge_head": seen.head_commit,
        "merge_commit": seen.merge_commit,
        "forge_updated_at": seen.updated_at.isoformat() if seen.updated_at else None,
    }
    kept = {name: value for name, value in said.items() if value is not None}
    values = {"change_id": change_id, "seen": json.dumps(kept)}
    (row,) = conn.execute(_QUERIES["record"], values)
    return bool(row["is_news"])


def record_checks(
    conn: Connection,
    change_id: int,
    head_commit: str,
    checks: Sequence[Check],
    *,
    expected: AbstractSet[str] = frozenset(),
) -> bool:
    """Record what the checks of a head say, each and together.

    Args:
        conn: a transaction of the daemon.

        change_id: the change.

        head_commit: whose checks they are.

        checks: the newest word of each.

        expected: names of checks without which nothing has passed.

    Returns:
        Whether that is the head that was proven; of another nothing is recorded.
    """
    values = {
        "change_id": change_id,
        "head_commit": head_commit,
        "checks": json.dumps([check_to_json(each) for each in checks]),
        "checks_state": verdict(checks, expected=expected).value,
    }
    (row,) = conn.execute(_QUERIES["record_checks"], values)
    return bool(row["is_news"])


def renew(conn: Connection, change_id: int, renewal: Renewal) -> None:
    """Say that a change was proven again; whoever asked for its merge has to ask again.

    Raises:
        UnknownChange: there is none with this id.
        WrongChangeState: it is not open.
    """
    _check_open(conn, change_id)
    conn.execute(_QUERIES["renew"], {"change_id": change_id, **asdict(renewal)})


def withdraw(conn: Connection, change_id: int, reason: str) -> None:
    """Close a change that honed itself no longer wants, before it is closed on its forge.

    Raises:
        UnknownChange: there is none with this id.
        WrongChangeState: it is not open.
    """
    _check_open(conn, change_id)
    conn.execute(_QUERIES["withdraw"], {"change_id": change_id, "reason": reason})


def close(conn: Connection, change_id: int, reason: str, *, acting_for: str = "") -> None:
    """Close a change for a person, for good.

    Raises:
        UnknownChange: there is none with this id.
        WrongChangeState: it is not open.
    """
    _check_open(conn, change_id)
    values = {"change_id": change_id, "reason": reason, "acting_for": acting_for}
    conn.execute(_QUERIES["close"], values)


def ask_merge(
    conn: Connection, change_id: int, *, head_commit: str | None = None, acting_for: str = ""
) -> None:
    """Ask for a merge for a person; whoever holds the repository's token carries it out.

    Raises:
        UnknownChange: there is none with this id.
        WrongChangeState: it is not open.
        StaleApproval: its head is not ``head_commit``, which the person has read.
    """
    known = _check_open(conn, change_id)
    if head_commit not in {None, known.head_commit}:
        msg = f"change {change_id} is no longer what was read: its head is {known.head_commit}"
        raise StaleApproval(msg, hint=f"read it again with `honed forge show {change_id}`")
    values = {"change_id": change_id, "head_commit": head_commit, "acting_for": acting_for}
    conn.execute(_QUERIES["merge"], values)


def note_news(conn: Connection, target_id: int) -> None:
    """Note that the forge of a repository has something new; said twice it is the same."""
    conn.execute(_QUERIES["note"], {"target_id": target_id})


def take_news(conn: Connection) -> list[int]:
    """Return the repositories whose forges have something new, and forget it."""
    return [row["target_id"] for row in conn.execute(_QUERIES["take_notices"])]


def _check_open(conn: Connection, change_id: int) -> Change:
    known = get(conn, change_id)
    if known.state is not ChangeState.OPEN:
        msg = f"change {change_id} is {known.state}"
        raise WrongChangeState(msg)
    return known


def _withheld(said: str) -> ChangeWithheld:
    reason = next((each for each in WORDS if f": {each}" in said), "")
    return ChangeWithheld(WORDS.get(reason, said), reason=reason)


def _find(
    conn: Connection, wanted: Wanted, *, change_id: int | None = None, most: int = 1
) -> list[Change]:
    named = {**asdict(wanted), "states": [each.value for each in wanted.states]}
    rows = conn.execute(_QUERIES["find"], {**named, "change_id": change_id, "most": most})
    return list(read_changes(rows))
