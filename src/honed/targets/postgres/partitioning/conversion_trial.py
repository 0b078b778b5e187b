"""The trial of a conversion: a table as it is, and as it will be once new partitions are full."""

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import psycopg
from psycopg import sql

from honed.core.canonical import Json
from honed.core.step import Step
from honed.core.trial import Arms, TrialDesign, Unit
from honed.errors import EvaluatorFailed
from honed.targets.postgres.clone import Clone
from honed.targets.postgres.indexes.advise import choose_cut_s
from honed.targets.postgres.lab import Lab
from honed.targets.postgres.metering import CpuMeter
from honed.targets.postgres.partitioning.conversion import Conversion
from honed.targets.postgres.partitioning.swap import aging, refreshing
from honed.targets.postgres.production import quoted
from honed.targets.postgres.replay import (
    METRIC,
    ReplayArm,
    ReplayStatement,
    calibrate,
    open_arms,
    repeats_of,
    warm,
)
from honed.targets.postgres.shadow import OWNER
from honed.targets.postgres.statement_trial import worthwhile
from honed.targets.postgres.target import PostgresTarget
from honed.targets.postgres.texts import StatementText
from honed.targets.postgres.worlds import OwnDatabases, Side, Worlds

#: Inserting rows that follow the last ones.
INSERT = "insert"
_ROWS = 2000
#: Measurements of everything before a claim is made; the least counts.
_RUNS = 3
#: CPU seconds that a statement may take in one block.
_BLOCK_S = 0.05

_QUIET = "SET LOCAL session_replication_role = replica"
_DRAW = sql.SQL(
    "CREATE TEMPORARY TABLE honed_next AS SELECT * FROM {table} ORDER BY {column} DESC LIMIT {rows}"
)
_SHIFT = sql.SQL(
    "UPDATE honed_next SET {column} = {column}"
    " + (SELECT max({column}) - min({column}) FROM honed_next) + {step}"
)
_INSERT = sql.SQL(
    "INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM honed_next"
)


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """Everything that a trial of one conversion runs besides its steps, as SQL."""

    #: Makes of the freshly converted table what it will be, and gives the other fresh statistics.
    aging: tuple[str, ...]
    refreshing: tuple[str, ...]
    #: Draws rows that follow the last ones, and inserts them.
    draw: tuple[str, ...]
    insert: str

    @classmethod
    def of(cls, plan: Conversion) -> "Rehearsal":
        """Return the rehearsal of ``plan``."""
        is_moment = plan.key.type.startswith("timestamp")
        step = sql.SQL("CAST('1 second' AS interval)") if is_moment else sql.SQL("1")
        names = {**plan.names, "rows": sql.Literal(_ROWS), "step": step}
        draw, shift, insert = (
            each.format(**names).as_string(None) for each in (_DRAW, _SHIFT, _INSERT)
        )
        return cls(tuple(aging(plan)), tuple(refreshing(plan)), (draw, shift), insert)

    def to_json(self) -> dict[str, Json]:
        """Return it as plain JSON."""
        return {
            "aging": list(self.aging),
            "refreshing": list(self.refreshing),
            "draw": list(self.draw),
            "insert": self.insert,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Rehearsal":
        """Return what ``to_json`` wrote."""
        return cls(
            tuple(value["aging"]),
            tuple(value["refreshing"]),
            tuple(value["draw"]),
            value["insert"],
        )

    def insert_s(self, clone: Clone) -> float:
        """Return the CPU seconds of inserting the rows that were drawn there; it is rolled back."""
        with clone.shadow.errors("inserting"):
            session = clone.session(OWNER)
            meter = CpuMeter(session.info.backend_pid)
            with session.transaction(force_rollback=True):
                # Before PostgreSQL 15 only a superuser may; triggers are measured too, then.
                with (
                    contextlib.suppress(psycopg.errors.InsufficientPrivilege),
                    session.transaction(),
                ):
                    session.execute(_QUIET)
                started = meter.read_s()
                session.execute(quoted(self.insert))
                return meter.read_s() - started


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a conversion does for the statements of a table; CPU seconds, measured."""

    before_s: Mapping[str, float]
    after_s: Mapping[str, float]
    cut_s: float

    @property
    def log_ratio(self) -> float:
        """Mean over the statements, and inserting, of log(cost after / cost before)."""
        return fmean(math.log(self.after_s[each] / self.before_s[each]) for each in self.before_s)

    @property
    def worst(self) -> float:
        """The largest of them."""
        return max(math.log(self.after_s[each] / self.before_s[each]) for each in self.before_s)


def forecast(
    target: PostgresTarget, steps: Sequence[Step], rehearsal: Rehearsal, schema: str, table: str
) -> Forecast | None:
    """Return what the conversion does, tried once; None: only a sample of the table is copied."""
    statements = _statements(target, schema, table)
    cut_s = choose_cut_s(target.workload().replayable)
    target.lab.refresh()
    with target.lab.clone("forecast") as clone:
        if clone.is_sampled:
            return None
        clone.run(*rehearsal.refreshing, *rehearsal.draw)
        before = _costs(clone, statements, rehearsal, cut_s)
        clone.carry_out(steps)
        clone.run(*rehearsal.aging)
        after = _costs(clone, statements, rehearsal, cut_s)
    both = before.keys() & after.keys()
    return Forecast(
        {name: before[name] for name in before if name in both},
        {name: after[name] for name in before if name in both},
        cut_s,
    )


def _statements(target: PostgresTarget, schema: str, table: str) -> list[ReplayStatement]:
    return [
        ReplayStatement.of(each)
        for each in target.workload().replayable
        if StatementText.parse(each.text).names_any({(schema, table)})
    ]


def _costs(
    clone: Clone, statements: Sequence[ReplayStatement], rehearsal: Rehearsal, cut_s: float
) -> dict[str, float]:
    runs = [
        {**calibrate(clone, statements, cut_s=cut_s).costs, INSERT: rehearsal.insert_s(clone)}
        for _ in range(_RUNS)
    ]
    common = [name for name in runs[0] if all(name in run for run in runs)]
    return {name: min(run[name] for run in runs) for name in common}


@dataclass(frozen=True, slots=True)
class _Arm:
    """One side; implements ``honed.core.trial.Arm``."""

    worlds: Worlds
    side: Side
    clone: Clone
    rehearsal: Rehearsal
    replay: ReplayArm

    def run(self, unit: str) -> float:
        """Return the CPU seconds of a statement, or of inserting rows."""
        if unit != INSERT:
            return self.replay.run(unit)
        self.worlds.enter(self.side)
        return self.rehearsal.insert_s(self.clone)


@dataclass(frozen=True, slots=True)
class ConversionTrial:
    """A table's statements, and inserting, with and without partitions; implements ``Trial``."""

    lab: Lab
    statements: tuple[ReplayStatement, ...]
    rehearsal: Rehearsal
    design: TrialDesign
    cut_s: float

    @classmethod
    def of(
        cls, target: PostgresTarget, parameters: Mapping[str, Any], rehearsal: Rehearsal
    ) -> "ConversionTrial":
        """Return the trial; the target's lab is refreshed.

        Raises:
            EvaluatorFailed: only a sample of the table is copied, or nobody reads it any more.
        """
        before: Mapping[str, float] = parameters["before_s"]
        found = _statements(target, parameters["schema"], parameters["table"])
        statements = [each for each in found if each.name in before]
        if not statements:
            msg = f"nobody reads {parameters['table']} any more"
            raise EvaluatorFailed(msg)
        target.lab.refresh()
        if target.lab.copied().sampled:
            msg = "only a sample of the target is copied: what is moved there is not production's"
            raise EvaluatorFailed(msg)
        units = [
            Unit(each.name, repeats=repeats_of(each, before[each.name], block_s=_BLOCK_S))
            for each in statements
        ]
        units.append(Unit(INSERT, repeats=3))
        design = TrialDesign(
            units=tuple(units),
            metric=METRIC,
            alpha=target.settings.alpha,
            time_budget_s=target.settings.trial_budget_s,
            worthwhile=worthwhile(len(units)),
        )
        return cls(target.lab, tuple(statements), rehearsal, design, parameters["cut_s"])

    @contextmanager
    def open(self, steps: Sequence[Step]) -> Iterator[Arms]:
        """Carry out ``steps`` on one of three clones, let it age, and hand them out.

        Raises:
            EvaluatorFailed: a step failed, or a statement returns other rows afterwards.
            DiskFull: there is no room.
        """
        with ExitStack() as stack:
            clones = {side: stack.enter_context(self.lab.clone(side.value)) for side in Side}
            for side, clone in clones.items():
                clone.run(*self.rehearsal.draw)
                if side is Side.CANDIDATE:
                    clone.carry_out(steps)
                    clone.run(*self.rehearsal.aging)
                else:
                    clone.run(*self.rehearsal.refreshing)
            worlds = stack.enter_context(closing(OwnDatabases(clones, cut_s=self.cut_s)))
            replayed = open_arms(worlds, self.statements)
            answers = warm(replayed, [each.name for each in self.statements])
            arms = {
                side: _Arm(worlds, side, clones[side], self.rehearsal, replayed[side])
                for side in Side
            }
            yield Arms(
                baseline=arms[Side.BASELINE],
                candidate=arms[Side.CANDIDATE],
                control=arms[Side.CONTROL],
                facts={"index_bytes": 0, "cut_s": self.cut_s, "rows": _ROWS, **answers},
                slowdown=replayed[Side.BASELINE].slowdown,
            )
