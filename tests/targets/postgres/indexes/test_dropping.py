"""What a failed build left behind, on a real server."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, LiteralString

import psycopg
import pytest

from honed.core.finding import INVALID_INDEX, Finding
from honed.core.step import StepState
from honed.kinds.index_cleanup import IndexCleanup
from honed.kinds.index_optimization import IndexOptimization
from honed.targets.postgres.indexes.drop_trial import WRITE
from honed.targets.postgres.indexes.dropping import Dropping
from honed.testing.worlds import MakeWorld, PostgresWorld, WorldPlan

SETUP: tuple[LiteralString, ...] = (
    "CREATE TABLE entry (entry_id integer PRIMARY KEY, a text, b text, c integer)",
    "INSERT INTO entry SELECT n, md5(n::text), md5('b' || n), n FROM generate_series(1, 9000) n",
    "CREATE INDEX honed_entry_left ON entry (a, b)",
    "CREATE INDEX somebody_elses ON entry (b)",
    "VACUUM ANALYZE entry",
    "UPDATE pg_index SET indisvalid = false WHERE indrelid = 'entry'::regclass AND NOT indisunique",
)


@pytest.fixture
def world(make_world: MakeWorld) -> PostgresWorld:
    return make_world(WorldPlan(SETUP, ()))


@pytest.mark.slow
def test_only_what_honed_left_is_dropped_and_writers_are_spared(world: PostgresWorld) -> None:
    kind = IndexOptimization()
    findings = [each for each in world.findings() if each.type == INVALID_INDEX]
    assert len(findings) == 2

    (claim,) = kind.propose(findings, world.target)
    assert "honed_entry_left" in claim.claim
    assert claim.subject == "leftover public.honed_entry_left"

    (step,) = kind.apply(claim, world.target)
    trial = kind.trial(claim, world.target)
    with trial.open([step]) as arms:
        unit = trial.design.units[0].name
        # In turns, and the least of each: what disturbs a run makes it dearer.
        turns = [
            [arm.run(unit) for arm in (arms.baseline, arms.candidate, arms.control)]
            for _ in range(8)
        ]
    with_it, without, control = (min(costs) for costs in zip(*turns, strict=True))
    assert without < 0.9 * min(with_it, control)

    assert world.inspect(step) is StepState.ABSENT
    world.carry_out([step])
    assert world.inspect(step) is StepState.DONE
    assert list(kind.propose(world.findings(), world.target)) == []
    assert kind.measure(claim, world.target) == {}

    world.carry_out(kind.rollback([step]))
    (again,) = (each for each in world.target.catalog().indexes if each.name == "honed_entry_left")
    leftover: Any = claim.parameters["leftover"]
    assert (again.definition, again.is_valid) == (leftover["definition"], True)
    assert world.inspect(step) is StepState.ABSENT


def test_what_failed_to_become_unique_is_tried_and_dropped(world: PostgresWorld) -> None:
    with world.database.connect(autocommit=True) as connection:
        connection.execute("INSERT INTO entry SELECT -1, a, b, c FROM entry LIMIT 1")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("CREATE UNIQUE INDEX CONCURRENTLY one_a ON entry (a)")
    kind = IndexCleanup()
    (claim,) = (
        each
        for each in kind.propose(_stored(kind.look(world.target)), world.target)
        if each.subject == "public.one_a"
    )
    (step,) = kind.apply(claim, world.target)
    trial = kind.trial(claim, world.target)
    with trial.open([step]) as arms:
        assert all(arm.run(WRITE) > 0 for arm in (arms.baseline, arms.candidate))
    world.carry_out([step])
    assert world.inspect(step) is StepState.DONE


def _stored(findings: Iterable[Finding]) -> list[Finding]:
    return [replace(each, finding_id=n) for n, each in enumerate(findings, start=1)]


@pytest.mark.parametrize(
    ("definition", "undo"),
    [
        (
            "CREATE INDEX honed_a ON public.t USING gin (a) WHERE (b = 'CREATE INDEX ')",
            (
                "CREATE INDEX CONCURRENTLY IF NOT EXISTS honed_a ON public.t USING gin (a)"
                " WHERE (b = 'CREATE INDEX ')"
            ),
        ),
        (
            "CREATE UNIQUE INDEX honed_a ON public.t USING btree (a)",
            "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS honed_a ON public.t USING btree (a)",
        ),
    ],
)
def test_a_dropped_index_is_built_again_while_everybody_goes_on(definition: str, undo: str) -> None:
    step = Dropping("public", "honed_a", "t", "public.t", definition).step()
    assert step.undo == (undo,)
