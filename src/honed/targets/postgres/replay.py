"""Replay: what the statements of a workload cost on one clone and on another, in CPU seconds."""

import math
import re
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from statistics import fmean

from honed.core.canonical import Json
from honed.core.slowdown import Slowdown
from honed.core.step import Step
from honed.core.trial import Arms, TrialDesign, Unit
from honed.errors import EvaluatorFailed
from honed.targets.postgres.answers import Answers
from honed.targets.postgres.clone import Clone
from honed.targets.postgres.lab import Lab
from honed.targets.postgres.metering import MeteredSession
from honed.targets.postgres.unchanged import Unchanged, find_unchanged
from honed.targets.postgres.workload import WorkloadStatement
from honed.targets.postgres.worlds import OneDatabase, OwnDatabases, Side, Worlds

#: What one number of a replay is.
METRIC = "backend_cpu_s"

#: A statement that was cut so often in a row on a clone is not run there again: it costs the cut.
_CERTAIN_CUTS = 2
#: A block should use about so much CPU a unit, and not repeat a unit more often than ...
_BLOCK_CPU_S = 0.02
#: ... this.
_MOST_REPEATS = 15
#: From this cost on a unit whose plan is the same with and without the change is run once only: in
#: shorter ones the time shows that planning takes with more indexes.
_SETTLED_FROM_S = 0.03
_NOTHING = Unchanged()
#: Below what the clock can tell; also keeps logarithms finite.
_LEAST_COST_S = 1e-6
_CREATES_INDEX = re.compile(r"\s*CREATE\s+(?:UNIQUE\s+)?INDEX\s", re.IGNORECASE)
#: What may go with that without making another world: an index of a partition joins the whole one.
_GOES_WITH_IT = re.compile(
    r"\s*(?:ANALYZE\s|ALTER\s+INDEX\s.*\sATTACH\s+PARTITION\s)", re.IGNORECASE | re.DOTALL
)


@dataclass(frozen=True, slots=True)
class ReplayStatement:
    """One statement to replay."""

    #: The name of its unit: ``WorkloadStatement.statement_id``.
    name: str
    #: Executable texts without parameters; one execution of the unit runs each once.
    examples: tuple[str, ...]
    #: Its weight in the objective.
    weight: float = 1.0

    @classmethod
    def of(cls, statement: WorkloadStatement, *, weight: float = 1.0) -> "ReplayStatement":
        """Return the replay of one statement of production."""
        return cls(name=statement.statement_id, examples=statement.examples, weight=weight)


@dataclass(frozen=True, slots=True)
class Calibration:
    """What one pass over a workload on the baseline says."""

    #: The units, each with repeats chosen so that one block's noise is small.
    units: tuple[Unit, ...]
    #: Cost of one execution on the baseline, CPU seconds, by unit; a cut one costs the cut.
    costs: Mapping[str, float]
    #: Units of which an example was cut.
    cut: frozenset[str]
    #: Why a statement is left out, by name: it fails, it writes.
    left_out: Mapping[str, str]


class ReplayArm:
    """One side of a replay; implements ``honed.core.trial.Arm``.

    Args:
        worlds: where statements run; shared by the arms of one trial.

        side: which of the worlds this is.

        statements: by unit.

        answers: shared by the arms of one trial.

        cuts: how often each example was cut; shared by the arms whose worlds are equal.
    """

    def __init__(
        self,
        worlds: Worlds,
        side: Side,
        statements: Mapping[str, ReplayStatement],
        *,
        answers: Answers,
        cuts: dict[str, int],
    ) -> None:
        self._worlds = worlds
        self._side = side
        self._statements = statements
        #: Shared by the arms of one trial.
        self.answers = answers
        self._cuts = cuts
        #: What its runs say of neighbours on the machine; shared by the arms of one trial.
        self.neighbours = Slowdown()
        #: The least that planning each example took, CPU seconds.
        self._planning: dict[str, float] = {}
        #: Cost of the units that need not be run any more.
        self.settled: dict[str, float] = {}

    def slowdown(self) -> float:
        """Return how many times as long as on an idle machine its runs take; see ``Arms``."""
        return self.neighbours.factor

    def run(self, unit: str) -> float:
        """Run each example of ``unit`` once and return their mean CPU seconds.

        A cut example costs exactly the cut. After two cuts in a row it is not run again in this
        world or an equal one: nothing in them changes.

        Raises:
            EvaluatorFailed: the statement failed, or the server went away.
            DiskFull: there is no room for temporary files.
        """
        if unit in self.settled:
            return self.settled[unit]
        return fmean(self._cost(unit, example) for example in self._statements[unit].examples)

    def planning_s(self, unit: str) -> float:
        """Return the CPU seconds of ``run`` that planning takes; 0 where none ran to its end."""
        examples = self._statements[unit].examples
        return fmean(self._planning.get(example, 0.0) for example in examples)

    def warm(self, unit: str) -> None:
        """Run each example of ``unit`` once: pages are read, cuts found, answers compared.

        Raises:
            EvaluatorFailed: as for ``run``, or it returns other rows than on the baseline.
            DiskFull: as for ``run``.
        """
        for example in self._statements[unit].examples:
            self._cost(unit, example, reads=True)

    def _cost(self, unit: str, example: str, *, reads: bool = False) -> float:
        session = self._worlds.enter(self._side)
        if self._cuts.get(example, 0) >= _CERTAIN_CUTS:
            return session.cut_s
        began = time.monotonic()
        try:
            run = session.run(example, reads=reads)
        except EvaluatorFailed as error:
            msg = f"statement {unit}: {error}"
            raise EvaluatorFailed(msg) from error
        if not reads:
            # Not of runs that wait for the disk the first time, and for us to read what they say.
            self.neighbours.saw(cpu_s=run.cost_s, wall_s=time.monotonic() - began)
        if run.is_cut:
            self._cuts[example] = self._cuts.get(example, 0) + 1
            return session.cut_s
        self._cuts[example] = 0
        self._planning[example] = min(run.planning_s, self._planning.get(example, math.inf))
        if run.answer is not None:
            self.answers.check(unit, example, run.answer, self._side)
        else:
            self.answers.check_rows(unit, example, run.rows, self._side)
        return max(run.cost_s, _LEAST_COST_S)


def calibrate(clone: Clone, statements: Sequence[ReplayStatement], *, cut_s: float) -> Calibration:
    """Return the units of a replay of ``statements``, after running each on ``clone``.

    Each example runs twice, the first time to fill the caches; a cut one only once.

    Raises:
        EvaluatorFailed: the server went away.
        DiskFull: there is no room for temporary files.
    """
    units: list[Unit] = []
    costs: dict[str, float] = {}
    cut: set[str] = set()
    left_out: dict[str, str] = {}
    with MeteredSession(clone, cut_s=cut_s) as session:
        for statement in statements:
            try:
                costs[statement.name], is_cut = _try(session, statement)
            except EvaluatorFailed as error:
                if not session.is_alive:
                    raise
                left_out[statement.name] = str(error)
                continue
            if is_cut:
                cut.add(statement.name)
            repeats = 1 if is_cut else repeats_of(statement, costs[statement.name])
            units.append(Unit(statement.name, weight=statement.weight, repeats=repeats))
    return Calibration(tuple(units), costs, frozenset(cut), left_out)


def _try(session: MeteredSession, statement: ReplayStatement) -> tuple[float, bool]:
    if not statement.examples:
        msg = "there is no example of it"
        raise EvaluatorFailed(msg)
    runs = []
    for example in statement.examples:
        run = session.run(example)
        runs.append(run if run.is_cut else session.run(example))
    cost_s = max(fmean(run.cost_s for run in runs), _LEAST_COST_S)
    return cost_s, any(run.is_cut for run in runs)


def repeats_of(statement: ReplayStatement, cost_s: float, *, block_s: float = _BLOCK_CPU_S) -> int:
    """Return how often a block repeats ``statement``, so that its noise is small.

    Args:
        statement: what is repeated; each of its examples is run once in each repeat.

        cost_s: CPU seconds of one example.

        block_s: CPU seconds that the statement may take in one block.
    """
    one_s = cost_s * len(statement.examples)
    return max(1, min(_MOST_REPEATS, math.ceil(block_s / one_s)))


@dataclass(frozen=True, slots=True)
class ReplayTrial:
    """The workload replayed with and without the steps; implements ``Trial``.

    Steps that create indexes, and may analyze their tables, are tried on one clone, on which the
    indexes are shown and hidden; new statistics are then those of both worlds, as the server
    renews them by itself. For others each world is a clone of its own, and pages are read again
    after each change of world: the design's washout must be 1 or more then. See ``worlds``.
    """

    #: Where the clones come from; refreshed already.
    lab: Lab
    #: What to replay; only statements that ``design.units`` names are run.
    statements: tuple[ReplayStatement, ...]
    #: How the trial is judged.
    design: TrialDesign
    #: CPU seconds after which a statement is cut; it then costs exactly that.
    cut_s: float = 2.0
    #: Units that calibration cut with the same ``cut_s``; once more is enough to believe it.
    cut: frozenset[str] = frozenset()
    #: What else is recorded with the trial: what calibration left out, predictions.
    notes: Mapping[str, Json] = field(default_factory=dict)
    #: Statements that the owner runs on the clone of each world before the steps: what production
    #: has and a copy lacks, such as dead rows. They must not change what a statement returns.
    prepare: tuple[str, ...] = ()

    @contextmanager
    def open(self, steps: Sequence[Step]) -> Iterator[Arms]:
        """Build the worlds, carry out ``steps`` in one, warm them and hand them out.

        Raises:
            EvaluatorFailed: a step or a statement failed.
            DiskFull: there is no room for the clones or for what the steps build.
        """
        with ExitStack() as stack:
            candidate = self._clone(stack, Side.CANDIDATE)
            built, facts = self._build(candidate, steps)
            worlds: Worlds
            if is_about_indexes(steps):
                candidate.adopt(built)
                worlds = OneDatabase(candidate, built, cut_s=self.cut_s)
            else:
                clones = {side: self._clone(stack, side) for side in (Side.BASELINE, Side.CONTROL)}
                worlds = OwnDatabases({**clones, Side.CANDIDATE: candidate}, cut_s=self.cut_s)
            with closing(worlds):
                arms = open_arms(worlds, self.statements, cut=self.cut)
                names = [unit.name for unit in self.design.units]
                facts |= warm(arms, names, unchanged=self._unchanged(worlds, candidate, built))
                facts["metric_is_cpu"] = worlds.enter(Side.BASELINE).is_cpu
                facts["worlds"] = type(worlds).__name__
                yield Arms(
                    baseline=arms[Side.BASELINE],
                    candidate=arms[Side.CANDIDATE],
                    control=arms[Side.CONTROL],
                    facts=facts,
                    slowdown=arms[Side.BASELINE].slowdown,
                )
                facts["planning_s"] = {
                    name: [arms[side].planning_s(name) for side in (Side.BASELINE, Side.CANDIDATE)]
                    for name in names
                }

    def _clone(self, stack: ExitStack, side: Side) -> Clone:
        clone = stack.enter_context(self.lab.clone(side.value))
        clone.run(*self.prepare)
        return clone

    def _unchanged(self, worlds: Worlds, clone: Clone, built: Collection[str]) -> Unchanged:
        if not isinstance(worlds, OneDatabase):
            return Unchanged()  # what the planner believes differs, and sizes memory by it
        return find_unchanged(clone, {each.name: each.examples for each in self.statements}, built)

    def _build(
        self, candidate: Clone, steps: Sequence[Step]
    ) -> tuple[dict[str, int], dict[str, Json]]:
        """Carry out the steps; return the bytes of the indexes that they built, and the facts."""
        before = candidate.indexes()
        started = time.monotonic()
        candidate.carry_out(steps)
        build_s = time.monotonic() - started
        candidate.grow_indexes(candidate.indexes().keys() - before.keys())
        after = candidate.indexes()
        built = {name: size for name, size in after.items() if name not in before}
        copied = self.lab.copied()
        return built, {
            "build_s": build_s,
            "built_index_bytes": built,
            "index_bytes": sum(built.values()),
            "dropped_indexes": sorted(before.keys() - after.keys()),
            "server_version": candidate.shadow.version,
            "cut_s": self.cut_s,
            "copy_taken_at": copied.taken_at.isoformat(),
            "copy_fingerprint": copied.fingerprint,
            "sampled": dict(copied.sampled),
            **({"prepared": list(self.prepare)} if self.prepare else {}),
            **self.notes,
        }


def open_arms(
    worlds: Worlds, statements: Iterable[ReplayStatement], *, cut: Collection[str] = ()
) -> dict[Side, ReplayArm]:
    """Return an arm on each side of ``worlds``, of which the baseline and the control are equal.

    Args:
        worlds: where statements run.

        statements: what can be run.

        cut: units that were cut before without the change: once more is enough to believe it.
    """
    by_name = {each.name: each for each in statements}
    without = {example: 1 for name in cut & by_name.keys() for example in by_name[name].examples}
    cuts = {Side.BASELINE: without, Side.CANDIDATE: {}, Side.CONTROL: without}
    answers = Answers(worlds)
    arms = {
        side: ReplayArm(worlds, side, by_name, answers=answers, cuts=cuts[side]) for side in Side
    }
    for arm in arms.values():
        arm.neighbours = arms[Side.BASELINE].neighbours
    return arms


def warm(
    arms: Mapping[Side, ReplayArm], units: Iterable[str], *, unchanged: Unchanged = _NOTHING
) -> dict[str, Json]:
    """Run every unit with and without the change, and return what that showed.

    Pages are read, what is cut is found, and no statement returns other rows afterwards: in these
    worlds nothing changes any more. A unit that does the same in both is run in one only, and where
    planning it is the same too or does not count, its cost is settled.

    Args:
        arms: of ``open_arms``.

        units: what the trial runs.

        unchanged: those that do the same in both worlds.

    Raises:
        EvaluatorFailed: a statement failed, or the change changes what it returns.
        DiskFull: there is no room for temporary files.
    """
    baseline, candidate = arms[Side.BASELINE], arms[Side.CANDIDATE]
    names = list(units)
    changed = [name for name in names if name not in unchanged.same_plan]
    for name in changed:
        baseline.warm(name)
    for name in changed:
        candidate.warm(name)
    for name in (each for each in names if each in unchanged.same_plan):
        cost_s = baseline.run(name)
        if name in unchanged.untouched or cost_s >= _SETTLED_FROM_S:
            for arm in arms.values():
                arm.settled[name] = cost_s
    return {**baseline.answers.facts(), "same_plan": sorted(baseline.settled)}


def is_about_indexes(steps: Sequence[Step]) -> bool:
    """Return whether ``steps`` are tried in one database, so that a trial needs no washout."""
    statements = [statement for step in steps for statement in step.do]
    rest = [statement for statement in statements if not _CREATES_INDEX.match(statement)]
    return len(rest) < len(statements) and all(_GOES_WITH_IT.match(statement) for statement in rest)
