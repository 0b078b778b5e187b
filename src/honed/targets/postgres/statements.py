"""From readings to history: what each statement and table did between one and the next."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from honed.errors import UnknownTarget
from honed.storage.db import Connection
from honed.storage.queries import load_queries
from honed.targets.postgres.counters import STATEMENT_COUNTERS, Counters, Reading, add, growth
from honed.targets.postgres.snapshot import Key, Seen, Snapshot, statement_readings, table_readings
from honed.targets.postgres.texts import StatementText, without_constants

QUERIES = load_queries("honed.targets.postgres")

#: Examples kept of one statement.
MOST_EXAMPLES = 5
#: Longer examples are not kept: a list of thousands of constants says nothing more.
LONGEST_EXAMPLE = 100_000
#: Days of history that are kept, so that every hour of the week was there often enough to be
#: usual; and that are kept in full: of what is older a quarter of an hour is one stretch.
HISTORY_DAYS, FULL_DAYS = 35, 3

#: Sorts of statements that are no part of the workload.
_NO_WORKLOAD = frozenset({"utility", "own"})


@dataclass(frozen=True, slots=True)
class _Last:
    """What the store knows of the reading before."""

    now: datetime
    read_at: datetime | None
    statements_reset_at: datetime | None
    tables_reset_at: datetime | None
    statements: Mapping[Key, Reading]
    tables: Mapping[str, Reading]


class Recorder:
    """Writes one reading of one target into the store, within the caller's transaction."""

    def __init__(self, store: Connection, target_id: int) -> None:
        """Wait until nobody else reads this target, then load its last reading.

        Two readings at once would take each other's counters for a reset.

        Raises:
            UnknownTarget: the target was removed.
        """
        self._store = store
        self._target_id = target_id
        if store.execute(QUERIES["lock_target"], self._key()).fetchone() is None:
            msg = f"the target {target_id} was removed"
            raise UnknownTarget(msg)

    @cached_property
    def _last(self) -> _Last:
        return self._load()

    @property
    def known(self) -> frozenset[str]:
        """The statements that were counted at the last reading."""
        return frozenset(statement_id for statement_id, _ in self._last.statements)

    def save(self, snapshot: Snapshot) -> None:
        """Store what happened between the last reading and ``snapshot``."""
        statements = self._statement_growth(snapshot)
        tables = self._table_growth(snapshot)
        self._save_counters(snapshot)
        self._save_texts(snapshot)
        counted = self._workload_ids({*statements, *(seen.statement_id for seen in snapshot.seen)})
        self._save_examples(snapshot.seen, counted)
        running = self._running(snapshot, counted)
        grown = {key: value for key, value in statements.items() if key in counted}
        if grown or tables or running:
            self._save_interval(self._add_reading(snapshot), grown, running, tables)
        self._forget()

    def _load(self) -> _Last:
        state = self._store.execute(QUERIES["get_reading_state"], self._key()).fetchone() or {}
        statements = self._store.execute(QUERIES["list_statement_counters"], self._key())
        tables = self._store.execute(QUERIES["list_table_counters"], self._key())
        return _Last(
            **state,
            statements=statement_readings(statements),
            tables=table_readings(tables),
        )

    def _statement_growth(self, snapshot: Snapshot) -> dict[str, Counters]:
        was_reset = self._last.statements_reset_at != snapshot.statements_reset_at
        total: dict[str, Counters] = {}
        for key, reading in snapshot.statements.items():
            before = self._last.statements.get(key)
            if before == reading and not was_reset:
                continue
            grown = growth(before, reading, was_reset=was_reset)
            if grown["calls"]:
                total[key[0]] = add(total.get(key[0], {}), grown)
        return total

    def _table_growth(self, snapshot: Snapshot) -> dict[str, Counters]:
        was_reset = self._last.tables_reset_at != snapshot.tables_reset_at
        grown = {
            name: growth(self._last.tables.get(name), reading, was_reset=was_reset)
            for name, reading in snapshot.tables.items()
        }
        return {name: counters for name, counters in grown.items() if any(counters.values())}

    def _save_counters(self, snapshot: Snapshot) -> None:
        self._many(
            "save_statement_counter",
            [
                {
                    "statement_id": key[0],
                    "user_id": key[1],
                    **reading.values,
                    "stats_since": reading.since or None,
                }
                for key, reading in snapshot.statements.items()
                if reading != self._last.statements.get(key)
            ],
        )
        gone = [key for key in self._last.statements if key not in snapshot.statements]
        self._many(
            "forget_statement_counter",
            [{"statement_id": key[0], "user_id": key[1]} for key in gone],
        )
        self._many(
            "save_table_counter",
            [
                {"table_name": name, **reading.values}
                for name, reading in snapshot.tables.items()
                if reading != self._last.tables.get(name)
            ],
        )
        lost = [name for name in self._last.tables if name not in snapshot.tables]
        self._many("forget_table_counter", [{"table_name": name} for name in lost])
        self._many(
            "save_reading_state",
            [
                {
                    "read_at": self._last.now,
                    "statements_reset_at": snapshot.statements_reset_at,
                    "tables_reset_at": snapshot.tables_reset_at,
                }
            ],
        )

    def _save_texts(self, snapshot: Snapshot) -> None:
        known = self._sorts(seen.statement_id for seen in snapshot.seen)
        # A call that never ended is known by the text that was seen, even where that is cut.
        rows = {
            seen.statement_id: statement_row(seen.text, is_normalised=False)
            for seen in snapshot.seen
            if seen.statement_id not in known
        } | {key: statement_row(text, is_normalised=True) for key, text in snapshot.texts.items()}
        self._many("save_statement", [{"statement_id": key, **row} for key, row in rows.items()])

    def _workload_ids(self, statement_ids: Iterable[str]) -> set[str]:
        asked = set(statement_ids)
        sorts = self._sorts(asked)
        return {key for key in asked if sorts.get(key, "own") not in _NO_WORKLOAD}

    def _sorts(self, statement_ids: Iterable[str]) -> dict[str, str]:
        asked = {**self._key(), "statement_ids": sorted(statement_ids)}
        rows = self._store.execute(QUERIES["list_statement_sorts"], asked)
        return {row["statement_id"]: row["sort"] for row in rows}

    def save_seen(self, seen: Sequence[Seen]) -> None:
        """Keep the texts of known statements that were seen running, as examples."""
        self._save_examples(seen, self._workload_ids(each.statement_id for each in seen))

    def _save_examples(self, seen_now: Sequence[Seen], counted: set[str]) -> None:
        real = {
            (seen.statement_id, seen.text)
            for seen in seen_now
            if seen.statement_id in counted
            and not seen.is_cut
            and len(seen.text) <= LONGEST_EXAMPLE
            and not StatementText(seen.text, None).has_parameters
        }
        self._many(
            "add_example",
            [
                example_row(statement_id, text, source="activity", is_accepted=False)
                for statement_id, text in sorted(real)
            ],
        )

    def _running(self, snapshot: Snapshot, counted: set[str]) -> dict[str, tuple[int, float]]:
        """Return by statement how many of its calls began to be seen, and for how long they ran."""
        since = self._last.read_at
        stretch_ms = (self._last.now - since) / timedelta(milliseconds=1) if since else float("inf")
        found: dict[str, tuple[int, float]] = {}
        for seen in snapshot.seen:
            if seen.is_running and seen.statement_id in counted:
                calls, ms = found.get(seen.statement_id, (0, 0.0))
                began = int(seen.running_ms <= stretch_ms)
                found[seen.statement_id] = (calls + began, ms + min(seen.running_ms, stretch_ms))
        return found

    def _add_reading(self, snapshot: Snapshot) -> int:
        is_first = self._last.read_at is None
        started_at = self._last.read_at or self._last.now - timedelta(seconds=snapshot.age_s)
        row = self._store.execute(
            QUERIES["add_reading"],
            {
                **self._key(),
                "started_at": min(started_at, self._last.now),
                "ended_at": self._last.now,
                "is_first": is_first,
            },
        ).fetchone()
        return int(row["reading_id"]) if row else 0

    def _save_interval(
        self,
        reading_id: int,
        statements: Mapping[str, Counters],
        running: Mapping[str, tuple[int, float]],
        tables: Mapping[str, Counters],
    ) -> None:
        nothing = dict.fromkeys(STATEMENT_COUNTERS, 0)
        self._many(
            "add_statement_interval",
            [
                {
                    "reading_id": reading_id,
                    "statement_id": key,
                    **statements.get(key, nothing),
                    "seen_calls": running.get(key, (0, 0.0))[0],
                    "seen_ms": running.get(key, (0, 0.0))[1],
                }
                for key in sorted({*statements, *running})
            ],
        )
        self._many(
            "add_table_interval",
            [
                {"reading_id": reading_id, "table_name": name, **counters}
                for name, counters in tables.items()
            ],
        )

    def _forget(self) -> None:
        # One moment for all three: what the last one deletes, the others have counted.
        before = {"before": self._last.now - timedelta(days=FULL_DAYS)}
        for fold in ("fold_statement_intervals", "fold_table_intervals", "fold_readings"):
            self._many(fold, [before])
        days = {"days": HISTORY_DAYS}
        self._many("forget_old_readings", [days])
        self._many("forget_old_statements", [days])

    def _many(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        if rows:
            with self._store.cursor() as cursor:
                cursor.executemany(QUERIES[name], [{**self._key(), **row} for row in rows])

    def _key(self) -> dict[str, int]:
        return {"target_id": self._target_id}


def statement_row(text: str, *, is_normalised: bool) -> dict[str, str]:
    """Return text and sort of a statement as they are stored, for every viewer to read.

    No constant is in it: those stay among the examples. The server keeps commands as they were
    sent, passwords too, and nothing needs their text: it is left out.

    Args:
        text: as the target has it.

        is_normalised: it comes from the server's counters and not from a client's activity.
    """
    sort = StatementText.parse(text).sort()
    kept = "" if sort == "utility" else without_constants(text, is_normalised=is_normalised)
    return {"text": kept, "sort": sort}


def example_row(statement_id: str, text: str, *, source: str, is_accepted: bool) -> dict[str, Any]:
    """Return the parameters of the query ``add_example``, but for the target."""
    example = text.strip().rstrip(";")
    return {
        "statement_id": statement_id,
        "sha256": text_digest(example),
        "example": example,
        "source": source,
        "is_accepted": is_accepted,
        "most": MOST_EXAMPLES,
    }


def text_digest(example: str) -> str:
    """Return the key of an example among those of its statement."""
    return hashlib.sha256(example.encode()).hexdigest()
