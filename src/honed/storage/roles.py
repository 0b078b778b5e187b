"""Honed's database roles: what each may do, and which logins are members."""

from dataclasses import dataclass
from types import MappingProxyType

from honed.storage.db import Connection
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.storage")

#: What each role may do; each of the first three also does what the one before it may, the
#: operator what the asker may, and the daemon what the intake may.
MAY = MappingProxyType(
    {
        "honed_viewer": "read everything but examples of statements",
        "honed_operator": "ask for cycles, stop and start, reject, roll back, settle dead letters",
        "honed_approver": "approve",
        "honed_daemon": "run the loop; never approve, never change the policy",
        "honed_asker": "ask the language model by SQL, and read the answers to its own questions",
        "honed_intake": "store signals and count them; never read what one says",
    }
)


@dataclass(frozen=True, slots=True)
class Role:
    """One of honed's roles."""

    name: str
    #: In words, for a person.
    may: str
    #: Logins that are members, directly or not. Superusers may everything and are left out.
    logins: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Login:
    """Whom the server knows a connection as, whatever role it has taken since."""

    name: str
    #: Whether it is the store's owner, or could become it: it may write policies and approvals.
    is_owner: bool
    #: Whether it is a member of honed_approver, or could become one.
    is_approver: bool

    @property
    def too_much(self) -> str:
        """What it may beyond a daemon's work, as a clause for a person; empty: nothing."""
        if self.is_owner:
            return "owns the store, so it could write policies and approvals itself"
        return "is a member of honed_approver, so it could approve" if self.is_approver else ""


def read_login(conn: Connection) -> Login:
    """Return who logged in on this connection; any role may ask."""
    (row,) = conn.execute(_QUERIES["read_login"])
    return Login(**row)


def roles(conn: Connection) -> list[Role]:
    """Return honed's roles, the one that may least first."""
    found = {row["role"]: row["logins"] for row in conn.execute(_QUERIES["list_members"])}
    return [Role(name, may, tuple(found.get(name, ()))) for name, may in MAY.items()]
