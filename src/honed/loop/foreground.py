"""Work in the foreground: in this process, until a cycle or an undo has come to rest."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from honed.approval.decisions import decisions
from honed.core.verdict import State
from honed.errors import Interrupted, StoreUnavailable
from honed.improvement.record import Improvement, get, improvements
from honed.jobs.fetcher import EVERYTHING, Only
from honed.jobs.worker import Worker
from honed.loop.cycle import ENDED, Cycle, Options, get_cycle, request
from honed.loop.handlers import handlers, on_burial
from honed.loop.messages import Act
from honed.loop.parts import Parts, check_switch
from honed.loop.switch import read_switch
from honed.loop.switch import start as allow
from honed.loop.undo import Leftover, ask_for_last, is_being_taken_back, leftovers, withhold
from honed.storage.db import Database
from honed.targets.registry import get_target

_LOOK_S = 0.2
#: With a decision recorded, an improvement does not stay in these.
_MOVING = frozenset({State.AWAITING_APPROVAL, State.APPROVED, State.APPLYING, State.WATCHING})


@dataclass(frozen=True, slots=True)
class UndoReport:
    """What became of everything of honed's on one target."""

    #: What was asked for, in that order, as it is now.
    asked: tuple[Improvement, ...]
    #: What was approved and not begun, and is rejected.
    withheld: tuple[int, ...]
    left: tuple[Leftover, ...]


@dataclass(frozen=True, slots=True)
class CycleReport:
    """One turn of the loop, after it came to rest."""

    cycle: Cycle
    improvements: tuple[Improvement, ...]


class Foreground:
    """Works in this process until something has come to rest."""

    def __init__(self, parts: Parts, operator: Database) -> None:
        """Work with ``parts``, and ask for it as ``operator``."""
        self._parts = parts
        self._operator = operator

    def worker(self, only: Only = EVERYTHING) -> Worker:
        """Return what works on messages."""
        return Worker(
            self._parts.store,
            handlers(self._parts),
            self._parts.settings,
            only=only,
            on_burial=on_burial(self._parts),
        )

    def begin(self, target: str, options: Options) -> int:
        """Ask for one turn now, and return the id of its cycle.

        Raises:
            UnknownTarget: there is no such target.
            WrongState: a cycle of this target is about to begin already.
            Stopped: honed was told to stop.
            TargetUnavailable: the target does not answer.
        """
        with self._parts.store.transaction() as conn:
            check_switch(conn)
        # A target that was just added has no history yet, and one that is away is said so at once.
        target_id = get_target(self._parts.store, target).target_id
        self._parts.target(target_id).sample()
        with self._operator.transaction() as conn:
            return request(conn, target, options)

    def finish(self, cycle_id: int) -> CycleReport:
        """Work until nothing of a cycle is left without a person; return it.

        Also for a cycle that had come to rest before somebody decided something. What is about
        other targets is left to other workers. SIGINT and SIGTERM end it before: another worker
        goes on.
        """
        only = Only(target_id=self.cycle_report(cycle_id).cycle.target_id)
        _run_until(self.worker(only), lambda: self._is_at_rest(cycle_id))
        return self.cycle_report(cycle_id)

    def undo_all(
        self, target: str, reason: str, *, acting_for: str = "", start: bool = False
    ) -> UndoReport:
        """Take back everything of honed's that is on a target, last first.

        What is approved and not begun is rejected before. One is asked for at a time, so that the
        order holds whoever carries it out; one that cannot be taken back does not hold up those
        before it. SIGINT and SIGTERM end it before: ask again, and it goes on.

        Args:
            target: its name.

            reason: kept with each decision.

            acting_for: the person behind the login.

            start: if honed is stopped, allow changes again, in the transaction that withholds and
                asks first.

        Raises:
            UnknownTarget: there is no such target.
            Stopped: honed was told to stop, so nothing is undone either.
            NotAllowed: the login is no operator.
        """
        target_id = get_target(self._parts.store, target).target_id
        withheld: list[int] = []
        asked: list[int] = []
        while True:
            with self._operator.transaction() as conn:
                withheld += withhold(conn, target_id, reason, acting_for)
                which = ask_for_last(conn, target_id, reason, acting_for, besides=asked)
                if start and read_switch(conn).stopped:
                    allow(conn)
                check_switch(conn)
                if which is None:
                    return UndoReport(
                        asked=tuple(get(conn, each) for each in asked),
                        withheld=tuple(withheld),
                        left=tuple(leftovers(conn, target_id)),
                    )
            asked.append(which)
            worker = self.worker(Only((Act.queue,), target_id))
            _run_until(worker, lambda each=which: not self._is_being_taken_back(each))  # type: ignore[misc]  # the one of this round
            if self._is_being_taken_back(which):
                raise Interrupted

    def cycle_report(self, cycle_id: int) -> CycleReport:
        """Return a cycle with its improvements."""
        with self._parts.store.transaction() as conn:
            found = improvements(conn, cycle_id=cycle_id)
            return CycleReport(get_cycle(conn, cycle_id), tuple(found))

    def _is_being_taken_back(self, improvement_id: int) -> bool:
        with self._parts.store.transaction() as conn:
            return is_being_taken_back(conn, improvement_id)

    def _is_at_rest(self, cycle_id: int) -> bool:
        with self._parts.store.transaction() as conn:
            if get_cycle(conn, cycle_id).phase not in ENDED:
                return False
            found = improvements(conn, cycle_id=cycle_id)
            return not any(
                self._is_moving(each) and decisions(conn, each.improvement_id) for each in found
            )

    def _is_moving(self, improvement: Improvement) -> bool:
        if improvement.state is not State.WATCHING:
            return improvement.state in _MOVING
        if improvement.kind not in self._parts.waiting_for_people:
            return True
        return self._is_being_taken_back(improvement.improvement_id)


def _run_until(worker: Worker, is_over: Callable[[], bool]) -> None:
    """Let a worker run until something is so, or a signal ends it."""
    told = threading.Event()

    def watch() -> None:
        while not told.wait(_LOOK_S):
            try:
                if is_over():
                    break
            except StoreUnavailable:
                # The worker waits for the store, too.
                continue
        worker.stop()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        worker.run()
    finally:
        told.set()
        watcher.join()
