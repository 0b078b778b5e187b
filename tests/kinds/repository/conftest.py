"""What tests of kinds that change code look at: a repository of their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from honed.storage.server import Server
from honed.testing.repository_worlds import (
    MakeRepositoryWorld,
    making_repository_worlds,
    require_sandbox,
)


@pytest.fixture(scope="class")
def make_world(
    postgres_server: Server, migrated_template: str, session_folder: Path
) -> Iterator[MakeRepositoryWorld]:
    """Return a maker of repositories that live as long as the test's class."""
    require_sandbox()
    with making_repository_worlds(postgres_server, migrated_template, session_folder) as make:
        yield make
