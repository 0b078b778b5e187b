"""The trial of dropping an index: what its table's writers gain, and that no reader loses."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field

from honed.core.step import Step
from honed.core.trial import GUARD_WEIGHT, Arms, TrialDesign, Unit
from honed.errors import EvaluatorFailed, StatementCut
from honed.targets.postgres.clone import Clone
from honed.targets.postgres.indexes.dropping import Dropping
from honed.targets.postgres.indexes.pricing import updated_columns
from honed.targets.postgres.lab import Lab
from honed.targets.postgres.metering import MeteredSession
from honed.targets.postgres.plans import plan_key
from honed.targets.postgres.replay import ReplayArm, ReplayStatement, open_arms, warm
from honed.targets.postgres.target import PostgresTarget
from honed.targets.postgres.workload import Workload, WriteMix
from honed.targets.postgres.worlds import Side
from honed.targets.postgres.write_cost import write_cost

#: What one number of the unit ``WRITE`` is; statements cost CPU seconds.
METRIC = "cpu_us_per_written_row"
WRITE = "write"
#: Rows that one measurement writes.
_ROWS = 2000
#: CPU seconds after which a statement is cut.
_CUT_S = 5.0


class HiddenIndex:
    """Worlds of one clone, of which one lacks an index; implements ``Worlds``."""

    def __init__(self, clone: Clone, name: str) -> None:
        self._clone = clone
        self._name = name
        self._session = MeteredSession(clone, cut_s=_CUT_S)

    def enter(self, side: Side) -> MeteredSession:
        """Return the only session, after hiding the index or showing it."""
        self._clone.hide([self._name] if side is Side.CANDIDATE else ())
        return self._session

    def close(self) -> None:
        """Close the session."""
        self._session.close()


@dataclass(frozen=True, slots=True)
class _Arm:
    """One side; implements ``honed.core.trial.Arm``."""

    worlds: HiddenIndex
    side: Side
    clone: Clone
    table: str
    updated: Sequence[str]
    mix: WriteMix
    statements: ReplayArm

    def run(self, unit: str) -> float:
        """Return the cost of one written row, or of one statement.

        Raises:
            EvaluatorFailed: the table is empty, its rows cannot be written again, or the statement
                failed.
        """
        if unit != WRITE:
            return self.statements.run(unit)
        self.worlds.enter(self.side)
        cost = write_cost(self.clone, self.table, update_columns=self.updated, rows=_ROWS)
        if cost is None:
            msg = f"{self.table} is empty: what an index costs its writers cannot be measured"
            raise EvaluatorFailed(msg)
        inserts, updates = self.mix.inserted or 1.0, self.mix.updated or 1.0
        return (inserts * cost.insert_us + updates * cost.update_us) / (inserts + updates)


@dataclass(frozen=True, slots=True)
class DropTrial:
    """Writes to one table with one of its indexes and without it; implements ``Trial``.

    Both worlds are one database in which the index is hidden and shown: to planner and writers a
    hidden index is none. Statements whose plan changes without it only guard: none may become
    slower, and no mean counts what they gain.
    """

    lab: Lab
    index: Dropping
    workload: Workload
    design: TrialDesign
    statements: Mapping[str, ReplayStatement] = field(default_factory=dict)

    @classmethod
    def of(cls, index: Dropping, target: PostgresTarget) -> "DropTrial":
        """Return the trial of dropping ``index``; the target's lab is refreshed."""
        workload = target.workload()
        target.lab.refresh()
        statements = _touched(target.lab, index.name, workload)
        units = [Unit(WRITE)]
        units += [Unit(name, weight=GUARD_WEIGHT, repeats=3) for name in statements]
        design = TrialDesign(
            units=tuple(units),
            metric=METRIC,
            alpha=target.settings.alpha,
            time_budget_s=target.settings.trial_budget_s,
            washout=0 if len(units) == 1 else 1,
        )
        return cls(target.lab, index, workload, design, statements)

    @contextmanager
    def open(self, steps: Sequence[Step]) -> Iterator[Arms]:
        """Carry out ``steps`` on a clone to see that they work, and compare on another.

        A copy of production has no invalid indexes; to writers a valid one costs the same, though
        it is not unique here where it was to be.

        Raises:
            EvaluatorFailed: the index cannot be built, or a step failed or left it where it is.
            DiskFull: there is no room.
        """
        with self.lab.clone("dropped") as clone:
            self._complete(clone)
            clone.carry_out(steps)
            if self.index.name in clone.indexes():
                msg = f"the steps leave {self.index.name} where it is"
                raise EvaluatorFailed(msg)
        with ExitStack() as stack:
            clone = stack.enter_context(self.lab.clone("candidate"))
            self._complete(clone)
            worlds = stack.enter_context(closing(HiddenIndex(clone, self.index.name)))
            replayed = open_arms(worlds, self.statements.values())
            answers = warm(replayed, self.statements)
            arms = {side: self._arm(clone, worlds, side, replayed[side]) for side in Side}
            yield Arms(
                baseline=arms[Side.BASELINE],
                candidate=arms[Side.CANDIDATE],
                control=arms[Side.CONTROL],
                facts={
                    "index_bytes": clone.size_bytes(self.index.name),
                    "dropped_indexes": [self.index.name],
                    "statements_with_another_plan": sorted(self.statements),
                    **answers,
                },
                slowdown=replayed[Side.BASELINE].slowdown,
            )

    def _complete(self, clone: Clone) -> None:
        if self.index.name not in clone.indexes():
            # What failed to become unique would fail here as well, on the same rows.
            clone.run(self.index.definition.replace("CREATE UNIQUE INDEX", "CREATE INDEX", 1))

    def _arm(self, clone: Clone, worlds: HiddenIndex, side: Side, statements: ReplayArm) -> _Arm:
        updated = sorted(updated_columns(self.workload).get(self.index.table, ()))
        mix = self.workload.writes.get(self.index.relation, WriteMix())
        return _Arm(worlds, side, clone, self.index.relation, updated, mix, statements)


def _touched(lab: Lab, name: str, workload: Workload) -> dict[str, ReplayStatement]:
    """Return the statements that get another plan without the index, by statement id."""
    touched: dict[str, ReplayStatement] = {}
    with lab.clone("plans") as clone:
        for statement in workload.replayable:
            try:
                before = [plan_key(clone.explain(example)) for example in statement.examples]
                clone.hide([name])
                after = [plan_key(clone.explain(example)) for example in statement.examples]
            except (EvaluatorFailed, StatementCut):
                continue  # it cannot be planned any more, with or without an index
            finally:
                clone.hide(())
            if before != after:
                touched[statement.statement_id] = ReplayStatement.of(statement)
    return touched
