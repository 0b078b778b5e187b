"""A store in the daemon's role, an operator, and drafts of troubles."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from honed.backlog.draft import Draft
from honed.backlog.ticket import TicketSource
from honed.storage.db import Database

#: When the drafts of these tests were seen first.
SEEN = datetime(2026, 1, 1, tzinfo=UTC)

#: Returns a draft of one exception, but for what the caller says.
MakeDraft = Callable[..., Draft]
#: Returns the store in the daemon's role, so many minutes after ``SEEN``.
At = Callable[[float], Database]


@pytest.fixture
def operator(store: Database) -> Database:
    return replace(store, role="honed_operator")


@pytest.fixture
def at(store: Database) -> At:
    def later(minutes: float, role: str = "honed_daemon") -> Database:
        return replace(store, role=role, fake_now=SEEN + timedelta(minutes=minutes))

    return later


@pytest.fixture
def make_draft() -> MakeDraft:
    def draft(**said: Any) -> Draft:
        usual: dict[str, Any] = {
            "source": TicketSource.EXCEPTION,
            "subject": "AttributeError at shop.cart.total",
            "title": "AttributeError in shop/cart.py",
            "first_seen_at": SEEN,
            "last_seen_at": SEEN,
            "project": "shop",
            "count": 1,
        }
        return Draft(**{**usual, **said})

    return draft
