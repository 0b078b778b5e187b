"""Projects: who may send signals, each with a public key that lets in and lets nobody read."""

import re
import secrets
import threading
import time
from dataclasses import dataclass
from datetime import datetime

from honed.config import Settings, is_loopback
from honed.errors import ConfigurationError, UnknownProject, UnknownTarget
from honed.storage.db import Connection, Database
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.signals")
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
#: Bytes of a public key: nobody guesses one.
_KEY_BYTES = 16
#: Shortest time between two looks for a key that is not known.
_LOOK_AGAIN_S = 1.0
#: What listens on every address is reached by another name.
_EVERYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104 - no name to be called by


@dataclass(frozen=True, slots=True)
class Project:
    """Whoever sends signals: a service, a repository's test runs."""

    project_id: int
    name: str
    #: 32 hexadecimal digits.
    public_key: str
    #: The target that its signals tell of; None: none.
    target_id: int | None = None
    #: Since when nothing is taken from it; None: it is.
    disabled_at: datetime | None = None

    def dsn(self, settings: Settings) -> str:
        """Return the address that the SDKs of Sentry take: where to send, with which key."""
        return f"http://{self.public_key}@{api_address(settings)}/{self.project_id}"


def api_address(settings: Settings) -> str:
    """Return host and port by which the API is reached, as far as the settings tell."""
    host = settings.api_host
    if host in _EVERYWHERE:
        names = (name.strip() for name in settings.api_names.split(","))
        host = next((name for name in names if name and not is_loopback(name)), "localhost")
    return f"[{host}]:{settings.api_port}" if ":" in host else f"{host}:{settings.api_port}"


def add_project(conn: Connection, name: str, *, target: str = "") -> Project:
    """Store a project with a new key and return it.

    Raises:
        ConfigurationError: the name is taken or odd.
        UnknownTarget: there is no such target.
        NotAllowed: the login is no operator.
    """
    if not _NAME.fullmatch(name):
        msg = f"{name!r} is no name for a project"
        raise ConfigurationError(msg, hint="use lower-case letters, digits, _ and -")
    values = {"name": name, "public_key": secrets.token_hex(_KEY_BYTES), "target": target or None}
    row = conn.execute(_QUERIES["add_project"], values).fetchone()
    if row is None:
        msg = f"there is already a project called {name}"
        raise ConfigurationError(msg, hint="choose another name; `honed project list` shows them")
    if target and row["target_id"] is None:
        msg = f"there is no target {target}"
        raise UnknownTarget(msg)
    return Project(**row)


def list_projects(conn: Connection) -> list[Project]:
    """Return every project by name, also those that are disabled."""
    return [Project(**row) for row in conn.execute(_QUERIES["list_projects"])]


def enable_project(conn: Connection, name: str, *, enabled: bool) -> Project:
    """Take signals of a project from now on, or take none; return it.

    Raises:
        UnknownProject: there is none.
        NotAllowed: the login is no operator.
    """
    row = conn.execute(_QUERIES["enable_project"], {"name": name, "enabled": enabled}).fetchone()
    if row is None:
        msg = f"there is no project {name}"
        raise UnknownProject(msg)
    return Project(**row)


class Registry:
    """The projects by their keys, in memory: a request asks for one without asking the store."""

    def __init__(self) -> None:
        """Know nobody yet."""
        self._by_key: dict[str, Project] = {}
        self._looked_at = 0.0
        self._looking = threading.Lock()

    def find(self, key: str) -> Project | None:
        """Return the project with this key, as it was when the registry was last read."""
        return self._by_key.get(key)

    def named(self, name: str) -> Project | None:
        """Return the project of this name, likewise."""
        return next((each for each in self._by_key.values() if each.name == name), None)

    def read(self, conn: Connection) -> None:
        """Read every project anew."""
        found = list_projects(conn)
        self._by_key = {each.public_key: each for each in found}
        self._looked_at = time.monotonic()

    def forget(self) -> None:
        """Ask the store for the next key that is not known, however soon it comes."""
        self._looked_at = 0.0

    def look_for(self, key: str, store: Database) -> Project | None:
        """Return the project with a key that was not known: it may be new.

        The store is asked no more than once a second, whoever comes with which keys.

        Raises:
            StoreUnavailable: it does not answer.
        """
        with self._looking:
            if time.monotonic() - self._looked_at > _LOOK_AGAIN_S:
                with store.transaction() as conn:
                    self.read(conn)
        return self.find(key)
