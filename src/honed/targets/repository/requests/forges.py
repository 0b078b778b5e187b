"""From settings and a target to the forge on which its changes are reviewed."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from honed.config import ForgeKind, Settings
from honed.core.forge import Forge, MergeMethod
from honed.errors import ConfigurationError
from honed.forge.connect import Hear, Place, connect, hearing
from honed.forge.patience import Clock
from honed.storage.db import Database
from honed.targets.registry import TargetRecord
from honed.targets.repository.git.branches import Branches
from honed.targets.repository.requests.change import Limits
from honed.targets.repository.requests.local import LocalForge
from honed.targets.repository.requests.reviewing import Terms

#: Options of a target that take the place of the setting of that name: each repository may be on a
#: forge of its own.
OPTIONS: Final = (
    "forge",
    "forge_url",
    "forge_repository",
    "forge_token_variable",
    "forge_secret_variable",
)


def open_forge(  # noqa: PLR0913 - two of them by name, for tests
    settings: Settings,
    record: TargetRecord,
    store: Database,
    branches: Branches,
    *,
    clock: Clock | None = None,
    environment: Mapping[str, str] | None = None,
) -> Forge:
    """Return the forge of a repository; nothing is asked of it yet.

    Args:
        settings: of this process; what the target's own options say comes before them.

        record: the repository's target; its option ``default_branch`` is for the local forge.

        store: as the daemon; for the local forge.

        branches: of honed's clone; likewise.

        clock: the time, and waiting; None: the real ones.

        environment: where tokens are looked up; None: that of this process.

    Raises:
        ConfigurationError: it is named wrongly, or its token is not there.
    """
    place = place_of(settings, record)
    if place.kind == ForgeKind.LOCAL:
        default = str(record.options.get("default_branch", "main"))
        return LocalForge(store, record.name, branches, default)
    return connect(place, clock=clock, environment=environment)


def open_ear(
    settings: Settings, record: TargetRecord, *, environment: Mapping[str, str] | None = None
) -> Hear:
    """Return what hears the webhooks of a repository's forge; it needs their secret, and no token.

    Raises:
        ConfigurationError: there is no forge, it is named wrongly, or the secret is not there.
    """
    place = place_of(settings, record)
    if place.kind == ForgeKind.LOCAL:
        msg = f"{record.name} is reviewed in honed itself, where nobody sends webhooks"
        raise ConfigurationError(msg, hint="set forge to where it is reviewed")
    return hearing(place, environment=environment)


def place_of(settings: Settings, record: TargetRecord) -> Place:
    """Return where a repository is reviewed; nothing is checked yet."""
    said = {name: str(record.options.get(name, getattr(settings, name))) for name in OPTIONS}
    return Place(
        kind=said["forge"],
        repository=said["forge_repository"],
        url=said["forge_url"],
        token_variable=said["forge_token_variable"],
        secret_variable=said["forge_secret_variable"],
    )


def limits_of(settings: Settings) -> Limits:
    """Return how many changes of one repository may be open."""
    return Limits(
        review=settings.forge_open_limit,
        automerge=settings.forge_automerge_limit,
        cooldown=timedelta(hours=settings.forge_cooldown_hours),
    )


def terms_of(settings: Settings, record: TargetRecord) -> Terms:
    """Return on what terms changes of a repository are merged.

    In honed itself no check is expected by name: the gates that let a change come so far are its
    check.

    Raises:
        ConfigurationError: the target's own names of checks are no text.
    """
    method = MergeMethod(settings.forge_merge_method.value)
    if record.options.get("forge", settings.forge) == ForgeKind.LOCAL:
        return Terms(method, risk_limit=settings.auto_apply_max_risk)
    named = record.options.get("forge_expected_checks", settings.forge_expected_checks)
    if not isinstance(named, str):
        msg = f"the expected checks of {record.name} are no text"
        hint = "set forge_expected_checks to names that the forge shows, separated by semicolons"
        raise ConfigurationError(msg, hint=hint)
    expected = frozenset(filter(None, (each.strip() for each in named.split(";"))))
    return Terms(method, expected, settings.auto_apply_max_risk)
