"""The composition root: settings in, a working honed out. The only module that knows every part."""

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from enum import Enum, auto
from typing import TypeAlias

from honed.approval.decisions import approve, reject
from honed.approval.policy import Policy, begin_policy, current_policy, write_policy
from honed.config import Settings
from honed.core.detector import Detector
from honed.core.kind import Kind
from honed.core.plugins import discover
from honed.errors import ConfigurationError
from honed.improvement.record import Improvement, get, improvements
from honed.ledger.checkpoint import read_checkpoints, write_checkpoint
from honed.ledger.log import open_signer
from honed.ledger.verify import Report, verify_log
from honed.loop.cycle import Options
from honed.loop.daemon import Keeper
from honed.loop.events import Event, OnEvent
from honed.loop.foreground import CycleReport, Foreground, UndoReport
from honed.loop.overview import Overview, read_overview
from honed.loop.parts import AnyKind, Parts
from honed.loop.undo import on_target
from honed.signals.partitions import Retention
from honed.signals.pipeline import Pipeline
from honed.signals.scrubbing import scrubber_by
from honed.storage.db import Connection, Database
from honed.storage.roles import Login, read_login
from honed.storage.store import INTAKE, Store, open_store
from honed.targets.postgres.target import PostgresTarget
from honed.targets.registry import TargetRecord, connection_url, get_target, list_targets
from honed.targets.repository.target import RepositoryTarget

#: A target of whatever sort.
AnyTarget: TypeAlias = PostgresTarget | RepositoryTarget

_SORTS: Mapping[str, type[AnyTarget]] = {
    "postgres": PostgresTarget,
    "repository": RepositoryTarget,
}


class PolicyUse(Enum):
    """What opening honed does about the policy in force."""

    #: The settings become it if the login is the store's owner; else it stays and must be there.
    WRITE = auto()
    #: The settings become it where there is none yet, which needs the owner; else it stays.
    BEGIN = auto()
    #: It stays, and it must be there.
    KEEP = auto()


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
        self._opened: dict[int, AnyTarget] = {}
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
        self._foreground = Foreground(self.parts, store.database("honed_operator"))

    def close(self) -> None:
        """Keep a checkpoint, stop the labs, leave the store; each although another fails."""
        with ExitStack() as leaving:
            leaving.callback(self.store.close)
            for target in self._opened.values():
                leaving.callback(target.close)
            self.checkpoint()

    def target(self, name: str | int) -> AnyTarget:
        """Return a target by name or id; the same object each time.

        Raises:
            UnknownTarget: there is none.
            ConfigurationError: nobody here knows its sort.
        """
        record = get_target(self.parts.store, name)
        with self._opening:
            known = self._opened.get(record.target_id)
            if known is None or known.record != record:
                known = open_target(record, self.parts.store, self.settings)
                self._opened[record.target_id] = known
            return known

    def targets(self) -> Sequence[AnyTarget]:
        """Return every target by name."""
        return [self.target(record.target_id) for record in list_targets(self.parts.store)]

    def run_daemon(self) -> None:
        """Work, read the targets and begin cycles, until SIGTERM or SIGINT."""
        with Keeper(self.parts, self.targets, begins_cycles=True):
            self._foreground.worker().run()

    def run_worker(self, *, until_idle: bool = False) -> None:
        """Work on messages of whoever sends them, until SIGTERM or SIGINT.

        Args:
            until_idle: end as soon as no message is due.
        """
        self._foreground.worker().run(until_idle=until_idle)

    def run_cycle(self, target: str, options: Options) -> CycleReport:
        """Take one turn now, in this process, and return it when nothing is left without a person.

        Raises: as ``Foreground.begin``.
        """
        return self.finish(self._foreground.begin(target, options))

    def finish(self, cycle_id: int) -> CycleReport:
        """Go on with a cycle, in this process, until it is at rest: ``Foreground.finish``."""
        with self.reading():
            return self._foreground.finish(cycle_id)

    def cycle_report(self, cycle_id: int) -> CycleReport:
        """Return a cycle with its improvements."""
        return self._foreground.cycle_report(cycle_id)

    def undo_all(
        self, target: str, reason: str, *, acting_for: str = "", start: bool = False
    ) -> UndoReport:
        """Take back everything that is on a target, in this process: ``Foreground.undo_all``."""
        return self._foreground.undo_all(target, reason, acting_for=acting_for, start=start)

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

    def reading(self) -> Keeper:
        """Return what reads every target while it is open."""
        return Keeper(self.parts, self.targets, begins_cycles=False)


def _ignore(_: Event) -> None:
    """Nobody watches."""


def open_target(record: TargetRecord, store: Database, settings: Settings) -> AnyTarget:
    """Return the target of a row; nothing of it is asked yet.

    Raises:
        ConfigurationError: nobody here knows its sort.
    """
    if record.sort not in _SORTS:
        msg = f"the target {record.name} is a {record.sort}, which nobody here knows"
        raise ConfigurationError(msg, hint=f"it is one of {', '.join(_SORTS)}")
    return _SORTS[record.sort](record, store, settings)


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
