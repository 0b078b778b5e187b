"""Who handles which message, what waits instead of failing, what a dead letter leaves behind."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from honed.core.verdict import State, may_follow
from honed.errors import HonedError, Interrupted, LostJob, Postponed, Stopped
from honed.improvement.record import Improvement, lock
from honed.improvement.transition import Changes, Move, transition
from honed.jobs.deadletters import DeadLetter
from honed.jobs.delivery import Handlers, JobContext, OnBurial
from honed.jobs.messages import Message
from honed.jobs.queue import defer
from honed.loop.act import act
from honed.loop.cycle import ENDED, Options, Phase, enter, get_cycle, schedule
from honed.loop.events import Failed, Parked
from honed.loop.hypothesize import hypothesize
from honed.loop.learn import learn
from honed.loop.messages import Act, Analyze, Hypothesize, Learn
from honed.loop.observe import analyze
from honed.loop.pacing import next_delay_s
from honed.loop.parts import Parts
from honed.loop.removal import drop
from honed.loop.work import follow
from honed.sandbox.heeding import heeding
from honed.storage.db import Connection

#: A message that cannot be handled at the moment is tried again after this time.
PARKED_S = 5.0

_PHASES: dict[type[Message], Callable[[Parts, JobContext, Any], None]] = {
    Analyze: analyze,
    Hypothesize: hypothesize,
    Act: act,
    Learn: learn,
}


def handlers(parts: Parts, *, parked_s: float = PARKED_S) -> Handlers:
    """Return the handlers of the loop's four messages, for a worker.

    While honed is told to stop, the target of a change is away, or a target is busy, a message is
    not failed but parked: it is sent again, due a little later. One whose target was removed is
    over, whatever went wrong with it.

    Args:
        parts: what the phases work with.

        parked_s: pause before a parked message is tried again.
    """

    def handler(
        phase: Callable[[Parts, JobContext, Any], None],
    ) -> Callable[[JobContext, Any], None]:
        def handle(context: JobContext, message: Analyze | Hypothesize | Act | Learn) -> None:
            try:
                with heeding(context.stop_if_told):
                    phase(parts, context, message)
            except (Stopped, Postponed) as error:
                with parts.store.transaction() as conn:
                    context.fence.check(conn)
                    job_id = defer(conn, message, delay_s=parked_s)
                    if job_id is None and isinstance(message, Analyze):
                        # Another cycle waits in its place already.
                        enter(conn, message.cycle_id, Phase.SUPERSEDED)
                    context.fence.finish(conn)
                parts.tell(Parked(message.task, message.target_id, str(error)))
            except (Interrupted, LostJob):
                raise
            except HonedError:
                if not drop(parts, context, message):
                    raise

        return handle

    return {message: handler(phase) for message, phase in _PHASES.items()}


def on_burial(parts: Parts) -> OnBurial:
    """Return what a worker calls when a message of the loop becomes a dead letter.

    The loop goes on: a cycle whose message is lost has failed and the next one gets its time; an
    improvement whose message is lost has failed; a change that can no longer be carried through or
    watched is taken back.
    """

    def bury(conn: Connection, letter: DeadLetter) -> None:
        gist = _Gist.of(letter)
        if gist.improvement_id:
            improvement = lock(conn, gist.improvement_id)
            if improvement.state is State.WATCHING and letter.task != Act.task:
                _take_back(conn, improvement, f"it could not be watched: {letter.error}")
            elif letter.task != Learn.task:
                _bury_act(parts, conn, improvement, letter, roll_back=gist.roll_back)
        elif gist.cycle_id:
            _bury_cycle(parts, conn, gist.cycle_id, letter)

    return bury


@dataclass(frozen=True, slots=True)
class _Gist:
    """What a lost message was about, as far as it can be read: it may break every contract."""

    #: 0: it names none.
    cycle_id: int
    improvement_id: int
    roll_back: bool

    @classmethod
    def of(cls, letter: DeadLetter) -> "_Gist":
        try:
            content = json.loads(letter.message or "")
        except (ValueError, RecursionError):
            content = None
        read = content if isinstance(content, dict) else {}
        return cls(
            _id(read.get("cycle_id")), _id(read.get("improvement_id")), bool(read.get("roll_back"))
        )


def _id(value: object) -> int:
    return value if type(value) is int and 0 < value < 2**63 else 0


def _bury_act(
    parts: Parts, conn: Connection, improvement: Improvement, letter: DeadLetter, *, roll_back: bool
) -> None:
    if improvement.state is State.APPLYING and not roll_back:
        _take_back(conn, improvement, f"it could not be applied: {letter.error}")
        return
    if improvement.state is State.WATCHING and not roll_back:
        # It came too late: nothing hung on it any more.
        return
    if improvement.state is State.KEPT or not may_follow(improvement.state, State.FAILED):
        return
    error = f"dead letter {letter.dead_letter_id}: {letter.error}"
    follow(conn, improvement, State.FAILED)
    move = Move(State.FAILED, Changes(error=error))
    transition(conn, parts.signer, improvement.improvement_id, move, fence=None)
    parts.tell(Failed(improvement.improvement_id, improvement.cycle_id, error))


def _take_back(conn: Connection, improvement: Improvement, reason: str) -> None:
    message = Act(
        target_id=improvement.target_id,
        improvement_id=improvement.improvement_id,
        roll_back=True,
        reason=reason[:1000],
    )
    defer(conn, message)


def _bury_cycle(parts: Parts, conn: Connection, cycle_id: int, letter: DeadLetter) -> None:
    cycle = get_cycle(conn, cycle_id, lock=True)
    if cycle.phase in ENDED:
        return
    error = f"dead letter {letter.dead_letter_id}: {letter.error}"
    delay_s = next_delay_s((), parts.settings.cycle_interval_s)
    enter(conn, cycle_id, Phase.FAILED, error=error, next_delay_s=delay_s)
    schedule(conn, cycle.target_id, Options.of(parts.settings), delay_s=delay_s)
    parts.tell(Failed(0, cycle_id, error))
