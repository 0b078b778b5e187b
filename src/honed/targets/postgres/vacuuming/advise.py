"""Advice: what a VACUUM does for the statements that read a table, tried on a clone."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from honed.errors import EvaluatorFailed, StatementCut
from honed.targets.postgres.clone import Clone
from honed.targets.postgres.indexes.advise import choose_cut_s
from honed.targets.postgres.plans import nodes
from honed.targets.postgres.replay import ReplayStatement, calibrate
from honed.targets.postgres.target import PostgresTarget
from honed.targets.postgres.vacuuming.dead_rows import dead_rows_sql
from honed.targets.postgres.vacuuming.steps import vacuum_step
from honed.targets.postgres.vacuuming.tables import VacuumedTable
from honed.targets.postgres.workload import WorkloadStatement

#: Measurements of each statement; the least counts.
_RUNS = 2


@dataclass(frozen=True, slots=True)
class VacuumAdvice:
    """What vacuuming one table does for the statements that read it; CPU seconds, measured."""

    before_s: Mapping[str, float]
    after_s: Mapping[str, float]
    cut_s: float
    #: What makes the dead rows on a clone.
    prepare: tuple[str, ...]

    @property
    def log_ratio(self) -> float:
        """Mean over the statements of log(cost after / cost before)."""
        return fmean(math.log(self.after_s[each] / self.before_s[each]) for each in self.before_s)


def advise_vacuum(target: PostgresTarget, table: VacuumedTable) -> VacuumAdvice | None:
    """Return what a VACUUM of ``table`` does; None where that cannot be tried, or nobody reads it.

    Args:
        target: its workload tells who reads the table; its lab is refreshed.

        table: one with dead rows.
    """
    replayable = target.workload().replayable
    if not replayable or not table.settable_column:
        return None
    cut_s = choose_cut_s(replayable)
    prepare = dead_rows_sql(table.schema, table.name, table.settable_column, table.dead_ratio)
    target.lab.refresh()
    with target.lab.clone("vacuum") as clone:
        # What a sampled table costs is not what production's costs.
        readers = (
            [] if table.qualified_name in clone.sampled else _readers(clone, replayable, table)
        )
        if not readers:
            return None
        clone.run(*prepare)
        before = _costs(clone, readers, cut_s)
        clone.run(*vacuum_step(table).do)
        after = _costs(clone, readers, cut_s)
    both = [name for name in before if name in after]
    if not both:
        return None
    return VacuumAdvice(
        {name: before[name] for name in both}, {name: after[name] for name in both}, cut_s, prepare
    )


def _readers(
    clone: Clone, statements: Sequence[WorkloadStatement], table: VacuumedTable
) -> list[ReplayStatement]:
    """Return the statements whose plan reads ``table``, through views too."""
    found = []
    for statement in statements:
        try:
            plans = [clone.explain(example) for example in statement.examples]
        except (EvaluatorFailed, StatementCut):
            continue  # it cannot be planned any more
        read = {
            (node.get("Schema"), node.get("Relation Name"))
            for plan in plans
            for node in nodes(plan)
        }
        if (table.schema, table.name) in read:
            found.append(ReplayStatement.of(statement))
    return found


def _costs(clone: Clone, statements: Sequence[ReplayStatement], cut_s: float) -> dict[str, float]:
    runs = [calibrate(clone, statements, cut_s=cut_s).costs for _ in range(_RUNS)]
    common = [name for name in runs[0] if all(name in run for run in runs)]
    return {name: min(run[name] for run in runs) for name in common}
