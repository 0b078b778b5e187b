"""What production asks of a target: its statements with real examples, and its writes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from honed.storage.db import Connection
from honed.targets.postgres.examples import ExampleFinder, Examples
from honed.targets.postgres.statements import QUERIES


@dataclass(frozen=True, slots=True)
class StatementCost:
    """What one call of a statement cost in one interval of production, on average."""

    exec_ms_per_call: float
    #: Shared blocks of 8 kB, found in memory or read; nearly free of noise.
    blocks_per_call: float
    calls: float
    #: Of those blocks the ones that were not in the server's memory; None: not counted then.
    reads_per_call: float | None = None
    rows_per_call: float = 0.0


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


def read_workload(
    store: Connection, target: Connection, target_id: int, lookback: timedelta
) -> Workload:
    """Return what production asked in the last ``lookback``, as the store has it.

    Args:
        store: connection within a transaction; new examples are kept there.

        target: connection to the target, read only; examples are planned there.

        target_id: the row of the target.

        lookback: a stretch that ended in it counts as a whole.
    """
    window = {"target_id": target_id, "lookback": lookback}
    rows = store.execute(QUERIES["list_workload"], window).fetchall()
    reading = {row["statement_id"]: row["text"] for row in rows if row["sort"] == "select"}
    examples = ExampleFinder(store, target, target_id).find(reading)
    total_ms = sum(_cost(row)[1] for row in rows)
    span = store.execute(QUERIES["get_span"], window).fetchone() or {}
    return Workload(
        statements=tuple(
            _statement(row, examples.get(row["statement_id"], Examples()), total_ms) for row in rows
        ),
        writes={
            row.pop("table_name"): WriteMix(**row)
            for row in store.execute(QUERIES["list_writes"], window).fetchall()
        },
        skipped={key: found.reason for key, found in examples.items() if found.reason},
        start=span.get("started_at"),
        end=span.get("ended_at"),
    )


def read_costs(
    store: Connection, target_id: int, start: datetime | None, end: datetime | None
) -> dict[str, StatementCost]:
    """Return what each statement cost from ``start`` to ``end``.

    Without them: in the latest stretch.
    """
    rows = store.execute(
        QUERIES["list_statement_costs"], {"target_id": target_id, "start": start, "end": end}
    )
    return {row.pop("statement_id"): StatementCost(**row) for row in rows.fetchall()}


def _cost(row: Mapping[str, Any]) -> tuple[float, float]:
    """Return calls and milliseconds of a row of ``list_workload``."""
    if row["seen_ms"] <= row["exec_ms"]:
        return row["calls"], row["exec_ms"]
    # Most of its time went into calls that did not end: the counters know nothing of them.
    return max(row["calls"], row["seen_calls"], 1.0), row["seen_ms"]


def _statement(row: Mapping[str, Any], examples: Examples, total_ms: float) -> WorkloadStatement:
    calls, ms = _cost(row)
    return WorkloadStatement(
        statement_id=row["statement_id"],
        text=row["text"],
        examples=examples.texts,
        calls=calls,
        total_ms=ms,
        weight=ms / total_ms if total_ms else 0.0,
        is_select=row["sort"] == "select",
        blocks_per_call=row["shared_blocks"] / row["calls"] if row["calls"] else 0.0,
        rows_per_call=row["row_count"] / row["calls"] if row["calls"] else 0.0,
        source=examples.source,
        is_unfinished=not row["calls"],
    )
