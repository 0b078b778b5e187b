"""Which targets there are: their rows in the store, and URLs without passwords."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from honed.core.canonical import Json
from honed.storage.db import Database


@dataclass(frozen=True, slots=True)
class TargetRecord:
    """One target as it is stored. URLs never hold a password."""

    target_id: int
    name: str
    #: ``postgres`` and so on.
    sort: str
    #: Where to read it, as the observing role.
    observe_url: str
    #: Where to change it, as the acting role; empty: honed cannot change it.
    act_url: str = ""
    #: ``search_path`` that its application uses, for instance.
    options: Mapping[str, Json] = field(default_factory=dict)


def add_target(
    store: Database,
    *,
    name: str,
    observe_url: str,
    act_url: str = "",
    sort: str = "postgres",
    options: Mapping[str, Json] | None = None,
) -> TargetRecord:
    """Store a target and return it; nothing is asked of the target itself.

    Raises:
        ConfigurationError: a URL holds a password or is none, or the name is taken or odd.
    """
    raise NotImplementedError


def list_targets(store: Database) -> list[TargetRecord]:
    """Return the targets by name."""
    raise NotImplementedError


def get_target(store: Database, name: str | int) -> TargetRecord:
    """Return the target of this name, or of this id.

    Raises:
        UnknownTarget: there is none, or it was removed.
    """
    raise NotImplementedError


def remove_target(store: Database, name: str) -> None:
    """Remove a target; its history stays, and honed no longer looks at it.

    Raises:
        UnknownTarget: there is none.
    """
    raise NotImplementedError


def connection_url(record: TargetRecord, *, acting: bool = False) -> str:
    """Return the URL to connect with, with the password from the environment where there is one.

    The password of target ``shop`` is read from ``HONED_TARGET_SHOP_PASSWORD``, that of its acting
    role from ``HONED_TARGET_SHOP_ACT_PASSWORD``. Without them libpq looks in its own password file.

    Raises:
        ConfigurationError: there is no acting URL although one is asked for.
    """
    raise NotImplementedError
