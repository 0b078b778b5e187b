"""git itself, by its program, on a bare repository of honed's own.

Whatever a repository or a person has configured to be run by git is not: no hook, no filter, no
monitor of files, no helper, no pager, no question on a terminal.
"""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Final

from honed.errors import GitFailed

TIMEOUT_S: Final = 120.0

_SWITCHED_OFF: Final = (
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "core.fsmonitor=false"),
    *("-c", "core.attributesFile=/dev/null"),
    *("-c", "core.excludesFile=/dev/null"),
    *("-c", "core.autocrlf=false"),
    *("-c", "core.quotePath=false"),
    *("-c", "commit.gpgSign=false"),
    *("-c", "protocol.ext.allow=never"),
)
_ENVIRONMENT: Final = {
    "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
    "GIT_ASKPASS": "/bin/false",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_SSH_COMMAND": "ssh -oBatchMode=yes",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
    "TZ": "UTC",
}
#: ssh finds its keys by them.
_PASSED_ON: Final = ("HOME", "PATH", "SSH_AUTH_SOCK")
_LAST_WORDS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Git:
    """Runs git on one bare repository."""

    folder: Path

    def run(
        self,
        *arguments: str,
        stdin: bytes = b"",
        environment: Mapping[str, str] = MappingProxyType({}),
        timeout_s: float = TIMEOUT_S,
    ) -> bytes:
        """Return what git says on standard output.

        Raises:
            GitFailed: it ends with another code than 0, or takes longer than ``timeout_s``.
        """
        done = self.attempt(*arguments, stdin=stdin, environment=environment, timeout_s=timeout_s)
        if done.code != 0:
            msg = f"git {arguments[0]} failed (code {done.code}): {done.words}"
            raise GitFailed(msg, code=done.code)
        return done.out

    def attempt(
        self,
        *arguments: str,
        stdin: bytes = b"",
        environment: Mapping[str, str] = MappingProxyType({}),
        timeout_s: float = TIMEOUT_S,
    ) -> "Said":
        """Return what git says and how it ends; codes but 0 mean something to whoever asks.

        Raises:
            GitFailed: it takes longer than ``timeout_s``, or there is no git.
        """
        command = ["git", *_SWITCHED_OFF, f"--git-dir={self.folder}", *arguments]
        try:
            done = subprocess.run(
                command,
                input=stdin,
                capture_output=True,
                env={**_environment(), **environment},
                cwd=self.folder,
                timeout=timeout_s,
                check=False,
                start_new_session=True,
            )
        except subprocess.TimeoutExpired:
            msg = f"git {arguments[0]} took longer than {timeout_s:.0f} s"
            raise GitFailed(msg, hint="try again; a large repository takes longer once") from None
        except FileNotFoundError as error:
            msg = f"there is no {error.filename}"
            raise GitFailed(msg, hint="install git, and let honed's home exist") from None
        return Said(done.returncode, done.stdout, hidden(done.stderr.decode(errors="replace")))

    def text(self, *arguments: str, stdin: bytes = b"") -> str:
        """Return what git says, as text without blanks around it.

        Raises:
            GitFailed: it failed.
        """
        return os.fsdecode(self.run(*arguments, stdin=stdin)).strip()


@dataclass(frozen=True, slots=True)
class Said:
    """How git ended and what it said."""

    code: int
    out: bytes
    #: The end of what it said on standard error.
    words: str = field(default="")


def hidden(words: str, secrets: Sequence[str] = ()) -> str:
    """Return the end of ``words`` without ``secrets``."""
    for secret in secrets:
        words = words.replace(secret, "***")
    return words.strip()[-_LAST_WORDS:]


def _environment() -> dict[str, str]:
    passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    config = resources.files("honed.targets.repository.git").joinpath("git.config")
    return {**passed_on, **_ENVIRONMENT, "GIT_CONFIG_GLOBAL": str(config)}
