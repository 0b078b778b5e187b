"""The pipeline: what an intake has read goes in, and who sent it is told once it is stored."""

import threading
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

from honed.config import Settings
from honed.core.intake import Taken
from honed.errors import HonedError
from honed.signals.counts import REFUSED, Count, Counts
from honed.signals.projects import Project, Registry
from honed.signals.queue import Queue, Then
from honed.signals.rows import Prepared, Preparer, Scrubs, Times
from honed.signals.writer import Writer
from honed.storage.db import Database


class Pipeline:
    """Scrubs, bounds, groups, counts and stores signals; open while used.

    A batch of requests is stored in one transaction, and only then each of them is told so: what
    was answered 200 survives a crash of this process and of the store. A request may be stored
    although its sender was told 503, where the connection broke in that moment: sent again it is
    there twice.
    """

    def __init__(self, store: Database, settings: Settings, scrubber: Scrubs) -> None:
        """Store into ``store``, as a login that acts as honed_intake; nothing runs yet."""
        self.store = store
        self.queue = Queue(settings.intake_queue_mb * 2**20)
        self.counts = Counts()
        self.registry = Registry()
        #: Names of intakes from which nothing is taken.
        self.sources_off = sources_off(settings)
        self._preparer = Preparer(scrubber)
        self._retention = timedelta(days=settings.signal_retention_days)
        self._writer = Writer(store, self.queue, self.counts, self.registry)
        self._writer.configure(groups_per_day=settings.intake_groups_per_day)
        self._thread = threading.Thread(target=self._writer.run, name="signals", daemon=True)

    def __enter__(self) -> Self:
        # Now and here, so that what is wrong with the store is said at once.
        with self.store.connect() as conn:
            self._writer.prepare_store(conn)
        self._thread.start()
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.queue.end()
        self._writer.end()
        self._thread.join()

    def prepare(self, project: Project, source: str, taken: Taken) -> Prepared:
        """Return what was taken as it would be stored; costs time and changes nothing.

        Raises:
            TypeError: the plug-in made something that is not JSON; so are ValueError and
                RecursionError.
        """
        times = Times(self.now(), self._retention)
        return self._preparer.prepare(project.project_id, source, taken, times)

    def now(self) -> datetime:
        """Return the time in honed."""
        return self.store.fake_now or datetime.now(UTC)

    def put(self, prepared: Prepared, then: Then) -> None:
        """Let it be stored; ``then`` is told when it is, or why it is not, by another thread.

        Raises:
            Overloaded: more waits than there is room for.
            StoreUnavailable: the store is away.
        """
        self.queue.put(prepared, then)

    def store_now(self, project: Project, source: str, taken: Taken) -> None:
        """Return when what was taken is stored.

        Raises:
            Overloaded: as ``put``, and so is StoreUnavailable.
            RowsRefused: the store cannot hold it.
        """
        self._await(self.prepare(project, source, taken))

    def store_counts(self) -> None:
        """Return when everything that was counted before is stored.

        Raises:
            StoreUnavailable: the store is away.
        """
        self._await(Prepared())

    def _await(self, prepared: Prepared) -> None:
        stored: Future[None] = Future()

        def then(error: HonedError | None) -> None:
            if error is None:
                stored.set_result(None)
            else:
                stored.set_exception(error)

        self.queue.put(prepared, then)
        stored.result()

    def refused(self, project_id: int, source: str, reason: str) -> None:
        """Count a request that was turned away."""
        self.counts.add(Count(project_id, source, REFUSED, reason))


def sources_off(settings: Settings) -> frozenset[str]:
    """Return the names of the intakes from which nothing is taken."""
    names = (name.strip() for name in settings.intake_sources_off.split(","))
    return frozenset(name for name in names if name)
