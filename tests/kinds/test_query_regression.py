from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, LiteralString

import pytest

from honed.kinds.query_regression import QueryRegression
from honed.testing.contract import KindContract, Proposed
from honed.testing.worlds import CORRELATED_COLUMNS, MakeWorld, PostgresWorld, WorldPlan

#: Calls of each statement in each stretch: enough to know a plan by.
CALLS = 15


@dataclass(frozen=True, slots=True)
class Turn:
    """A world in which something happens after honed has seen its plans."""

    before: WorldPlan
    happening: Sequence[LiteralString] = field(default=())


def turned(make_world: MakeWorld, turn: Turn) -> PostgresWorld:
    """Return the world after its traffic has run before and after what happened."""
    world = make_world(turn.before)
    world.findings()
    with world.database.connect(autocommit=True) as connection:
        for statement in turn.happening:
            connection.execute(statement)
    world.live()
    return world


#: The three columns go together, and the planner knows it.
KNOWN = WorldPlan(
    (
        *CORRELATED_COLUMNS.setup,
        "CREATE STATISTICS of_reading (mcv) ON is_hot, is_loud, is_red FROM reading",
        "CREATE STATISTICS of_other (mcv) ON is_hot, is_loud, is_red FROM other",
        "VACUUM ANALYZE reading",
        "VACUUM ANALYZE other",
    ),
    CORRELATED_COLUMNS.workload,
    calls=CALLS,
)


ILL = Turn(KNOWN, ("DROP STATISTICS of_reading, of_other",))
#: Slower for another reason: there is more to read, and the plan is the same.
WELL = Turn(
    KNOWN,
    (
        *("INSERT INTO other SELECT * FROM reading" for _ in range(4)),
        "VACUUM ANALYZE other",
    ),
)


class TestQueryRegression(KindContract):
    kind = QueryRegression()
    ill: ClassVar[object] = ILL
    well: ClassVar[object] = WELL

    @pytest.fixture(scope="class")
    @classmethod
    def ill_world(cls, make_world: MakeWorld) -> PostgresWorld:
        return turned(make_world, ILL)

    @pytest.fixture(scope="class")
    @classmethod
    def well_world(cls, make_world: MakeWorld) -> PostgresWorld:
        world = turned(make_world, WELL)
        assert [each.type for each in world.findings() if each.type == "regression"]
        return world

    def test_the_narrowest_mechanism_that_suffices_is_taken(self, proposed: Proposed) -> None:
        (claim,) = proposed.claims
        assert claim.subject.startswith("statistics: ")
        assert "public.reading" in claim.subject
        assert "public.other" in claim.subject
