"""Settings: what can be configured, from honed.toml and the environment (HONED_*)."""

import os
from tomllib import TOMLDecodeError
from typing import ClassVar

from pydantic import ValidationError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from honed.aliases import in_environment, in_file
from honed.errors import ConfigurationError
from honed.settings.backlog import TICKET_SOURCES, BacklogSettings
from honed.settings.forge import ForgeKind, ForgeSettings, MergeBy
from honed.settings.loop import Autonomy, LoopSettings
from honed.settings.models import LlmMode, LlmProvider, ModelSettings
from honed.settings.packages import PackageSettings
from honed.settings.servers import ServerSettings, TwoServerRole, is_loopback
from honed.settings.signals import LogLevel, SignalSettings

__all__ = [
    "TICKET_SOURCES",
    "Autonomy",
    "ForgeKind",
    "LlmMode",
    "LlmProvider",
    "LogLevel",
    "MergeBy",
    "Settings",
    "TwoServerRole",
    "is_loopback",
    "load_settings",
    "origins",
]


# Pydantic takes the fields of the last part first.
class Settings(
    ForgeSettings,
    ModelSettings,
    PackageSettings,
    BacklogSettings,
    SignalSettings,
    ServerSettings,
    LoopSettings,
    BaseSettings,
):
    """Every setting of honed; a value in the environment wins over one in the file."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        env_prefix="HONED_", toml_file="honed.toml", extra="forbid", frozen=True
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is the library's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - likewise
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return where values come from, strongest first: call, environment, file."""
        named = {name: alias.value for name, alias in in_environment().items()}
        kept = {name: alias.value for name, alias in in_file().items()}
        return (
            init_settings,
            env_settings,
            InitSettingsSource(settings_cls, named),
            TomlConfigSettingsSource(settings_cls),
            InitSettingsSource(settings_cls, kept),
        )


def load_settings(**overrides: object) -> Settings:
    """Return the settings of this process.

    Raises:
        ConfigurationError: a value is wrong or a name unknown; the message names it.
    """
    try:
        return Settings(**overrides)  # type: ignore[arg-type]  # checked by pydantic
    except ValidationError as error:
        lines = [_complaint(str(item["loc"][0]), item["msg"]) for item in error.errors()]
        hint = "correct it there; docs/reference/settings.md tells what each setting may be"
        raise ConfigurationError("; ".join(lines), hint=hint) from error
    except TOMLDecodeError as error:
        msg = f"honed.toml is not TOML: {error}"
        raise ConfigurationError(msg, hint="correct it, or move it away") from error


def _complaint(name: str, what: str) -> str:
    where = origins().get(name, "honed.toml")
    also = " or the command line" if where == "honed.toml" else ""
    return f"{name} ({where}{also}): {what}"


def origins() -> dict[str, str]:
    """Return where each value was read that was: a variable, or a file with its key."""
    variables = {name: f"HONED_{name.upper()}" for name in Settings.model_fields}
    return {
        **{name: alias.origin for name, alias in in_file().items()},
        **dict.fromkeys(TomlConfigSettingsSource(Settings)(), "honed.toml"),
        **{name: alias.origin for name, alias in in_environment().items()},
        **{name: variable for name, variable in variables.items() if variable in os.environ},
    }
