"""History: which plan a statement had when, what its calls cost then, what the planner knew."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from honed.targets.postgres.plan_history.memory import QUERIES
from honed.targets.postgres.target import PostgresTarget

#: A plan counts as known from so many calls on.
CALLS = 10.0
#: A plan is the better one if a call costs at most this share of a call now.
_BETTER = 1 / 1.2


@dataclass(frozen=True, slots=True)
class PlanRecord:
    """One plan of one statement, with what its calls cost while it was in force."""

    plan_hash: str
    #: As it is stored: without constants.
    plan: Mapping[str, Any]
    calls: float
    exec_ms: float
    shared_blocks: float
    #: When it was seen last.
    last_seen_at: datetime
    #: From when to when its calls were counted; None: there were none.
    counted_from: datetime | None = None
    counted_to: datetime | None = None

    @property
    def mean_ms(self) -> float:
        """Milliseconds per call; 0 without calls."""
        return self.exec_ms / self.calls if self.calls else 0.0

    @property
    def blocks_per_call(self) -> float:
        """Shared blocks per call; 0 without calls."""
        return self.shared_blocks / self.calls if self.calls else 0.0


def last_good(plans: Sequence[PlanRecord], mean_ms_now: float) -> PlanRecord | None:
    """Return the best plan that is known well enough; None: none is clearly better than now.

    Args:
        plans: of one statement.

        mean_ms_now: what a call costs now.
    """
    known = [each for each in plans if each.calls >= CALLS and each.exec_ms > 0]
    best = min(known, key=lambda each: (each.mean_ms, each.plan_hash), default=None)
    return best if best and best.mean_ms <= _BETTER * mean_ms_now else None


def read_plans(target: PostgresTarget, statement_ids: Sequence[str]) -> dict[str, list[PlanRecord]]:
    """Return the plans of statements by their id, the present one first."""
    rows = target.recall(QUERIES["list_plan_costs"], {"statement_ids": list(statement_ids)})
    found: dict[str, list[PlanRecord]] = {}
    for row in rows:
        found.setdefault(row.pop("statement_id"), []).append(PlanRecord(**row))
    return found


def read_numbers(
    target: PostgresTarget, tables: Sequence[str], seen_at: datetime
) -> dict[str, Mapping[str, Mapping[str, float]]]:
    """Return what the planner knew of ``tables`` at a moment: numbers by table and column."""
    rows = target.recall(QUERIES["list_numbers"], {"tables": list(tables), "seen_at": seen_at})
    return {row["table_name"]: row["numbers"] for row in rows}


def read_start(
    target: PostgresTarget,
    statement_id: str,
    *,
    good_ms: float,
    bad_ms: float,
    lookback: timedelta,
) -> datetime | None:
    """Return since when a statement has been as slow as it is now; see ``slow_since``."""
    window = {"statement_id": statement_id, "lookback": lookback}
    rows = target.recall(QUERIES["list_costs_over_time"], window)
    costs = [(row["started_at"], row["exec_ms_per_call"]) for row in rows]
    return slow_since(costs, good_ms=good_ms, bad_ms=bad_ms)


def slow_since(
    costs: Sequence[tuple[datetime, float]], *, good_ms: float, bad_ms: float
) -> datetime | None:
    """Return when the newest unbroken run of slow stretches began; None: the newest is not slow.

    Args:
        costs: beginning of each stretch, and milliseconds of a call in it; the newest first.

        good_ms: what a call cost before.

        bad_ms: what it costs now; slow is what lies nearer to it, as a factor.
    """
    since = None
    for started_at, ms in costs:
        if ms * ms < good_ms * bad_ms:
            break
        since = started_at
    return since
