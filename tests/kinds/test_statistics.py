"""Statistics: wrong estimates are found and cured one thing at a time, and nothing else is said."""

import json
import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from honed.config import Settings
from honed.core.finding import SLOW_STATEMENT, STALE_STATISTICS, Finding
from honed.core.hypothesis import Hypothesis
from honed.core.step import Step
from honed.core.trial import Arms
from honed.kinds.statistics import Statistics
from honed.storage.db import Connection, Database
from honed.storage.server import Server
from honed.targets.postgres.clone import Clone
from honed.targets.postgres.remedy import Remedy, RemedyKind
from honed.targets.postgres.target import PostgresTarget
from honed.targets.registry import TargetRecord, add_target

#: A city has one country; 1,000 cities are more than a list of common values holds. Of the tags
#: 300 are common and 40,000 unique. Colour and size have nothing to do with each other.
_SCHEMA = """
CREATE EXTENSION pg_stat_statements;
CREATE TABLE place AS
SELECT n AS place_id, n % 1000 AS city, n % 1000 % 50 AS country
     , CASE WHEN n % 5 < 3 THEN n / 5 % 300 ELSE n + 1000 END AS tag
     , n / 1000 % 20 AS colour, n % 20 AS size
  FROM generate_series(1, 100000) AS n;
CREATE TABLE plain AS
SELECT n AS plain_id, n / 100 % 20 AS colour, n % 20 AS size FROM generate_series(1, 20000) AS n;
ANALYZE
"""
_PAIR = "SELECT count(*) FROM place WHERE city = 123 AND country = 23"
_GROUPS = "SELECT city, country FROM place GROUP BY city, country"
_HEALTHY = "SELECT count(*) FROM plain WHERE colour = 7 AND size = 7"
_SLOW = Finding(SLOW_STATEMENT, subject="any", title="something is slow")
_STALE = Finding(STALE_STATISTICS, subject="public.plain", title="plain is stale", finding_id=7)


class World:
    """A production database with its target."""

    def __init__(self, client: Connection, target: PostgresTarget) -> None:
        self.client = client
        self.target = target

    def run(self, *statements: str) -> None:
        """Run statements as the application does."""
        for statement in statements:
            self.client.execute(statement)

    def propose(self, *statements: str, findings: Sequence[Finding] = (_SLOW,)) -> list[Hypothesis]:
        """Return what is proposed where production asks ``statements`` and nothing else."""
        self.run("SELECT pg_stat_statements_reset()", *statements)
        self.target.sample()
        return list(Statistics().propose(findings, self.target))


@pytest.fixture(scope="session")
def places(postgres_server: Server) -> str:
    """Return the name of a database to copy production from."""
    name = "places_template"
    with psycopg.connect(postgres_server.url(), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    with psycopg.connect(postgres_server.url(name), autocommit=True) as client:
        for statement in _SCHEMA.split(";\n"):
            client.execute(statement)
    return name


@pytest.fixture
def world(databases: Any, places: str, store: Database, honed_home: Path) -> Iterator[World]:
    """Return a production database of this test alone; its lab is closed at the end."""
    url = databases.create(places)
    record = add_target(store, TargetRecord("places", url))
    target = PostgresTarget(record, replace(store, role="honed_daemon"), Settings(home=honed_home))
    with psycopg.connect(url, autocommit=True, row_factory=dict_row) as client:
        yield World(client, target)
    target.lab.close()
    # At once, so that it is never written to the disk.
    shutil.rmtree(honed_home / "lab", ignore_errors=True)


def _rows(clone: Clone, statement: str) -> float:
    """Return how many rows the planner expects of the table or of the groups."""
    node: Any = clone.explain(statement)["Plan"]
    while "Plans" in node and "Group Key" not in node:
        (node,) = node["Plans"]
    return float(node["Plan Rows"])


def _steps(world: World, hypothesis: Hypothesis) -> list[Step]:
    return Statistics().apply(hypothesis, world.target)


def _target_of(clone: Clone, column: str) -> int:
    (row,) = clone.query(
        "SELECT coalesce(attstattarget, -1)::integer AS target FROM pg_attribute"
        " WHERE attrelid = 'place'::regclass AND attname = %(column)s",
        {"column": column},
    )
    return int(row["target"])


def _estimates(world: World, hypothesis: Hypothesis, statement: str) -> tuple[float, float, float]:
    """Return the estimate on a clone: before the steps, after them, and after their undo."""
    steps = _steps(world, hypothesis)
    with world.target.lab.clone("test") as clone:
        before = _rows(clone, statement)
        clone.carry_out(steps)
        after = _rows(clone, statement)
        clone.carry_out(Statistics().rollback(steps))
        return before, after, _rows(clone, statement)


def _state(clone: Clone, step: Step) -> str:
    (row,) = clone.query(step.inspect)
    return str(next(iter(row.values())))


def test_columns_that_go_together_get_dependencies_and_no_list_of_common_values(
    world: World,
) -> None:
    fingerprint = world.target.fingerprint()
    (found,) = world.propose(_PAIR)
    assert found.subject == 'dependencies "public"."place" ("city", "country")'
    assert (found.priority, found.risk) == (3, 2)
    before, after, undone = _estimates(world, found, _PAIR)
    assert before < 10
    assert 100 / 3 < after < 300
    assert undone < 10
    (step,) = _steps(world, found)
    with world.target.lab.clone("test") as clone:
        states = [_state(clone, step)]
        for act in (step, step, step.inverse(), step.inverse()):
            clone.carry_out([act])
            states.append(_state(clone, step))
    assert states == ["absent", "done", "done", "absent", "absent"]
    assert world.target.fingerprint() == fingerprint
    assert Hypothesis.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_what_exists_is_not_proposed_again(world: World) -> None:
    (found,) = world.propose(_PAIR)
    world.run("CREATE STATISTICS by_hand (dependencies) ON country, city FROM place")
    # Not yet analyzed: the estimate is as wrong as before.
    assert found.subject not in {each.subject for each in world.propose(_PAIR)}
    world.run("ANALYZE place")
    assert world.propose(_PAIR) == []


def test_groups_of_columns_that_go_together_are_counted(world: World) -> None:
    (found,) = world.propose(_GROUPS)
    assert found.subject == 'ndistinct "public"."place" ("city", "country")'
    before, after, undone = _estimates(world, found, _GROUPS)
    assert before >= 10_000
    assert after == pytest.approx(1000, rel=0.2)
    assert undone >= 10_000


def test_one_column_gets_a_higher_target_and_its_own_back(world: World) -> None:
    world.run("ALTER TABLE place ALTER tag SET STATISTICS 50", "ANALYZE place")
    row = world.client.execute(
        "SELECT min(tag) AS tag FROM place WHERE tag < 300 AND tag <> ALL (SELECT unnest("
        " most_common_vals::text::integer[]) FROM pg_stats WHERE attname = 'tag')"
    ).fetchone()
    assert row is not None
    statement = f"SELECT count(*) FROM place WHERE tag = {row['tag']}"  # noqa: S608 - a number
    # A statement without parameters keeps its value as its example.
    world.run(f"CREATE VIEW rare AS {statement}")
    (found,) = world.propose("SELECT * FROM rare")
    assert found.subject == 'target "public"."place" ("tag")'
    (step,) = _steps(world, found)
    with world.target.lab.clone("test") as clone:
        before, states = _rows(clone, statement), [_state(clone, step)]
        clone.carry_out([step])
        after, states = _rows(clone, statement), [*states, _state(clone, step)]
        clone.carry_out([step.inverse()])
        assert [*states, _state(clone, step)] == ["absent", "done", "absent"]
        assert _target_of(clone, "tag") == 50
    # Every row is in the sample: 200 is exact.
    assert before < 20
    assert after == pytest.approx(200, rel=0.01)


def test_a_default_target_is_restored_as_the_default() -> None:
    step = Remedy("public", "place", RemedyKind.TARGET, ("tag",)).step()
    alter = 'ALTER TABLE "public"."place" ALTER COLUMN "tag" SET STATISTICS'
    assert step.do == (f"{alter} 1000", 'ANALYZE "public"."place"')
    assert step.undo == (f"{alter} -1", 'ANALYZE "public"."place"')


def test_stale_statistics_give_analyze_once(world: World) -> None:
    (found,) = world.propose(_HEALTHY, findings=[_STALE])
    assert found.subject == 'analyze "public"."plain"'
    assert found.finding_ids == (7,)
    assert found.parameters["statements"] == [
        each.statement_id for each in world.target.workload().replayable
    ]
    (step,) = _steps(world, found)
    assert step == Step(step.description, do=('ANALYZE "public"."plain"',))


def test_an_estimate_that_fresh_statistics_cure_needs_no_others(world: World) -> None:
    world.run("UPDATE plain SET colour = 99 WHERE plain_id <= 2000")
    world.run("CREATE VIEW moved AS SELECT count(*) FROM plain WHERE colour = 99")
    (found,) = world.propose("SELECT * FROM moved")
    assert found.subject == 'analyze "public"."plain"'


def test_a_stale_table_that_nobody_reads_is_left_alone(world: World) -> None:
    assert world.propose(_PAIR, findings=[_STALE]) == []


def test_a_healthy_table_gives_nothing(world: World) -> None:
    assert world.propose(_HEALTHY) == []
    assert world.propose(_PAIR, findings=()) == []


def test_a_trial_replays_the_workload_on_both_sides(world: World) -> None:
    (found,) = world.propose(_PAIR)
    trial = Statistics().trial(found, world.target)
    with trial.open(_steps(world, found)) as arms:
        costs = _costs(arms, [unit.name for unit in trial.design.units])
    assert len(costs) == 2
    assert all(0 < cost < 1 for cost in costs)
    world.run(_PAIR)
    world.target.sample()
    measured = Statistics().measure(found, world.target)
    assert list(measured) == found.parameters["statements"]
    assert found.predicted_log_ratio == pytest.approx(math.log(0.95))


def _costs(arms: Arms, units: Sequence[str]) -> list[float]:
    run: list[Callable[[str], float]] = [arms.baseline.run, arms.candidate.run]
    return [each(unit) for each in run for unit in units]
