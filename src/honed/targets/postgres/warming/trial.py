"""The trial of warming: what statements read after a start, with warm memory and with cold."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from honed.core.step import Step
from honed.core.trial import Arms, TrialDesign, Unit
from honed.errors import EvaluatorFailed, StatementCut
from honed.targets.postgres.clone import Clone
from honed.targets.postgres.lab import Lab
from honed.targets.postgres.replay import ReplayStatement
from honed.targets.postgres.target import PostgresTarget
from honed.targets.postgres.texts import StatementText
from honed.targets.postgres.warming.cache import unguarded
from honed.targets.postgres.workload import Workload, WorkloadStatement

#: What one number is. One more than the blocks, because nothing read has no logarithm.
METRIC = "blocks_read_plus_1"
#: Statements that are replayed, the most expensive first.
_MOST_STATEMENTS = 30
#: What is warmed must fit so many times into the private server's memory, with room for the rest.
_ROOM = 1.25
_BUFFERS = "SELECT setting::bigint AS buffers FROM pg_settings WHERE name = 'shared_buffers'"
#: The private server empties its memory from this version on.
_VERSION_18 = 180000


@dataclass(frozen=True, slots=True)
class _Arm:
    """One side; implements ``honed.core.trial.Arm``."""

    clone: Clone
    #: Done after each emptying of the memory.
    steps: Sequence[Step]
    statements: Mapping[str, ReplayStatement]

    def run(self, unit: str) -> float:
        """Return the blocks that the first call after a start reads, and 1.

        Raises:
            EvaluatorFailed: a statement or a step failed, or the server went away.
        """
        self.clone.shadow.empty_buffers()
        self.clone.carry_out(self.steps)
        try:
            return 1.0 + blocks_read(self.clone, self.statements[unit])
        except StatementCut as error:
            raise EvaluatorFailed(str(error)) from error


@dataclass(frozen=True, slots=True)
class WarmingTrial:
    """Statements after a start of the server, once with what the steps read; implements ``Trial``.

    Before each measurement the private server's memory is emptied, then one side is warmed. What is
    counted is what the server counts, so that it is the same each time: no neighbour disturbs it.
    """

    lab: Lab
    statements: Mapping[str, ReplayStatement]
    #: Pages that the steps read.
    blocks: int
    design: TrialDesign

    @classmethod
    def of(
        cls, target: PostgresTarget, tables: Mapping[str, tuple[str, str]], blocks: int
    ) -> "WarmingTrial":
        """Return the trial of warming ``tables`` and their indexes.

        Args:
            target: its lab is refreshed.

            tables: schema and name, by qualified name.

            blocks: pages that the steps read.

        Raises:
            EvaluatorFailed: only samples of them can be copied, they are larger than the private
                server's memory, it cannot empty that, or no statement that reads them is known.
        """
        target.lab.refresh()
        with target.lab.clone("cold") as clone:
            _check_place(clone, tables, blocks)
            statements = _reading(clone, concerned(target.workload(), tables.values()))
        if not statements:
            msg = "no statement that reads what is to be warmed can be replayed"
            raise EvaluatorFailed(msg)
        design = TrialDesign(
            units=tuple(Unit(name, needs_washout=False) for name in statements),
            metric=METRIC,
            alpha=target.settings.alpha,
            time_budget_s=target.settings.trial_budget_s,
            washout=0,
        )
        return cls(target.lab, statements, blocks, design)

    @contextmanager
    def open(self, steps: Sequence[Step]) -> Iterator[Arms]:
        """Hand out both sides of one clone.

        Raises:
            EvaluatorFailed: a step failed.
            DiskFull: there is no room for the clone.
        """
        # The private server was started at another time.
        reading = unguarded(steps)
        with self.lab.clone("warmed") as clone:
            clone.carry_out(reading)
            cold = _Arm(clone, (), self.statements)
            yield Arms(
                baseline=cold,
                candidate=_Arm(clone, tuple(reading), self.statements),
                control=cold,
                facts={"blocks_warmed": self.blocks, "server_version": clone.shadow.version},
            )


def concerned(workload: Workload, tables: Collection[tuple[str, str]]) -> list[WorkloadStatement]:
    """Return the statements that read one of ``tables``, the most expensive first."""
    return [
        each
        for each in workload.statements
        if each.is_select and StatementText.parse(each.text).names_any(tables)
    ]


def blocks_read(clone: Clone, statement: ReplayStatement) -> float:
    """Return the blocks that a call reads from outside of the memory, the mean of its examples.

    Raises:
        EvaluatorFailed: an example cannot be run.
        StatementCut: one takes too long.
    """
    plans = [clone.explain(example, analyze=True) for example in statement.examples]
    return sum(_reads(plan["Plan"]) for plan in plans) / len(plans)


def _reads(node: Any) -> int:  # noqa: ANN401 - a node of a plan
    return int(node["Shared Read Blocks"])


def _reading(clone: Clone, statements: Sequence[WorkloadStatement]) -> dict[str, ReplayStatement]:
    """Return the statements that can be run and read something from cold memory."""
    found: dict[str, ReplayStatement] = {}
    for each in statements:
        if not each.examples or len(found) == _MOST_STATEMENTS:
            continue
        statement = ReplayStatement.of(each)
        clone.shadow.empty_buffers()
        try:
            reads = blocks_read(clone, statement)
        except (EvaluatorFailed, StatementCut):
            continue  # it cannot be run, warm or cold
        if reads:
            found[each.statement_id] = statement
    return found


def _check_place(clone: Clone, tables: Collection[str], blocks: int) -> None:
    (row,) = clone.query(_BUFFERS)
    sampled = [name for name in tables if name in clone.sampled]
    if sampled:
        msg = f"only a sample of {sampled[0]} is copied: what its readers read cannot be counted"
    elif clone.shadow.version < _VERSION_18:
        msg = "memory is emptied for a trial by PostgreSQL 18; the private server is older"
    elif blocks * _ROOM > row["buffers"]:
        msg = f"{blocks} blocks do not fit into the private server's memory of {row['buffers']}"
    else:
        return
    raise EvaluatorFailed(msg)
