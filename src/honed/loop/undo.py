"""Everything of honed's on one target: what is there, and asking for it to be taken back."""

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass

from honed.approval.decisions import reject, roll_back
from honed.errors import WrongState
from honed.improvement.record import Improvement, get
from honed.loop.effects import effects_of
from honed.storage.db import Connection
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.loop")


@dataclass(frozen=True, slots=True)
class Leftover:
    """An improvement that is still on its target although it should not be."""

    improvement: Improvement
    #: What its last step, or the improvement itself, says went wrong; empty: nothing did yet.
    why: str


def on_target(conn: Connection, target_id: int) -> list[Improvement]:
    """Return every improvement of which something is, or may be, on a target; last begun first."""
    rows = conn.execute(_QUERIES["list_on_target"], {"target_id": target_id}).fetchall()
    return [get(conn, row["improvement_id"]) for row in rows]


def leftovers(conn: Connection, target_id: int) -> list[Leftover]:
    """Return what is still on a target, last begun first, each with the reason."""
    left = []
    for each in on_target(conn, target_id):
        errors = [effect.error for effect in effects_of(conn, each.improvement_id)]
        left.append(Leftover(each, next((error for error in errors[::-1] if error), each.error)))
    return left


def withhold(conn: Connection, target_id: int, reason: str, acting_for: str) -> list[int]:
    """Say no to everything that is approved and not begun, and return what that was.

    Else the next approved change would begin as soon as the one before it is taken back.

    Raises:
        NotAllowed: the role may not.
    """
    rows = conn.execute(_QUERIES["list_approved_yet"], {"target_id": target_id}).fetchall()
    held = []
    for row in rows:
        # One that was begun, or rejected, in this moment.
        with suppress(WrongState), conn.transaction():
            reject(conn, row["improvement_id"], reason, acting_for=acting_for)
            held.append(row["improvement_id"])
    return held


def ask_for_last(
    conn: Connection, target_id: int, reason: str, acting_for: str, *, besides: Collection[int]
) -> int | None:
    """Ask for what was begun last to be taken back, and return which it is; None: nothing is left.

    Args:
        conn: a transaction of an operator.

        target_id: where.

        reason: kept with the decision.

        acting_for: the person behind the login.

        besides: what was asked for already.

    Raises:
        NotAllowed: the role may not.
    """
    for each in on_target(conn, target_id):
        if each.improvement_id in besides:
            continue
        # One that a worker has taken back in this moment.
        with suppress(WrongState), conn.transaction():
            roll_back(conn, each.improvement_id, reason, acting_for=acting_for)
            return each.improvement_id
    return None


def is_being_taken_back(conn: Connection, improvement_id: int) -> bool:
    """Return whether a worker is asked to take it back and has neither done it nor given up."""
    asked = {"improvement_id": improvement_id}
    (row,) = conn.execute(_QUERIES["is_being_taken_back"], asked)
    return bool(row["is_asked"])
