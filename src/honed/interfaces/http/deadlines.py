"""Deadlines of many requests with one timer for all: one for each would cost much of its time."""

import asyncio
from types import TracebackType
from typing import Self

#: Pause between two looks at who is late.
_LOOK_S = 0.1


class Deadlines:
    """Ends what takes too long, at most a tenth of a second late; for the tasks of one loop."""

    def __init__(self) -> None:
        """Watch nobody yet."""
        self._due: dict[asyncio.Task[object], float] = {}
        self._late: set[asyncio.Task[object]] = set()
        self._is_watching = False

    def within(self, seconds: float) -> "_Deadline":
        """Return a context that raises TimeoutError if it is not left in time."""
        return _Deadline(self, seconds)

    def begin(self, task: asyncio.Task[object], seconds: float) -> None:
        """Give a task so many seconds."""
        loop = asyncio.get_running_loop()
        self._due[task] = loop.time() + seconds
        if not self._is_watching:
            self._is_watching = True
            loop.call_later(_LOOK_S, self._look)

    def end(self, task: asyncio.Task[object]) -> bool:
        """Forget a task; return whether it was late."""
        self._due.pop(task, None)
        if task in self._late:
            self._late.discard(task)
            task.uncancel()
            return True
        return False

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        late = [task for task, due in self._due.items() if due < now]
        for task in late:
            del self._due[task]
            self._late.add(task)
            task.cancel()
        self._is_watching = bool(self._due)
        if self._is_watching:
            loop.call_later(_LOOK_S, self._look)


class _Deadline:
    __slots__ = ("_deadlines", "_seconds", "_task")

    def __init__(self, deadlines: Deadlines, seconds: float) -> None:
        self._deadlines = deadlines
        self._seconds = seconds
        self._task: asyncio.Task[object] | None = None

    def __enter__(self) -> Self:
        self._task = asyncio.current_task()
        assert self._task is not None  # noqa: S101 - a request is a task
        self._deadlines.begin(self._task, self._seconds)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        assert self._task is not None  # noqa: S101 - it was entered
        if self._deadlines.end(self._task) and kind is asyncio.CancelledError:
            raise TimeoutError
