"""The trial of a batch size: the same rows written in batches of the old size and of the new."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from honed.core.step import Step
from honed.core.trial import Arms, TrialDesign, Unit
from honed.errors import EvaluatorFailed
from honed.targets.postgres.batches.bench import ROWS, BatchBench
from honed.targets.postgres.lab import Lab
from honed.targets.postgres.target import PostgresTarget

#: What one number of the unit ``ROW`` is.
METRIC = "cpu_us_per_row"
ROW = "row"


@dataclass(frozen=True, slots=True)
class _Arm:
    """One side; implements ``honed.core.trial.Arm``."""

    bench: BatchBench
    size: int
    rows: int

    def run(self, unit: str) -> float:
        """Return CPU microseconds of a row.

        Raises:
            EvaluatorFailed: there are too few rows, or they cannot be written again.
        """
        del unit
        cost = self.bench.cost(self.size, rows=self.rows)
        if cost is None:
            msg = f"the copy has too few rows for batches of {self.size}"
            raise EvaluatorFailed(msg)
        return cost


@dataclass(frozen=True, slots=True)
class BatchTrial:
    """Rows of one table, written in batches of two sizes; implements ``Trial``.

    Both sides are one clone, on which rows are taken out and written again.
    """

    lab: Lab
    relation: str
    before: int
    after: int
    design: TrialDesign

    @classmethod
    def of(cls, target: PostgresTarget, relation: str, *, before: int, after: int) -> "BatchTrial":
        """Return the trial of the size ``after``; the target's lab is refreshed."""
        target.lab.refresh()
        design = TrialDesign(
            units=(Unit(ROW, repeats=3),),
            metric=METRIC,
            alpha=target.settings.alpha,
            time_budget_s=target.settings.trial_budget_s,
        )
        return cls(target.lab, relation, before, after, design)

    @contextmanager
    def open(self, steps: Sequence[Step]) -> Iterator[Arms]:
        """Carry out ``steps`` on a clone to see that they work, and hand out both sizes.

        Raises:
            EvaluatorFailed: a step failed, or the table is gone.
            DiskFull: there is no room.
        """
        with self.lab.clone("batches") as clone:
            clone.carry_out(steps)
            bench = BatchBench(clone, self.relation)
            rows = max(ROWS, self.before, self.after)
            old, new = (_Arm(bench, size, rows) for size in (self.before, self.after))
            yield Arms(
                baseline=old,
                candidate=new,
                control=old,
                facts={
                    "rows_written": rows,
                    "commits_per_row_before": 1 / self.before,
                    "commits_per_row_after": 1 / self.after,
                },
            )
