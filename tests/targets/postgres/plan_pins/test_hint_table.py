"""Hints on a real server that has pg_hint_plan, where there are programs of one.

They are found in the folder that TEST_HINT_PROGRAMS names, or among the system's.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.targets.postgres.plan_pins.guided import (
    BOUND,
    FORGET,
    JOIN,
    KEEP,
    REGRESS,
    SCAN,
    TABLES,
    execute,
    node_types,
    regressed_world,
    schema,
    search,
)

from honed.core.hypothesis import Hypothesis
from honed.core.step import StepState
from honed.kinds.query_regression import PLAN_PIN_HINDERED, QueryRegression
from honed.storage.db import Database
from honed.storage.server import Server
from honed.targets.postgres.plan_pins.hint_rows import read_hint_rows
from honed.targets.postgres.plan_pins.provider import read_server
from honed.targets.postgres.plan_pins.providers.hint_table import HintTable
from honed.targets.postgres.plan_pins.search import Found
from honed.targets.postgres.plan_pins.unpinning import _standing, due_pins
from honed.targets.postgres.target import PostgresTarget
from honed.testing.contract import cost
from honed.testing.postgres import TEST_OPTIONS
from honed.testing.programs import programs_with
from honed.testing.worlds import PostgresWorld, WorldPlan

VARIABLE = "TEST_HINT_PROGRAMS"
PROGRAMS = programs_with("pg_hint_plan", VARIABLE)
pytestmark = pytest.mark.skipif(
    PROGRAMS is None, reason=f"no PostgreSQL 18 with pg_hint_plan ({VARIABLE})"
)

_OFF = "SET pg_hint_plan.enable_hint_table = off"
PLAN = WorldPlan(
    (
        # Its first version has another table than the library reads.
        _OFF,
        "CREATE EXTENSION pg_hint_plan",
        "RESET pg_hint_plan.enable_hint_table",
        *TABLES,
    ),
    (JOIN, SCAN),
    calls=15,
    settings={"postgres_bin": PROGRAMS},
)
OPTIONS = {
    **TEST_OPTIONS,
    "shared_preload_libraries": "pg_stat_statements,pg_hint_plan",
    "pg_hint_plan.enable_hint_table": "on",
}
_OTHERS = """
INSERT INTO hint_plan.hints (query_id, application_name, hints)
VALUES (%(statement_id)s::bigint, 'report', %(hints)s)
"""


@pytest.fixture(scope="module")
def hint_server(session_folder: Path) -> Iterator[Server]:
    server = Server(session_folder / "hints", binaries=PROGRAMS, options=OPTIONS)
    server.start()
    with Database(server.url()).connect(autocommit=True) as connection:
        connection.execute("CREATE EXTENSION pg_stat_statements")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def world(
    hint_server: Server, postgres_server: Server, migrated_template: str, session_folder: Path
) -> Iterator[PostgresWorld]:
    """Return a world with three statements that had a better plan."""
    with regressed_world(
        PLAN, hint_server, postgres_server, migrated_template, session_folder
    ) as world:
        yield world


@pytest.fixture(scope="module")
def found(world: PostgresWorld) -> list[Found]:
    return search(world)


def test_the_fewest_hints_that_bring_the_plan_back_are_found(found: list[Found]) -> None:
    bound, join, scan = found
    assert bound.remedy.guidance == "HashJoin(a b)"
    assert join.remedy.guidance == 'HashJoin("the One" two)'
    assert scan.remedy.guidance == 'BitmapScan(log "by Kind")'
    for each in found:
        assert each.remedy.mechanism == HintTable.name
        assert list(each.base_s) == [case.statement_id for case in each.cases]
        assert set(each.left_out) == {"stash_advice"}


def test_a_row_holds_the_plan_and_its_undo_leaves_nothing(
    world: PostgresWorld, found: list[Found]
) -> None:
    assert PROGRAMS is not None
    before, fingerprint = schema(world, PROGRAMS), world.target.fingerprint()
    steps = [step for each in found for step in each.remedy.steps]
    assert "Nested Loop" in node_types(world, JOIN)
    assert "Seq Scan" in node_types(world, SCAN)
    assert "Nested Loop" in node_types(world, BOUND, (199, 199))
    assert {world.inspect(each) for each in steps} == {StepState.ABSENT}
    world.carry_out(steps)
    try:
        assert {world.inspect(each) for each in steps} == {StepState.DONE}
        assert "Hash Join" in node_types(world, JOIN)
        assert "Hash Join" in node_types(world, BOUND, (199, 199))
        assert "Bitmap Heap Scan" in node_types(world, SCAN)
        # Another statement of the same tables keeps the plan that it has.
        assert "Nested Loop" in node_types(world, JOIN.replace("count(*)", "max(two.id)"))
    finally:
        world.carry_out([each.inverse() for each in reversed(steps)])
    assert {world.inspect(each) for each in steps} == {StepState.ABSENT}
    assert "Nested Loop" in node_types(world, JOIN)
    assert "Seq Scan" in node_types(world, SCAN)
    assert world.target.query("SELECT id FROM hint_plan.hints") == []
    assert (schema(world, PROGRAMS), world.target.fingerprint()) == (before, fingerprint)


def test_undo_leaves_alone_what_somebody_has_changed(
    world: PostgresWorld, found: list[Found]
) -> None:
    step = found[0].remedy.steps[0]
    world.carry_out([step])
    try:
        execute(world, "UPDATE hint_plan.hints SET hints = 'MergeJoin(one two)'")
        assert world.inspect(step) is StepState.ABSENT
        world.carry_out([step.inverse()])
        assert len(world.target.query("SELECT id FROM hint_plan.hints")) == 1
    finally:
        execute(world, "DELETE FROM hint_plan.hints")


def test_hints_of_somebody_else_stay_and_are_told(world: PostgresWorld, found: list[Found]) -> None:
    statement_id = found[0].cases[0].statement_id
    with world.database.connect(autocommit=True) as connection:
        row = {"statement_id": statement_id, "hints": "NestLoop(two one)"}
        connection.execute(_OTHERS, row)
    try:
        others = [each for each in search(world) if each.cases[0].statement_id == statement_id]
        assert [each.remedy.mechanism for each in others] == ["statistics"]
        assert "given hints already" in others[0].left_out["hint_table"]
        world.target.recall(REGRESS, {"statement_id": statement_id})
        (finding,) = QueryRegression().look(world.target)
        assert finding.type == PLAN_PIN_HINDERED
        assert finding.evidence["words"] == "NestLoop(two one)"
    finally:
        execute(world, "DELETE FROM hint_plan.hints")
    assert list(QueryRegression().look(world.target)) == []


class TestClaims:
    """What the kind makes of it: a claim with a trial, and a trial without."""

    kind = QueryRegression()

    @pytest.fixture(scope="class")
    @classmethod
    def claim(cls, world: PostgresWorld) -> Hypothesis:
        regressed = [each for each in world.findings() if each.type == "regression"]
        claims = list(cls.kind.propose(regressed, world.target))
        (claim,) = (each for each in claims if "the One" in each.subject)
        return claim

    def test_a_trial_measures_the_statement_with_its_hints(
        self, world: PostgresWorld, claim: Hypothesis
    ) -> None:
        trial = self.kind.trial(claim, world.target)
        (unit,) = trial.design.units
        with trial.open(self.kind.apply(claim, world.target)) as arms:
            assert cost(arms.baseline, unit) > 2 * cost(arms.candidate, unit)
            assert list(arms.facts["hints_after"].values()) == ['HashJoin("the One" two)']  # type: ignore[union-attr]  # a mapping

    def test_a_pin_is_tried_without_and_taken_back(
        self, world: PostgresWorld, claim: Hypothesis
    ) -> None:
        steps = self.kind.apply(claim, world.target)
        world.carry_out(steps)
        kept = {
            "subject": claim.subject,
            "hypothesis": json.dumps(claim.to_json()),
            "steps": json.dumps([each.to_json() for each in steps]),
        }
        world.target.recall(KEEP, kept)
        try:
            (finding,) = self.kind.look(world.target)
            (without,) = self.kind.propose([finding], world.target)
            trial = self.kind.trial(without, world.target)
            taking = self.kind.apply(without, world.target)
            with trial.open(taking) as arms:
                unit = next(each for each in trial.design.units if each.name in str(claim.subject))
                assert cost(arms.candidate, unit) > 2 * cost(arms.baseline, unit)
            world.carry_out(taking)
            assert world.target.query("SELECT id FROM hint_plan.hints") == []
            assert list(due_pins(world.target, after=timedelta(days=7))) == []
        finally:
            world.target.recall(FORGET, {})
            execute(world, "DELETE FROM hint_plan.hints")


def test_a_pin_is_over_where_the_extension_is_gone(
    world: PostgresWorld, found: list[Found]
) -> None:
    (step,) = found[0].remedy.steps
    world.carry_out([step])
    assert _standing(world.target, [step]) == [step]
    execute(world, "DROP EXTENSION pg_hint_plan")
    try:
        assert _standing(world.target, [step]) == []
        assert "not installed" in HintTable().why_not(read_server(world.target))
    finally:
        with world.database.connect(autocommit=True) as connection:
            connection.execute(_OFF)
            connection.execute("CREATE EXTENSION pg_hint_plan")


class TestObstacles:
    def why_not(self, target: PostgresTarget) -> str:
        return HintTable().why_not(read_server(target))

    def test_there_is_none(self, world: PostgresWorld) -> None:
        assert self.why_not(world.target) == ""

    def test_sessions_that_do_not_read_the_table(self, world: PostgresWorld) -> None:
        (row,) = world.target.query("SELECT current_database() AS name")
        execute(world, f"ALTER DATABASE {row['name']} SET pg_hint_plan.enable_hint_table = off")
        try:
            assert "enable_hint_table = on" in self.why_not(world.target)
        finally:
            execute(world, f"ALTER DATABASE {row['name']} RESET pg_hint_plan.enable_hint_table")

    def test_an_acting_role_that_may_not_write(self, world: PostgresWorld) -> None:
        execute(world, "CREATE ROLE hint_actor LOGIN")
        record = replace(world.target.record, act_url="postgresql://hint_actor@localhost/world")
        target = PostgresTarget(record, world.target.store, world.target.settings)
        try:
            assert "hint_actor may not write" in self.why_not(target)
            execute(world, "GRANT INSERT, DELETE ON hint_plan.hints TO hint_actor")
            assert self.why_not(target) == ""
        finally:
            target.lab.close()
            execute(world, "DROP OWNED BY hint_actor")
            execute(world, "DROP ROLE hint_actor")

    def test_a_version_that_finds_statements_by_their_text(self, world: PostgresWorld) -> None:
        table = read_hint_rows(world.target)
        assert table is not None
        assert "by their identifier" in replace(table, is_by_identifier=False).obstacle
