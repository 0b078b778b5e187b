"""Two servers for tests: real stores, one or two, with targets that nobody connects to.

Load it with ``pytest_plugins = ["honed.testing.postgres", "honed.testing.pair"]``.
"""

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from starlette.types import ASGIApp

from honed.approval.policy import write_policy
from honed.config import Autonomy, Settings, TwoServerRole
from honed.core.verdict import State
from honed.improvement.record import Improvement
from honed.interfaces.http.app import create_app
from honed.interfaces.http.evidence import evidence_router, health_router
from honed.interfaces.http.gate import Rules
from honed.interfaces.http.server import listening, server_of
from honed.ledger.keys import Signer
from honed.loop.parts import Parts
from honed.loop.two_servers.lease import Lease, leases
from honed.loop.two_servers.member import Member
from honed.loop.two_servers.publish import Post
from honed.storage.db import Database
from honed.targets.registry import TargetRecord, add_target
from honed.testing.improvements import Improvements
from honed.testing.pets import PetKind, pet_parts
from honed.testing.postgres import Databases

#: The name that the targets of both servers have in common.
TWIN = "shop"
#: When these tests begin, by the clock of both stores.
BEGIN = datetime(2027, 1, 1, 12, tzinfo=UTC)


@dataclass
class Clock:
    """The time by which both servers live; it stands still until a test lets it pass."""

    now: datetime = BEGIN

    def pass_s(self, seconds: float) -> None:
        """Let some seconds pass."""
        self.now += timedelta(seconds=seconds)


@dataclass
class OneServer:
    """One of two servers: its store, its settings, its target and its daemon's membership."""

    owner: Database
    settings: Settings
    clock: Clock
    target_id: int = 0
    kind: PetKind = field(default_factory=PetKind)
    post: Post | None = None
    _member: Member | None = None
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    @property
    def store(self) -> Database:
        """The store as its owner sees it now."""
        return replace(self.owner, fake_now=self.clock.now)

    @property
    def parts(self) -> Parts:
        """What its loop works with now."""
        return pet_parts(self.store, self.settings, self.kind)

    @property
    def signer(self) -> Signer:
        """Its ledger's key."""
        return self.parts.signer

    def configure(self, **changes: object) -> None:
        """Change settings; they become the policy in force."""
        self.settings = self.settings.model_copy(update=changes)
        with self.store.transaction() as conn:
            write_policy(conn, self.settings)

    def member(self) -> Member:
        """Return its daemon's membership: the same one until ``restart``, at the present time."""
        member = Member(self.parts, post=self.post)
        if self._member is not None:
            member.holder = self._member.holder
        self._member = member
        return member

    def restart(self) -> None:
        """Let another process take its daemon's place; the old one says no good-bye."""
        self._member = None

    def keep(self) -> Lease | None:
        """Let its daemon take one round."""
        return self.member().keep()

    def leases(self) -> dict[str, Lease]:
        """Return who holds, or held, each role of its store."""
        with self.store.transaction() as conn:
            return {lease.role.value: lease for lease in leases(conn)}

    def improvements(self) -> Improvements:
        """Return a maker of improvements on its target, at the present time."""
        return Improvements(self.store, self.signer, self.target_id, _numbers=self._numbers)

    def has(self, state: State) -> Improvement:
        """Return a new improvement of its target, brought into ``state``."""
        return self.improvements().create(state)


@dataclass
class Pair:
    """Two servers, on one store or on two."""

    primary: OneServer
    secondary: OneServer
    clock: Clock

    def keep(self) -> None:
        """Let both daemons take one round."""
        self.primary.keep()
        self.secondary.keep()


def _server(
    store: Database, home: Path, clock: Clock, role: TwoServerRole, **settings: object
) -> OneServer:
    values = {
        "home": home,
        "autonomy": Autonomy.FULL,
        "require_human_approval": False,
        "two_server_role": role,
        "server_name": {"primary": "paris", "secondary": "sofia"}[role.value],
        "lease_s": 60.0,
        **settings,
    }
    server = OneServer(store, Settings.model_validate(values), clock)
    server.configure()
    url = f"postgresql:///{role.value}"
    options = {"twin": TWIN, "role": role.value}
    record = TargetRecord(f"{TWIN}-{role.value}", url, url, options=options)
    server.target_id = add_target(server.store, record).target_id
    return server


@pytest.fixture
def shared_pair(store: Database, honed_home: Path) -> Pair:
    """Return two servers that share one store."""
    clock = Clock()
    primary = _server(store, honed_home, clock, TwoServerRole.PRIMARY)
    return Pair(primary, _server(store, honed_home, clock, TwoServerRole.SECONDARY), clock)


@pytest.fixture
def two_stores(databases: Databases, migrated_template: str) -> Callable[[], Database]:
    """Return a maker of stores."""
    return lambda: Database(databases.create(migrated_template))


@pytest.fixture
def apart_pair(two_stores: Callable[[], Database], tmp_path: Path) -> Pair:
    """Return two servers with a store each; nothing carries envelopes between them yet."""
    clock = Clock()
    keys = {role: Signer.load_or_create(tmp_path / role / "ledger.key") for role in ("a", "b")}
    for role, signer in keys.items():
        (tmp_path / f"{role}.pem").write_text(signer.public_key.to_pem())
    primary = _server(
        two_stores(), tmp_path / "a", clock, TwoServerRole.PRIMARY, peer_key=tmp_path / "b.pem"
    )
    secondary = _server(
        two_stores(), tmp_path / "b", clock, TwoServerRole.SECONDARY,
        peer_url="http://127.0.0.1:9",
    )  # fmt: skip
    return Pair(primary, secondary, clock)


@contextmanager
def serving(parts: Parts) -> Iterator[str]:
    """Serve the API of one server on the loopback while open; hand out its URL."""
    routers = [health_router(), evidence_router(parts)]
    with served(create_app(Rules.of(parts.settings), routers)) as url:
        yield url


@contextmanager
def served(app: ASGIApp) -> Iterator[str]:
    """Serve an application on the loopback while open; hand out its URL."""
    with listening(Settings(api_port=0)) as door:
        server = server_of(app)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [door]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{door.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
