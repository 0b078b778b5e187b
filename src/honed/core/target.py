"""A target: what may be looked at and changed, as the loop sees it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol, Self

from honed.core.canonical import Json
from honed.core.finding import Finding
from honed.core.step import Step


@dataclass(frozen=True, slots=True)
class Interval:
    """A stretch of production time between two readings of a target."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Series:
    """One measured quantity over time, oldest first; what detectors look at."""

    #: What it is about: a statement's fingerprint.
    subject: str
    #: The quantity with its unit: ``exec_ms_per_call``.
    metric: str
    times: tuple[datetime, ...]
    values: tuple[float, ...]
    #: What the subject is, for a person, in one short line; empty: its name says it.
    label: str = ""
    #: Share of the target's total cost that it concerns, 0 to 1.
    weight: float = 1.0
    #: What it should stay below; None: nobody said.
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What one thing that production does took in one stretch, on average over its calls."""

    calls: float
    #: In the measure in which kinds tell production's cost; lower is better.
    cost: float
    #: What a call gave back; where that changes much, something else was asked.
    rows: float
    #: Pages of 8 kB that a call touched and wrote, log and temporary files too; nearly free of
    #: noise. 0: not counted.
    pages: float


@dataclass(frozen=True, slots=True)
class Observation:
    """What one look at a target found."""

    findings: tuple[Finding, ...]
    #: The analysis record of seed 001, phase 1, without id and anomalies, which the loop adds.
    record: Mapping[str, Json]
    series: tuple[Series, ...] = field(default=())


class Shape(Protocol):
    """Everything on a target that a step could change, at one moment."""

    @property
    def fingerprint(self) -> str:
        """A digest of it."""

    def is_due_to(self, step: Step, before: Self) -> bool:
        """Return whether it differs from ``before`` in nothing but what ``step`` names."""


class Target(Protocol):
    """What the loop asks of every sort of target. Reading only; ``targets.execute`` changes."""

    @property
    def target_id(self) -> int:
        """The row in the store."""

    @property
    def name(self) -> str:
        """The name a person gave it."""

    @property
    def sort(self) -> str:
        """``postgres``, ``repository`` and so on; kinds say which sort they improve."""

    def fingerprint(self) -> str:
        """Return a digest of everything that a step could change."""

    def shape(self) -> Shape:
        """Return everything that a step could change; ``fingerprint`` is its digest."""

    def environment(self) -> Mapping[str, Json]:
        """Return what another server needs to judge what was measured here, in classes."""

    def obstacles(self, added_bytes: int) -> Sequence[str]:
        """Return why production allows no change at this moment; empty: one may begin."""

    def sample(self) -> None:
        """Read the target's counters once into honed's own history."""

    def glance(self) -> None:
        """Look once at what is running, for examples; cheap enough for every second."""

    def observe(self, lookback: timedelta) -> Observation:
        """Return what there is to find in the last ``lookback``."""

    def intervals(self, *, since: datetime | None, until: datetime | None) -> Sequence[Interval]:
        """Return the stretches of recorded production within the bounds, oldest first."""

    def usage(self) -> Mapping[str, Usage]:
        """Return what everything that production does took in this target's interval, by unit.

        The units of kinds are among them, and so is what no kind touches.
        """

    def during(self, interval: Interval) -> Self:
        """Return this target as it was in ``interval``; a kind's ``measure`` reads that."""

    def within(self, limits: Mapping[str, float]) -> Self:
        """Return this target with ``limits``, by setting, where these are narrower."""
