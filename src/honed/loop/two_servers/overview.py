"""What the two servers are to each other at this moment, as this store has it."""

from dataclasses import dataclass
from datetime import datetime

from honed.loop.two_servers.lease import QUERIES, Lease, leases
from honed.storage.db import Connection


@dataclass(frozen=True, slots=True)
class Peer:
    """What was last heard of the server of a role."""

    role: str
    server: str
    epoch: int
    #: By its own clock.
    sent_at: datetime
    heard_at: datetime
    expires_at: datetime
    #: False: it is cut off, and nothing is adopted.
    is_heard: bool


@dataclass(frozen=True, slots=True)
class Outbox:
    """How much of what this server has to say was said."""

    waiting: int
    delivered: int
    refused: int
    #: What the last attempt that failed said; empty: none did.
    error: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """One piece of evidence that has arrived."""

    evidence_id: int
    sha256: str
    server: str
    epoch: int
    twin: str
    kind: str
    subject: str
    state: str
    outcome: str
    #: Natural logarithm of cost after / cost before there; None: not known.
    log_ratio: float | None
    published_at: datetime
    received_at: datetime
    counts_until: datetime
    #: Improvements that rest on it.
    improvement_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """How often something was refused for one reason."""

    reason: str
    times: int
    #: What the last one said.
    error: str
    last_at: datetime


@dataclass(frozen=True, slots=True)
class PairOverview:
    """What the two servers are to each other, as one store has it."""

    leases: tuple[Lease, ...]
    peers: tuple[Peer, ...]
    outbox: Outbox
    evidence: tuple[Arrival, ...]
    refusals: tuple[Refused, ...]


def read_pair_overview(conn: Connection, *, limit: int = 20) -> PairOverview:
    """Return the overview with the newest ``limit`` pieces of evidence; any role may ask."""
    (outbox,) = conn.execute(QUERIES["count_outbox"])
    evidence = conn.execute(QUERIES["list_evidence"], {"limit": limit}).fetchall()
    return PairOverview(
        leases=tuple(leases(conn)),
        peers=tuple(Peer(**row) for row in conn.execute(QUERIES["list_peers"])),
        outbox=Outbox(**outbox),
        evidence=tuple(
            Arrival(**{**row, "improvement_ids": tuple(row["improvement_ids"])}) for row in evidence
        ),
        refusals=tuple(Refused(**row) for row in conn.execute(QUERIES["list_refusals"])),
    )
