"""What a person enters on a forge, so that it tells honed at once what happened there."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from honed.config import Settings
from honed.errors import ConfigurationError
from honed.targets.registry import TargetRecord
from honed.targets.repository.requests.forges import place_of

_GITEA: Final = ("Push", "Pull Request", "Pull Request Reviewed", "Workflow Job")
#: What is to be ticked, as each forge calls it.
_EVENTS: Final[Mapping[str, Sequence[str]]] = {
    "github": ("Pull requests", "Pull request reviews", "Check runs", "Statuses", "Pushes"),
    "gitlab": ("Push events", "Merge request events", "Pipeline events", "Job events"),
    "gitea": _GITEA,
    "forgejo": _GITEA,
}


@dataclass(frozen=True, slots=True)
class Webhook:
    """What is entered on a forge."""

    url: str
    #: What the forge calls the field.
    secret_field: str
    #: Environment variable with what is entered there.
    secret_variable: str
    events: Sequence[str]
    #: What is to be done here before; empty: nothing.
    missing: str = ""


def webhook_of(
    settings: Settings, record: TargetRecord, *, environment: Mapping[str, str] | None = None
) -> Webhook:
    """Return what is entered on the forge of a repository.

    Raises:
        ConfigurationError: it is on no forge that sends webhooks, or no secret is named.
    """
    place = place_of(settings, record)
    if place.kind not in _EVENTS:
        msg = f"{record.name} is reviewed in honed itself, where nobody sends webhooks"
        raise ConfigurationError(msg, hint="set forge to where it is reviewed")
    variable = place.secret_variable
    if not variable:
        msg = f"no secret is named to know the webhooks of {record.name} by"
        hint = "set forge_secret_variable to a variable, and that to a secret of 20 characters"
        raise ConfigurationError(msg, hint=hint)
    is_set = bool((os.environ if environment is None else environment).get(variable))
    names = [name.strip() for name in settings.api_names.split(",") if name.strip()]
    host = names[0] if names else settings.api_host
    shown = f"[{host}]" if ":" in host else host
    return Webhook(
        url=f"http://{shown}:{settings.api_port}/hooks/{record.name}",
        secret_field="Secret token" if place.kind == "gitlab" else "Secret",
        secret_variable=variable,
        events=_EVENTS[place.kind],
        missing="" if is_set else f"export {variable}=..., where `honed serve` runs",
    )
