"""A cycle: one turn of the loop on one target, its options and how far it has come."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from honed.approval.policy import current_policy
from honed.config import Autonomy, Settings
from honed.core.verdict import RESTING, State
from honed.errors import InvalidMessage
from honed.improvement.record import improvements
from honed.jobs.queue import defer
from honed.loop.messages import Analyze
from honed.storage.db import Connection
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.loop")


class Phase(StrEnum):
    """How far a cycle has come."""

    #: Its first message waits, perhaps for its time.
    WAITING = "waiting"
    ANALYZING = "analyzing"
    HYPOTHESIZING = "hypothesizing"
    #: Improvements are tried and applied.
    ACTING = "acting"
    #: Nothing is left but to watch what was applied.
    LEARNING = "learning"
    FINISHED = "finished"
    FAILED = "failed"
    #: One that was asked for took its place before it began.
    SUPERSEDED = "superseded"


#: Phases after which nothing more happens.
ENDED = frozenset({Phase.FINISHED, Phase.FAILED, Phase.SUPERSEDED})


@dataclass(frozen=True, slots=True)
class Options:
    """What one cycle may do; the policy in the store limits it further."""

    dry_run: bool = True
    max_changes: int = 1
    require_approval: bool = True
    #: ``performance``, ``quality``, ``features``, or empty for all.
    target_area: str = ""
    lookback: timedelta = timedelta(hours=24)
    #: What new indexes may take, in MB, and how many times as much an INSERT may cost with them;
    #: None, or more than the worker's settings say: as they say.
    storage_budget_mb: int | None = None
    write_budget: float | None = None
    #: The only trouble that it answers; None: everything that it finds.
    ticket_id: int | None = None

    @property
    def limits(self) -> dict[str, float]:
        """What was said of this cycle alone, by the setting that it takes the place of."""
        said = {"storage_budget_mb": self.storage_budget_mb, "write_budget": self.write_budget}
        return {name: value for name, value in said.items() if value is not None}

    @classmethod
    def of(cls, settings: Settings) -> "Options":
        """Return the options of a cycle that nobody asked for."""
        return cls(
            dry_run=settings.autonomy is Autonomy.OBSERVE,
            max_changes=settings.max_changes_per_run,
            require_approval=settings.require_human_approval,
            target_area=settings.target_area,
            lookback=timedelta(hours=settings.lookback_hours),
        )


@dataclass(frozen=True, slots=True)
class Cycle:
    """One turn of the loop on one target."""

    cycle_id: int
    target_id: int
    #: The target's name.
    target: str
    phase: Phase
    options: Options
    requested_by: str
    requested_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    #: Pause that its outcome asks for before the next one.
    next_delay_s: float | None
    cost_s: float
    #: What went wrong without ending it, or what ended it.
    error: str

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Cycle":
        """Return the cycle of one row of ``honed.cycle``."""
        options = Options(
            dry_run=row["dry_run"],
            max_changes=row["max_changes"],
            require_approval=row["require_approval"],
            target_area=row["target_area"],
            lookback=row["lookback"],
            storage_budget_mb=row["storage_budget_mb"],
            write_budget=row["write_budget"],
            ticket_id=row["ticket_id"],
        )
        return cls(
            cycle_id=row["cycle_id"],
            target_id=row["target_id"],
            target=row["target"],
            phase=Phase(row["phase"]),
            options=options,
            requested_by=row["requested_by"],
            requested_at=row["requested_at"],
            started_at=row["started_at"],
            finished_at=row["finished_at"],
            next_delay_s=row["next_delay_s"],
            cost_s=row["cost_s"],
            error=row["error"],
        )


def get_cycle(conn: Connection, cycle_id: int, *, lock: bool = False) -> Cycle:
    """Return one cycle, its row locked on demand.

    Raises:
        InvalidMessage: there is none with this id; only a message can name such a one.
    """
    query = "lock_cycle" if lock else "get_cycle"
    row = conn.execute(_QUERIES[query], {"cycle_id": cycle_id}).fetchone()
    if row is None:
        msg = f"there is no cycle {cycle_id}"
        raise InvalidMessage(msg)
    return Cycle.from_row(row)


def cycles(conn: Connection, *, target_id: int | None = None, limit: int = 20) -> list[Cycle]:
    """Return the newest cycles of one target, or of all, newest first."""
    rows = conn.execute(_QUERIES["list_cycles"], {"target_id": target_id, "limit": limit})
    return [Cycle.from_row(row) for row in rows]


def enter(
    conn: Connection,
    cycle_id: int,
    phase: Phase,
    *,
    error: str = "",
    next_delay_s: float | None = None,
) -> None:
    """Bring a cycle into another phase, in the caller's transaction."""
    conn.execute(
        _QUERIES["enter_phase"],
        {
            "cycle_id": cycle_id,
            "phase": phase.value,
            "ends": phase in ENDED,
            "error": error,
            "next_delay_s": next_delay_s,
        },
    )


def schedule(
    conn: Connection, target_id: int, options: Options, *, delay_s: float = 0.0
) -> int | None:
    """Let a cycle begin after ``delay_s`` seconds; return its id, in the caller's transaction.

    None: one waits already, or the target was removed.
    """
    (there,) = conn.execute(_QUERIES["is_target_there"], {"target_id": target_id})
    if not there["is_there"]:
        return None
    (row,) = conn.execute(
        _QUERIES["create_cycle"],
        {
            "target_id": target_id,
            "dry_run": options.dry_run,
            "max_changes": options.max_changes,
            "require_approval": options.require_approval,
            "target_area": options.target_area,
            "lookback": options.lookback,
        },
    )
    cycle_id: int = row["cycle_id"]
    message = Analyze(target_id=target_id, cycle_id=cycle_id)
    if defer(conn, message, delay_s=delay_s) is None:
        conn.execute(_QUERIES["delete_cycle"], {"cycle_id": cycle_id})
        return None
    return cycle_id


def request(conn: Connection, target: str, options: Options) -> int:
    """Ask for a cycle now and return its id; one that waits for its time gives way to it.

    It calls ``honed.run_cycle``, so the role must be an operator.

    Raises:
        WrongState: one waits to begin at once already.
        NotAllowed: the role may not.
    """
    (row,) = conn.execute(
        _QUERIES["request_cycle"],
        {
            "target": target,
            "dry_run": options.dry_run,
            "max_changes": options.max_changes,
            "require_approval": options.require_approval,
            "target_area": options.target_area,
            "lookback": options.lookback,
            "storage_budget_mb": options.storage_budget_mb,
            "write_budget": options.write_budget,
            "ticket_id": options.ticket_id,
        },
    )
    cycle_id: int = row["cycle_id"]
    return cycle_id


def busy_cycle(conn: Connection, cycle: Cycle) -> int | None:
    """Return another cycle of the same target that is at work, or None.

    One that only watches is not at work: a watch takes long, and its target may be looked at.
    """
    row = conn.execute(
        _QUERIES["busy_cycle"], {"target_id": cycle.target_id, "cycle_id": cycle.cycle_id}
    ).fetchone()
    return int(row["cycle_id"]) if row else None


def work_left(
    conn: Connection, cycle: Cycle, waiting_for_people: Collection[str] = ()
) -> Phase | None:
    """Return the phase that what is left to do puts the cycle in; None: nothing is left.

    An approved improvement counts only while the cycle may still change something; the next cycle
    carries it out. One that is watched does not count if it is of a kind ``waiting_for_people``.
    """
    left = improvements(
        conn, cycle_id=cycle.cycle_id, states=[state for state in State if state not in RESTING]
    )
    states = {
        each.state
        for each in left
        if each.state is not State.WATCHING or each.kind not in waiting_for_people
    }
    if not may_change(conn, cycle):
        states.discard(State.APPROVED)
    if states - {State.WATCHING}:
        return Phase.ACTING
    return Phase.LEARNING if states else None


def may_change(conn: Connection, cycle: Cycle) -> bool:
    """Return whether the cycle may begin one more change, by its own limit and the policy's.

    Under the autonomy ``observe`` nothing changes, whoever approved it.
    """
    policy = current_policy(conn)
    if cycle.options.dry_run or policy.autonomy is Autonomy.OBSERVE:
        return False
    (row,) = conn.execute(_QUERIES["count_changes"], {"cycle_id": cycle.cycle_id})
    limit = min(cycle.options.max_changes, policy.max_changes_per_run)
    return bool(row["changes"] < limit)
