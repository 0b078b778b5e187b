"""From the row of a repository to its clone, its branch, how its tests are run and its forge."""

import fcntl
import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from honed.config import Settings
from honed.core.forge import Forge
from honed.core.privacy import Scrubber
from honed.errors import ConfigurationError, GitFailed, TargetUnavailable
from honed.sandbox.box import Limits
from honed.signals.scrubbing import open_scrubber
from honed.storage.db import Database
from honed.targets.registry import TargetRecord
from honed.targets.repository.git.branches import Branches
from honed.targets.repository.git.clone import Clone, open_clone
from honed.targets.repository.git.credentials import NO_CREDENTIALS, Credentials
from honed.targets.repository.git.worktree import Worktree, worktree
from honed.targets.repository.judging.judge import Court
from honed.targets.repository.requests.forges import open_forge
from honed.targets.urls import check_url

#: One run of all tests may take so long, and so much memory.
SUITE: Final = Limits(cpu_s=600, wall_s=900, memory_bytes=2 << 30, processes=128)
_LOCK: Final = "honed.lock"


@dataclass(frozen=True, slots=True)
class Source:
    """A repository as its row describes it; nothing is asked of it until it is fetched."""

    record: TargetRecord
    settings: Settings

    @property
    def court(self) -> Court:
        """How its tests are run.

        Raises:
            ConfigurationError: the row says something that is no list of tests or of sockets, or
                no variables.
        """
        sockets = tuple(map(Path, self._texts("sockets")))
        if not all(each.is_absolute() for each in sockets):
            msg = f"the sockets of {self.record.name} are no whole paths"
            raise ConfigurationError(msg, hint="begin each with /")
        said = [each.partition("=") for each in self._texts("environment")]
        if not all(name.isidentifier() and equals for name, equals, _ in said):
            msg = f"the variables of {self.record.name} cannot be read"
            raise ConfigurationError(msg, hint="write each as NAME=VALUE")
        variables = {name: value for name, _, value in said}
        return Court(self.python, SUITE, self._texts("tests"), sockets, variables)

    def _texts(self, option: str) -> tuple[str, ...]:
        said = self.record.options.get(option, [])
        if not isinstance(said, list) or not all(isinstance(each, str) for each in said):
            msg = f"the {option} of {self.record.name} are no list of texts"
            raise ConfigurationError(msg, hint="take the target away, and add it again")
        return tuple(map(str, said))

    @property
    def python(self) -> Path:
        """The Python that has what its tests need: the row's, else the checkout's, else our own."""
        if named := self.record.options.get("python"):
            return Path(str(named))
        return python_of(self.record.observe_url)

    @property
    def credentials(self) -> Credentials:
        """What opens it: the token of its forge, from the environment."""
        named = self.record.options.get("forge_token_variable", self.settings.forge_token_variable)
        return Credentials(token=os.environ.get(str(named), "") if named else "")

    def clone(self, *, acting: bool = False) -> Clone:
        """Return honed's own clone, as it was fetched last.

        Args:
            acting: whether its URL is where branches are pushed to.

        Raises:
            ConfigurationError: one of its URLs is none, or holds a password.
        """
        url = self.record.observe_url
        # Whoever wrote the row: git runs programs and sends passwords for some addresses.
        for each in filter(None, (url, self.record.act_url)):
            check_url(each)
        clone = clone_of(url, self.settings, self.credentials)
        return replace(clone, url=self.record.act_url) if acting else clone

    def fetched(self, *, acting: bool = False) -> Clone:
        """Return the clone as the repository is now.

        Raises:
            TargetUnavailable: the repository does not answer.
            ConfigurationError: as ``clone``.
        """
        clone = self.clone(acting=acting)
        fetch(clone)
        return clone

    def branch(self, clone: Clone) -> str:
        """Return the branch that is looked at and changed: the row's, else the default one.

        Raises:
            TargetUnavailable: the repository does not answer, names none, or has no commits.
        """
        if named := self.record.options.get("branch"):
            return str(named)
        try:
            return clone.default_branch()
        except GitFailed as error:
            raise TargetUnavailable(str(error), hint=error.hint) from error

    @contextmanager
    def files(self, commit: str) -> Iterator[Worktree]:
        """Hand out the files of a commit in a folder of their own.

        Raises:
            UnknownCommit: it was not fetched.
        """
        with worktree(self.clone(), commit, self.settings.home / "worktrees") as tree:
            yield tree

    def scrubber(self, store: Database) -> Scrubber:
        """Return what takes personal data and secrets out of what tests and errors say.

        Nothing of theirs goes into a branch, a request or the ledger without it.
        """
        with store.transaction() as conn:
            return open_scrubber(conn, self.settings.key_file)

    def forge(self, store: Database, clone: Clone) -> Forge:
        """Return where its changes are reviewed.

        Raises:
            ConfigurationError: it is named wrongly, or its token is not there.
        """
        environment = clone.credentials.environment(clone.url)
        branches = Branches(clone.folder, clone.url, environment)
        return open_forge(self.settings, self.record, store, branches)


def python_of(url: str) -> Path:
    """Return the Python of a checkout's own environment, else the one that runs honed."""
    own = Path(url, ".venv", "bin", "python")
    return own if own.is_file() else Path(sys.executable)


def clone_of(url: str, settings: Settings, credentials: Credentials = NO_CREDENTIALS) -> Clone:
    """Return honed's own clone of a repository, as it was fetched last; empty at first.

    Raises:
        ConfigurationError: the URL is none, or holds a password.
    """
    name = hashlib.sha256(url.encode()).hexdigest()[:16]
    return open_clone(url, settings.home / "clones" / name, credentials)


def fetch(clone: Clone) -> None:
    """Take over the branches as they are now; one process after the other, which git asks for.

    Raises:
        TargetUnavailable: the repository does not answer.
    """
    with (clone.folder / _LOCK).open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            clone.fetch()
        except GitFailed as error:
            raise TargetUnavailable(str(error), hint=error.hint) from error
