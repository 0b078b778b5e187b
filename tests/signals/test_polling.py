"""What an intake pulls by itself is stored in the project of its name, and a failure is counted."""

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import pytest
from tests.signals.conftest import OpenPipeline, a_signal

from honed.config import Settings
from honed.core.canonical import Json
from honed.core.intake import Intake, Request, Taken
from honed.core.signal import Signal
from honed.errors import TargetUnavailable
from honed.signals.pipeline import Pipeline
from honed.signals.polling import Poller
from honed.signals.projects import add_project, enable_project
from honed.storage.db import Database

Ask = Callable[[str], list[dict[str, Any]]]


class WellIntake(Intake):
    """Pulls what it was given."""

    name: ClassVar[str] = "well"

    def __init__(self, *pulled: Signal, error: Exception | None = None) -> None:
        self.pulled = pulled
        self.error = error
        self.times = 0
        self.was_asked = threading.Event()

    def take(self, request: Request) -> Taken:
        return Taken()

    def poll_interval_s(self, settings: Mapping[str, Json]) -> float:
        return 0.01 if settings["intake_sources_off"] != "none" else 0.0

    def poll(self, settings: Mapping[str, Json]) -> Taken:
        self.times += 1
        if self.times >= 3:
            self.was_asked.set()
        if self.error is not None:
            raise self.error
        return Taken(self.pulled, {"odd": 1})


@pytest.fixture
def pipeline(open_pipeline: OpenPipeline, noon_store: Database) -> Any:
    with noon_store.transaction() as conn:
        add_project(conn, "well")
    with open_pipeline() as opened:
        yield opened


def test_what_is_pulled_belongs_to_the_project_of_its_name(pipeline: Pipeline, ask: Ask) -> None:
    Poller([], pipeline, Settings()).poll(WellIntake(a_signal(), a_signal()))
    rows = ask(
        "SELECT p.name, s.source FROM honed.signal AS s JOIN honed.project AS p USING (project_id)"
    )
    assert rows == [{"name": "well", "source": "well"}] * 2
    (status,) = ask("SELECT * FROM honed.intake_status")
    assert (status["accepted_today"], status["skipped_today"]) == (2, {"odd": 1})


def test_nothing_is_pulled_for_a_project_that_is_not_there_or_disabled(
    open_pipeline: OpenPipeline, noon_store: Database
) -> None:
    well = WellIntake(a_signal())
    with open_pipeline() as pipeline:
        Poller([], pipeline, Settings()).poll(well)
    with noon_store.transaction() as conn:
        add_project(conn, "well")
        enable_project(conn, "well", enabled=False)
    with open_pipeline() as pipeline:
        Poller([], pipeline, Settings()).poll(well)
    assert well.times == 0


@pytest.mark.parametrize(
    ("error", "reason"),
    [(TargetUnavailable("it is away"), "failed"), (ValueError("the secret of a user"), "defect")],
)
def test_a_failure_is_counted_and_logged_without_what_was_pulled(
    pipeline: Pipeline, ask: Ask, caplog: pytest.LogCaptureFixture, error: Exception, reason: str
) -> None:
    with caplog.at_level(logging.WARNING):
        Poller([], pipeline, Settings()).poll(WellIntake(error=error))
    assert "well could not pull" in caplog.text
    assert "secret" not in caplog.text
    pipeline.store_counts()
    (status,) = ask("SELECT * FROM honed.intake_status")
    assert status["refused_today"] == {reason: 1}


def test_it_is_pulled_again_and_again_until_the_end(pipeline: Pipeline, ask: Ask) -> None:
    well = WellIntake(a_signal())
    with Poller([well], pipeline, Settings()):
        assert well.was_asked.wait(30.0)
    pulled = well.times
    assert len(ask("SELECT FROM honed.signal")) == pulled
    assert well.times == pulled


@pytest.mark.parametrize("off", ["well", "none"])
def test_what_is_off_or_only_listens_is_not_pulled(
    open_pipeline: OpenPipeline, noon_store: Database, off: str
) -> None:
    with noon_store.transaction() as conn:
        add_project(conn, "well")
    well = WellIntake(a_signal())
    with (
        open_pipeline(intake_sources_off=off) as pipeline,
        Poller([well], pipeline, Settings(intake_sources_off=off)),
    ):
        pass
    assert well.times == 0
