"""Leftovers: invalid indexes that a failed build left behind, and what they cost writers."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from honed.core.canonical import Json
from honed.core.finding import INVALID_INDEX, Finding
from honed.core.step import Step
from honed.core.trial import Arms, TrialDesign, Unit
from honed.errors import EvaluatorFailed
from honed.targets.postgres.catalog import Catalog
from honed.targets.postgres.clone import Clone
from honed.targets.postgres.indexes.definition import NAME_PREFIX, drop_sql, gone_sql
from honed.targets.postgres.lab import Lab
from honed.targets.postgres.target import PostgresTarget
from honed.targets.postgres.write_cost import write_cost

#: What one number of the trial is.
METRIC = "cpu_us_per_written_row"
#: Rows that one measurement writes.
_ROWS = 2000
_UNIT = "write"
#: What every definition of ``pg_get_indexdef`` begins with.
_CREATE = re.compile(r"^CREATE (UNIQUE )?INDEX ")


@dataclass(frozen=True, slots=True)
class Leftover:
    """An index that no statement can use and every write pays for."""

    schema: str
    name: str
    #: Qualified name of its table.
    table: str
    #: As ``pg_get_indexdef`` says it.
    definition: str

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Leftover":
        """Return the leftover that ``to_json`` wrote."""
        return cls(**value)

    def to_json(self) -> dict[str, Json]:
        """Return the leftover as plain JSON."""
        return {
            "schema": self.schema,
            "name": self.name,
            "table": self.table,
            "definition": self.definition,
        }

    def step(self) -> Step:
        """Return the step that drops it; to take that back it is built again, and then valid."""
        return Step(
            f"drop {self.name}, which a failed build left half-built",
            do=(drop_sql(self.schema, self.name),),
            undo=(
                _CREATE.sub(
                    r"CREATE \1INDEX CONCURRENTLY IF NOT EXISTS ", self.definition, count=1
                ),
            ),
            inspect=gone_sql(self.schema, self.name),
            in_transaction=False,
        )


def find_leftovers(findings: Sequence[Finding], catalog: Catalog) -> dict[Leftover, Finding]:
    """Return honed's own invalid indexes that ``findings`` tell of and that are still there."""
    subjects = {finding.subject: finding for finding in findings if finding.type == INVALID_INDEX}
    return {
        Leftover(index.schema, index.name, index.table, index.definition): subjects[
            index.qualified_name
        ]
        for index in catalog.indexes
        if index.qualified_name in subjects
        and not index.is_valid
        and index.name.startswith(NAME_PREFIX)
    }


@dataclass(frozen=True, slots=True)
class LeftoverTrial:
    """Writes to the leftover's table on clones with and without it; implements ``Trial``."""

    lab: Lab
    leftover: Leftover
    design: TrialDesign

    @classmethod
    def of(cls, leftover: Leftover, target: PostgresTarget) -> "LeftoverTrial":
        """Return the trial of dropping ``leftover``; the target's lab is refreshed."""
        target.lab.refresh()
        settings = target.settings
        design = TrialDesign(
            units=(Unit(_UNIT),),
            metric=METRIC,
            alpha=settings.alpha,
            time_budget_s=settings.trial_budget_s,
            washout=0,
        )
        return cls(target.lab, leftover, design)

    @contextmanager
    def open(self, steps: Sequence[Step]) -> Iterator[Arms]:
        """Build the leftover on three clones, carry out ``steps`` in one and hand them out.

        A copy of production has no invalid indexes; to writers a valid one costs the same.

        Raises:
            EvaluatorFailed: the index cannot be built on a clone, or a step failed.
            DiskFull: there is no room.
        """
        with ExitStack() as stack:
            clones = [
                stack.enter_context(self.lab.clone(label))
                for label in ("baseline", "candidate", "control")
            ]
            for clone in clones:
                if self.leftover.name not in clone.indexes():
                    clone.run(self.leftover.definition)
            facts: dict[str, Json] = {"index_bytes": clones[1].size_bytes(self.leftover.name)}
            clones[1].carry_out(steps)
            baseline, candidate, control = (_WriteArm(c, self.leftover.table) for c in clones)
            yield Arms(baseline=baseline, candidate=candidate, control=control, facts=facts)


@dataclass(frozen=True, slots=True)
class _WriteArm:
    """One clone's side; implements ``honed.core.trial.Arm``."""

    clone: Clone
    table: str

    def run(self, unit: str) -> float:
        """Return CPU microseconds of one inserted and one updated row.

        Raises:
            EvaluatorFailed: the table is empty, or its rows cannot be written again.
        """
        cost = write_cost(self.clone, self.table, rows=_ROWS)
        if cost is None:
            msg = f"{self.table} is empty: what an index costs its writers cannot be measured"
            raise EvaluatorFailed(msg)
        return cost.insert_us + cost.update_us
