"""The trial of partitions made ahead: what it costs until the next rows lie in one of their own."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import psycopg
from psycopg import sql

from honed.core.canonical import Json
from honed.core.step import Step
from honed.core.trial import Arms, TrialDesign, Unit
from honed.errors import EvaluatorFailed
from honed.targets.postgres.clone import Clone
from honed.targets.postgres.lab import Lab
from honed.targets.postgres.metering import CpuMeter
from honed.targets.postgres.partitioning.ahead import ATTACH, Ending
from honed.targets.postgres.production import quoted
from honed.targets.postgres.shadow import OWNER
from honed.targets.postgres.target import PostgresTarget

#: What one number is.
METRIC = "cpu_s_until_rows_lie_in_their_partition"
NEXT_ROWS = "next rows"
#: What rows cost that nobody takes in, in CPU seconds: as much as a statement that never ends.
REFUSED_S = 1.0
#: Rows that one measurement writes.
_ROWS = 1000

#: Without triggers and checks of foreign keys: they are the same with any partitions.
_QUIET = "SET LOCAL session_replication_role = replica"
_DRAW = sql.SQL("""
CREATE TEMPORARY TABLE honed_next ON COMMIT DROP AS
SELECT * FROM ONLY {source}
 WHERE {shifted} >= {lower} AND {shifted} < {upper}
 LIMIT {rows}
""")
_SHIFT = sql.SQL("UPDATE honed_next SET {column} = {shifted}")
_INSERT = sql.SQL(
    "INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM honed_next"
)
_STRAYED = sql.SQL(
    "SELECT EXISTS (SELECT FROM ONLY {default}"
    " WHERE {column} >= {lower} AND {column} < {upper}) AS is_there"
)
_CREATE = sql.SQL(
    "CREATE TABLE {new} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED)"
)
_MOVE = sql.SQL(
    "WITH moved AS (DELETE FROM ONLY {default} WHERE {column} >= {lower} AND {column} < {upper}"
    " RETURNING {columns}) INSERT INTO {new} ({columns}) OVERRIDING SYSTEM VALUE"
    " SELECT {columns} FROM moved"
)


@dataclass(frozen=True, slots=True)
class Arrival:
    """The SQL by which rows of the next range arrive, and by which strays find their place."""

    #: Rows of the last partition that has some, moved on into the next range.
    draw: tuple[str, ...]
    insert: str
    #: Asks whether they lie in the default partition; empty: there is none.
    strayed: str
    #: Brings them from there into a partition of their own.
    late: tuple[str, ...]

    @classmethod
    def of(cls, ending: Ending) -> "Arrival":
        """Return how the first of the ranges that are to be made fills."""
        table, (new, _) = ending.table, ending.new[0]
        source = table.newest_filled
        assert source is not None  # noqa: S101 - without one there is an obstacle
        assert source.end is not None  # noqa: S101 - likewise
        key, write = table.key, table.key.write
        names: dict[str, sql.Composable] = {
            "source": source.identifier,
            "table": table.identifier,
            "column": sql.Identifier(key.column),
            "columns": sql.SQL(", ").join(map(sql.Identifier, table.columns)),
            "lower": sql.Literal(write(new.lower)),
            "upper": sql.Literal(write(new.upper)),
            "new": sql.Identifier(ending.last.schema, "honed_late"),
            "rows": sql.Literal(_ROWS),
            "shifted": sql.SQL(
                "({column} + (CAST({to} AS {type}) - CAST({since} AS {type})))"
            ).format(
                column=sql.Identifier(key.column),
                to=sql.Literal(write(new.upper)),
                since=sql.Literal(write(source.end)),
                type=quoted(key.type),
            ),
        }
        if table.default is not None:
            names["default"] = table.default.identifier
        late = (_CREATE, _MOVE, ATTACH) if table.default else ()
        return cls(
            draw=_texts((_DRAW, _SHIFT), names),
            insert=_texts((_INSERT,), names)[0],
            strayed=_texts((_STRAYED,), names)[0] if table.default else "",
            late=_texts(late, names),
        )

    def to_json(self) -> dict[str, Json]:
        """Return it as plain JSON."""
        value: dict[str, Json] = asdict(self)
        return {**value, "draw": list(self.draw), "late": list(self.late)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Arrival":
        """Return what ``to_json`` wrote."""
        return cls(tuple(value["draw"]), value["insert"], value["strayed"], tuple(value["late"]))


def _texts(statements: Sequence[sql.SQL], names: Mapping[str, sql.Composable]) -> tuple[str, ...]:
    return tuple(each.format(**names).as_string(None) for each in statements)


@dataclass(frozen=True, slots=True)
class _Arm:
    """One side; implements ``honed.core.trial.Arm``."""

    clone: Clone
    arrival: Arrival

    def run(self, unit: str) -> float:
        """Return the CPU seconds until rows lie in a partition of their own; all is rolled back.

        Rows that no partition takes cost ``REFUSED_S``.

        Raises:
            EvaluatorFailed: there are no rows to go on with, or the server went away.
        """
        del unit
        with self.clone.shadow.errors("letting rows arrive"):
            session = self.clone.session(OWNER)
            meter = CpuMeter(session.info.backend_pid)
            with session.transaction(force_rollback=True):
                self._draw()
                started = meter.read_s()
                try:
                    with session.transaction():
                        session.execute(quoted(self.arrival.insert))
                        self._move_strays()
                except psycopg.errors.CheckViolation:
                    return REFUSED_S
                return meter.read_s() - started

    def _draw(self) -> None:
        session = self.clone.session(OWNER)
        # Before PostgreSQL 15 only a superuser may; triggers are measured too, then.
        with contextlib.suppress(psycopg.errors.InsufficientPrivilege), session.transaction():
            session.execute(_QUIET)
        for statement in self.arrival.draw:
            found = session.execute(quoted(statement)).rowcount
        if not found:
            msg = "there are no rows that could go on into the next partition"
            raise EvaluatorFailed(msg)

    def _move_strays(self) -> None:
        session = self.clone.session(OWNER)
        if not self.arrival.strayed:
            return
        (row,) = session.execute(quoted(self.arrival.strayed)).fetchall()
        if row["is_there"]:
            for statement in self.arrival.late:
                session.execute(quoted(statement))


@dataclass(frozen=True, slots=True)
class ArrivalTrial:
    """The next rows, without the new partitions and with them; implements ``Trial``."""

    lab: Lab
    arrival: Arrival
    design: TrialDesign

    @classmethod
    def of(cls, arrival: Arrival, target: PostgresTarget) -> "ArrivalTrial":
        """Return the trial; the target's lab is refreshed."""
        target.lab.refresh()
        design = TrialDesign(
            units=(Unit(NEXT_ROWS),),
            metric=METRIC,
            alpha=target.settings.alpha,
            time_budget_s=target.settings.trial_budget_s,
        )
        return cls(target.lab, arrival, design)

    @contextmanager
    def open(self, steps: Sequence[Step]) -> Iterator[Arms]:
        """Carry out ``steps`` on one of two clones, and hand both out.

        Raises:
            EvaluatorFailed: a step failed.
            DiskFull: there is no room.
        """
        with self.lab.clone("baseline") as baseline, self.lab.clone("candidate") as candidate:
            candidate.carry_out(steps)
            without = _Arm(baseline, self.arrival)
            facts: dict[str, Json] = {"rows": _ROWS, "refused_s": REFUSED_S, "index_bytes": 0}
            yield Arms(without, _Arm(candidate, self.arrival), without, facts)
