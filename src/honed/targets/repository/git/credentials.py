"""What opens a repository: kept out of command lines, files and words."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user and a token for repositories that are reached by HTTP."""

    #: Forges with tokens take any name; GitHub's own example is ``x-access-token``.
    user: str = "x-access-token"
    token: str = field(default="", repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return what must not be in any word that a person or a log sees."""
        return (self.token, self._basic()) if self.token else ()

    def environment(self, url: str) -> Mapping[str, str]:
        """Return variables by which git sends the token to the host of ``url`` and to no other.

        The environment of a process can be read by its own user and by root alone.
        """
        parts = urlsplit(url)
        if not self.token or parts.scheme not in {"http", "https"}:
            return {}
        return {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"http.{parts.scheme}://{parts.netloc}/.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: Basic {self._basic()}",
        }

    def _basic(self) -> str:
        return base64.b64encode(f"{self.user}:{self.token}".encode()).decode()


NO_CREDENTIALS: Final = Credentials()
