"""The trial of archiving: bytes of a row in the table and in Parquet, and that no reader loses."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from psycopg import sql

from honed.core.canonical import Json
from honed.core.step import Step
from honed.core.trial import GUARD_WEIGHT, Arm, Arms, TrialDesign, Unit
from honed.errors import EvaluatorFailed
from honed.targets.postgres.archives.runner import ARCHIVE
from honed.targets.postgres.clone import Clone
from honed.targets.postgres.columnstore.partitions import sparing_examples
from honed.targets.postgres.columnstore.reads import find_reads, time_reads, told_reads
from honed.targets.postgres.lab import Lab
from honed.targets.postgres.replay import ReplayTrial
from honed.targets.postgres.statement_trial import statement_trial
from honed.targets.postgres.target import PostgresTarget

#: What one number of the unit ``ROW`` is; statements cost CPU seconds.
METRIC = "bytes_per_row"
ROW = "row"
#: CPU seconds after which a statement is cut.
_CUT_S = 5.0
#: Statements that guard: those that cost production most.
_MOST_GUARDS = 20

_IS_SAMPLED = (
    "SELECT FROM unnest(%(sampled)s::text[]) AS s (name)"
    " WHERE to_regclass(s.name) = to_regclass(%(table)s)"
)
_SIZE = (
    "SELECT pg_total_relation_size(to_regclass(%(table)s)) AS size_bytes, count(*) AS n FROM ONLY "
)


@dataclass(frozen=True, slots=True)
class _Arm:
    """One side; implements ``honed.core.trial.Arm``."""

    bytes_per_row: float
    #: None: there are no statements.
    statements: Arm | None

    def run(self, unit: str) -> float:
        """Return the bytes of a row, or the cost of one execution of a statement.

        Raises:
            EvaluatorFailed: the statement failed.
        """
        if unit == ROW or self.statements is None:
            return self.bytes_per_row
        return self.statements.run(unit)


@dataclass(frozen=True, slots=True)
class ArchiveTrial:
    """Bytes of a row before the steps and after them; implements ``Trial``.

    Bytes are the same each time. The statements only guard: none may become slower.
    """

    lab: Lab
    #: Schema and name of the table, quoted.
    table: str
    design: TrialDesign
    #: Bytes of the archive where it is there already; 0: the steps write it.
    archived_bytes: int = 0
    #: The statements; None: there are none.
    replay: ReplayTrial | None = None
    #: Whether rows can be read where they are after the steps; what that costs is noted then.
    stays_readable: bool = False
    notes: Mapping[str, Json] = field(default_factory=dict)

    @contextmanager
    def open(self, steps: Sequence[Step]) -> Iterator[Arms]:
        """Carry out ``steps`` on a clone to see what they come to, and replay on others.

        Raises:
            EvaluatorFailed: a step failed: what was written was not equal to the table, say.
            DiskFull: there is no room.
        """
        before, after, facts = self._sizes(steps)
        if self.replay is None:
            arms = Arms(_Arm(before, None), _Arm(after, None), _Arm(before, None), facts)
            yield arms
            return
        with self.replay.open(steps) as replayed:
            yield Arms(
                baseline=_Arm(before, replayed.baseline),
                candidate=_Arm(after, replayed.candidate),
                control=_Arm(before, replayed.control),
                facts={**replayed.facts, **facts},
            )

    def _sizes(self, steps: Sequence[Step]) -> tuple[float, float, dict[str, Json]]:
        """Return the bytes of a row before and after, and what was seen on the way."""
        with self.lab.clone("archived") as clone:
            if clone.query(_IS_SAMPLED, {"table": self.table, "sampled": list(clone.sampled)}):
                msg = f"only a sample of {self.table} is copied: its bytes cannot be compared"
                raise EvaluatorFailed(msg)
            size_bytes, rows = _size(clone, self.table)
            if not rows:
                msg = f"{self.table} is empty"
                raise EvaluatorFailed(msg)
            reads = find_reads(clone, self.table) if self.stays_readable else {}
            cost_before = time_reads(clone, reads)
            started = time.monotonic()
            clone.carry_out(steps)
            seconds = time.monotonic() - started
            told = {**_told(clone, steps), **told_reads(cost_before, time_reads(clone, reads))}
            kept = self.archived_bytes or told.get("archived_bytes") or _size(clone, self.table)[0]
        facts: dict[str, Json] = {"table_bytes": size_bytes, "rows": rows, "steps_s": seconds}
        return size_bytes / rows, float(str(kept)) / rows, {**facts, **told, **self.notes}


def archive_trial(
    target: PostgresTarget,
    table: tuple[str, str],
    *,
    guards: Mapping[str, float] | None = None,
    archived_bytes: int = 0,
    stays_readable: bool = False,
) -> ArchiveTrial:
    """Return the trial of archiving ``table``, of keeping it in columns, or of dropping it.

    Args:
        target: its lab is refreshed.

        table: schema and name.

        guards: seconds per call of statements that must not become slower, by id.

        archived_bytes: of the archive where it is there already.

        stays_readable: whether its rows can be read where they are after the steps.
    """
    target.lab.refresh()
    replay = _replay(target, table, guards or {})
    units = [Unit(ROW, needs_washout=False)]
    if replay is not None:
        units += [replace(unit, weight=GUARD_WEIGHT) for unit in replay.design.units]
        replay = replace(replay, design=replace(replay.design, units=tuple(units[1:])))
    design = TrialDesign(
        units=tuple(units),
        metric=METRIC,
        alpha=target.settings.alpha,
        time_budget_s=target.settings.trial_budget_s,
    )
    name = sql.Identifier(*table).as_string(None)
    return ArchiveTrial(target.lab, name, design, archived_bytes, replay, stays_readable)


def _replay(
    target: PostgresTarget, table: tuple[str, str], guards: Mapping[str, float]
) -> ReplayTrial | None:
    """Return the replay of the statements that guard, with the examples that spare the table."""
    if not guards:
        return None
    workload = target.workload()
    examples = sparing_examples(target, workload, table)
    known = [each.statement_id for each in workload.replayable]
    some = [each for each in known if each in guards and each in examples][:_MOST_GUARDS]
    if not some:
        return None
    base_s = {each: guards[each] for each in some}
    trial = statement_trial(target, base_s=base_s, changed=some, cut_s=_CUT_S)
    statements = [replace(each, examples=examples[each.name]) for each in trial.statements]
    return replace(trial, statements=tuple(statements))


def _size(clone: Clone, table: str) -> tuple[int, int]:
    (row,) = clone.query(_SIZE + table, {"table": table})
    return int(row["size_bytes"]), int(row["n"])


def _told(clone: Clone, steps: Sequence[Step]) -> dict[str, Json]:
    """Return what the record would say of the steps' acts on archives."""
    archivist = clone.shadow.archivist(clone.database)
    acts = [act for step in steps if step.runner == ARCHIVE for act in step.do]
    return {name: fact for act in acts for name, fact in archivist.facts(act).items()}
