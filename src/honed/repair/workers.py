"""Fork servers in sandboxes, each asked by a thread of its own."""

import contextlib
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from honed.errors import RepairFailed
from honed.repair.suite import Budget, Suite
from honed.sandbox.box import Box, Limits
from honed.sandbox.run import start
from honed.sandbox.running import Running

INSIDE: Final = Path(__file__).parent / "inside"

#: A fork server and its children, of which one runs at a time.
_MEMORY_BYTES: Final = 2 << 30
_OUTPUT_BYTES: Final = 256 << 20
#: More than the repair's own time, for what ends it.
_GRACE_S: Final = 60.0
_PROCESSES: Final = 128
#: The share of a repair's time for which it waits for one test that may never end.
_PATIENCE: Final = 1 / 20


class Workers:
    """So many fork servers of the same suite; use it in a ``with`` block.

    Raises:
        SandboxMissing: there is no sandbox; nothing was run.
        RepairFailed: the tests could not be collected.
    """

    def __init__(self, suite: Suite, box: Box, budget: Budget) -> None:
        self._suite = suite
        inside = (*box.reads, suite.root, INSIDE)
        variables = {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "TZ": "UTC"}
        environment = {**variables, "PYTEST_ADDOPTS": "", **box.environment}
        self._box = replace(box, python=suite.python, reads=inside, environment=environment)
        self._limits = Limits(
            cpu_s=budget.seconds * 2 + _GRACE_S,
            wall_s=budget.seconds + _GRACE_S,
            memory_bytes=_MEMORY_BYTES,
            processes=_PROCESSES,
            output_bytes=_OUTPUT_BYTES,
        )
        # A sandbox dies with the thread that made it, so each has one for all its life. What is
        # asked there is asked in a copy of this context: it ends where this one is told to stop.
        self._threads = [ThreadPoolExecutor(1) for _ in range(budget.processes)]
        self._running: list[Running] = []
        self.patience_s = budget.seconds * _PATIENCE
        self.tests: tuple[str, ...] = ()

    def __enter__(self) -> Self:
        """Start all; they import the tests at the same time."""
        try:
            opened = [thread.submit(copy_context().run, self._open) for thread in self._threads]
            self._running = [each.result()[0] for each in opened]
            self.tests = tuple(opened[0].result()[1]["tests"])
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Kill all."""
        for running, thread in zip(self._running, self._threads, strict=False):
            with contextlib.suppress(Exception):
                thread.submit(running.kill).result()
        for thread in self._threads:
            thread.shutdown()

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._threads)

    def submit(self, number: int, request: dict[str, Any]) -> Future[dict[str, Any]]:
        """Return what a worker will answer."""
        return self._threads[number].submit(copy_context().run, self._ask, number, request)

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return what the first worker answers."""
        return self.submit(0, request).result()

    def ask_all(self, requests: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the answers to requests that are shared among all, in their order."""
        futures = [self.submit(n % len(self), each) for n, each in enumerate(requests)]
        return [each.result() for each in futures]

    def _open(self) -> tuple[Running, dict[str, Any]]:
        running = start(self._box, [str(self._suite.python), str(INSIDE)], limits=self._limits)
        try:
            opened = running.ask({"root": str(self._suite.root), "tests": list(self._suite.tests)})
            return running, _answer(opened)
        except BaseException:
            running.kill()
            raise

    def _ask(self, number: int, request: dict[str, Any]) -> dict[str, Any]:
        return _answer(self._running[number].ask(request))


def _answer(answer: object) -> dict[str, Any]:
    if not isinstance(answer, dict):
        msg = "what ran in the sandbox answered something else than was asked"
        raise RepairFailed(msg)
    if "error" in answer:
        raise RepairFailed(str(answer["error"]))
    return answer
