"""Settings: what can be configured, from honed.toml and the environment (HONED_*)."""

import ipaddress
import os
import platform
from enum import StrEnum
from pathlib import Path
from tomllib import TOMLDecodeError
from typing import Annotated, ClassVar, Final, TypeAlias
from urllib.parse import urlsplit

from pydantic import Field, StringConstraints, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from honed.aliases import DEFAULT_GATES, DEFAULT_SOURCES, in_environment, in_file
from honed.errors import ConfigurationError


class Autonomy(StrEnum):
    """How much honed does without a person (design, section 5)."""

    #: Dry run: nothing changes.
    OBSERVE = "observe"
    #: Every change waits for a person.
    SUPERVISED = "supervised"
    #: Safe kinds in one target area go ahead.
    LIMITED = "limited"
    #: Safe kinds go ahead everywhere.
    FULL = "full"


class TwoServerRole(StrEnum):
    """Which of two servers this is."""

    #: There is only one.
    OFF = ""
    #: Adopts what held up on the other.
    PRIMARY = "primary"
    #: Tries first.
    SECONDARY = "secondary"


class ForgeKind(StrEnum):
    """Where changes of code are reviewed."""

    #: In honed itself: a row and a branch.
    LOCAL = "local"
    #: github.com, or GitHub Enterprise Server.
    GITHUB = "github"
    #: gitlab.com, or a server of one's own.
    GITLAB = "gitlab"
    #: Gitea.
    GITEA = "gitea"
    #: Forgejo, which speaks as Gitea does.
    FORGEJO = "forgejo"


class MergeBy(StrEnum):
    """How the commits of a change get into their base branch."""

    #: By a merge commit; they stay as they were proven.
    MERGE = "merge"
    #: As one new commit.
    SQUASH = "squash"
    #: As copies on top of the base.
    REBASE = "rebase"


class LogLevel(StrEnum):
    """How severe a line of a log is."""

    #: Everything.
    TRACE = "trace"
    #: What a developer looks for.
    DEBUG = "debug"
    #: What happens.
    INFO = "info"
    #: What should not happen often.
    WARN = "warn"
    #: What should not happen.
    ERROR = "error"


class LlmProvider(StrEnum):
    """Whose dialect the language model is spoken to in."""

    #: There is none, and nothing is ever sent.
    NONE = "none"
    #: OpenAI's chat completions, which most servers and gateways understand.
    OPENAI = "openai"
    #: Anthropic's messages.
    ANTHROPIC = "anthropic"


class LlmMode(StrEnum):
    """Who answers what a language model is asked."""

    #: The model, always.
    LIVE = "live"
    #: What was recorded; else the model, and its answer is recorded.
    RECORD = "record"
    #: What was recorded, or nobody.
    REPLAY = "replay"


_TableOfTarget: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]*\..+\..+$")]
_Retention: TypeAlias = Annotated[
    str, StringConstraints(pattern=r"^[1-9]\d*( (hour|day|week|month|year)s?)?$")
]


#: What tickets can come from without a person.
TICKET_SOURCES: Final = ("exception", "performance", "test", "feedback", "cost", "code", "forecast")
_Sources: TypeAlias = Annotated[
    str,
    StringConstraints(
        pattern=rf"^$|^({'|'.join(TICKET_SOURCES)})(, *({'|'.join(TICKET_SOURCES)}))*$"
    ),
]
_Names: TypeAlias = Annotated[str, StringConstraints(pattern=r"^$|^[a-z]\w*(, *[a-z]\w*)*$")]


_Variable: TypeAlias = Annotated[str, StringConstraints(pattern=r"^$|^[A-Z][A-Z0-9_]{1,99}$")]
_Target: Final = r"([A-Za-z][\w.-]*=)?https?://[^\s,@]+"
_Targets: TypeAlias = Annotated[str, StringConstraints(pattern=rf"^$|^{_Target}(, *{_Target})*$")]


#: ``shop/disk.used_percent``: a project and a gauge of it, or a target and one of its statements.
_SeriesName: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,62}/.+$")]
_Bound: TypeAlias = Annotated[
    str, StringConstraints(pattern=r"^[<>] ?-?\d+(\.\d+)?([eE][+-]?\d{1,3})?$")
]


#: What pydantic calls a complaint about something that would tell a secret.
_INSECURE: Final = "insecure"


def _default_home() -> Path:
    if os.geteuid() == 0:
        return Path("/var/lib/honed")
    return Path(os.environ.get("XDG_DATA_HOME", "~/.local/share")).expanduser() / "honed"


class Settings(BaseSettings):
    """Every setting of honed; a value in the environment wins over one in the file."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        env_prefix="HONED_", toml_file="honed.toml", extra="forbid", frozen=True
    )

    home: Path = Field(default_factory=_default_home, description="Where honed keeps its data.")
    store_url: str = Field("", description="URL of honed's own database; empty: embedded.")
    postgres_bin: Path | None = Field(
        None,
        description="Folder of PostgreSQL programs to use instead of the embedded ones.",
    )

    autonomy: Autonomy = Field(Autonomy.OBSERVE, description="What honed may do by itself.")
    max_changes_per_run: int = Field(1, ge=0, description="Changes applied in one cycle.")
    require_human_approval: bool = Field(True, description="Whether every change needs a person.")
    target_area: str = Field("", description="Only kinds of this area; empty: all.")
    auto_approve_threshold: int = Field(
        3, ge=1, le=5, description="Least priority that a policy may approve by itself."
    )
    approval_ttl_hours: float = Field(72.0, gt=0, description="An approval expires after it.")

    lookback_hours: float = Field(24.0, gt=0, description="How far back a cycle looks.")
    detectors_on: str = Field(
        "",
        description="Detectors that run only if they are named here, such as local_outlier_factor,"
        " with commas between.",
    )
    alarms_per_day: float = Field(
        1.0,
        gt=0,
        description="False alarms a day that are wanted of each detector, over all series of a"
        " target with enough history to calibrate it.",
    )
    cycle_interval_s: int = Field(
        900,
        ge=1,
        description="Pause before the next cycle after one that helped; a third of it after a great"
        " gain, twice as long after none, four times as long after a regression.",
    )
    sample_interval_s: float = Field(60.0, gt=0, description="Pause between two readings.")
    glance_interval_s: float = Field(
        1.0, gt=0, description="Pause between two looks at what is running, for real examples."
    )
    watch_intervals: int = Field(
        20, ge=8, description="Readings that an applied change is watched."
    )

    trial_budget_s: float = Field(600.0, gt=0, description="Longest time of one trial.")
    alpha: float = Field(0.05, gt=0, lt=0.5, description="Bound on wrong verdicts.")
    seed: int = Field(20261121, description="Seed of every random choice; recorded with it.")
    storage_budget_mb: int = Field(100, ge=1, description="Most new indexes may take, in MB.")
    write_budget: float = Field(
        6.0,
        gt=1,
        description="How many times as much CPU an INSERT into a table may take with new indexes as"
        " without, measured on a clone.",
    )

    plan_pin_days: float = Field(
        30.0,
        gt=0,
        description="A plan pin expires after so many days, unless a trial without it shows that it"
        " is needed.",
    )

    copy_limit_mb: int = Field(
        2048, ge=1, description="A larger target is copied for trials in part, in MB."
    )

    lock_timeout_s: float = Field(2.0, gt=0, description="Longest wait for a lock on a target.")
    statement_timeout_s: float = Field(30.0, gt=0, description="Longest read of a target.")
    build_timeout_s: float = Field(3600.0, gt=0, description="Longest single change of a target.")

    change_window: str = Field(
        "",
        pattern=r"^$|^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$",
        description="Time of day at which a change may begin, such as 22:00-06:00, in the time zone"
        " of the target (its setting TimeZone for the observing role); empty: always.",
    )
    max_busy_share: float = Field(
        0.5,
        gt=0,
        le=1,
        description="No change begins while more of max_connections runs a statement.",
    )
    max_transaction_s: float = Field(
        300.0,
        gt=0,
        description="No change begins while a transaction of the target's database is older.",
    )
    max_standby_lag_s: float = Field(
        60.0, gt=0, description="No change begins while a connected standby is further behind."
    )
    max_standby_lag_mb: int = Field(
        1024, ge=1, description="The same in MB of write-ahead log, which a stuck standby shows."
    )
    disk_limit_mb: int = Field(
        0,
        ge=0,
        description="What all databases of the target's server may take, in MB: a change begins"
        " only if twice its size is left. 0: not looked at, as PostgreSQL cannot tell free space.",
    )

    archive_folder: Path | None = Field(
        None,
        description="Where archived partitions are kept; empty: in honed's home. Every worker needs"
        " to see it, and a backup to hold it.",
    )
    archive_after_days: float = Field(
        90.0, gt=0, description="A partition is cold that was not written or read for so long."
    )
    archive_wait_days: float = Field(
        14.0, ge=0, description="An archived partition is dropped no sooner after it was detached."
    )
    archive_min_mb: int = Field(64, ge=0, description="Smaller partitions are not archived, in MB.")
    archive_memory_mb: int = Field(
        1024, ge=64, description="What DuckDB may take of memory for archives, in MB."
    )

    partition_min_mb: int = Field(
        1024, ge=1, description="Smaller tables are not proposed for partitioning, in MB."
    )
    partition_retention: dict[_TableOfTarget, _Retention] = Field(
        {},
        description="How long each partition stays with its table, by <target>.<schema>.<table>:"
        " a time such as 13 months, or how many values of a key of whole numbers; then detaching it"
        " is proposed.",
    )

    max_attempts: int = Field(3, ge=1, description="Tries before a message is a dead letter.")
    heartbeat_s: float = Field(5.0, gt=0, description="Pause between two signs of life.")
    stalled_after_s: float = Field(20.0, gt=0, description="A worker silent so long is dead.")

    two_server_role: TwoServerRole = Field(
        TwoServerRole.OFF,
        description="Which of two servers this is, primary or secondary; empty: there is one.",
    )
    server_name: str = Field(
        "", max_length=100, description="What this server is called; empty: as its machine."
    )
    primary_threshold: int = Field(
        4, ge=1, le=5, description="Takes the place of auto_approve_threshold on the primary."
    )
    secondary_threshold: int = Field(
        2, ge=1, le=5, description="Takes the place of auto_approve_threshold on the secondary."
    )
    lease_s: float = Field(
        60.0,
        gt=0,
        description="A role that is not renewed for so long is lost; a server that is"
        " not heard of for so long is cut off.",
    )
    peer_url: str = Field(
        "",
        pattern=r"^$|^https?://\S+$",
        description="Where the secondary reaches the primary's API, without user and password;"
        " empty: they share a store.",
    )
    peer_key: Path | None = Field(
        None,
        description="File with the public key of the other server's ledger; empty: they share one.",
    )
    peer_token_file: Path | None = Field(
        None,
        description="File with the token that the other server's API asks for; it is sent by https"
        " or to this machine only.",
    )
    evidence_max_age_days: float = Field(
        14.0, gt=0, description="The other server's experience counts so long."
    )

    api_host: str = Field("127.0.0.1", min_length=1, description="Where the API listens.")
    api_port: int = Field(8340, ge=0, le=65535, description="Its port; 0: any that is free.")
    api_names: str = Field(
        "",
        description="What else the API may be called, with commas between: a request for another"
        " name (its Host) is refused.",
    )
    api_token_file: Path | None = Field(
        None,
        description="File with the token that the API asks for; needed to listen elsewhere than on"
        " the loopback.",
    )

    signal_retention_days: int = Field(
        30, ge=1, le=3650, description="Signals are kept so many days; then their day is dropped."
    )
    intake_queue_mb: int = Field(
        64,
        ge=16,
        description="What signals may take of memory while they wait to be stored, in MB; who sends"
        " more is told to come again.",
    )
    intake_groups_per_day: int = Field(
        1000,
        ge=1,
        description="New groups of a project in one day; signals of further ones are counted in its"
        " group overflow.",
    )
    intake_sources_off: str = Field(
        "",
        description="Sources that nothing is taken from, such as otlp, with commas between.",
    )
    otlp_log_level: LogLevel = Field(
        LogLevel.ERROR,
        description="Least severe lines of logs that are kept of what OpenTelemetry sends; errors"
        " always are.",
    )
    price_file: Path | None = Field(
        None,
        description="File with prices of models, which come before those that honed knows; it has"
        " the form of src/honed/llm/prices.toml.",
    )
    prometheus_targets: _Targets = Field(
        "",
        description="Pages with metrics in Prometheus' text format that are read, as"
        " name=http://host:port/metrics (the name may be left out), with commas between. What is"
        " read belongs to the project called prometheus.",
    )
    prometheus_interval_s: float = Field(
        60.0, ge=1, allow_inf_nan=False, description="Pause between two readings of those pages."
    )

    backlog_enabled: bool = Field(
        True, description="Whether sources are read for tickets, and tickets are taken up."
    )
    scan_interval_s: float = Field(
        3600.0, gt=0, allow_inf_nan=False, description="Pause between two readings of the sources."
    )
    tickets_per_scan: int = Field(
        10,
        ge=0,
        description="Most new tickets of one scan, the most valuable; the others are counted, and"
        " found again by the next.",
    )
    ticket_sources: _Sources = Field(
        DEFAULT_SOURCES,
        description="What tickets may come from, with commas between; code (static analysis of"
        " code_path) only if it is named.",
    )
    improvement_max_risk: int = Field(
        7, ge=0, le=7, description="Tickets of a higher risk are never taken up without a person."
    )
    auto_apply_max_risk: int = Field(
        5,
        ge=0,
        le=8,
        description="Only for tickets of a lower risk may a change go ahead without a person, if"
        " the policy allows it.",
    )
    quality_gates: _Names = Field(
        DEFAULT_GATES,
        description="Gates that a change of code has to pass, with commas between.",
    )
    test_coverage: float = Field(
        0.8, ge=0, le=1, description="Least share of a change of code that tests have to reach."
    )
    forecast_targets: dict[_SeriesName, _Bound] = Field(
        {},
        description="What should stay below (< 90) or above (> 10) a number, so that a ticket tells"
        " when it will not: by <project>/<gauge>; by <target>/<statement_id>, in ms a call; by"
        " <target>/*, in seconds an hour of all its statements.",
    )
    code_path: Path | None = Field(
        None, description="Folder of the repository that is analysed for tickets; empty: none."
    )
    code_scan_timeout_s: float = Field(
        120.0, gt=0, description="Longest analysis of that repository."
    )

    llm_provider: LlmProvider = Field(
        LlmProvider.NONE,
        description="How a language model is asked: openai (any server of that dialect) or"
        " anthropic; none: no model is ever asked.",
    )
    llm_base_url: str = Field(
        "", description="Address of the model's API, without a key; empty: the provider's own."
    )
    llm_model: str = Field("", max_length=200, description="Name of the model.")
    llm_key_variable: str = Field(
        "",
        pattern=r"^$|^[A-Za-z_]\w*$",
        description="Name of the environment variable that holds the key; empty: none is sent.",
    )
    llm_budget_usd_day: float = Field(
        2.0,
        ge=0,
        le=1e6,
        description="What language models may cost in a day (UTC), in US dollars.",
    )
    llm_budget_usd_ticket: float = Field(
        0.5, ge=0, le=1e6, description="What they may cost for one ticket, in US dollars."
    )
    llm_mode: LlmMode = Field(
        LlmMode.RECORD,
        description="Whether the model answers (live), what was recorded and else the model"
        " (record), or what was recorded alone (replay).",
    )

    forge: ForgeKind = Field(
        ForgeKind.LOCAL,
        description="Where changes of code are reviewed: local (in honed), github, gitlab, gitea or"
        " forgejo.",
    )
    forge_url: str = Field(
        "",
        pattern=r"^$|^https?://[^\s@?#]+$",
        description="Address of the forge, without user and password; empty: github.com or"
        " gitlab.com.",
    )
    forge_repository: str = Field(
        "",
        pattern=r"^$|^[\w.-]+(/[\w.-]+)+$",
        description="Full name of the repository on the forge, such as shop/cart.",
    )
    forge_token_variable: _Variable = Field(
        "HONED_FORGE_TOKEN", description="Environment variable with the token for the forge."
    )
    forge_secret_variable: _Variable = Field(
        "",
        description="Environment variable with the secret of the forge's webhooks; empty: none are"
        " heard.",
    )
    forge_merge_method: MergeBy = Field(
        MergeBy.MERGE, description="How changes get into their base branch: merge, squash, rebase."
    )
    forge_open_limit: int = Field(
        3, ge=0, description="Most open changes of a repository that wait for a person."
    )
    forge_automerge_limit: int = Field(
        3, ge=0, description="Most open changes of a repository that a policy lets in."
    )
    forge_cooldown_hours: float = Field(
        24.0,
        ge=0,
        allow_inf_nan=False,
        description="No change of a repository is opened so long after a person closed one.",
    )

    checkpoint_file: Path | None = Field(
        None,
        description="Where signed checkpoints of the ledger are appended; empty: in honed's home.",
    )

    @field_validator("peer_url")
    @classmethod
    def _has_no_password(cls, url: str) -> str:
        """Return the URL of the other server, which many may read, if no secret is in it.

        Raises:
            ValueError: a secret is, or its host or port is none.
        """
        parts = urlsplit(url)
        _ = parts.port
        if "@" in parts.netloc:
            msg = "a user or a password has no place in it; peer_token_file names a token"
            raise PydanticCustomError(_INSECURE, msg)
        return url

    @field_validator("peer_token_file")
    @classmethod
    def _is_sent_in_secret(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        """Return where the token lies, if nobody on the way to the other server can read it.

        Raises:
            ValueError: somebody can.
        """
        url = urlsplit(info.data.get("peer_url", ""))
        if path is not None and url.scheme == "http" and not is_loopback(url.hostname or ""):
            msg = "the token would go in the clear: peer_url must be https, or on this machine"
            raise PydanticCustomError(_INSECURE, msg)
        return path

    @property
    def server(self) -> str:
        """What this server is called."""
        return self.server_name or platform.node() or "unnamed"

    @property
    def ticket_sources_on(self) -> frozenset[str]:
        """What tickets may come from."""
        return frozenset(each.strip() for each in self.ticket_sources.split(",") if each)

    @property
    def key_file(self) -> Path:
        """Where the private key of the ledger lies."""
        return self.home / "ledger.key"

    @property
    def archives(self) -> Path:
        """Where archived partitions are kept."""
        return self.archive_folder or self.home / "archive"

    @property
    def checkpoints(self) -> Path:
        """Where checkpoints of the ledger are appended."""
        return self.checkpoint_file or self.home / "ledger.checkpoints"

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


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches ``host``."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


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
