"""Leases: which process holds a role in a store, until when, and under which epoch."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from honed.config import TwoServerRole
from honed.storage.db import Connection
from honed.storage.queries import load_queries

#: The statements of the whole package.
QUERIES = load_queries("honed.loop.two_servers")


class Role(StrEnum):
    """What one process of a store may be alone."""

    #: Without the two-server mode: the daemon.
    DAEMON = "daemon"
    PRIMARY = "primary"
    SECONDARY = "secondary"

    @classmethod
    def of(cls, role: TwoServerRole) -> "Role":
        """Return the role that the settings ask for."""
        return cls(role.value) if role is not TwoServerRole.OFF else cls.DAEMON


@dataclass(frozen=True, slots=True)
class Holder:
    """One process that would hold a role."""

    role: Role
    #: What its server is called.
    server: str
    #: Tells two processes of one server apart.
    instance: str


@dataclass(frozen=True, slots=True)
class Lease:
    """Who holds a role, or held it last. Times are the store's."""

    role: Role
    server: str
    instance: str
    #: Grows with each change of holder; what an older one says is refused.
    epoch: int
    taken_at: datetime
    renewed_at: datetime
    expires_at: datetime
    #: Whether it has not expired.
    is_held: bool


def take(conn: Connection, holder: Holder, *, lease_s: float) -> Lease | None:
    """Return the lease, taken or renewed for ``lease_s``; None where another process holds it."""
    wanted = {
        "role": holder.role.value,
        "server": holder.server,
        "instance": holder.instance,
        "lease_s": lease_s,
    }
    row = conn.execute(QUERIES["take_lease"], wanted).fetchone()
    return Lease(**{**row, "role": Role(row["role"])}) if row else None


def leave(conn: Connection, holder: Holder) -> None:
    """Give the role back, if it is held; the next holder has the next epoch."""
    conn.execute(QUERIES["leave_lease"], {"role": holder.role.value, "instance": holder.instance})


def lock_own(conn: Connection, holder: Holder) -> Lease | None:
    """Return the lease if the process holds it; nobody takes it until the transaction ends."""
    own = {"role": holder.role.value, "instance": holder.instance}
    row = conn.execute(QUERIES["lock_lease"], own).fetchone()
    return Lease(**{**row, "role": Role(row["role"])}) if row else None


def leases(conn: Connection) -> list[Lease]:
    """Return who holds, or held last, each role of this store."""
    rows = conn.execute(QUERIES["list_leases"])
    return [Lease(**{**row, "role": Role(row["role"])}) for row in rows]
