import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, LiteralString

import pytest

from honed.core.hypothesis import Hypothesis
from honed.core.step import StepState
from honed.core.trial import TrialDesign, Unit
from honed.core.verdict import Verdict
from honed.experiments.trial import run_trial
from honed.kinds.query_regression import PLAN_PIN_DUE, PLAN_PIN_HINDERED, QueryRegression
from honed.targets.postgres.plan_pins.trial import UnpinTrial
from honed.targets.postgres.session_settings.scope import read_scopes
from honed.targets.postgres.target import PostgresTarget
from honed.testing.contract import KindContract, Proposed, cost
from honed.testing.simulated import Noise, SimulatedTrial
from honed.testing.worlds import CORRELATED_COLUMNS, MakeWorld, PostgresWorld, WorldPlan

#: What it measures is time.
pytestmark = [pytest.mark.slow, pytest.mark.alone]

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

    def test_what_is_not_used_is_told_with_its_reason(
        self, ill_world: PostgresWorld, proposed: Proposed
    ) -> None:
        notes: Any = proposed.claims[0].parameters["notes"]
        assert set(notes["left_out"]) == {"stash_advice", "hint_table"}

    def test_production_is_compared_since_it_became_slow(
        self, ill_world: PostgresWorld, proposed: Proposed
    ) -> None:
        since = self.kind.compares_from(proposed.claims[0])
        assert since == ill_world.target.intervals()[-1].start


_KEEP = """
INSERT INTO honed.improvement (target_id, kind, subject, state, hypothesis, steps, priority, risk,
                               applied_at, tried_at)
VALUES (%(target_id)s, 'query_regression', %(subject)s, %(state)s, %(hypothesis)s::jsonb,
        %(steps)s::jsonb, 5, 3, honed.now(), honed.now())
RETURNING improvement_id
"""
_AGE = """
UPDATE honed.improvement
SET applied_at = honed.now() - make_interval(days => %(days)s)
WHERE target_id = %(target_id)s AND state = 'kept'
RETURNING improvement_id
"""
_TRIED_LONG_AGO = """
UPDATE honed.improvement
SET tried_at = honed.now() - interval '8 days'
WHERE target_id = %(target_id)s AND state = 'inconclusive'
RETURNING improvement_id
"""
_REGRESS = """
INSERT INTO honed.finding (target_id, type, subject, title)
VALUES (%(target_id)s, 'regression', %(statement_id)s, 'slower')
ON CONFLICT DO NOTHING
RETURNING finding_id
"""
_RECOVER = """
DELETE FROM honed.finding WHERE target_id = %(target_id)s AND type = 'regression'
RETURNING finding_id
"""
_RENAME = """
UPDATE honed.improvement
SET hypothesis = jsonb_set(hypothesis, '{parameters, pins}', replace(
      (hypothesis -> 'parameters' -> 'pins')::text, %(before)s, %(after)s)::jsonb)
WHERE target_id = %(target_id)s AND state = 'kept'
RETURNING improvement_id
"""
_STATUS = """
SELECT p.* FROM honed.plan_pins AS p JOIN honed.improvement AS i USING (improvement_id)
WHERE i.target_id = %(target_id)s
"""
_FORGET = """
DELETE FROM honed.improvement
WHERE target_id = %(target_id)s AND hypothesis -> 'parameters' ? 'takes_back'
RETURNING improvement_id
"""


class TestPins:
    """What becomes of a pin that is on production: it is listed, tried without, and let go."""

    kind = QueryRegression()

    @pytest.fixture(scope="class")
    @classmethod
    def world(cls, make_world: MakeWorld) -> PostgresWorld:
        world = turned(make_world, ILL)
        findings = [each for each in world.findings() if each.type == "regression"]
        (claim,) = cls.kind.propose(findings, world.target)
        world.carry_out(cls.kind.apply(claim, world.target))
        cls.keep(world, claim)
        return world

    @pytest.fixture(autouse=True)
    def young_again(self, world: PostgresWorld) -> Iterator[None]:
        yield
        world.target.recall(_FORGET, {})
        world.target.recall(_AGE, {"days": 0})

    @classmethod
    def keep(cls, world: PostgresWorld, claim: Hypothesis, state: str = "kept") -> None:
        steps = [each.to_json() for each in cls.kind.apply(claim, world.target)]
        row = {"subject": claim.subject, "state": state, "steps": json.dumps(steps)}
        world.target.recall(_KEEP, {**row, "hypothesis": json.dumps(claim.to_json())})

    def due(self, world: PostgresWorld) -> list[str]:
        return [str(each.evidence["why"]) for each in self.kind.look(world.target)]

    def without(self, world: PostgresWorld) -> Hypothesis:
        (claim,) = self.kind.propose(list(self.kind.look(world.target)), world.target)
        return claim

    def status(self, world: PostgresWorld) -> str:
        (row,) = world.target.recall(_STATUS, {})
        return str(row["status"])

    def test_a_pin_is_listed_with_all_that_it_is(self, world: PostgresWorld) -> None:
        (row,) = world.target.recall(_STATUS, {})
        assert (row["status"], row["mechanism"]) == ("active", "statistics")
        assert row["good_plan_hash"] != row["bad_plan_hash"]
        assert row["evidence"]["mean_ms_good"] < row["evidence"]["mean_ms_bad"]
        assert any("DROP STATISTICS" in each for each in row["undo"])
        assert (row["expires_at"] - row["pinned_at"]).days == world.target.settings.plan_pin_days
        assert "reading" in row["statement"]

    @pytest.mark.parametrize(
        ("days", "status", "why"),
        [(6, "active", ""), (8, "active", "8 days"), (31, "expired", "it has expired")],
    )
    def test_a_pin_is_tried_without_each_week_and_expires(
        self, world: PostgresWorld, days: int, status: str, why: str
    ) -> None:
        world.target.recall(_AGE, {"days": days})
        assert self.status(world) == status
        found = self.due(world)
        assert len(found) == bool(why)
        assert all(why in each for each in found)

    def test_another_index_of_its_tables_makes_it_due(self, world: PostgresWorld) -> None:
        with world.database.connect(autocommit=True) as connection:
            connection.execute("CREATE INDEX other_of_reading ON reading (is_red)")
            try:
                assert self.due(world) == ["columns or indexes of its tables have changed"]
            finally:
                connection.execute("DROP INDEX other_of_reading")
        assert self.due(world) == []

    def test_what_takes_it_back_takes_everything_back(self, world: PostgresWorld) -> None:
        world.target.recall(_AGE, {"days": 8})
        claim, pinned = self.without(world), world.target.fingerprint()
        steps = self.kind.apply(claim, world.target)
        world.carry_out(steps)
        try:
            assert world.target.query("SELECT oid FROM pg_statistic_ext") == []
        finally:
            world.carry_out(self.kind.rollback(steps))
        assert world.target.fingerprint() == pinned

    def test_a_pin_that_is_needed_is_dear_to_do_without(self, world: PostgresWorld) -> None:
        world.target.recall(_AGE, {"days": 8})
        claim = self.without(world)
        trial = self.kind.trial(claim, world.target)
        (unit,) = trial.design.units
        with trial.open(self.kind.apply(claim, world.target)) as arms:
            assert cost(arms.candidate, unit) > 2 * cost(arms.baseline, unit)

    def test_a_trial_that_shows_the_need_makes_the_pin_last_longer(
        self, world: PostgresWorld
    ) -> None:
        world.target.recall(_AGE, {"days": 31})
        self.keep(world, self.without(world), "refuted")
        assert self.status(world) == "active"
        assert self.due(world) == []

    def test_a_trial_that_told_nothing_is_repeated_after_a_week(self, world: PostgresWorld) -> None:
        world.target.recall(_AGE, {"days": 31})
        self.keep(world, self.without(world), "inconclusive")
        assert self.due(world) == []
        world.target.recall(_TRIED_LONG_AGO, {})
        assert self.due(world) == ["it has expired"]

    def test_what_somebody_changed_meanwhile_is_left_alone(self, world: PostgresWorld) -> None:
        world.target.recall(_AGE, {"days": 8})
        claim = self.without(world)
        steps = self.kind.apply(claim, world.target)
        assert {world.inspect(step) for step in steps} == {StepState.ABSENT}
        world.carry_out(steps)
        try:
            assert {world.inspect(step) for step in steps} == {StepState.DONE}
            assert self.due(world) == []
        finally:
            world.carry_out(self.kind.rollback(steps))
        assert {world.inspect(step) for step in steps} == {StepState.ABSENT}

    @pytest.mark.parametrize(("days", "claims"), [(8, 0), (31, 1)])
    def test_a_pin_whose_statement_is_gone_goes_once_it_has_expired(
        self, world: PostgresWorld, days: int, claims: int
    ) -> None:
        (row,) = world.target.recall(_STATUS, {})
        world.target.recall(_AGE, {"days": days})
        world.target.recall(_RENAME, {"before": row["statement_id"], "after": "gone"})
        try:
            found = list(self.kind.propose(list(self.kind.look(world.target)), world.target))
            assert len(found) == claims
            assert all(each.parameters["statements"] == [row["statement_id"]] for each in found)
        finally:
            world.target.recall(_RENAME, {"before": "gone", "after": row["statement_id"]})

    def test_a_pin_that_was_taken_back_is_over(self, world: PostgresWorld) -> None:
        world.target.recall(_AGE, {"days": 8})
        self.keep(world, self.without(world), "watching")
        assert self.status(world) == "taken back"
        assert self.due(world) == []

    def test_what_keeps_a_setting_from_a_role_is_told(self, world: PostgresWorld) -> None:
        with world.database.connect(autocommit=True) as connection:
            connection.execute("CREATE ROLE pin_app")
            connection.execute("CREATE ROLE pin_actor LOGIN")
            connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO pin_app")
            connection.execute("SET ROLE pin_app")
            connection.execute("SELECT count(*) FROM reading")
            connection.execute("RESET ROLE")
        record = replace(world.target.record, act_url="postgresql://pin_actor@localhost/world")
        target = PostgresTarget(record, world.target.store, world.target.settings)
        try:
            assert list(self.kind.look(target)) == []
            (scope,) = [each for each in read_scopes(target) if each.role == "pin_app"]
            for statement_id in scope.statement_ids or ():
                target.recall(_REGRESS, {"statement_id": statement_id})
            (finding,) = self.kind.look(target)
            assert finding.type == PLAN_PIN_HINDERED
            assert "pin_actor has no ADMIN option on pin_app" in finding.title
        finally:
            target.recall(_RECOVER, {})
            with world.database.connect(autocommit=True) as connection:
                connection.execute("DROP OWNED BY pin_app")
                connection.execute("DROP ROLE pin_app, pin_actor")

    def test_nothing_is_claimed_of_a_pin_that_is_not_there(self, world: PostgresWorld) -> None:
        world.target.recall(_AGE, {"days": 8})
        (finding,) = self.kind.look(world.target)
        assert finding.type == PLAN_PIN_DUE
        world.target.recall(_AGE, {"days": 0})
        assert list(self.kind.propose([finding], world.target)) == []


@pytest.mark.parametrize(
    ("effect", "verdict"),
    [(0.0, Verdict.IMPROVED), (-0.4, Verdict.IMPROVED), (0.3, Verdict.WORSE)],
)
def test_a_pin_goes_if_and_only_if_the_planner_does_as_well(
    effect: float, verdict: Verdict
) -> None:
    units = (Unit("pinned"), Unit("other"))
    inner = SimulatedTrial(
        TrialDesign(units=units, metric="backend_cpu_s", max_pairs=60, washout=0),
        effects={"pinned": effect, "other": 0.0},
        noise=Noise(environment=0.02, spikes=0.0),
        seed=3,
    )
    assert run_trial(UnpinTrial(inner), (), seed=5).verdict is verdict
