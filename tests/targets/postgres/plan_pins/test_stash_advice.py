"""Advice on a real server that can stash it (PostgreSQL 19), where there are programs of one.

They are found in the folder that TEST_ADVICE_PROGRAMS names, or among the system's.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
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
from honed.errors import ConfigurationError
from honed.kinds.query_regression import PLAN_PIN_HINDERED, QueryRegression
from honed.storage.db import Database
from honed.storage.server import Server
from honed.targets.postgres.lab import lacking
from honed.targets.postgres.plan_pins.advice import advice_of, parsed
from honed.targets.postgres.plan_pins.case import read_cases
from honed.targets.postgres.plan_pins.history import read_plans
from honed.targets.postgres.plan_pins.provider import read_server
from honed.targets.postgres.plan_pins.providers.stash_advice import StashAdvice
from honed.targets.postgres.plan_pins.search import Found, find_pins
from honed.targets.postgres.plan_pins.stash import read_stash
from honed.targets.postgres.plan_pins.unpinning import _standing, due_pins
from honed.targets.postgres.plans import ADVICE
from honed.targets.postgres.target import PostgresTarget
from honed.testing.contract import cost
from honed.testing.postgres import TEST_OPTIONS, Databases
from honed.testing.programs import programs_with
from honed.testing.worlds import PostgresWorld, WorldPlan

VARIABLE = "TEST_ADVICE_PROGRAMS"
PROGRAMS = programs_with("pg_stash_advice", VARIABLE)
pytestmark = pytest.mark.skipif(
    PROGRAMS is None, reason=f"no PostgreSQL 19 with pg_stash_advice ({VARIABLE})"
)

PLAN = WorldPlan(
    ("CREATE EXTENSION pg_stash_advice", *TABLES),
    (JOIN, SCAN),
    calls=15,
    settings={"postgres_bin": PROGRAMS},
)
OPTIONS = {
    **TEST_OPTIONS,
    "shared_preload_libraries": "pg_stat_statements,pg_stash_advice",
    "pg_stash_advice.stash_name": "honed",
}
HOWTO = Path(__file__).parents[4] / "docs" / "howto" / "hold-a-plan.md"
ROLES = ("honed_observe_shop", "honed_act_shop")
_STASHED = """
SELECT stash_name, query_id, advice_string FROM pg_get_advice_stash_contents(NULL) ORDER BY 1, 2
"""
_STASH = "SELECT pg_set_stashed_advice('honed', {}, 'NESTED_LOOP_PLAIN(two)')"
_CLEAR = "SELECT pg_set_stashed_advice('honed', {}, NULL)"


@pytest.fixture(scope="module")
def advice_server(session_folder: Path) -> Iterator[Server]:
    server = Server(session_folder / "advice", binaries=PROGRAMS, options=OPTIONS)
    server.start()
    with Database(server.url()).connect(autocommit=True) as connection:
        connection.execute("CREATE EXTENSION pg_stat_statements")
        connection.execute("CREATE EXTENSION pg_stash_advice")
        connection.execute("SELECT pg_create_advice_stash('honed')")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def world(
    advice_server: Server, postgres_server: Server, migrated_template: str, session_folder: Path
) -> Iterator[PostgresWorld]:
    """Return a world with three statements that had a better plan."""
    with regressed_world(
        PLAN, advice_server, postgres_server, migrated_template, session_folder
    ) as world:
        yield world


@pytest.fixture(scope="module")
def found(world: PostgresWorld) -> list[Found]:
    return search(world)


def stashed(world: PostgresWorld) -> list[dict[str, Any]]:
    return world.target.query(_STASHED)


def test_the_least_advice_that_brings_the_plan_back_is_found(found: list[Found]) -> None:
    assert [each.remedy.guidance for each in found] == [
        "HASH_JOIN(b)",
        "HASH_JOIN(two)",
        "BITMAP_HEAP_SCAN(log)",
    ]
    for each in found:
        assert each.remedy.mechanism == StashAdvice.name
        assert each.remedy.scope.endswith("in sessions that use the stash honed")
        assert list(each.base_s) == [case.statement_id for case in each.cases]
        assert set(each.left_out) == {"hint_table"}


def test_the_servers_own_advice_is_remembered_with_the_plan(
    world: PostgresWorld, found: list[Found]
) -> None:
    names = [case.statement_id for each in found for case in each.cases]
    plans = [each.plan for known in read_plans(world.target, names).values() for each in known]
    assert len(plans) == 2 * len(found)
    for example in (each for plan in plans for each in plan["Plan"]["Plans"]):
        (own,) = advice_of(example)
        (read,) = advice_of({name: value for name, value in example.items() if name != ADVICE})
        assert own == parsed(example[ADVICE])
        # What is made of the tree alone says the same.
        assert {*read.scans, *read.joins, *read.orders} == {*own.scans, *own.joins, *own.orders}


def test_stashed_advice_holds_the_plan_and_its_undo_leaves_nothing(
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
    assert stashed(world) == []
    assert (schema(world, PROGRAMS), world.target.fingerprint()) == (before, fingerprint)


def test_a_prepared_statement_gets_it_with_its_next_plan(
    world: PostgresWorld, found: list[Found]
) -> None:
    bound = found[0].remedy.steps[0]
    explain = b"EXPLAIN (FORMAT JSON) EXECUTE asked (199, 199)"
    text = BOUND.replace("%s", "$1", 1).replace("%s", "$2")
    with world.database.connect(autocommit=True) as connection:

        def plan() -> str:
            return json.dumps(connection.execute(explain).fetchall())

        connection.execute(f"PREPARE asked (smallint, smallint) AS {text}".encode())
        assert "Nested Loop" in plan()
        world.carry_out([bound])
        try:
            # It is planned for its values each time.
            assert "Hash Join" in plan()
            connection.execute("SET plan_cache_mode = force_generic_plan")
            assert "Hash Join" in plan()
        finally:
            world.carry_out([bound.inverse()])
        # A generic plan stays until something of its tables changes, or the session ends.
        assert "Hash Join" in plan()
        connection.execute("ALTER TABLE one SET (fillfactor = 100)")
        connection.execute("ALTER TABLE one RESET (fillfactor)")
        assert "Nested Loop" in plan()


def test_a_step_leaves_alone_what_somebody_else_has_stashed(
    world: PostgresWorld, found: list[Found]
) -> None:
    step, statement_id = found[0].remedy.steps[0], found[0].cases[0].statement_id
    world.carry_out([step])
    try:
        execute(world, _STASH.format(statement_id))
        assert world.inspect(step) is StepState.ABSENT
        world.carry_out([step.inverse()])
        with pytest.raises(psycopg.errors.RaiseException, match="advice already"):
            world.carry_out([step])
        assert [row["advice_string"] for row in stashed(world)] == ["NESTED_LOOP_PLAIN(two)"]
    finally:
        execute(world, _CLEAR.format(statement_id))


def test_a_relation_may_have_any_name(world: PostgresWorld) -> None:
    stash = read_stash(world.target)
    assert stash is not None
    words = """SEQ_SCAN("it's $honed$ \\ END; %s")"""
    step = stash.step("-42", words)
    world.carry_out([step])
    try:
        assert stashed(world)[0]["advice_string"] == words
        assert world.inspect(step) is StepState.DONE
    finally:
        world.carry_out([step.inverse()])
    assert stashed(world) == []


def test_advice_of_somebody_else_stays_and_is_told(
    world: PostgresWorld, found: list[Found]
) -> None:
    statement_id = found[1].cases[0].statement_id
    execute(world, _STASH.format(statement_id))
    try:
        others = [each for each in search(world) if each.cases[0].statement_id == statement_id]
        assert [each.remedy.mechanism for each in others] == ["statistics"]
        assert "given advice already" in others[0].left_out["stash_advice"]
        world.target.recall(REGRESS, {"statement_id": statement_id})
        (finding,) = QueryRegression().look(world.target)
        assert finding.type == PLAN_PIN_HINDERED
        assert finding.evidence["words"] == "NESTED_LOOP_PLAIN(two)"
    finally:
        execute(world, _CLEAR.format(statement_id))
    assert list(QueryRegression().look(world.target)) == []


class TestClaims:
    """What the kind makes of it: a claim with a trial, and a trial without."""

    kind = QueryRegression()

    @pytest.fixture(scope="class")
    @classmethod
    def claim(cls, world: PostgresWorld) -> Hypothesis:
        regressed = [each for each in world.findings() if each.type == "regression"]
        claims = list(cls.kind.propose(regressed, world.target))
        (claim,) = (each for each in claims if "HASH_JOIN(two)" in each.subject)
        return claim

    def test_a_trial_measures_the_statement_with_its_advice(
        self, world: PostgresWorld, claim: Hypothesis
    ) -> None:
        trial = self.kind.trial(claim, world.target)
        (unit,) = trial.design.units
        with trial.open(self.kind.apply(claim, world.target)) as arms:
            assert cost(arms.baseline, unit) > 2 * cost(arms.candidate, unit)
            assert list(arms.facts["advice_after"].values()) == ["HASH_JOIN(two)"]  # type: ignore[union-attr]  # a mapping

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
            assert stashed(world) == []
            assert list(due_pins(world.target, after=timedelta(days=7))) == []
        finally:
            world.target.recall(FORGET, {})
            world.carry_out([each.inverse() for each in steps])


def test_a_pin_is_over_where_the_extension_is_gone(
    world: PostgresWorld, found: list[Found]
) -> None:
    (step,) = found[0].remedy.steps
    world.carry_out([step])
    assert _standing(world.target, [step]) == [step]
    execute(world, "DROP EXTENSION pg_stash_advice")
    try:
        assert _standing(world.target, [step]) == []
        assert "not installed" in StashAdvice().why_not(read_server(world.target))
    finally:
        execute(world, "CREATE EXTENSION pg_stash_advice")
        world.carry_out([step.inverse()])


def test_advice_outlives_a_restart(
    world: PostgresWorld, found: list[Found], advice_server: Server
) -> None:
    (step,) = found[0].remedy.steps
    world.carry_out([step])
    advice_server.stop()
    advice_server.start()
    try:
        assert world.inspect(step) is StepState.DONE
    finally:
        world.carry_out([step.inverse()])


class TestObstacles:
    def why_not(self, target: PostgresTarget) -> str:
        return StashAdvice().why_not(read_server(target))

    def test_there_is_none(self, world: PostgresWorld) -> None:
        assert self.why_not(world.target) == ""

    def test_sessions_that_use_no_stash(self, world: PostgresWorld) -> None:
        (row,) = world.target.query("SELECT current_database() AS name")
        execute(world, f"ALTER DATABASE {row['name']} SET pg_stash_advice.stash_name = ''")
        try:
            assert "use no stash" in self.why_not(world.target)
        finally:
            execute(world, f"ALTER DATABASE {row['name']} RESET pg_stash_advice.stash_name")

    def test_the_stash_of_the_role_that_runs_a_statement(self, world: PostgresWorld) -> None:
        execute(world, "CREATE ROLE own_stash LOGIN")
        execute(world, "ALTER ROLE own_stash SET pg_stash_advice.stash_name = 'own'")
        try:
            stash = read_stash(world.target)
            assert stash is not None
            assert "no stash own" in stash.of(["own_stash"]).obstacle
            execute(world, "SELECT pg_create_advice_stash('own')")
            stash = read_stash(world.target)
            assert stash is not None
            assert stash.of(["own_stash"]).obstacle == ""
            assert " 'own'" in stash.of(["own_stash"]).step("1", "SEQ_SCAN(a)").undo[0]
            assert stash.of([]).names == ["honed"]
        finally:
            execute(world, "SELECT pg_drop_advice_stash('own')")
            execute(world, "DROP ROLE own_stash")

    def test_an_acting_role_that_may_not_stash(self, world: PostgresWorld) -> None:
        execute(world, "CREATE ROLE advice_actor LOGIN")
        record = replace(world.target.record, act_url="postgresql://advice_actor@localhost/world")
        target = PostgresTarget(record, world.target.store, world.target.settings)
        try:
            obstacle = self.why_not(target)
            assert "advice_actor may not stash" in obstacle
            _, _, granted = obstacle.rpartition("(GRANT ")
            execute(world, f"GRANT {granted.removesuffix(')')} TO advice_actor")
            assert self.why_not(target) == ""
        finally:
            target.lab.close()
            execute(world, "DROP OWNED BY advice_actor")
            execute(world, "DROP ROLE advice_actor")

    def test_what_the_how_to_says_is_what_it_takes(
        self, world: PostgresWorld, advice_server: Server
    ) -> None:
        (block,) = re.findall(r" *```sql\n(.*?)```", HOWTO.read_text(encoding="utf-8"), re.DOTALL)
        made = Databases(advice_server, [])
        database = Database(made.create())
        try:
            with database.connect(autocommit=True) as connection:
                text = block.replace("DATABASE shop", f"DATABASE {connection.info.dbname}")
                for role in ROLES:
                    connection.execute(f"CREATE ROLE {role} LOGIN".encode())
                for statement in filter(str.strip, text.split(";")):
                    connection.execute(statement.encode())
            observe, act = (database.url.replace("postgres@", f"{role}@") for role in ROLES)
            record = replace(world.target.record, observe_url=observe, act_url=act)
            stash = read_stash(PostgresTarget(record, world.target.store, world.target.settings))
            assert stash is not None
            assert (stash.obstacle, stash.names, stash.actor) == ("", ["shop"], ROLES[1])
        finally:
            made.drop_all()
            execute(world, "SELECT pg_drop_advice_stash('shop')")
            for role in ROLES:
                execute(world, f"DROP ROLE {role}")

    def test_a_lab_of_older_programs_is_named(self, world: PostgresWorld) -> None:
        older = {"postgres_bin": None, "home": world.target.settings.home / "older"}
        settings = world.target.settings.model_copy(update=older)
        target = PostgresTarget(world.target.record, world.target.store, settings)
        regressed = [each for each in world.findings() if each.type == "regression"]
        assert read_cases(target, regressed, target.catalog())
        try:
            assert self.why_not(target) == lacking("pg_stash_advice")
            with pytest.raises(ConfigurationError, match="newer than pg_dump here") as error:
                find_pins(target, regressed)
            assert "postgres_bin" in error.value.hint
        finally:
            target.lab.close()
