"""The composition root: settings in, a working honed out. The only module that knows every part."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import Enum, auto

from honed.approval.decisions import approve, decisions, reject
from honed.approval.policy import Policy, begin_policy, current_policy, write_policy
from honed.config import Settings
from honed.core.detector import Detector
from honed.core.kind import Kind
from honed.core.plugins import discover
from honed.core.verdict import State
from honed.errors import Interrupted, StoreUnavailable
from honed.improvement.record import Improvement, get, improvements
from honed.jobs.worker import Worker
from honed.ledger.checkpoint import read_checkpoints, write_checkpoint
from honed.ledger.log import open_signer
from honed.ledger.verify import Report, verify_log
from honed.loop.cycle import ENDED, Cycle, Options, get_cycle, request
from honed.loop.daemon import Keeper
from honed.loop.events import Event, OnEvent
from honed.loop.handlers import handlers, on_burial
from honed.loop.messages import Act
from honed.loop.overview import Overview, read_overview
from honed.loop.parts import AnyKind, Parts, check_switch
from honed.loop.switch import read_switch
from honed.loop.switch import start as allow
from honed.loop.undo import (
    Leftover,
    ask_for_last,
    is_being_taken_back,
    leftovers,
    on_target,
    withhold,
)
from honed.signals.partitions import Retention
from honed.signals.pipeline import Pipeline
from honed.signals.scrubbing import scrubber_by
from honed.storage.db import Connection
from honed.storage.roles import Login, read_login
from honed.storage.store import INTAKE, Store, open_store
from honed.targets.postgres.target import PostgresTarget
from honed.targets.registry import TargetRecord, connection_url, get_target, list_targets

_LOOK_S = 0.2
#: With a decision recorded, an improvement does not stay in these.
_MOVING = frozenset({State.AWAITING_APPROVAL, State.APPROVED, State.APPLYING, State.WATCHING})


class PolicyUse(Enum):
    """What opening honed does about the policy in force."""

    #: The settings become it if the login is the store's owner; else it stays and must be there.
    WRITE = auto()
    #: The settings become it where there is none yet, which needs the owner; else it stays.
    BEGIN = auto()
    #: It stays, and it must be there.
    KEEP = auto()


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


class App:
    """A working honed. Close it, so that the lab's and the store's servers stop."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        on_event: OnEvent,
        *,
        kinds: Mapping[str, AnyKind] | None = None,
    ) -> None:
        """Put the parts together on an open store; ``open_app`` does both.

        Raises:
            ConfigurationError: the ledger's key is not here.
            LedgerError: the ledger is signed with another key.
        """
        self.settings = settings
        self.store = store
        self._opened: dict[int, PostgresTarget] = {}
        self._opening = threading.Lock()
        with store.database().transaction() as conn:
            signer = open_signer(conn, settings.key_file)
        self.parts = Parts(
            store=store.database(),
            signer=signer,
            settings=settings,
            kinds=installed_kinds() if kinds is None else kinds,
            detectors=discover("honed.detectors", Detector),  # type: ignore[type-abstract]  # likewise
            target=self.target,
            holder=f"honed {signer.key_id[:12]}",
            acting_url=lambda target_id: connection_url(self._record(target_id), acting=True),
            on_event=on_event,
        )

    def close(self) -> None:
        """Keep a checkpoint, stop the labs, leave the store; each although another fails."""
        with ExitStack() as leaving:
            leaving.callback(self.store.close)
            for target in self._opened.values():
                leaving.callback(target.close)
            self.checkpoint()

    def target(self, name: str | int) -> PostgresTarget:
        """Return a target by name or id; the same object each time.

        Raises:
            UnknownTarget: there is none.
        """
        record = get_target(self.parts.store, name)
        with self._opening:
            known = self._opened.get(record.target_id)
            if known is None or known.record != record:
                known = PostgresTarget(record, self.parts.store, self.settings)
                self._opened[record.target_id] = known
            return known

    def targets(self) -> Sequence[PostgresTarget]:
        """Return every target by name."""
        return [self.target(record.target_id) for record in list_targets(self.parts.store)]

    def run_daemon(self) -> None:
        """Work, read the targets and begin cycles, until SIGTERM or SIGINT."""
        with Keeper(self.parts, self.targets, begins_cycles=True):
            self._worker().run()

    def run_worker(self, *, until_idle: bool = False) -> None:
        """Work on messages of whoever sends them, until SIGTERM or SIGINT.

        Args:
            until_idle: end as soon as no message is due.
        """
        self._worker().run(until_idle=until_idle)

    def run_cycle(self, target: str, options: Options) -> CycleReport:
        """Take one turn now, in this process, and return it when nothing is left without a person.

        Raises:
            UnknownTarget: there is no such target.
            WrongState: a cycle of this target is about to begin already.
            Stopped: honed was told to stop.
            TargetUnavailable: the target does not answer.
        """
        with self.parts.store.transaction() as conn:
            check_switch(conn)
        # A target that was just added has no history yet, and one that is away is said so at once.
        self.target(target).sample()
        with self.store.database("honed_operator").transaction() as conn:
            cycle_id = request(conn, target, options)
        return self.finish(cycle_id)

    def finish(self, cycle_id: int) -> CycleReport:
        """Work in this process until nothing of a cycle is left without a person; return it.

        Also for a cycle that had come to rest before somebody decided something. SIGINT and
        SIGTERM end it before: another worker goes on.
        """
        with self.reading():
            _run_until(self._worker(), lambda: self._is_at_rest(cycle_id))
        return self.cycle_report(cycle_id)

    def undo_all(
        self, target: str, reason: str, *, acting_for: str = "", start: bool = False
    ) -> UndoReport:
        """Take back everything of honed's that is on a target, last first, in this process.

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
        target_id = get_target(self.parts.store, target).target_id
        withheld: list[int] = []
        asked: list[int] = []
        while True:
            with self.store.database("honed_operator").transaction() as conn:
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
            worker = self._worker(queues=(Act.queue,))
            _run_until(worker, lambda each=which: not self._is_being_taken_back(each))  # type: ignore[misc]  # the one of this round
            if self._is_being_taken_back(which):
                raise Interrupted

    def cycle_report(self, cycle_id: int) -> CycleReport:
        """Return a cycle with its improvements."""
        with self.parts.store.transaction() as conn:
            found = improvements(conn, cycle_id=cycle_id)
            return CycleReport(get_cycle(conn, cycle_id), tuple(found))

    def login(self) -> Login:
        """Return as whom this process logs in to the store; the loop's role may be left for it."""
        with self.parts.store.transaction() as conn:
            return read_login(conn)

    def policy(self) -> Policy:
        """Return the policy in force, which the settings of this process need not be."""
        with self.parts.store.transaction() as conn:
            return current_policy(conn)

    def overview(self) -> Overview:
        """Return what honed does at this moment."""
        with self.parts.store.transaction() as conn:
            return read_overview(conn)

    def improvements(self) -> Sequence[Improvement]:
        """Return the newest improvements, no more than 100, newest first."""
        with self.parts.store.transaction() as conn:
            return improvements(conn)

    def improvement(self, improvement_id: int) -> Improvement:
        """Return one improvement.

        Raises:
            UnknownImprovement: there is none with this id.
        """
        with self.parts.store.transaction() as conn:
            return get(conn, improvement_id)

    def on_target(self, target: str) -> Sequence[Improvement]:
        """Return what of honed's is on a target, last begun first.

        Raises:
            UnknownTarget: there is no such target.
        """
        target_id = get_target(self.parts.store, target).target_id
        with self.store.owner.transaction() as conn:
            return on_target(conn, target_id)

    def approve(self, improvement_id: int, digest: str) -> None:
        """Approve exactly what ``digest`` names, as an approver; a worker takes it from there."""
        with self.store.database("honed_approver").transaction() as conn:
            approve(conn, improvement_id, digest)

    def reject(self, improvement_id: int, reason: str) -> None:
        """Say no to an improvement, as an operator."""
        with self.store.database("honed_operator").transaction() as conn:
            reject(conn, improvement_id, reason)

    def pipeline(self) -> Pipeline:
        """Return what stores signals while it is open, in a role that cannot read them.

        Tokens that stand for personal data are keyed by the ledger's key: equal wherever it is.
        """
        scrubber = scrubber_by(self.parts.signer)
        return Pipeline(self.store.database(INTAKE), self.settings, scrubber)

    def retention(self) -> Retention:
        """Return what drops old signals while it is open, in a role that may."""
        return Retention(self.store.database(), self.settings.signal_retention_days)

    def checkpoint(self) -> None:
        """Append a signed checkpoint to the file outside the store, if the ledger has grown.

        Raises:
            LedgerTampered: the ledger does not continue the last checkpoint in the file.
            ConfigurationError: the file cannot be written.
            DiskFull: there is no room for it.
        """
        with self.parts.store.transaction() as conn:
            write_checkpoint(conn, self.parts.signer, self.settings.checkpoints)

    def verify_ledger(self) -> Report:
        """Return what the whole ledger proves, against the checkpoints outside the store.

        Raises:
            LedgerTampered: it does not; the error names the first bad entry.
        """
        public_key = self.parts.signer.public_key
        known = read_checkpoints(self.settings.checkpoints, public_key)
        with self.parts.store.transaction() as conn:
            return verify_log(conn, public_key, known)

    def _record(self, target_id: int) -> TargetRecord:
        return get_target(self.parts.store, target_id)

    def _worker(self, *, queues: Sequence[str] = ()) -> Worker:
        return Worker(
            self.parts.store,
            handlers(self.parts),
            self.settings,
            queues=queues,
            on_burial=on_burial(self.parts),
        )

    def _is_being_taken_back(self, improvement_id: int) -> bool:
        with self.parts.store.transaction() as conn:
            return is_being_taken_back(conn, improvement_id)

    def reading(self) -> Keeper:
        """Return what reads every target while it is open."""
        return Keeper(self.parts, self.targets, begins_cycles=False)

    def _is_at_rest(self, cycle_id: int) -> bool:
        with self.parts.store.transaction() as conn:
            if get_cycle(conn, cycle_id).phase not in ENDED:
                return False
            found = improvements(conn, cycle_id=cycle_id)
            return not any(
                each.state in _MOVING and decisions(conn, each.improvement_id) for each in found
            )


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


def _ignore(_: Event) -> None:
    """Nobody watches."""


def installed_kinds() -> Mapping[str, AnyKind]:
    """Return every kind that is installed, by name."""
    return discover("honed.kinds", Kind)  # type: ignore[type-abstract]  # the family's base


@contextmanager
def open_app(
    settings: Settings,
    *,
    on_event: OnEvent = _ignore,
    policy: PolicyUse = PolicyUse.BEGIN,
    kinds: Mapping[str, AnyKind] | None = None,
) -> Iterator[App]:
    """Hand out a working honed, and close it at the end.

    Args:
        settings: of this process.

        on_event: told of everything that happens.

        policy: whether the settings become the policy in force.

        kinds: by name; None: those that are installed.

    Raises:
        StoreUnavailable: honed's own database does not answer.
        StoreOutdated: it has another schema, or no policy yet.
        ConfigurationError: the ledger's key is not here.
        LedgerError: the ledger is signed with another key.
        NotAllowed: the first policy is to be written, and the login is not the store's owner.
        ServerFailed: the embedded server does not start.
    """
    # They log tracebacks of their own when a store restarts; the worker says it in one line.
    for name in ("procrastinate", "psycopg.pool"):
        logging.getLogger(name).setLevel(logging.ERROR)
    store = open_store(settings)
    try:
        with store.owner.transaction() as conn:
            _settle_policy(conn, settings, policy)
        app = App(settings, store, on_event, kinds=kinds)
    except BaseException:
        store.close()
        raise
    try:
        yield app
    finally:
        app.close()


def _settle_policy(conn: Connection, settings: Settings, use: PolicyUse) -> None:
    if use is PolicyUse.WRITE and read_login(conn).is_owner:
        write_policy(conn, settings)
    elif use is PolicyUse.BEGIN:
        begin_policy(conn, settings)
    else:
        current_policy(conn)
