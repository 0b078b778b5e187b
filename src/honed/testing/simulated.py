"""Simulated measurements whose truth is known: what error rates and power are measured on."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from honed.core.step import Step
from honed.core.trial import Arms, TrialDesign
from honed.stats.moments import FloatArray

#: How much a spike multiplies a cost, at least and at most.
_SPIKE = (3.0, 10.0)


@dataclass(frozen=True, slots=True)
class Noise:
    """How costs vary although nothing changed. Deviations are of the natural logarithm of cost."""

    #: Standard deviation of what all executions near in time share: the environment.
    environment: float = 0.6
    #: Correlation of the environment from one execution to the next.
    correlation: float = 0.9
    #: Standard deviation of a random walk of the environment after 1,000 executions.
    drift: float = 0.0
    #: Standard deviation of each execution for itself.
    execution: float = 0.0
    #: Share of executions that cost several times as much.
    spikes: float = 0.01


def log_costs(noise: Noise, shape: tuple[int, int], random: np.random.Generator) -> FloatArray:
    """Return logarithms of costs, shape (systems, executions), each row one history."""
    step = np.sqrt(1.0 - noise.correlation**2)
    shocks = random.standard_normal(shape)
    shocks[:, 1:] *= step
    logs = noise.environment * signal.lfilter([1.0], [1.0, -noise.correlation], shocks, axis=-1)
    if noise.drift:
        walk = np.cumsum(random.standard_normal(shape), axis=-1)
        logs += noise.drift / np.sqrt(1000.0) * walk
    if noise.execution:
        logs += noise.execution * random.standard_normal(shape)
    spiky = random.random(shape) < noise.spikes
    spike = random.uniform(np.log(_SPIKE[0]), np.log(_SPIKE[1]), shape)
    return np.asarray(logs + np.where(spiky, spike, 0.0), dtype=np.float64)


def paired_by_chance(log_values: FloatArray, random: np.random.Generator) -> FloatArray:
    """Return the noise of paired differences, shape (systems, executions // 2).

    Two executions that follow each other are a pair; which of them is the candidate is drawn.
    """
    first, second = log_values[:, 0::2], log_values[:, 1::2]
    order = random.integers(2, size=first.shape) * 2.0 - 1.0
    return np.asarray((second - first) * order, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class WarmUp:
    """What the first executions of a unit cost more after the arm was switched."""

    #: Natural logarithm of the first execution's extra cost.
    extra: float = 0.0
    #: By which the extra is multiplied from one execution to the next.
    decay: float = 0.5
    #: Share of the extra that a switch back to the baseline costs.
    baseline_share: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """Pairs of adjacent blocks in drawn order, without an effect."""

    #: Logarithms of cost, shape (systems, blocks, executions).
    log_costs: FloatArray
    #: Whether the candidate was measured in that block, shape (systems, blocks).
    is_candidate: NDArray[np.bool_]

    def differences(self, *, washout: int) -> FloatArray:
        """Return candidate - baseline of the block medians after washout, (systems, pairs)."""
        medians = np.median(self.log_costs[..., washout:], axis=-1)
        first, second = medians[:, 0::2], medians[:, 1::2]
        return np.where(self.is_candidate[:, 0::2], first - second, second - first)


def simulated_blocks(
    noise: Noise, shape: tuple[int, int, int], *, warm_up: WarmUp, random: np.random.Generator
) -> Blocks:
    """Return blocks whose environment moves on from block to block and stays within one.

    Args:
        noise: how costs vary.

        shape: systems, pairs, executions of one block.

        warm_up: of a block that follows one of the other arm.

        random: where all chance comes from.
    """
    systems, pairs, executions = shape
    levels = log_costs(replace(noise, execution=0.0, spikes=0.0), (systems, 2 * pairs), random)
    candidate_first = random.integers(2, size=(systems, pairs)).astype(np.bool_)
    arms = np.stack([candidate_first, ~candidate_first], axis=-1).reshape(systems, 2 * pairs)
    switched = np.ones_like(arms)
    switched[:, 1:] = arms[:, 1:] != arms[:, :-1]
    within = replace(noise, environment=0.0, drift=0.0)
    costs = log_costs(within, (systems * 2 * pairs, executions), random)
    costs = costs.reshape(systems, 2 * pairs, executions) + levels[..., np.newaxis]
    extra = warm_up.extra * switched * np.where(arms, 1.0, warm_up.baseline_share)
    costs += extra[..., np.newaxis] * warm_up.decay ** np.arange(executions)
    return Blocks(costs, arms)


class SimulatedArm:
    """One of the worlds of a ``SimulatedTrial``."""

    def __init__(
        self, machine: "SimulatedMachine", effects: Mapping[str, float], warm_up: float
    ) -> None:
        """Keep the machine that all arms share, the true effects, and what a switch here costs."""
        self._machine = machine
        self._effects = effects
        self._warm_up = warm_up

    def run(self, unit: str) -> float:
        """Return the cost of running ``unit`` once."""
        log_cost = self._machine.next_log_cost(self, unit, self._warm_up)
        log_cost += self._effects.get(unit, 0.0)
        return math.exp(log_cost)


class SimulatedMachine:
    """What all arms run on: one environment that moves on with every execution."""

    def __init__(self, noise: Noise, decay: float, seed: int) -> None:
        """Start in a random state of the environment; ``decay`` is that of a warm-up."""
        self._noise = noise
        self._decay = decay
        self._random = np.random.default_rng(seed)
        self._shock = math.sqrt(1.0 - noise.correlation**2) * noise.environment
        self._environment = noise.environment * self._random.standard_normal()
        self._drifted = 0.0
        self._arm: SimulatedArm | None = None
        self._executions: dict[str, int] = {}

    def next_log_cost(self, arm: SimulatedArm, unit: str, warm_up: float) -> float:
        """Return the logarithm of the cost of the next execution, without the arm's effect."""
        if arm is not self._arm:
            self._arm, self._executions = arm, {}
        execution = self._executions.get(unit, 0)
        self._executions[unit] = execution + 1
        return self._next_noise() + warm_up * self._decay**execution

    def _next_noise(self) -> float:
        noise, normal = self._noise, self._random.standard_normal(3)
        self._environment = noise.correlation * self._environment + self._shock * float(normal[0])
        self._drifted += noise.drift / math.sqrt(1000.0) * float(normal[1])
        spike = 0.0
        if self._random.random() < noise.spikes:
            spike = float(self._random.uniform(math.log(_SPIKE[0]), math.log(_SPIKE[1])))
        return self._environment + self._drifted + noise.execution * float(normal[2]) + spike


class SimulatedTrial:
    """A trial whose truth is known: ``effects`` are what the candidate really does."""

    def __init__(  # noqa: PLR0913 - each is one part of the truth
        self,
        design: TrialDesign,
        *,
        effects: Mapping[str, float],
        noise: Noise,
        seed: int,
        warm_up: WarmUp | None = None,
        control_bias: float = 0.0,
    ) -> None:
        """Set the truth.

        Args:
            design: what is compared, and how.

            effects: natural logarithm of candidate / baseline for each unit; 0 where absent.

            noise: of the machine that all arms share.

            seed: of the noise, not of the trial.

            warm_up: what a switch of arms costs.

            control_bias: natural logarithm by which the baseline's copy differs from it: 0 on an
                honest machine.
        """
        self.design = design
        self._effects = effects
        self._noise = noise
        self._seed = seed
        self._warm_up = warm_up or WarmUp()
        self._control_bias = control_bias

    @contextmanager
    def open(self, steps: Sequence[Step]) -> Iterator[Arms]:
        """Hand out the three worlds; ``steps`` change nothing, the effects are given."""
        machine = SimulatedMachine(self._noise, self._warm_up.decay, self._seed)
        extra = self._warm_up.extra
        bias = {unit.name: self._control_bias for unit in self.design.units}
        yield Arms(
            baseline=SimulatedArm(machine, {}, extra * self._warm_up.baseline_share),
            candidate=SimulatedArm(machine, self._effects, extra),
            control=SimulatedArm(machine, bias, extra),
            facts={"simulated": True, "steps": len(steps)},
        )
