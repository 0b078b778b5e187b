"""Removing a target: what is under way of it is ended first, and its messages end quietly."""

from collections.abc import Sequence
from dataclasses import dataclass

from honed.core.verdict import RESTING, State
from honed.errors import WrongState
from honed.improvement.record import Improvement, get, lock
from honed.improvement.transition import Changes, Move, transition
from honed.jobs.delivery import JobContext
from honed.ledger.keys import Signer
from honed.loop.cycle import Phase, enter
from honed.loop.events import Dropped
from honed.loop.messages import Act, Analyze, Hypothesize, Learn
from honed.loop.parts import Parts
from honed.storage.db import Connection
from honed.storage.queries import load_queries
from honed.targets.registry import TargetRecord
from honed.targets.repository.requests import changes
from honed.targets.repository.requests.change import Change, Wanted
from honed.targets.repository.requests.sealing import seal

_QUERIES = load_queries("honed.loop")

#: What ends each of them the ordinary way; in the other states nobody has said that it shall be.
_ENDED_BY = {
    State.APPROVED: "honed improvement reject {} --reason ...",
    State.APPLYING: "honed improvement rollback {} --reason ...",
    State.WATCHING: "honed improvement rollback {} --reason ...",
}
#: Ways to end something that one hint names.
_NAMED = 3
_WHY = "its target was removed"


@dataclass(frozen=True, slots=True)
class LooseEnds:
    """What nobody would bring to its end if its target was removed now."""

    improvements: Sequence[Improvement] = ()
    #: Requests for review that are open.
    changes: Sequence[Change] = ()

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return bool(self.improvements or self.changes)

    def check_settled(self, name: str) -> None:
        """Return if none of them was decided about or is on the target.

        Args:
            name: the target's.

        Raises:
            WrongState: some are; the hint says what ends each.
        """
        decided = [each for each in self.improvements if each.state in _ENDED_BY]
        covered = {each.improvement_id for each in decided}
        waiting = [each for each in self.changes if each.improvement_id not in covered]
        said = [f"improvement {each.improvement_id} is {each.state.value}" for each in decided]
        said += [f"change {each.change_id} waits for its review" for each in waiting]
        if not said:
            return
        ways = [_ENDED_BY[each.state].format(each.improvement_id) for each in decided]
        ways += [f"honed forge close {each.change_id} --reason ..." for each in waiting]
        named = ", ".join(f"`{each}`" for each in ways[:_NAMED]) + ", ..." * (len(ways) > _NAMED)
        msg = f"{name} is not removed while something of it is under way: {', '.join(said)}"
        hint = (
            f"{named} and then a worker end it, or `honed target undo-all {name}` everything;"
            " --force removes it all the same, and leaves what is there"
        )
        raise WrongState(msg, hint=hint)


def loose_ends(conn: Connection, record: TargetRecord) -> LooseEnds:
    """Return what of a target has not come to its end."""
    resting = [state.value for state in RESTING - {State.AWAITING_APPROVAL}]
    asked = {"target_id": record.target_id, "resting": resting}
    rows = conn.execute(_QUERIES["list_unfinished"], asked).fetchall()
    # A target that was removed may have had the same name.
    named = changes.changes(conn, Wanted(record.name), limit=1000)
    return LooseEnds(
        [get(conn, row["improvement_id"]) for row in rows],
        [each for each in named if _is_of(conn, each, record.target_id)],
    )


def end_all(conn: Connection, signer: Signer, record: TargetRecord) -> LooseEnds:
    """Bring what is loose to an end in history and ledger, and return it as it was.

    What waits for its approval or has one expires, and everything else has failed; the target
    itself is not touched, and a request stays as it is on its forge. Commit soon.

    Args:
        conn: a transaction of the daemon.

        signer: the key of the ledger.

        record: of the target.
    """
    found = loose_ends(conn, record)
    # All rows before the ledger's head, as every change of state locks them.
    locked = [lock(conn, each.improvement_id) for each in found.improvements]
    for change in found.changes:
        changes.withdraw(conn, change.change_id, _WHY)
    for each in locked:
        transition(conn, signer, each.improvement_id, _ending(each), fence=None)
    for change in found.changes:
        seal(conn, signer, change.change_id)
    for row in conn.execute(_QUERIES["list_open_cycles"], {"target_id": record.target_id}):
        enter(conn, row["cycle_id"], Phase.SUPERSEDED, error=_WHY)
    return LooseEnds(locked, found.changes)


def drop(parts: Parts, context: JobContext, message: Analyze | Hypothesize | Act | Learn) -> bool:
    """End the job of a message whose target was removed, with what is loose of it.

    Returns:
        Whether the target was removed; if not, nothing was done.

    Raises:
        LostJob: another worker took the job over.
    """
    with parts.store.transaction() as conn:
        context.fence.check(conn)
        target_id = message.target_id
        (there,) = conn.execute(_QUERIES["is_target_there"], {"target_id": target_id})
        row = conn.execute(_QUERIES["get_target_name"], {"target_id": target_id}).fetchone()
        if there["is_there"] or row is None:
            return False
        end_all(conn, parts.signer, TargetRecord(row["name"], "", target_id=target_id))
        context.fence.finish(conn)
    parts.tell(Dropped(message.task, target_id, row["name"], _WHY))
    return True


def _is_of(conn: Connection, change: Change, target_id: int) -> bool:
    improvement_id = change.improvement_id
    return improvement_id is None or get(conn, improvement_id).target_id == target_id


def _ending(improvement: Improvement) -> Move:
    if improvement.state in {State.AWAITING_APPROVAL, State.APPROVED}:
        return Move(State.EXPIRED, detail={"reason": _WHY})
    left = "; what of it is there stays" * (improvement.state in _ENDED_BY)
    return Move(State.FAILED, Changes(error=f"{_WHY} while it was {improvement.state.value}{left}"))
