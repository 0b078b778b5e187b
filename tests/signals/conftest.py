"""A pipeline on a test's own store, and signals to put into it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec import structs

from honed.config import Settings
from honed.core.signal import Signal, SignalType
from honed.signals.pipeline import Pipeline
from honed.signals.projects import Project, add_project
from honed.storage.db import Database
from honed.storage.store import INTAKE, Store

#: When these tests happen.
NOON = datetime(2027, 3, 4, 12, tzinfo=UTC)


class Untouched:
    """A scrubber that changes nothing: what it does is tested elsewhere."""

    def text(self, text: str) -> str:
        return text

    def value(self, value: Any) -> Any:
        return value


def a_signal(**changes: Any) -> Signal:
    """Return a log line, or what the changes make of it."""
    plain = Signal(SignalType.LOG, "shop.cart", NOON, service="shop", body={"message": "hello"})
    return structs.replace(plain, **changes)


def a_fault(fingerprint: str, **changes: Any) -> Signal:
    """Return an exception of a group."""
    body = {"title": f"fault {fingerprint}", "culprit": "total", "files": ["shop/cart.py"]}
    kept = {"type": SignalType.EXCEPTION, "fingerprint": fingerprint, "body": body}
    return a_signal(**{**kept, **changes})


@pytest.fixture
def noon_store(store: Database) -> Database:
    """Return the test's store, where it is noon."""
    return replace(store, fake_now=NOON)


@pytest.fixture
def project(noon_store: Database) -> Project:
    with noon_store.transaction() as conn:
        return add_project(conn, "shop")


#: Opens a pipeline with other settings than by default.
OpenPipeline = Callable[..., AbstractContextManager[Pipeline]]


@pytest.fixture
def open_pipeline(noon_store: Database, project: Project) -> OpenPipeline:  # noqa: ARG001 - it is there first
    @contextmanager
    def opened(*, now: datetime = NOON, **settings: Any) -> Iterator[Pipeline]:
        store = replace(Store(noon_store).database(INTAKE), fake_now=now)
        with Pipeline(store, Settings(**settings), Untouched()) as pipeline:
            yield pipeline

    return opened


@pytest.fixture
def pipeline(open_pipeline: OpenPipeline) -> Iterator[Pipeline]:
    with open_pipeline() as opened:
        yield opened


@pytest.fixture
def ask(noon_store: Database) -> Callable[[str], list[dict[str, Any]]]:
    """Return what asks the store as its owner."""

    def asked(query: str) -> list[dict[str, Any]]:
        with noon_store.transaction() as conn:
            return conn.execute(query.encode()).fetchall()

    return asked
