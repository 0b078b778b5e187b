"""One improvement in the hands of one job: what every state's handler needs, and how it ends."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from honed.core.target import Shape, Target
from honed.core.verdict import RESTING, State
from honed.errors import Postponed, StatementCut, TargetUnavailable
from honed.improvement.record import Improvement
from honed.improvement.transition import Changes, Move, transition
from honed.jobs.delivery import JobContext
from honed.jobs.queue import defer
from honed.loop.cycle import get_cycle, may_change
from honed.loop.events import Failed
from honed.loop.messages import Act, Learn
from honed.loop.parts import AnyKind, Parts
from honed.storage.db import Connection
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.loop")

#: So long after its last change of state an improvement waits for a worker that has its kind:
#: longer than it takes to bring one worker after the other up to date.
WAIT_FOR_KIND = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Work:
    """One improvement, and the job that brings it on by one state."""

    parts: Parts
    context: JobContext
    improvement: Improvement

    @property
    def improvement_id(self) -> int:
        """The improvement's row."""
        return self.improvement.improvement_id

    @property
    def is_for_people(self) -> bool:
        """Whether people let it in, however long that takes them."""
        return self.improvement.kind in self.parts.waiting_for_people

    def kind(self) -> AnyKind:
        """Return the kind that made the claim.

        Raises:
            UnknownPlugin: it is not installed here.
        """
        return self.parts.kind(self.improvement.kind)

    def wait_for_kind(self) -> None:
        """Return if the kind is installed here, or was not for so long that it will not come.

        Raises:
            Postponed: it is not; another worker, or this one once it is brought up to date, has it.
        """
        if self.improvement.kind in self.parts.kinds:
            return
        with self.parts.store.transaction() as conn:
            (row,) = conn.execute(_QUERIES["now"])
        if row["now"] - self.improvement.updated_at < WAIT_FOR_KIND:
            msg = f"the kind {self.improvement.kind} is not installed here"
            raise Postponed(msg)

    def target(self) -> Target:
        """Return the target of the improvement.

        Raises:
            UnknownTarget: it was removed.
        """
        return self.parts.target(self.improvement.target_id)

    def fingerprint(self) -> str:
        """Return the fingerprint of the target as it is now.

        Raises:
            Postponed: the target does not answer, or not in time.
        """
        return self.shape().fingerprint

    def shape(self) -> Shape:
        """Return everything on the target that a step could change, as it is now.

        Raises:
            Postponed: the target does not answer, or not in time.
        """
        try:
            with patiently():
                return self.target().shape()
        except StatementCut as error:
            msg = f"the target is too busy to tell what it is like: {error}"
            raise Postponed(msg) from error

    def act(self) -> Act:
        """Return the message that brings the improvement on by one more state."""
        return Act(target_id=self.improvement.target_id, improvement_id=self.improvement_id)

    def end_cycle(self) -> Learn:
        """Return the message that ends the cycle if nothing else is left to do in it."""
        return end_cycle(self.improvement)

    def move(
        self, move: Move, *, also: Callable[[Connection], None] = lambda _: None
    ) -> Improvement:
        """Change the improvement's state and end the job, in one transaction.

        Args:
            move: where to.

            also: what else is written in the transaction, before.

        Raises:
            LostJob: another worker took the job over.
            WrongState: the state does not allow the move.
        """
        with self.parts.store.transaction() as conn:
            self.context.fence.check(conn)
            also(conn)
            follow(conn, self.improvement, move.to)
            fence = self.context.fence
            if move.to is State.WATCHING and self.is_for_people:
                wake_next(conn, self.improvement.target_id)
            after = transition(conn, self.parts.signer, self.improvement_id, move, fence=fence)
            fence.finish(conn)
        return after

    def fail(self, error: str, *, cost_s: float = 0.0) -> None:
        """Give the improvement up, with the reason."""
        after = self.move(Move(State.FAILED, Changes(error=error, cost_s=cost_s)))
        self.parts.tell(Failed(self.improvement_id, after.cycle_id, error))


@contextmanager
def patiently() -> Iterator[None]:
    """Let what needs the target wait for it: that it is away says nothing about the improvement.

    Raises:
        Postponed: the target does not answer.
    """
    try:
        yield
    except TargetUnavailable as error:
        msg = f"the target does not answer: {error}"
        raise Postponed(msg) from error


def end_cycle(improvement: Improvement) -> Learn:
    """Return the message that ends an improvement's cycle if nothing else is left to do in it."""
    return Learn(target_id=improvement.target_id, cycle_id=improvement.cycle_id)


def follow(conn: Connection, improvement: Improvement, to: State) -> None:
    """Send what follows from an improvement's arrival in a state, in the caller's transaction.

    Where nothing more happens by itself, its cycle may be at an end. Where it no longer changes
    the target, the next approved change may begin: one is applied and watched at a time, so that
    what production then shows can be told to be its doing.
    """
    if improvement.cycle_id and (to in RESTING or to is State.WATCHING):
        defer(conn, end_cycle(improvement))
    if improvement.state in {State.APPLYING, State.WATCHING} and to is not State.WATCHING:
        wake_next(conn, improvement.target_id)


def wake_next(conn: Connection, target_id: int) -> None:
    """Let the approved improvement that has waited longest look whether it may begin.

    One whose cycle may change nothing more is left out: it would hold up those behind it, and the
    cycle that adopts it wakes it.
    """
    for row in conn.execute(_QUERIES["list_approved"], {"target_id": target_id}).fetchall():
        if may_change(conn, get_cycle(conn, row["cycle_id"])):
            defer(conn, Act(target_id=target_id, improvement_id=row["improvement_id"]))
            return
