"""The policy: what may go ahead without a person. Versioned; written only by the store's owner."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from honed.config import Autonomy, Settings, TwoServerRole
from honed.errors import StoreOutdated
from honed.storage.db import Connection
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.approval")


@dataclass(frozen=True, slots=True)
class Policy:
    """One version of the rules; it never changes."""

    policy_version: int
    autonomy: Autonomy
    require_human_approval: bool
    #: Only kinds of this area; empty: all.
    target_area: str
    #: Least priority that is approved without a person.
    auto_approve_threshold: int
    max_changes_per_run: int
    #: An approval, and the wait for one, expire after it.
    approval_ttl: timedelta
    #: Whether targets of the primary and of the secondary have thresholds of their own.
    two_servers: bool
    primary_threshold: int
    secondary_threshold: int

    def differences(self, settings: Settings) -> dict[str, tuple[Any, Any]]:
        """Return the rules that ``settings`` would make otherwise: name, here and there."""
        there = _rules(settings)
        here = {name: getattr(self, name) for name in there}
        return {name: (here[name], there[name]) for name in there if here[name] != there[name]}


class Answer(StrEnum):
    """What the policy says to one proven improvement."""

    #: Nothing is to be changed: this is a dry run.
    DRY_RUN = "dry_run"
    #: A person decides.
    NEEDS_PERSON = "needs_person"
    #: It goes ahead; an approval of the policy's authority was written.
    APPROVED = "approved"


@dataclass(frozen=True, slots=True)
class PolicyAnswer:
    """What the policy says, and why."""

    answer: Answer
    #: One sentence for a person.
    reason: str


def write_policy(conn: Connection, settings: Settings) -> Policy:
    """Make the settings the policy in force; return it. A new version only if something differs.

    Args:
        conn: a transaction of the store's owner: the daemon cannot widen what it may do.

        settings: whose rules become the policy.

    Raises:
        NotAllowed: the role is not the owner's.
    """
    conn.execute(_QUERIES["lock_policy"])
    rules = _rules(settings)
    conn.execute(_QUERIES["write_policy"], {**rules, "autonomy": settings.autonomy.value})
    return current_policy(conn)


def begin_policy(conn: Connection, settings: Settings) -> Policy:
    """Return the policy in force; where there is none yet, the settings become the first.

    Args:
        conn: a transaction; of the store's owner where there is none yet.

        settings: whose rules become the first policy.

    Raises:
        NotAllowed: there is none yet, and the role is not the owner's.
    """
    if not _is_there(conn):
        conn.execute(_QUERIES["lock_policy"])
        # Somebody else may have been faster; theirs is the first then.
        if not _is_there(conn):
            return write_policy(conn, settings)
    return current_policy(conn)


def current_policy(conn: Connection) -> Policy:
    """Return the policy in force.

    Raises:
        StoreOutdated: none was ever written.
    """
    row = conn.execute(_QUERIES["current_policy"]).fetchone()
    if row is None:
        msg = "the store has no policy yet"
        raise StoreOutdated(msg, hint="start honed once as the store's owner; it writes the policy")
    return Policy(**{**row, "autonomy": Autonomy(row["autonomy"])})


def ask_policy(conn: Connection, improvement_id: int) -> PolicyAnswer:
    """Ask whether a proven improvement may go ahead; if so, its approval is written.

    Every rule is checked by ``honed.approve_by_policy`` in the store, whose tables the daemon
    cannot write. The improvement must carry its digest.

    Raises:
        UnknownImprovement: there is none with this id.
        WrongState: it is not proven.
        StaleApproval: its digest was made under another policy.
    """
    (row,) = conn.execute(_QUERIES["ask_policy"], {"improvement_id": improvement_id})
    return PolicyAnswer(Answer(row["answer"]), row["reason"])


def _is_there(conn: Connection) -> bool:
    return conn.execute(_QUERIES["current_policy"]).fetchone() is not None


def _rules(settings: Settings) -> dict[str, Any]:
    """Return the rules of a policy as the settings have them."""
    return {
        "autonomy": settings.autonomy,
        "require_human_approval": settings.require_human_approval,
        "target_area": settings.target_area,
        "auto_approve_threshold": settings.auto_approve_threshold,
        "max_changes_per_run": settings.max_changes_per_run,
        "approval_ttl": timedelta(hours=settings.approval_ttl_hours),
        "two_servers": settings.two_server_role is not TwoServerRole.OFF,
        "primary_threshold": settings.primary_threshold,
        "secondary_threshold": settings.secondary_threshold,
    }
