"""Settings of the loop: where honed's data is, what it may do by itself, and how it tries."""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import BaseModel, Field, StringConstraints


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


_TableOfTarget: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]*\..+\..+$")]
_Retention: TypeAlias = Annotated[
    str, StringConstraints(pattern=r"^[1-9]\d*( (hour|day|week|month|year)s?)?$")
]


def _default_home() -> Path:
    if os.geteuid() == 0:
        return Path("/var/lib/honed")
    return Path(os.environ.get("XDG_DATA_HOME", "~/.local/share")).expanduser() / "honed"


class LoopSettings(BaseModel):
    """What the loop needs to turn."""

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

    checkpoint_file: Path | None = Field(
        None,
        description="Where signed checkpoints of the ledger are appended; empty: in honed's home.",
    )

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
