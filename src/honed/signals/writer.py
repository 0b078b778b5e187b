"""The one who writes: batches of signals with their groups and counts, each in one transaction."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from honed.errors import HonedError, RowsRefused, StoreUnavailable
from honed.signals.counts import REFUSED, Count, Counts, record_counts
from honed.signals.partitions import make_partitions
from honed.signals.projects import Registry
from honed.signals.queue import Queue, Waiting
from honed.signals.rows import COPY, Group
from honed.storage.copy import PartitionMissing, copy_rows, refused_rows
from honed.storage.db import Connection, Database
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.signals")
_LOG = logging.getLogger(__name__)

#: Longest wait before counts of what was refused are stored, although nothing was accepted.
_TICK_S = 1.0
#: Pause between two readings of the projects: so long a disabled one may still send.
_PROJECTS_S = 5.0
_PARTITIONS_S = 1800.0
#: Pause before a store that is away is tried again.
_AGAIN_S = 1.0
_AWAY = "the store does not answer"


class Writer:
    """Writes what waits in a queue, until that has ended and is empty."""

    def __init__(self, store: Database, queue: Queue, counts: Counts, registry: Registry) -> None:
        """Write to ``store``; ``registry`` is kept up to date on the way."""
        self._store = store
        self._queue = queue
        self._counts = counts
        self._registry = registry
        self._groups_per_day = 1
        self._ending = threading.Event()
        self._due: dict[str, float] = {}

    def configure(self, *, groups_per_day: int) -> None:
        """Set how many groups may be new in a day."""
        self._groups_per_day = groups_per_day

    def run(self) -> None:
        """Write until the queue has ended; a store that is away is waited for, answering so."""
        while not self._queue.is_over:
            try:
                with self._store.connect() as conn:
                    self._queue.open()
                    self._serve(conn)
            except HonedError as error:
                self._give_up(str(error))
            except Exception:
                # Whatever the driver says that honed has no words for: whoever waits is told.
                _LOG.exception("the writer of signals failed; it begins anew")
                self._give_up("the store could not take it")

    def end(self) -> None:
        """Do not wait for a store that is away any longer."""
        self._ending.set()

    def prepare_store(self, conn: Connection) -> None:
        """Do what is due by the clock: partitions, and the list of projects."""
        if self._is_due("partitions", _PARTITIONS_S):
            make_partitions(conn)
            conn.commit()
        if self._is_due("projects", _PROJECTS_S):
            self._registry.read(conn)
            conn.commit()

    def _is_due(self, duty: str, pause_s: float) -> bool:
        now = time.monotonic()
        if now < self._due.get(duty, 0.0):
            return False
        self._due[duty] = now + pause_s
        return True

    def _give_up(self, trouble: str) -> None:
        _LOG.warning("signals cannot be stored now: %s", trouble)
        # The server's words are for the log alone.
        self._queue.close_for(_AWAY)
        self._ending.wait(_AGAIN_S)

    def _serve(self, conn: Connection) -> None:
        while not self._queue.is_over:
            batch = self._queue.take(_TICK_S)
            try:
                self.prepare_store(conn)
                self._write(conn, batch)
            except BaseException:
                # Whoever waits may have been stored or not: he is told to send it again.
                self._queue.close_for(_AWAY)
                self._queue.done(batch, StoreUnavailable(_AWAY))
                raise
        self._write(conn, [])

    def _write(self, conn: Connection, batch: Sequence[Waiting]) -> None:
        """Store a batch for good; what the store refuses is searched for and left out."""
        try:
            self._store_in_partition(conn, batch)
        except RowsRefused as error:
            conn.rollback()
            if len(batch) == 1:
                self._refuse(batch[0], error)
                return
            middle = len(batch) // 2
            for half in (batch[:middle], batch[middle:]):
                self._write(conn, half)

    def _store_in_partition(self, conn: Connection, batch: Sequence[Waiting]) -> None:
        """Store a batch; where its day has no partition yet, make it.

        Raises:
            RowsRefused: the store cannot hold one of its rows.
            PartitionMissing: there is none, and it cannot be made now: who sent it may come again.
        """
        try:
            self._store_batch(conn, batch)
        except PartitionMissing:
            # The clock has jumped, or there was no lock for it before.
            conn.rollback()
            make_partitions(conn)
            conn.commit()
            self._store_batch(conn, batch)

    def _store_batch(self, conn: Connection, batch: Sequence[Waiting]) -> None:
        counted = self._counts.take()
        counts = Counter(counted)
        for each in batch:
            counts.update(each.prepared.counts)
        try:
            rows = b"".join(each.prepared.rows for each in batch)
            if rows:
                copy_rows(conn, COPY, rows)
            self._record_groups(conn, merged(batch))
            record_counts(conn, counts)
            conn.commit()
        except BaseException:
            self._counts.add_all(counted)
            raise
        self._queue.done(batch)

    def _record_groups(self, conn: Connection, groups: Iterable[Group]) -> None:
        encoded = b",".join(group.encode() for group in groups)
        if not encoded:
            return
        values = {"groups": f"[{encoded.decode()}]", "most_a_day": self._groups_per_day}
        with refused_rows():
            (row,) = conn.execute(_QUERIES["record_groups"], values)
        if row["overflow"]:
            _LOG.warning("%s signals are of more groups than a day may have", row["overflow"])

    def _refuse(self, each: Waiting, error: RowsRefused) -> None:
        _LOG.warning("signals were left out, because the store refuses them: %s", error)
        for what in each.prepared.counts:
            self._counts.add(Count(what.project_id, what.source, REFUSED, "unstorable"))
            break
        self._queue.done([each], error)


def merged(batch: Iterable[Waiting]) -> list[Group]:
    """Return the groups of a batch, each once."""
    groups: dict[tuple[int, str], Group] = {}
    for each in batch:
        for group in each.prepared.groups:
            key = (group.project_id, group.fingerprint)
            known = groups.get(key)
            if known is None:
                # A copy: a batch that is refused is merged once more, in parts.
                groups[key] = replace(
                    group, releases=dict(group.releases), environments=dict(group.environments)
                )
            else:
                known.add(group)
    return list(groups.values())
