"""The one module that changes a target: it runs steps, and asks the target what became of them.

Nothing is decided here. What is run was fixed before, approved, and recorded as an intent by the
caller (``loop.act``, the only module that may import this one).
"""

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import tuple_row

from honed.config import Settings
from honed.core.canonical import Json
from honed.core.step import Step, StepState
from honed.errors import ArchiveDamaged, MissingPrivilege, StepFailed, TargetUnavailable
from honed.targets.postgres.archives.runner import ARCHIVE, Archivist
from honed.targets.registry import Place
from honed.targets.repository.publishing.hand import RepositoryHand, at_repository

#: Whatever sort of target it changes.
AnyHand: TypeAlias = "Hand | RepositoryHand"
_Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]

#: Key of the advisory lock that whoever changes a database through honed holds on it.
LOCK_KEY = int.from_bytes(hashlib.sha256(b"honed: one writer").digest()[:8], "big", signed=True)
#: Pause between two looks at a lock that somebody else holds.
LOCK_POLL_S = 0.2
#: Tries of a transaction that met somebody else's lock.
LOCK_ATTEMPTS = 4
CONNECT_TIMEOUT_S = 10

#: SQLSTATEs (appendix A of PostgreSQL's manual) after which the same statement may succeed:
#: lock_timeout and deadlock.
_WORTH_ANOTHER_TRY = frozenset({"55P03", "40P01"})
#: SQLSTATE classes, or states, that mean that the server, not the statement, is in trouble.
_GONE = ("08", "53300", "57P01", "57P02", "57P03")
_NO_PRIVILEGE = "42501"
#: A standby, or a role whose transactions only read.
_READ_ONLY = "25006"

#: Whoever holds the lock: what it is called, and whether it is running a statement. An orphaned
#: backend goes on building after its client was killed, and must be waited for.
_HOLDERS = """
SELECT activity.pid, activity.application_name, activity.state = 'active'
  FROM pg_locks AS lock
  JOIN pg_stat_activity AS activity ON activity.pid = lock.pid
 WHERE lock.locktype = 'advisory'
   AND lock.granted
   AND lock.objsubid = 1
   AND lock.database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND (lock.classid::bigint << 32) | lock.objid::bigint = %(key)s
"""
_TRY_LOCK = "SELECT pg_try_advisory_lock(%(key)s)"
_SET = "SELECT set_config(%(name)s, %(value)s, false)"
_END = "SELECT pg_terminate_backend(%(pid)s)"


@dataclass(frozen=True, slots=True)
class Hand:
    """A connection to one target that may change it, while it holds the lock of its one writer."""

    _connection: _Connection
    _lock_timeout_s: float
    _stop_if_told: Callable[[], None]
    _archivist: Archivist

    def inspect(self, step: Step) -> StepState | None:
        """Return what the target says of ``step``; None where the step may simply be run twice.

        Raises:
            StepFailed: the step's own query fails, or says something else.
            TargetUnavailable: the target does not answer.
            MissingPrivilege: the acting role may not look.
        """
        if not step.inspect:
            return None
        if step.runner == ARCHIVE:
            with _words_for(step):
                return self._archivist.inspect(self._connection, step.inspect)
        with _words_for(step):
            row = self._connection.execute(step.inspect.encode()).fetchone()
        try:
            return StepState(str(row[0]) if row else "")
        except ValueError as error:
            msg = f"{step.description}: the step's inspection says {row!r}"
            raise StepFailed(msg) from error

    def run(self, step: Step) -> None:
        """Run ``step.do``; run ``step.inverse()`` to take the step back.

        A step outside a transaction (CREATE INDEX CONCURRENTLY) waits for locks as long as
        ``build_timeout_s`` allows, because nobody who reads or writes waits behind it. One inside
        a transaction gives up after ``lock_timeout_s`` and tries again, some times.

        Raises:
            StepFailed: a statement fails. Inside a transaction nothing of the step remains; outside
                of one, inspect.
            TargetUnavailable: the target is gone. Whether the step happened is not known: inspect.
            MissingPrivilege: the acting role may not do it.
        """
        if step.runner == ARCHIVE:
            self._run_archivist(step)
            return
        if step.runner != "sql":
            msg = f"{step.description}: nobody here can run steps of the sort {step.runner!r}"
            raise StepFailed(msg)
        if step.in_transaction:
            self._run_in_transaction(step)
            return
        self._set("lock_timeout", "0")
        with _words_for(step):
            for statement in step.do:
                self._connection.execute(statement.encode())

    def facts(self, step: Step) -> dict[str, Json]:
        """Return what the record shall say of a step that has happened, beside that it has.

        What cannot be read holds up no step: it has happened all the same, and the record says so.
        """
        if step.runner != ARCHIVE:
            return {}
        try:
            return {
                name: said for do in step.do for name, said in self._archivist.facts(do).items()
            }
        except (ArchiveDamaged, OSError):
            return {"facts": "unreadable"}

    def _run_archivist(self, step: Step) -> None:
        self._set("lock_timeout", f"{round(self._lock_timeout_s * 1000)}ms")
        with _words_for(step):
            for act in step.do:
                self._archivist.run(self._connection, act)

    def _run_in_transaction(self, step: Step) -> None:
        self._set("lock_timeout", f"{round(self._lock_timeout_s * 1000)}ms")
        for attempt in range(1, LOCK_ATTEMPTS + 1):
            try:
                with _words_for(step), self._connection.transaction():
                    for statement in step.do:
                        self._connection.execute(statement.encode())
            except StepFailed as error:
                if attempt == LOCK_ATTEMPTS or not _worth_another_try(error):
                    raise
                # Everybody who queued behind our lock request goes first.
                self._stop_if_told()
                time.sleep(self._lock_timeout_s / 2)
            else:
                return

    def _set(self, name: str, value: str) -> None:
        with _words_for(None):
            self._connection.execute(_SET, {"name": name, "value": value})


@contextmanager
def acting_on(
    place: Place,
    url: str,
    *,
    holder: str,
    settings: Settings,
    stop_if_told: Callable[[], None],
) -> Iterator[AnyHand]:
    """Hand out the right to change a target of whatever sort, once nobody else is changing it.

    Args:
        place: which target it is, and for which improvement it is changed.

        url: of the target, with the acting role.

        holder: name of the connection, the same for every worker of one store.

        settings: time limits.

        stop_if_told: called while waiting; what it raises ends the wait.

    Raises:
        TargetUnavailable: the target does not answer, or somebody else changes it for longer than
            ``build_timeout_s``.
    """
    if place.record.sort == "repository":
        with at_repository(place, settings, stop_if_told) as hand:
            yield hand
        return
    with acting(url, holder=holder, settings=settings, stop_if_told=stop_if_told) as database:
        yield database


@contextmanager
def acting(
    url: str, *, holder: str, settings: Settings, stop_if_told: Callable[[], None]
) -> Iterator[Hand]:
    """Hand out the connection that may change a target, once nobody else is changing it.

    An advisory lock on the database makes sure of that, whichever honed holds it. A backend that
    is still running a statement for a dead worker is waited for, so that an inspection afterwards
    tells how it ended. A connection of the same ``holder`` that holds the lock and runs nothing
    belongs to a worker that lost its job (stopped, cut off): it is ended, which fences it off the
    target.

    Args:
        url: of the target, with the acting role.

        holder: name of the connection, the same for every worker of one store.

        settings: time limits.

        stop_if_told: called while waiting; what it raises ends the wait.

    Raises:
        TargetUnavailable: the target does not answer, or somebody else changes it for longer than
            ``build_timeout_s``.
    """
    with _words_for(None), _dial(url, holder) as connection:
        # What a name in a step means must not depend on the acting role.
        connection.execute(_SET, {"name": "search_path", "value": "public"})
        timeout = f"{round(settings.build_timeout_s * 1000)}ms"
        connection.execute(_SET, {"name": "statement_timeout", "value": timeout})
        _lock(connection, holder, time.monotonic() + settings.build_timeout_s, stop_if_told)
        archivist = Archivist(settings.archives, settings.archive_memory_mb)
        yield Hand(connection, settings.lock_timeout_s, stop_if_told, archivist)


def _dial(url: str, holder: str) -> _Connection:
    try:
        where = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # The driver's words would repeat the URL, and with it a password.
        msg = "the acting URL of this target is not a URL of PostgreSQL"
        raise TargetUnavailable(msg) from None
    where.setdefault("connect_timeout", CONNECT_TIMEOUT_S)
    where["application_name"] = holder
    return psycopg.connect(**where, autocommit=True, row_factory=tuple_row)  # type: ignore[arg-type]  # values of libpq's options


def _lock(
    connection: _Connection, holder: str, deadline: float, stop_if_told: Callable[[], None]
) -> None:
    # Polled, never waited for: a waiting statement has a snapshot, and CREATE INDEX CONCURRENTLY
    # of the backend that holds the lock would wait for the end of it.
    while not _first_of(connection, _TRY_LOCK, {"key": LOCK_KEY}):
        stop_if_told()
        holders = connection.execute(_HOLDERS, {"key": LOCK_KEY}).fetchall()
        for pid, name, is_active in holders:
            if name == holder and not is_active:
                connection.execute(_END, {"pid": pid})
        if time.monotonic() > deadline:
            names = ", ".join(f"{name} (process {pid})" for pid, name, _ in holders)
            msg = f"somebody else is changing this target: {names or 'unknown'}"
            raise TargetUnavailable(msg, hint="wait for it to end, or end it on the target")
        time.sleep(LOCK_POLL_S)


def _first_of(connection: _Connection, query: Any, parameters: dict[str, Any]) -> Any:  # noqa: ANN401 - whatever the query selects
    (row,) = connection.execute(query, parameters)
    return row[0]


@contextmanager
def _words_for(step: Step | None) -> Iterator[None]:
    """Turn the driver's errors into honed's, with the step's name in front."""
    try:
        yield
    except psycopg.Error as error:
        state = error.sqlstate or ""
        words = error.diag.message_primary or str(error).strip()
        message = f"{step.description}: {words}" if step else words
        if state == _NO_PRIVILEGE:
            raise MissingPrivilege(message) from error
        if state == _READ_ONLY:
            why = "the acting URL must lead to the primary, as a role that may write"
            msg = f"{message}; {why}"
            raise MissingPrivilege(msg) from error
        if state.startswith(_GONE) or (not state and isinstance(error, psycopg.OperationalError)):
            raise TargetUnavailable(message) from error
        raise StepFailed(message) from error


def _worth_another_try(error: StepFailed) -> bool:
    cause = error.__cause__
    return isinstance(cause, psycopg.Error) and cause.sqlstate in _WORTH_ANOTHER_TRY
