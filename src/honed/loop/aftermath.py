"""The watch over changes that wait for people: not production's costs, but their kind tells."""

from datetime import datetime, timedelta

from honed.config import Settings
from honed.core.aftermath import HIGH_SCORE, Aftermath, Standing
from honed.core.canonical import Json
from honed.core.verdict import Outcome, State
from honed.improvement.record import json_text, lock
from honed.improvement.transition import Changes, Move, transition
from honed.jobs.queue import defer
from honed.loop.boundary import asking
from honed.loop.events import Kept
from honed.loop.messages import Learn
from honed.loop.work import Work, follow
from honed.storage.db import Connection
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.loop", "aftermath.sql")

#: Of the time since a change was handed over, so much goes by until it is looked at again.
_SHARE = 0.1


def ask(work: Work) -> Aftermath | None:
    """Return what the kind says of a change that is watched; None: production's costs tell it.

    Raises:
        KindFailed: the kind raised something.
        TargetUnavailable: the target, or where its changes are reviewed, does not answer.
    """
    kind, improvement = work.kind(), work.improvement
    if not kind.waits_for_people:
        return None
    assert improvement.applied_at is not None  # noqa: S101 - it was applied
    with asking(kind.name):
        return kind.aftermath(improvement.hypothesis, work.target(), improvement.applied_at)


def settle(work: Work, said: Aftermath, message: Learn) -> None:
    """Look again later, take the change back, or keep it, as its aftermath says.

    What does harm, or was ended by a person, is taken back the ordinary way: what is merged gets
    a revert proposed, and what is not loses its branch.

    Raises:
        LostJob: another worker took the job over.
    """
    outcome = None
    with work.parts.store.transaction() as conn:
        work.context.fence.check(conn)
        if lock(conn, work.improvement_id).state is not State.WATCHING:
            return
        _store(conn, work.improvement_id, said)
        if said.standing is Standing.WAITING:
            defer(conn, message, delay_s=_delay_s(conn, work))
        elif said.standing is Standing.WELL:
            outcome = outcome_of(said)
            _keep(conn, work, said)
        else:
            act = work.act().model_copy(update={"roll_back": True, "reason": said.reason[:1000]})
            defer(conn, act)
        work.context.fence.finish(conn)
    if said.standing is Standing.WELL:
        work.parts.tell(Kept(work.improvement_id, outcome, None, said.reason))


def stored_aftermath(conn: Connection, improvement_id: int) -> Aftermath | None:
    """Return what was said last of a change; None: nothing, or it is of no such kind."""
    row = conn.execute(_QUERIES["find"], {"improvement_id": improvement_id}).fetchone()
    if row is None:
        return None
    return Aftermath(Standing(row["standing"]), row["reason"], row["score"], row["facts"])


def outcome_of(said: Aftermath) -> Outcome | None:
    """Return what came of a change that is kept; None: nothing was shown."""
    if said.score is None:
        return None
    return Outcome.HIGH_SUCCESS if said.score >= HIGH_SCORE else Outcome.SUCCESS


def outcome_when_undone(said: Aftermath) -> Outcome | None:
    """Return what came of a change that is taken back; None: no harm was shown."""
    return Outcome.REGRESSED if said.standing is Standing.HARMED else None


def account(said: Aftermath | None) -> dict[str, Json]:
    """Return what history and ledger say of how a change's aftermath judged it."""
    if said is None:
        return {}
    return {
        "decided_by": "aftermath",
        "standing": said.standing.value,
        "success_score": said.score,
        "aftermath": dict(said.facts),
    }


def _keep(conn: Connection, work: Work, said: Aftermath) -> None:
    detail = {"reason": said.reason, **account(said)}
    move = Move(State.KEPT, Changes(outcome=outcome_of(said)), detail=detail)
    follow(conn, work.improvement, State.KEPT)
    transition(conn, work.parts.signer, work.improvement_id, move, fence=work.context.fence)


def _store(conn: Connection, improvement_id: int, said: Aftermath) -> None:
    row = {
        "improvement_id": improvement_id,
        "standing": said.standing.value,
        "reason": said.reason,
        "score": said.score,
        "facts": json_text(said.facts),
    }
    conn.execute(_QUERIES["store"], row)


def _delay_s(conn: Connection, work: Work) -> float:
    (row,) = conn.execute(_QUERIES["now"])
    handed_over = work.improvement.applied_at
    assert handed_over is not None  # noqa: S101 - it was applied
    return pause_s(row["now"], handed_over, work.parts.settings)


def pause_s(now: datetime, handed_over: datetime, settings: Settings) -> float:
    """Return the seconds until a change is looked at again: the longer it waits, the rarer.

    At least ``sample_interval_s``, and at most ``cycle_interval_s`` where that is longer: a request
    may be open for weeks, and a look asks the repository and its forge.
    """
    waited = max(now - handed_over, timedelta(0)).total_seconds()
    longest = max(settings.sample_interval_s, float(settings.cycle_interval_s))
    return min(max(_SHARE * waited, settings.sample_interval_s), longest)
