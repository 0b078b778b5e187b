"""Why an improvement that could go on does not yet, in words for a person."""

from collections.abc import Collection

from honed.approval.policy import current_policy
from honed.config import Autonomy
from honed.core.verdict import State
from honed.improvement.record import Improvement, events
from honed.loop.cycle import get_cycle, may_change
from honed.loop.switch import read_switch
from honed.storage.db import Connection
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.loop")


def changed_first(
    conn: Connection, improvement: Improvement, waiting_for_people: Collection[str]
) -> int | None:
    """Return the improvement of the same target that is applied or watched before it, or None.

    The watch of a kind ``waiting_for_people`` holds up nothing.
    """
    whose = {
        "target_id": improvement.target_id,
        "improvement_id": improvement.improvement_id,
        "waiting_for_people": list(waiting_for_people),
    }
    row = conn.execute(_QUERIES["changing_now"], whose).fetchone()
    return int(row["improvement_id"]) if row else None


def why_it_waits(
    conn: Connection, improvement: Improvement, waiting_for_people: Collection[str]
) -> str:
    """Return what an improvement waits for; empty: for nothing, or nothing more becomes of it.

    Args:
        conn: a transaction of a role that may read.

        improvement: which one.

        waiting_for_people: kinds whose watch holds up no other change.
    """
    if improvement.state is State.AWAITING_APPROVAL:
        return f"a person: `honed improvement approve {improvement.improvement_id}`, or reject"
    if improvement.state is not State.APPROVED:
        return ""
    switch = read_switch(conn)
    if switch.stopped:
        return f"`honed start`: honed is stopped, because {switch.reason}"
    first = changed_first(conn, improvement, waiting_for_people)
    if first is not None:
        return f"improvement {first} of this target, which is applied or watched before it"
    return _of_its_cycle(conn, improvement) or _last_said(conn, improvement)


def _of_its_cycle(conn: Connection, improvement: Improvement) -> str:
    policy = current_policy(conn)
    if policy.autonomy is Autonomy.OBSERVE:
        return "another policy: the autonomy is observe, so nothing is changed"
    cycle = get_cycle(conn, improvement.cycle_id) if improvement.cycle_id else None
    if cycle is not None and may_change(conn, cycle):
        return ""
    if cycle is None or cycle.options.dry_run:
        return "the next cycle that is no dry run, which carries it out"
    most = min(cycle.options.max_changes, policy.max_changes_per_run)
    return (
        f"the next cycle, which carries it out: cycle {cycle.cycle_id} has made as many changes as"
        f" it may ({most}, max_changes_per_run)"
    )


def _last_said(conn: Connection, improvement: Improvement) -> str:
    """Return why it could not begin when it was tried last, else who has to try."""
    last = events(conn, improvement.improvement_id)[-1]
    if last.from_state == last.to_state and last.detail.get("reason"):
        return str(last.detail["reason"])
    return "a worker, which carries it out: `honed run`, or `honed worker --until-idle`"
