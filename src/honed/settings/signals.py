"""Settings of the intake: what is kept of what services tell, and for how long."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, TypeAlias

from pydantic import BaseModel, Field, StringConstraints


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


_Target: Final = r"([A-Za-z][\w.-]*=)?https?://[^\s,@]+"
_Targets: TypeAlias = Annotated[str, StringConstraints(pattern=rf"^$|^{_Target}(, *{_Target})*$")]


class SignalSettings(BaseModel):
    """How signals are taken in."""

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
