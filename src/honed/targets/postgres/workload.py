"""What production asks of a target: its statements with real examples, and its writes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class StatementCost:
    """What one call of a statement cost in one interval of production, on average."""

    exec_ms_per_call: float
    #: Shared blocks of 8 kB, found in memory or read; nearly free of noise.
    blocks_per_call: float
    calls: float


@dataclass(frozen=True, slots=True)
class WriteMix:
    """Rows of one table that were written in a stretch of production."""

    inserted: float = 0.0
    updated: float = 0.0
    #: Updates that needed no new index entry; part of ``updated``.
    hot_updated: float = 0.0
    deleted: float = 0.0


@dataclass(frozen=True, slots=True)
class WorkloadStatement:
    """One normalised statement of production."""

    #: The server's query identifier as text; stable across restarts of the same major version.
    statement_id: str
    #: With ``$1`` for constants and parameters.
    text: str
    #: Executable texts without parameters, most worth replaying first; each was planned once.
    #: Empty for statements that are not replayed.
    examples: tuple[str, ...]
    calls: float
    total_ms: float
    #: Share of the workload's total time, 0 to 1.
    weight: float
    #: Whether it only reads, so that it can be replayed.
    is_select: bool
    blocks_per_call: float
    rows_per_call: float = 0.0
    #: Where the examples come from: ``activity`` (seen running), ``statistics`` (values of
    #: the compared columns), ``text`` (the statement has no parameters) or empty.
    source: str = ""
    #: True: no call of it ever ended; calls and time are what samples of running statements saw,
    #: so its time is a lower bound.
    is_unfinished: bool = False

    @property
    def mean_ms(self) -> float:
        """Milliseconds per call."""
        return self.total_ms / self.calls if self.calls else 0.0


@dataclass(frozen=True, slots=True)
class Workload:
    """What production asked in one stretch of time, most expensive statement first."""

    statements: tuple[WorkloadStatement, ...]
    #: Rows written by qualified table name.
    writes: Mapping[str, WriteMix]
    #: Statements without examples although they only read, and why, by statement id.
    skipped: Mapping[str, str]
    start: datetime | None
    end: datetime | None

    @property
    def replayable(self) -> tuple[WorkloadStatement, ...]:
        """The statements that read only and have examples."""
        return tuple(item for item in self.statements if item.is_select and item.examples)
