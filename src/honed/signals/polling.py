"""Polls: what an intake pulls by itself, on time, beside what is sent to it."""

import logging
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from honed.config import Settings
from honed.core.intake import Intake
from honed.errors import HonedError
from honed.signals.counts import NO_PROJECT
from honed.signals.pipeline import Pipeline

_LOG = logging.getLogger(__name__)


class Poller:
    """Polls each intake that pulls, in a thread of its own, while it is open.

    What is pulled belongs to the project that has the intake's name; as long as there is none,
    nothing is pulled.
    """

    def __init__(self, intakes: Sequence[Intake], pipeline: Pipeline, settings: Settings) -> None:
        """Prepare; nothing is pulled yet."""
        self._pipeline = pipeline
        self._settings = settings.model_dump(mode="json")
        self._ending = threading.Event()
        self._threads = [
            threading.Thread(target=self._repeat, args=(intake, pause_s), daemon=True)
            for intake in intakes
            if (pause_s := intake.poll_interval_s(self._settings)) > 0
            and intake.name not in pipeline.sources_off
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def poll(self, intake: Intake) -> None:
        """Pull once, and return when it is stored; what goes wrong is logged and counted."""
        project = self._pipeline.registry.named(intake.name)
        if project is None or project.disabled_at is not None:
            _LOG.debug("nothing is pulled by %s: there is no project of its name", intake.name)
            return
        reason = "defect"
        try:
            taken = intake.poll(self._settings)
            self._pipeline.store_now(project, intake.name, taken)
        except HonedError as error:
            reason = "failed"
            _LOG.warning("%s could not pull: %s (%s)", intake.name, error, error.hint)
        except Exception as error:
            # Its words may repeat what was pulled, which is not scrubbed.
            _LOG.warning("%s could not pull: %s", intake.name, type(error).__name__)
        else:
            return
        self._pipeline.refused(project.project_id or NO_PROJECT, intake.name, reason)

    def _repeat(self, intake: Intake, pause_s: float) -> None:
        while not self._ending.is_set():
            began = time.monotonic()
            self.poll(intake)
            self._ending.wait(max(0.0, pause_s - (time.monotonic() - began)))
