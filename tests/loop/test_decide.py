"""Whose turn it is to change a target, and what may change it at all."""

import pytest

from honed.approval.policy import write_policy
from honed.config import Autonomy, Settings
from honed.core.verdict import State
from honed.loop.cycle import get_cycle, may_change
from honed.loop.work import wake_next
from honed.testing.improvements import Cycle, Improvements


def woken(made: Improvements) -> list[int]:
    """Wake the next approved improvement; return who was told to look whether it may begin."""
    with made.store.transaction() as conn:
        wake_next(conn, made.target_id)
        rows = conn.execute(
            "SELECT args -> 'improvement_id' AS improvement_id FROM honed.procrastinate_jobs"
            " WHERE task_name = 'act' AND status = 'todo' ORDER BY id"
        ).fetchall()
    return [row["improvement_id"] for row in rows]


def test_who_is_beyond_the_limit_of_its_cycle_does_not_hold_up_who_is_not(
    improvements: Improvements,
) -> None:
    full, free = improvements.cycle(), improvements.cycle()
    improvements.create(State.KEPT, cycle_id=full)
    improvements.create(State.APPROVED, cycle_id=full)
    first = improvements.create(State.APPROVED, cycle_id=free)
    improvements.create(State.APPROVED, cycle_id=free)
    assert woken(improvements) == [first.improvement_id]


def test_nobody_is_woken_where_nobody_may_begin(improvements: Improvements) -> None:
    full = improvements.cycle()
    improvements.create(State.KEPT, cycle_id=full)
    improvements.create(State.APPROVED, cycle_id=full)
    assert woken(improvements) == []


@pytest.mark.parametrize("autonomy", list(Autonomy))
def test_nothing_changes_under_the_autonomy_observe(
    improvements: Improvements, autonomy: Autonomy
) -> None:
    cycle_id = improvements.cycle(Cycle(max_changes=1))
    with improvements.store.transaction() as conn:
        write_policy(conn, Settings(autonomy=autonomy))
        allowed = may_change(conn, get_cycle(conn, cycle_id))
    assert allowed is (autonomy is not Autonomy.OBSERVE)
