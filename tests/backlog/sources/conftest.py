"""A project that sends signals."""

from collections.abc import Iterator

import pytest

from honed.storage.db import Database
from honed.testing.sender import Sender, sending


@pytest.fixture
def sender(store: Database) -> Iterator[Sender]:
    with sending(store) as opened:
        yield opened
