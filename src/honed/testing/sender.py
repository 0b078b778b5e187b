"""A project that sends signals, for tests of what is made of them: no server between them."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from honed.config import Settings
from honed.core.intake import Intake, Request, Taken
from honed.core.privacy import Scrubber
from honed.core.signal import Signal
from honed.intake.feedback import FeedbackIntake
from honed.intake.pytest_report import PytestIntake
from honed.intake.sentry import SentryIntake
from honed.signals.pipeline import Pipeline
from honed.signals.projects import Project, add_project
from honed.storage.db import Database
from honed.storage.store import INTAKE, Store


@dataclass(frozen=True, slots=True)
class Sender:
    """A project whose signals are stored as the intake does it: scrubbed, grouped and counted."""

    project: Project
    pipeline: Pipeline

    def signals(self, signals: Iterable[Signal], source: str = "otlp") -> None:
        """Return when signals are stored."""
        self.pipeline.store_now(self.project, source, Taken(tuple(signals)))

    def event(self, **event: Any) -> None:  # noqa: ANN401 - whatever an SDK may say
        """Send one event as the SDKs of Sentry do."""
        payload = json.dumps(event).encode()
        body = b'{}\n{"type": "event"}\n' + payload + b"\n"
        self._send(SentryIntake(), "/api/1/envelope/", body)

    def feedback(self, *said: dict[str, Any]) -> None:
        """Send what users say."""
        self._send(FeedbackIntake(), "/api/v1/feedback", json.dumps(said).encode())

    def run(self, *tests: dict[str, Any], **run: Any) -> None:  # noqa: ANN401 - likewise
        """Send what the tests of a run came to."""
        said = {"branch": "main", "dirty": False, **run, "tests": tests}
        self._send(PytestIntake(), "/api/v1/tests", json.dumps(said).encode())

    def _send(self, intake: Intake, path: str, body: bytes) -> None:
        request = Request("POST", path, body=body, received_at=self.pipeline.now())
        self.pipeline.store_now(self.project, intake.name, intake.take(request))


@contextmanager
def sending(store: Database, project: str = "shop") -> Iterator[Sender]:
    """Hand out a new project of ``store`` while its pipeline is open.

    Args:
        store: a migrated store, as its owner; its clock is that of the signals.

        project: the name.
    """
    with store.transaction() as conn:
        added = add_project(conn, project)
    database, scrubber = Store(store).database(INTAKE), Scrubber(b"key of a test" * 3)
    with Pipeline(database, Settings(), scrubber) as pipeline:
        yield Sender(added, pipeline)
