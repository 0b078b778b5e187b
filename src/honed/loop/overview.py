"""The overview: what honed does at this moment, and what waits for a person."""

from collections.abc import Mapping
from dataclasses import dataclass

from honed.approval.policy import Policy, current_policy
from honed.core.verdict import RESTING, State
from honed.errors import StoreOutdated
from honed.improvement.record import Improvement, improvements
from honed.loop.cycle import Cycle, cycles
from honed.loop.switch import Switch, read_switch
from honed.storage.db import Connection
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.loop")

#: Cycles that an overview names.
_LAST_CYCLES = 5
#: States that are no rest, and the one rest that waits for a person.
_OPEN = (*(state for state in State if state not in RESTING), State.AWAITING_APPROVAL)


@dataclass(frozen=True, slots=True)
class Queue:
    """One queue, as it is at this moment."""

    queue: str
    #: Messages that are due.
    depth: int
    #: Messages that wait for their time.
    delayed: int
    #: Seconds that the longest has been due.
    oldest_s: float
    doing: int
    #: Dead letters that nobody settled.
    failed: int


@dataclass(frozen=True, slots=True)
class Overview:
    """What honed does at this moment."""

    switch: Switch
    #: None: honed was never started on this store.
    policy: Policy | None
    queues: tuple[Queue, ...]
    #: Improvements by state.
    states: Mapping[State, int]
    #: What is not at rest, or waits for a person; newest first, as are the cycles.
    open: tuple[Improvement, ...]
    cycles: tuple[Cycle, ...]


def read_overview(conn: Connection) -> Overview:
    """Return the overview of this moment; any role may ask."""
    counts = conn.execute(_QUERIES["count_states"]).fetchall()
    return Overview(
        switch=read_switch(conn),
        policy=_policy(conn),
        queues=tuple(Queue(**row) for row in conn.execute(_QUERIES["list_queues"])),
        states={State(row["state"]): row["improvements"] for row in counts},
        open=tuple(improvements(conn, states=_OPEN)),
        cycles=tuple(cycles(conn, limit=_LAST_CYCLES)),
    )


def _policy(conn: Connection) -> Policy | None:
    try:
        return current_policy(conn)
    except StoreOutdated:
        return None
