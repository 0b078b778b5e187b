"""How honed takes jobs out of procrastinate's tables: by target, as text, and ended by itself."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from procrastinate import PsycopgConnector, exceptions
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager

from honed.jobs.delivery import FetchedJob
from honed.jobs.queue import Fence
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.jobs")

#: The one task that procrastinate knows; honed finds the message's own handler.
TASK = "honed.deliver"


@dataclass(frozen=True, slots=True)
class Only:
    """Which messages a worker takes; all, unless it says otherwise."""

    #: Those of these; empty: of every queue.
    queues: tuple[str, ...] = ()
    #: Those about this one; None: about every target.
    target_id: int | None = None


EVERYTHING: Final = Only()


class Fetcher(JobManager):
    """procrastinate's job manager, except that honed takes, reads and ends the jobs by itself.

    procrastinate would finish a job by its id alone, even one that another worker has taken over,
    and a row with unusual arguments would break its worker.
    """

    def __init__(
        self,
        connector: PsycopgConnector,
        *,
        only: Only,
        fetched: Callable[[FetchedJob], None],
        unsettled: Callable[[int], None],
    ) -> None:
        """Keep which jobs are taken, and whom to tell of each, and of outcomes not written."""
        super().__init__(connector)
        self._only = only
        self._fetched = fetched
        self._unsettled = unsettled

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> Job | None:
        """Return the next job, empty: its message stays with the worker, as text."""
        try:
            rows = await self.connector.execute_query_all_async(
                query=_QUERIES["fetch_job"],
                queues=queues,
                target_id=self._only.target_id,
                worker_id=worker_id,
            )
        except exceptions.UniqueViolation:
            # Another worker took a job with the same lock at this moment.
            return None
        if not rows:
            return None
        (row,) = rows
        fence = Fence(row["id"], worker_id, row["attempts"])
        self._fetched(FetchedJob(fence, row["task_name"], row["message"]))
        return Job(
            id=row["id"],
            queue=row["queue_name"],
            lock=None,
            queueing_lock=None,
            task_name=TASK,
            worker_id=worker_id,
        )

    async def finish_job(self, job: Job, status: Status, delete_job: bool) -> None:  # noqa: FBT001 - the signature is the library's
        """Do nothing: the outcome was written under the fence, unless that failed."""
        if status is not Status.SUCCEEDED:
            self._unsettled(job.id or 0)
