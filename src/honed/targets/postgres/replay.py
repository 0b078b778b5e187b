"""Replay: what the statements of a workload cost on one clone and on another, in CPU seconds."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from honed.core.step import Step
from honed.core.trial import Arms, TrialDesign, Unit
from honed.targets.postgres.clone import Clone
from honed.targets.postgres.lab import Lab

#: What one number of a replay is.
METRIC = "backend_cpu_s"


@dataclass(frozen=True, slots=True)
class ReplayStatement:
    """One statement to replay."""

    #: The name of its unit: WorkloadStatement.statement_id.
    name: str
    #: Executable texts without parameters; run in rotation.
    examples: tuple[str, ...]
    #: Its weight in the objective.
    weight: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """What one pass over a workload on the baseline says."""

    #: The units, each with repeats chosen so that one block's noise is small.
    units: tuple[Unit, ...]
    #: Cost of one execution on the baseline, CPU seconds, by unit; a cut one costs the cut.
    costs: Mapping[str, float]
    #: Units that were cut.
    cut: frozenset[str]
    #: Why a statement is left out, by name: it fails, it writes.
    left_out: Mapping[str, str]


class ReplayArm:
    """One clone's side of a replay; implements ``honed.core.trial.Arm``."""

    def run(self, unit: str) -> float:
        """Run ``unit`` once, its next example, and return its CPU seconds.

        Raises:
            EvaluatorFailed: the statement failed, or the server went away.
        """
        raise NotImplementedError


def calibrate(clone: Clone, statements: Sequence[ReplayStatement], *, cut_s: float) -> Calibration:
    """Return the units of a replay of ``statements``, after running each on ``clone``."""
    raise NotImplementedError


class ReplayTrial:
    """The workload replayed on clones with and without the steps; implements ``Trial``.

    Args:
        lab: where the clones come from; refreshed already.

        statements: what to replay; only statements that ``design.units`` names are run.

        design: how the trial is judged.

        cut_s: CPU seconds after which a statement is cut; it then costs exactly that.
    """

    def __init__(
        self,
        lab: Lab,
        statements: Sequence[ReplayStatement],
        design: TrialDesign,
        *,
        cut_s: float = 2.0,
    ) -> None:
        raise NotImplementedError

    @contextmanager
    def open(self, steps: Sequence[Step]) -> Iterator[Arms]:
        """Build three clones, run ``steps`` in one, warm them all and hand them out.

        Raises:
            EvaluatorFailed: a step or a statement failed.
            DiskFull: there is no room for the clones or for what the steps build.
        """
        raise NotImplementedError
        yield
