"""The trial of detaching: what reading a table from one end to the other costs without the old."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from statistics import fmean

from honed.core.step import Step
from honed.core.trial import GUARD_WEIGHT, Arms, TrialDesign, Unit
from honed.errors import EvaluatorFailed
from honed.targets.postgres.lab import Lab
from honed.targets.postgres.replay import METRIC, ReplayStatement, calibrate
from honed.targets.postgres.target import PostgresTarget
from honed.targets.postgres.texts import StatementText
from honed.targets.postgres.worlds import OwnDatabases, Side, Worlds

#: Reading every row once, as a dump, ANALYZE or a report over everything does.
WHOLE_TABLE = "whole table"
#: CPU seconds after which a statement is cut.
_CUT_S = 10.0


@dataclass(frozen=True, slots=True)
class _Arm:
    """One side; implements ``honed.core.trial.Arm``.

    What statements return is not compared: that old rows are no longer among it is the purpose.
    """

    worlds: Worlds
    side: Side
    statements: Mapping[str, ReplayStatement]

    def run(self, unit: str) -> float:
        """Run each example of ``unit`` once and return their mean CPU seconds."""
        session = self.worlds.enter(self.side)
        return fmean(session.run(each).cost_s for each in self.statements[unit].examples)


@dataclass(frozen=True, slots=True)
class PassageTrial:
    """A table read as a whole, with its old partitions and without; implements ``Trial``.

    Statements that name the table guard: none may become slower, and no mean counts what they gain.
    """

    lab: Lab
    statements: Mapping[str, ReplayStatement]
    design: TrialDesign

    @classmethod
    def of(cls, target: PostgresTarget, schema: str, table: str, relation: str) -> "PassageTrial":
        """Return the trial of one table; the target's lab is refreshed.

        Raises:
            EvaluatorFailed: the table cannot be read on a clone.
        """
        target.lab.refresh()
        known = [ReplayStatement(WHOLE_TABLE, (f"TABLE {relation}",))]
        known += [
            ReplayStatement.of(each)
            for each in target.workload().replayable
            if StatementText.parse(each.text).names_any({(schema, table)})
        ]
        with target.lab.clone("costs") as clone:
            calibration = calibrate(clone, known, cut_s=_CUT_S)
        if WHOLE_TABLE in calibration.left_out:
            msg = f"{relation} cannot be read: {calibration.left_out[WHOLE_TABLE]}"
            raise EvaluatorFailed(msg)
        design = TrialDesign(
            units=tuple(_weighed(unit) for unit in calibration.units),
            metric=METRIC,
            alpha=target.settings.alpha,
            time_budget_s=target.settings.trial_budget_s,
        )
        return cls(target.lab, {each.name: each for each in known}, design)

    @contextmanager
    def open(self, steps: Sequence[Step]) -> Iterator[Arms]:
        """Carry out ``steps`` on one of three clones, and hand them out.

        Raises:
            EvaluatorFailed: a step failed.
            DiskFull: there is no room.
        """
        with ExitStack() as stack:
            clones = {side: stack.enter_context(self.lab.clone(side.value)) for side in Side}
            clones[Side.CANDIDATE].carry_out(steps)
            worlds = stack.enter_context(closing(OwnDatabases(clones, cut_s=_CUT_S)))
            arms = {side: _Arm(worlds, side, self.statements) for side in Side}
            yield Arms(
                baseline=arms[Side.BASELINE],
                candidate=arms[Side.CANDIDATE],
                control=arms[Side.CONTROL],
                facts={"index_bytes": 0, "cut_s": _CUT_S},
            )


def _weighed(unit: Unit) -> Unit:
    return unit if unit.name == WHOLE_TABLE else replace(unit, weight=GUARD_WEIGHT)
