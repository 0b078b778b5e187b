"""Settings of the backlog: what becomes a ticket, and what may be done about one."""

from pathlib import Path
from typing import Annotated, Final, TypeAlias

from pydantic import BaseModel, Field, StringConstraints

from honed.aliases import DEFAULT_GATES, DEFAULT_SOURCES

#: What tickets can come from without a person.
TICKET_SOURCES: Final = ("exception", "performance", "test", "feedback", "cost", "code", "forecast")
_Sources: TypeAlias = Annotated[
    str,
    StringConstraints(
        pattern=rf"^$|^({'|'.join(TICKET_SOURCES)})(, *({'|'.join(TICKET_SOURCES)}))*$"
    ),
]
_Names: TypeAlias = Annotated[str, StringConstraints(pattern=r"^$|^[a-z]\w*(, *[a-z]\w*)*$")]

#: ``shop/disk.used_percent``: a project and a gauge of it, or a target and one of its statements.
_SeriesName: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,62}/.+$")]
_Bound: TypeAlias = Annotated[
    str, StringConstraints(pattern=r"^[<>] ?-?\d+(\.\d+)?([eE][+-]?\d{1,3})?$")
]


class BacklogSettings(BaseModel):
    """What tickets come from, and how far honed goes with them."""

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
    code_watch_hours: float = Field(
        24.0,
        gt=0,
        description="A merged change of code is watched so long after it was deployed; without a"
        " project that tells of its services only its tests are looked at.",
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

    @property
    def ticket_sources_on(self) -> frozenset[str]:
        """What tickets may come from."""
        return frozenset(each.strip() for each in self.ticket_sources.split(",") if each)
