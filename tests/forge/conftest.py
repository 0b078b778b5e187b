"""Each adapter with a fake of its forge, and a clock that waits for nobody."""

from collections.abc import Callable, Iterator

import pytest

from honed.core.forge import Forge
from honed.forge.connect import Place, connect
from honed.testing.forges.gitea import GITEA
from honed.testing.forges.github import GITHUB
from honed.testing.forges.gitlab import GITLAB
from honed.testing.forges.server import Dialect, FakeForge, serving
from honed.testing.forges.waits import Waits

DIALECTS = {each.name: each for each in (GITHUB, GITLAB, GITEA)}
SECRET = "secret-of-webhooks"  # noqa: S105 - it opens nothing


#: Returns what honed asks a running forge with.
Connect = Callable[[FakeForge], Forge]


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture(params=DIALECTS)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    return DIALECTS[request.param]


@pytest.fixture
def fake(dialect: Dialect) -> Iterator[FakeForge]:
    """Return a running forge; at the end nothing was said that the vendor's documents lack."""
    with serving(dialect) as forge:
        yield forge
    assert forge.undocumented == []


@pytest.fixture
def connected(waits: Waits) -> Connect:
    def made(fake: FakeForge) -> Forge:
        place = Place(
            kind=fake.dialect.name,
            repository="shop/cart",
            url=fake.url,
            token_variable="FORGE_TOKEN",  # noqa: S106 - a variable's name
            secret_variable="FORGE_SECRET",  # noqa: S106 - likewise
        )
        environment = {"FORGE_TOKEN": fake.token, "FORGE_SECRET": SECRET}
        return connect(place, clock=waits.clock, environment=environment)

    return made


@pytest.fixture
def forge(fake: FakeForge, connected: Connect) -> Forge:
    return connected(fake)
