"""From settings to a forge: which of the adapters, where, and with what token."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from honed.core.forge import Forge, Notice
from honed.errors import ConfigurationError
from honed.forge import gitea, github, gitlab
from honed.forge.address import checked_root
from honed.forge.patience import Clock
from honed.forge.secret import Secret, read_secret

#: Returns what a webhook is about; raises WebhookRefused where it is not the forge's.
Hear: TypeAlias = Callable[[Mapping[str, str], bytes], Notice]
_Connect: TypeAlias = Callable[[str, str, Secret, Secret | None, Clock], Forge]
_CONNECT: Final[Mapping[str, _Connect]] = {
    "github": github.connect,
    "gitlab": gitlab.connect,
    "gitea": gitea.connect,
    # Its own name for the same API.
    "forgejo": gitea.connect,
}
#: Forges whose own address is not everybody's.
_ELSEWHERE: Final = frozenset({"gitea", "forgejo"})
_NAME: Final = re.compile(r"[\w.-]{1,100}(/[\w.-]{1,100}){1,20}")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a repository is reviewed.

    Args:
        kind: ``github``, ``gitlab``, ``gitea`` or ``forgejo``.

        repository: its full name there: ``owner/name``.

        url: the address of the forge; empty: that of github.com or gitlab.com.

        token_variable: the environment variable with the token.

        secret_variable: the one with the secret of webhooks; empty: none are heard.
    """

    kind: str
    repository: str
    url: str = ""
    token_variable: str = ""
    secret_variable: str = ""


def connect(
    place: Place, *, clock: Clock | None = None, environment: Mapping[str, str] | None = None
) -> Forge:
    """Return a forge; nothing is asked of it yet.

    Args:
        place: where it is.

        clock: the time, and waiting; None: the real ones.

        environment: where tokens are looked up; None: that of this process.

    Raises:
        ConfigurationError: the place is none, or its token is not there.
    """
    make, url = _checked(place)
    token = read_secret(place.token_variable, environment)
    secret = read_secret(place.secret_variable, environment) if place.secret_variable else None
    return make(url, place.repository, token, secret, clock or Clock())


def hearing(place: Place, *, environment: Mapping[str, str] | None = None) -> Hear:
    """Return what hears a forge's webhooks: it has the secret, and no token to ask anything with.

    Raises:
        ConfigurationError: the place is none, or the secret is not there.
    """
    make, url = _checked(place)
    if not place.secret_variable:
        msg = "no secret is named to know the forge's webhooks by"
        raise ConfigurationError(msg, hint="set forge_secret_variable, and that variable")
    secret = read_secret(place.secret_variable, environment)
    return make(url, place.repository, Secret(""), secret, Clock()).hear


def _checked(place: Place) -> tuple[_Connect, str]:
    """Return what makes the adapter of a place, and the address of its forge.

    Raises:
        ConfigurationError: it is none.
    """
    make = _CONNECT.get(place.kind)
    if make is None:
        msg = f"{place.kind!r} is no forge that honed knows"
        raise ConfigurationError(msg, hint=f"set forge to one of {', '.join(_CONNECT)}, or local")
    if not _NAME.fullmatch(place.repository) or ".." in place.repository:
        msg = f"{place.repository!r} is no name of a repository"
        raise ConfigurationError(msg, hint="set forge_repository, in the form owner/name")
    if place.kind in _ELSEWHERE and not place.url:
        msg = f"there is no {place.kind} that everybody means"
        raise ConfigurationError(msg, hint="set forge_url to its address")
    return make, checked_root(place.url) if place.url else ""
