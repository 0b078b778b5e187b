"""Prices of indexes, and the budget for all of them."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from honed.targets.postgres.indexes.definition import IndexDefinition


@dataclass(frozen=True, slots=True)
class Prices:
    """What an index must bring, in the objective's unit: the mean logarithm of cost ratios.

    The sum is a judgement, not a measurement: a set that reads a little faster but costs every
    writer and the disk is no improvement.
    """

    #: For being there: one more thing to plan with, to vacuum and to understand.
    each: float = 0.02
    #: For each byte.
    per_byte: float = 0.0
    #: For the writes to its table: added CPU as a share of the workload's.
    writes: Callable[[IndexDefinition], float] = field(default=lambda _: 0.0)
    #: All of it times this.
    scale: float = 1.0

    def of(self, definition: IndexDefinition, size_bytes: int) -> float:
        """Return the price of one index."""
        return self.scale * (self.each + self.per_byte * size_bytes + self.writes(definition))


@dataclass(frozen=True, slots=True)
class Budget:
    """What new indexes may take and cost at most."""

    size_bytes: int
    #: How many times as much as without them an INSERT into a table may cost that is written to.
    write_times: float = math.inf
