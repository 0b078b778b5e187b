"""Replay: CPU is what is counted, a cut costs the cut, and arms must return the same rows."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import replace
from statistics import median

import pytest

from honed.core.slowdown import Slowdown
from honed.core.step import Step
from honed.core.trial import TrialDesign, Unit
from honed.errors import EvaluatorFailed
from honed.storage.db import Connection
from honed.targets.postgres.answers import Answers
from honed.targets.postgres.clone import Clone
from honed.targets.postgres.lab import Lab
from honed.targets.postgres.metering import CpuMeter, MeteredSession, Run
from honed.targets.postgres.replay import (
    METRIC,
    ReplayArm,
    ReplayStatement,
    ReplayTrial,
    calibrate,
)
from honed.targets.postgres.worlds import OwnDatabases, Side

#: What it measures is time.
pytestmark = pytest.mark.alone

MakeArms = Callable[..., dict[Side, ReplayArm]]

BUSY_S = 0.2
#: Uses the processor for so long, by its own count, however busy the machine is.
BUSY = f"""
import sys, time
print("ready", flush=True)
sys.stdin.readline()
started = time.process_time()
while time.process_time() < started + {BUSY_S}:
    pass
print(time.process_time() - started, flush=True)
sys.stdin.readline()
"""
COUNT = "SELECT count(*) FROM generate_series(1, 20000)"
DATE = """SELECT * FROM "Shop"."Order" WHERE ordered_on = '2025-03-01'"""
AMOUNT = 'SELECT * FROM "Shop"."Order" WHERE amount = 5'
ENDLESS = "SELECT count(*) FROM generate_series(1, 1000000000000)"
WAITING = "SELECT pg_sleep(60)"


@pytest.fixture
def session(clone: Clone) -> Iterator[MeteredSession]:
    with MeteredSession(clone, cut_s=1.0) as made:
        yield made


@pytest.fixture
def make_arms() -> Iterator[MakeArms]:
    """Return a maker of arms on clones; their sessions are closed at the end."""
    with ExitStack() as stack:

        def make(
            clones: Mapping[Side, Clone], *statements: ReplayStatement, cut_s: float = 1.0
        ) -> dict[Side, ReplayArm]:
            worlds = stack.enter_context(closing(OwnDatabases(clones, cut_s=cut_s)))
            answers = Answers(worlds)
            by_name = {item.name: item for item in statements}
            return {
                side: ReplayArm(worlds, side, by_name, answers=answers, cuts={}) for side in clones
            }

        yield make


@pytest.fixture
def make_arm(clone: Clone, make_arms: MakeArms) -> Callable[..., ReplayArm]:
    """Return a maker of one arm on the clone."""

    def make(*statements: ReplayStatement, cut_s: float = 1.0) -> ReplayArm:
        return make_arms({Side.BASELINE: clone}, *statements, cut_s=cut_s)[Side.BASELINE]

    return make


def test_the_meter_agrees_with_a_busy_loop() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as loop:
        assert loop.stdin is not None
        assert loop.stdout is not None
        meter = CpuMeter(loop.pid)
        assert meter.is_cpu
        loop.stdout.readline()
        before = meter.read_s()
        loop.stdin.write("go\n")
        loop.stdin.flush()
        used_s = float(loop.stdout.readline())
        measured_s = meter.read_s() - before
        loop.stdin.close()
    assert used_s >= BUSY_S
    assert measured_s == pytest.approx(used_s, rel=0.1)


def test_a_meter_counts_no_waiting(session: MeteredSession) -> None:
    waited = session.run("SELECT pg_sleep(0.3)")
    assert waited.cost_s < 0.05
    assert waited.rows == 1


def test_twice_the_work_costs_twice_as_much(session: MeteredSession) -> None:
    work = "SELECT count(*) FROM generate_series(1, {})"
    once, twice = (
        median(session.run(work.format(rows)).cost_s for _ in range(7))
        for rows in (200_000, 400_000)
    )
    assert twice / once == pytest.approx(2.0, rel=0.35)


def test_rows_are_counted_though_none_is_sent(session: MeteredSession) -> None:
    assert session.run(DATE).rows == 43
    assert session.run("SELECT 1 WHERE false").rows == 0
    assert session.run("SELECT 1; -- done").rows == 1


@pytest.mark.parametrize("statement", [ENDLESS, WAITING])
def test_a_cut_statement_costs_exactly_the_cut(
    clone: Clone, statement: str, make_arm: Callable[..., ReplayArm]
) -> None:
    with MeteredSession(clone, cut_s=0.05) as session:
        assert make_arm(ReplayStatement("q", (statement,)), cut_s=0.05).run("q") == 0.05
        run = session.run(statement)
        assert run.is_cut
        assert run.cost_s == 0.05
        # The connection is as good as new.
        assert session.run(DATE).rows == 43


def test_a_statement_cut_twice_is_not_run_again(
    monkeypatch: pytest.MonkeyPatch, make_arm: Callable[..., ReplayArm]
) -> None:
    ran: list[str] = []
    run = MeteredSession.run

    def note_and_run(session: MeteredSession, statement: str, *, reads: bool = False) -> Run:
        ran.append(statement)
        return run(session, statement, reads=reads)

    monkeypatch.setattr(MeteredSession, "run", note_and_run)
    arm = make_arm(ReplayStatement("q", (ENDLESS,)), cut_s=0.05)
    assert [arm.run("q") for _ in range(4)] == [0.05] * 4
    assert ran == [ENDLESS, ENDLESS]


def test_the_plan_is_that_of_the_plain_statement(session: MeteredSession) -> None:
    """An ordinary cursor would be planned for its first rows, which the index brings at once."""
    connection = session._connection
    connection.execute("SET random_page_cost = 20")
    ordered = 'SELECT * FROM "Shop"."Order" ORDER BY ordered_on'
    declared = f"DECLARE c NO SCROLL CURSOR FOR {ordered}"
    plain, cursor = (top_node(connection, text) for text in (ordered, declared))
    connection.execute("SET cursor_tuple_fraction = 0.1")
    hasty = top_node(connection, declared)
    assert (plain, cursor, hasty) == ("Sort", "Sort", "Index Scan")


def top_node(connection: Connection, statement: str) -> str:
    text = f"EXPLAIN (FORMAT JSON) {statement}"
    plan = connection.execute(text).fetchall()[0]["QUERY PLAN"]
    return str(plan[0]["Plan"]["Node Type"])


def test_statements_that_write_fail_and_write_nothing(
    clone: Clone, session: MeteredSession
) -> None:
    for statement in (
        "WITH gone AS (DELETE FROM event RETURNING 1) SELECT * FROM gone",
        "SELECT * FROM event FOR UPDATE",
        "SELECT 1; DELETE FROM event",
    ):
        with pytest.raises(EvaluatorFailed):
            session.run(statement)
    assert clone.query("SELECT count(*) AS n FROM event") == [{"n": 2000}]


def test_a_failing_statement_is_named(make_arm: Callable[..., ReplayArm]) -> None:
    arm = make_arm(ReplayStatement("odd", ("SELECT 1 / 0",)))
    with pytest.raises(EvaluatorFailed, match=r"statement odd: .*division by zero"):
        arm.run("odd")


@pytest.mark.slow
def test_a_unit_costs_the_mean_of_its_examples(make_arm: Callable[..., ReplayArm]) -> None:
    cheap, dear = "SELECT 1", "SELECT count(*) FROM generate_series(1, 300000)"
    arm = make_arm(ReplayStatement("mixed", (cheap, dear)), ReplayStatement("dear", (dear,)))
    share = median(arm.run("mixed") / arm.run("dear") for _ in range(9))
    assert share == pytest.approx(1 / 2, rel=0.35)


def test_waiting_for_pages_and_for_rows_is_no_sign_of_neighbours(
    make_arm: Callable[..., ReplayArm],
) -> None:
    arm = make_arm(ReplayStatement("q", ("SELECT count(*) FROM generate_series(1, 9)",)))
    arm.warm("q")
    assert arm.neighbours == Slowdown()
    arm.run("q")
    assert arm.neighbours != Slowdown()


def test_an_arm_that_returns_other_rows_has_failed(
    module_lab: Lab, clone: Clone, make_arms: MakeArms
) -> None:
    statement = ReplayStatement("q", ("SELECT * FROM nothing",))
    with module_lab.clone("filled") as other:
        other.run("INSERT INTO nothing VALUES (1)")
        arms = make_arms({Side.BASELINE: clone, Side.CANDIDATE: other}, statement)
        arms[Side.BASELINE].run("q")
        with pytest.raises(EvaluatorFailed, match="returns 1 rows, on the baseline 0"):
            arms[Side.CANDIDATE].run("q")


def test_an_arm_that_returns_as_many_other_rows_has_failed(
    module_lab: Lab, clone: Clone, make_arms: MakeArms
) -> None:
    statement = ReplayStatement("q", ("SELECT count(*) FROM nothing",))
    with module_lab.clone("filled") as other:
        other.run("INSERT INTO nothing VALUES (1)")
        arms = make_arms({Side.BASELINE: clone, Side.CANDIDATE: other}, statement)
        arms[Side.BASELINE].warm("q")
        with pytest.raises(EvaluatorFailed, match="returns other rows than on the baseline"):
            arms[Side.CANDIDATE].warm("q")


def test_which_of_equal_rows_a_limit_returns_is_left_open(
    module_lab: Lab, make_arms: MakeArms
) -> None:
    tied = "SELECT value FROM nothing ORDER BY value % 10 LIMIT 1"
    statement = ReplayStatement("q", (tied,))
    with module_lab.clone("ten") as ten, module_lab.clone("twenty") as twenty:
        ten.run("INSERT INTO nothing VALUES (10)")
        twenty.run("INSERT INTO nothing VALUES (20)")
        arms = make_arms({Side.BASELINE: ten, Side.CANDIDATE: twenty}, statement)
        for arm in arms.values():
            arm.warm("q")
    assert arms[Side.BASELINE].answers.facts() == {
        "answers_compared": 1,
        "answers_that_move": [],
        "answers_left_open": ["q"],
    }


@pytest.mark.slow
def test_nobody_is_accused_of_rows_that_move_by_themselves(
    module_lab: Lab, clone: Clone, make_arms: MakeArms
) -> None:
    moving = "SELECT * FROM generate_series(1, (1000000 * random())::int)"
    with module_lab.clone("same") as twin:
        arms = make_arms(
            {Side.BASELINE: clone, Side.CANDIDATE: twin}, ReplayStatement("q", (moving,))
        )
        for _ in range(2):
            assert min(arm.run("q") for arm in arms.values()) > 0


def test_a_server_that_went_away_is_an_evaluator_that_failed(
    clone: Clone, make_arm: Callable[..., ReplayArm]
) -> None:
    arm = make_arm(ReplayStatement("q", (COUNT,)))
    arm.run("q")
    with clone.shadow.connect() as admin:
        admin.execute("""
            SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
             WHERE usename = 'honed_reader'""")
    with pytest.raises(EvaluatorFailed):
        arm.run("q")


def test_calibration_repeats_short_statements_and_leaves_odd_ones_out(clone: Clone) -> None:
    found = calibrate(
        clone,
        [
            ReplayStatement("short", ("SELECT 1",), weight=3.0),
            ReplayStatement("long", ("SELECT count(*) FROM generate_series(1, 500000)",)),
            ReplayStatement("endless", (ENDLESS,)),
            ReplayStatement("odd", ("SELECT 1 / 0",)),
            ReplayStatement("writes", ("DELETE FROM event",)),
            ReplayStatement("empty", ()),
        ],
        cut_s=0.3,
    )
    repeats = {unit.name: unit.repeats for unit in found.units}
    assert repeats == {"short": 15, "long": 1, "endless": 1}
    assert found.units[0].weight == 3.0
    assert found.left_out.keys() == {"odd", "writes", "empty"}
    assert found.cut == {"endless"}
    assert found.costs["endless"] == 0.3
    assert 0 < found.costs["short"] < found.costs["long"] < 0.3


BY_AMOUNT = Step(
    "index",
    ('CREATE INDEX CONCURRENTLY by_amount ON "Shop"."Order" (amount)',),
    in_transaction=False,
)
ANALYSE = Step("analyse", ('ANALYZE "Shop"."Order"',))
RAISE = Step("raise", ('ALTER TABLE "Shop"."Order" ALTER amount SET STATISTICS 200',))


@pytest.mark.parametrize(
    ("steps", "worlds"),
    [
        ([BY_AMOUNT], "OneDatabase"),
        ([BY_AMOUNT, ANALYSE], "OneDatabase"),
        ([BY_AMOUNT, RAISE, ANALYSE], "OwnDatabases"),
    ],
)
def test_only_the_candidate_has_what_the_steps_built(
    module_lab: Lab, steps: list[Step], worlds: str
) -> None:
    statements = (ReplayStatement("amount", (AMOUNT,)), ReplayStatement("date", (DATE,)))
    units = (Unit("amount"), Unit("date"))
    trial = ReplayTrial(module_lab, statements, TrialDesign(units=units, metric=METRIC), cut_s=1.0)
    with trial.open(steps) as arms:
        assert arms.facts["worlds"] == worlds
        assert isinstance(arms.facts["index_bytes"], int)
        assert arms.facts["index_bytes"] > 0
        assert arms.facts["built_index_bytes"] == {"by_amount": arms.facts["index_bytes"]}
        costs: dict[Side, list[float]] = {side: [] for side in Side}
        for _ in range(5):
            for side in Side:
                arm = getattr(arms, side.value)
                arm.run("amount")
                costs[side] += [arm.run("amount") for _ in range(3)]
    baseline, candidate, control = (median(costs[side]) for side in Side)
    assert candidate < 0.7 * baseline
    assert control == pytest.approx(baseline, rel=0.35)
    with module_lab.clone("after") as clone:
        clones = clone.query("SELECT count(*) AS n FROM pg_database WHERE datname LIKE 'clone%'")
        assert clones == [{"n": 1}]


def test_a_long_statement_whose_plan_stays_is_run_in_one_world_only(
    module_lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []
    run = MeteredSession.run

    def note_and_run(session: MeteredSession, statement: str, *, reads: bool = False) -> Run:
        ran.append(statement)
        return run(session, statement, reads=reads)

    long = "SELECT count(*) FROM generate_series(1, 500000)"
    statements = [ReplayStatement("long", (long,)), ReplayStatement("short", (AMOUNT,))]
    units = tuple(Unit(each.name) for each in statements)
    trial = ReplayTrial(module_lab, tuple(statements), TrialDesign(units=units, metric=METRIC))
    monkeypatch.setattr(MeteredSession, "run", note_and_run)
    with trial.open([BY_AMOUNT]) as arms:
        assert arms.facts["same_plan"] == ["long"]
        assert ran.count(long) == 1
        assert arms.candidate.run("long") == arms.baseline.run("long") > 0.03
        assert ran.count(long) == 1
        arms.candidate.run("short")
        assert ran.count(AMOUNT) == 3


@pytest.mark.parametrize("steps", [[RAISE], [BY_AMOUNT]], ids=["own databases", "one database"])
def test_every_world_is_prepared_before_the_steps(module_lab: Lab, steps: list[Step]) -> None:
    counted = ReplayStatement("prepared", ("SELECT 1 / count(*) FROM nothing",))
    trial = ReplayTrial(
        module_lab,
        (counted,),
        TrialDesign(units=(Unit("prepared"),), metric=METRIC),
        prepare=("INSERT INTO nothing VALUES (1)",),
    )
    with trial.open(steps) as arms:
        assert arms.facts["prepared"] == ["INSERT INTO nothing VALUES (1)"]
        for side in Side:
            assert getattr(arms, side.value).run("prepared") > 0
    with (
        pytest.raises(EvaluatorFailed, match="division by zero"),
        replace(trial, prepare=()).open(steps),
    ):
        pass


def test_a_step_that_fails_fails_the_evaluation_and_leaves_nothing_behind(module_lab: Lab) -> None:
    design = TrialDesign(units=(Unit("amount"),), metric=METRIC)
    trial = ReplayTrial(module_lab, (ReplayStatement("amount", (AMOUNT,)),), design)
    step = Step("odd", ("CREATE INDEX odd ON no_such_table (x)",))
    with pytest.raises(EvaluatorFailed, match="no_such_table"), trial.open([step]):
        pass
    with module_lab.clone("after") as clone:
        clones = clone.query("SELECT count(*) AS n FROM pg_database WHERE datname LIKE 'clone%'")
        assert clones == [{"n": 1}]
