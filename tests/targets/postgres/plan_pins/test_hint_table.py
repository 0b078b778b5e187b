"""Hints on a real server that has pg_hint_plan, where there are programs of one.

They are found in the folder that TEST_HINT_PROGRAMS names, or among the system's.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

from honed.core.hypothesis import Hypothesis
from honed.core.step import StepState
from honed.kinds.query_regression import PLAN_PIN_HINDERED, QueryRegression
from honed.storage.db import Database
from honed.storage.server import Server
from honed.targets.postgres.plan_pins.hint_rows import read_hint_rows
from honed.targets.postgres.plan_pins.provider import read_server
from honed.targets.postgres.plan_pins.providers.hint_table import HintTable
from honed.targets.postgres.plan_pins.search import Found, find_pins
from honed.targets.postgres.plan_pins.unpinning import _standing, due_pins
from honed.targets.postgres.target import PostgresTarget
from honed.testing.contract import cost
from honed.testing.postgres import TEST_OPTIONS, Databases
from honed.testing.worlds import PostgresWorld, WorldPlan, _build

VARIABLE = "TEST_HINT_PROGRAMS"


def has_extension(folder: Path) -> bool:
    asked = subprocess.run(
        [folder / "pg_config", "--sharedir"], capture_output=True, text=True, check=False
    )
    return Path(asked.stdout.strip(), "extension", "pg_hint_plan.control").is_file()


def find_programs() -> Path | None:
    """Return programs of PostgreSQL 18 that have the extension; the statistics ask for 18."""
    given = [Path(os.environ[VARIABLE])] if VARIABLE in os.environ else []
    installed = sorted(Path("/usr/lib/postgresql").glob("1[89]/bin"))
    usable = (each for each in (*given, *installed) if (each / "pg_config").is_file())
    return next(filter(has_extension, usable), None)


PROGRAMS = find_programs()
pytestmark = pytest.mark.skipif(
    PROGRAMS is None, reason=f"no PostgreSQL 18 with pg_hint_plan ({VARIABLE})"
)

_OFF = "SET pg_hint_plan.enable_hint_table = off"
JOIN = (
    'SELECT count(*) FROM one AS "the One" JOIN two USING (id)'
    ' WHERE "the One".grp = 199 AND two.grp = 199'
)
#: With parameters, as most applications ask: the server counts it as another statement than one
#: with values.
BOUND = "SELECT max(b.id) FROM one a JOIN two b USING (id) WHERE a.grp = %s AND b.grp = %s"
SCAN = 'SELECT count(note) FROM "Log" AS log WHERE kind = 150'
PLAN = WorldPlan(
    (
        # Its first version has another table than the library reads.
        _OFF,
        "CREATE EXTENSION pg_hint_plan",
        "RESET pg_hint_plan.enable_hint_table",
        "CREATE TABLE one (id integer, grp integer)",
        "INSERT INTO one SELECT n, n % 200 FROM generate_series(1, 15000) n",
        "CREATE TABLE two AS SELECT * FROM one",
        """
        CREATE TABLE "Log" AS
        SELECT n AS id, n % 2000 AS kind, repeat('x', 60) AS note FROM generate_series(1, 60000) n
        """,
        'CREATE INDEX "by Kind" ON "Log" (kind)',
        "VACUUM ANALYZE one",
        "VACUUM ANALYZE two",
        'VACUUM ANALYZE "Log"',
    ),
    (JOIN, SCAN),
    calls=15,
    settings={"postgres_bin": PROGRAMS},
)
#: As if each row were a group of its own, and all rows of the log of one kind.
WRONG = (
    *(
        "SELECT pg_restore_attribute_stats('schemaname', 'public', 'relname', '" + table + "',"
        " 'attname', 'grp', 'inherited', false, 'n_distinct', (-1)::real)"
        for table in ("one", "two")
    ),
    "SELECT pg_clear_attribute_stats('public', 'Log', 'kind', false)",
    """
    SELECT pg_restore_attribute_stats('schemaname', 'public', 'relname', 'Log', 'attname', 'kind',
                                      'inherited', false, 'n_distinct', 1::real)
    """,
)
OPTIONS = {
    **TEST_OPTIONS,
    "shared_preload_libraries": "pg_stat_statements,pg_hint_plan",
    "pg_hint_plan.enable_hint_table": "on",
}
_KEEP = """
INSERT INTO honed.improvement (target_id, kind, subject, state, hypothesis, steps, priority, risk,
                               applied_at, tried_at)
VALUES (%(target_id)s, 'query_regression', %(subject)s, 'kept', %(hypothesis)s::jsonb,
        %(steps)s::jsonb, 5, 3, honed.now() - interval '8 days', honed.now())
RETURNING improvement_id
"""
_FORGET = """
DELETE FROM honed.improvement WHERE target_id = %(target_id)s RETURNING improvement_id
"""
_REGRESS = """
INSERT INTO honed.finding (target_id, type, subject, title)
VALUES (%(target_id)s, 'regression', %(statement_id)s, 'slower')
ON CONFLICT DO NOTHING
RETURNING finding_id
"""
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
    """Return a world with two statements that had a better plan."""
    home = Path(mkdtemp(prefix="world-", dir=session_folder))
    home.chmod(0o755)
    production, stores = Databases(hint_server, []), Databases(postgres_server, [])
    with ExitStack() as stack:
        stack.callback(production.drop_all)
        stack.callback(stores.drop_all)
        store = Database(stores.create(migrated_template))
        world = _build(PLAN, Database(production.create()), store, home)
        stack.callback(world.target.lab.close)
        live(world)
        world.findings()
        with world.database.connect(autocommit=True) as connection:
            for statement in WRONG:
                connection.execute(statement.encode())
        live(world)
        yield world


def live(world: PostgresWorld) -> None:
    """Run the application's statements, those with parameters too."""
    world.target.sample()
    with world.database.connect(autocommit=True) as connection:
        for _ in range(PLAN.calls):
            connection.execute(BOUND.encode(), (199, 199)).fetchall()
            for statement in (*PLAN.workload, "SELECT pg_stat_force_next_flush()"):
                connection.execute(statement.encode()).fetchall()
    world.target.sample()


@pytest.fixture(scope="module")
def found(world: PostgresWorld) -> list[Found]:
    return sorted(search(world), key=lambda each: each.remedy.hints, reverse=True)


def search(world: PostgresWorld) -> list[Found]:
    regressed = [each for each in world.findings() if each.type == "regression"]
    return find_pins(world.target, regressed)


def node_types(
    world: PostgresWorld, statement: str, parameters: tuple[int, ...] | None = None
) -> set[str]:
    explain = f"EXPLAIN (FORMAT JSON) {statement}".encode()
    with world.database.connect() as connection:
        rows = connection.execute(explain, parameters).fetchall()
    (plan,) = rows[0]["QUERY PLAN"]

    def types(node: dict[str, Any]) -> set[str]:
        return {node["Node Type"]}.union(*map(types, node.get("Plans", ())))

    return types(plan["Plan"])


def schema(world: PostgresWorld) -> str:
    assert PROGRAMS is not None
    command = [
        str(PROGRAMS / "pg_dump"),
        "--schema-only",
        "--restrict-key=same",
        world.database.url,
    ]
    written: str = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return written


def test_the_fewest_hints_that_bring_the_plan_back_are_found(found: list[Found]) -> None:
    bound, join, scan = found
    assert bound.remedy.hints == "HashJoin(a b)"
    assert join.remedy.hints == 'HashJoin("the One" two)'
    assert scan.remedy.hints == 'BitmapScan(log "by Kind")'
    for each in found:
        assert each.remedy.mechanism == HintTable.name
        assert list(each.base_s) == [case.statement_id for case in each.cases]
        assert set(each.left_out) == {"stash_advice"}


def test_a_row_holds_the_plan_and_its_undo_leaves_nothing(
    world: PostgresWorld, found: list[Found]
) -> None:
    before, fingerprint = schema(world), world.target.fingerprint()
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
    assert (schema(world), world.target.fingerprint()) == (before, fingerprint)


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


def execute(world: PostgresWorld, statement: str) -> None:
    with world.database.connect(autocommit=True) as connection:
        connection.execute(statement.encode())


def test_hints_of_somebody_else_stay_and_are_told(world: PostgresWorld, found: list[Found]) -> None:
    statement_id = found[0].cases[0].statement_id
    with world.database.connect(autocommit=True) as connection:
        row = {"statement_id": statement_id, "hints": "NestLoop(two one)"}
        connection.execute(_OTHERS, row)
    try:
        others = [each for each in search(world) if each.cases[0].statement_id == statement_id]
        assert [each.remedy.mechanism for each in others] == ["statistics"]
        assert "given hints already" in others[0].left_out["hint_table"]
        world.target.recall(_REGRESS, {"statement_id": statement_id})
        (finding,) = QueryRegression().look(world.target)
        assert finding.type == PLAN_PIN_HINDERED
        assert finding.evidence["hints"] == "NestLoop(two one)"
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
        world.target.recall(_KEEP, kept)
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
            world.target.recall(_FORGET, {})
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
