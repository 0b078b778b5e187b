"""What production says of a change, from intervals that a test wrote into honed's history."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from honed.config import Settings
from honed.core.target import Interval as Stretch
from honed.core.target import Usage
from honed.core.trial import GUARD, TrialDesign, Unit
from honed.core.verdict import State, Verdict
from honed.experiments.blocks import ArmName, Block, Purpose
from honed.experiments.record import StoredTrial
from honed.improvement.record import Improvement
from honed.loop.evidence import Evidence, Pair, store_pairs, stored_pairs, weigh
from honed.loop.learn import Course, Ruling, rule
from honed.loop.watch import Watched, look
from honed.storage.db import Database
from honed.targets.postgres.target import PostgresTarget
from honed.targets.registry import get_target
from honed.testing.improvements import Improvements
from honed.testing.pets import PetKind

#: What it measures is time.
pytestmark = pytest.mark.alone

CHANGED = datetime(2026, 11, 20, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
READINGS = 10
ALPHA = 0.05
#: What the change touches, and what it does not.
TOUCHED = "1"
OTHERS = ("2", "3", "4", "5", "6")


@dataclass(frozen=True, slots=True)
class Calls:
    """What one statement did in one interval: calls, and what each took."""

    ms: float
    pages: float = 100.0
    rows: float = 1.0
    calls: int = 50


class Measuring(PetKind):
    """Measures one statement, and a writer that guards."""

    guard = ""

    def measure(self, hypothesis: Any, target: Any) -> dict[str, float]:
        costs = {each: cost.exec_ms_per_call for each, cost in target.statement_costs().items()}
        units = {TOUCHED: TOUCHED, f"{GUARD}{self.guard}": self.guard}
        return {unit: costs[each] for unit, each in units.items() if each in costs}


@dataclass
class History:
    """Production as honed remembers it, written by a test."""

    store: Database
    target: PostgresTarget
    improvement: Improvement
    kind: Measuring = field(default_factory=Measuring)

    def write(self, minute: int, statements: Mapping[str, Calls]) -> None:
        """Add one interval that begins so many minutes after the change."""
        begins = CHANGED + minute * MINUTE
        with self.store.transaction() as conn:
            (row,) = conn.execute(
                "INSERT INTO honed.reading (target_id, started_at, ended_at, is_first)"
                " VALUES (%s, %s, %s, false) RETURNING reading_id",
                (self.target.target_id, begins, begins + MINUTE),
            )
            for name, each in statements.items():
                conn.execute(
                    "INSERT INTO honed.statement_interval (reading_id, statement_id, calls,"
                    " exec_ms, exec_ms_squares, row_count, shared_blocks, temp_blocks, wal_bytes)"
                    " VALUES (%s, %s, %s, %s, %s, %s, %s, 0, 0)",
                    (
                        row["reading_id"],
                        name,
                        each.calls,
                        each.calls * each.ms,
                        each.calls * each.ms**2,
                        round(each.calls * each.rows),
                        round(each.calls * each.pages),
                    ),
                )

    def tell(
        self, before: Mapping[str, Calls], after: Mapping[str, Calls], *, noise: float = 0.02
    ) -> None:
        """Let production do one thing before the change and another after it, with some noise."""
        random = np.random.default_rng(20261121)
        for minute in range(-READINGS, READINGS):
            said = before if minute < 0 else after
            wobble = random.normal(1.0, noise, len(said))
            self.write(
                minute,
                {
                    n: replace(c, ms=c.ms * w)
                    for (n, c), w in zip(said.items(), wobble, strict=True)
                },
            )

    def watched(self) -> Watched:
        """Look at the change."""
        settings = self.target.settings
        return look(
            self.kind, self.target, self.improvement, stored=(), disturbed=(), settings=settings
        )

    def evidence(self) -> Evidence:
        """Return what production says, after a way through the store."""
        key = self.improvement.improvement_id
        with self.store.transaction() as conn:
            store_pairs(conn, key, self.watched().new)
            pairs = stored_pairs(conn, key)
        assert tuple(pairs) == self.watched().new
        found = weigh(pairs, None, alpha=ALPHA)
        assert found is not None
        return found

    def ruling(self) -> Ruling:
        """Return what becomes of the change at the end."""
        seen = self.watched()
        return rule(weigh(seen.new, None, alpha=ALPHA), len(seen.new), seen, needed=READINGS)


@pytest.fixture
def history(improvements: Improvements, store: Database, honed_home: Path) -> History:
    """Return an empty history around a change that is being watched."""
    settings = Settings(home=honed_home, watch_intervals=READINGS)
    made = improvements.create(State.WATCHING)
    applied = replace(made, applying_at=CHANGED, applied_at=CHANGED)
    target = PostgresTarget(get_target(store, made.target_id), store, settings)
    return History(store, target, applied)


def all_of(touched: Calls, others: Calls) -> dict[str, Calls]:
    return {TOUCHED: touched} | dict.fromkeys(OTHERS, others)


def test_drift_that_hits_all_takes_no_good_change_back(history: History) -> None:
    history.tell(all_of(Calls(10), Calls(5)), all_of(Calls(14, pages=60), Calls(10)))
    said = history.evidence()
    assert said.drift == pytest.approx(math.log(2), abs=0.05)
    assert said.controls == len(OTHERS)
    assert said.time.effect == pytest.approx(math.log(0.7), abs=0.05)
    ruling = history.ruling()
    assert (ruling.course, ruling.decided_by) == (Course.KEEP, "pages and time")


def test_without_untouched_statements_the_same_drift_takes_it_back(history: History) -> None:
    history.tell({TOUCHED: Calls(10)}, {TOUCHED: Calls(14)})
    assert history.evidence().drift is None
    assert history.ruling().course is Course.ROLL_BACK


def test_counts_do_not_drift_with_the_time_of_others(history: History) -> None:
    class Counting(Measuring):
        measures_time: ClassVar[bool] = False

    history.kind = Counting()
    history.tell(all_of(Calls(10), Calls(5)), all_of(Calls(10), Calls(2.5)))
    said = history.evidence()
    assert (said.drift, said.controls) == (None, 0)
    assert said.time.effect == pytest.approx(0.0, abs=0.05)


def test_drift_that_hits_all_hides_no_bad_change(history: History) -> None:
    history.tell(all_of(Calls(10), Calls(5)), all_of(Calls(9), Calls(2.5)))
    assert history.evidence().time.verdict is Verdict.WORSE
    assert history.ruling().course is Course.ROLL_BACK


def test_an_untouched_statement_with_reasons_of_its_own_is_no_drift(history: History) -> None:
    after = all_of(Calls(10), Calls(5)) | {OTHERS[0]: Calls(500)}
    history.tell(all_of(Calls(10), Calls(5)), after)
    assert history.evidence().drift == pytest.approx(0.0, abs=0.05)


def test_a_statement_that_is_asked_other_things_says_nothing(history: History) -> None:
    before, after = all_of(Calls(10, rows=10), Calls(5)), all_of(Calls(99, rows=900), Calls(5))
    history.tell(before, after)
    assert history.watched().new == ()
    assert "did not exercise it" in rule(None, 0, Watched((), 30, 10), needed=READINGS).reason


def test_a_guard_that_is_asked_other_things_is_left_out(history: History) -> None:
    history.kind.guard = OTHERS[0]
    before = all_of(Calls(10), Calls(5)) | {OTHERS[0]: Calls(5, rows=1)}
    after = all_of(Calls(5), Calls(5)) | {OTHERS[0]: Calls(500, rows=100)}
    history.tell(before, after)
    guard = f"{GUARD}{OTHERS[0]}"
    assert {pair.left_out for pair in history.watched().new} == {(guard,)}
    assert [each.unit for each in history.evidence().units] == [TOUCHED]
    assert history.ruling().course is Course.KEEP


def test_pages_tell_a_gain_that_time_is_too_noisy_for(history: History) -> None:
    before, after = Calls(10, pages=100), Calls(9.9, pages=40)
    history.tell(all_of(before, Calls(5)), all_of(after, Calls(5)), noise=0.3)
    said = history.evidence()
    assert (said.gains_time, said.gains_pages) == (False, True)
    assert said.pages.effect == pytest.approx(math.log(0.4), abs=0.01)
    ruling = history.ruling()
    assert (ruling.course, ruling.decided_by) == (Course.KEEP, "pages")


def test_pages_are_those_touched_spilled_and_logged(history: History) -> None:
    history.write(0, {TOUCHED: Calls(10, pages=3, rows=2, calls=4)})
    with history.store.transaction() as conn:
        conn.execute("UPDATE honed.statement_interval SET temp_blocks = 8, wal_bytes = 4 * 8192")
    assert history.target.usage() == {TOUCHED: Usage(calls=4, cost=10, rows=2, pages=3 + 2 + 1)}
    elsewhere = Stretch(CHANGED - MINUTE, CHANGED)
    assert history.target.during(elsewhere).usage() == {}


def test_writers_are_charged_with_the_calls_that_they_had(history: History) -> None:
    history.kind.guard = OTHERS[0]
    before = all_of(Calls(10, pages=100, calls=10), Calls(5))
    after = all_of(Calls(9, pages=50, calls=1000), Calls(5))
    before[OTHERS[0]], after[OTHERS[0]] = (
        Calls(1, pages=10, calls=100),
        Calls(1.01, pages=20, calls=1),
    )
    history.tell(before, after)
    # 10 * 100 + 100 * 10 pages became 10 * 50 + 100 * 20.
    assert history.evidence().pages.effect == pytest.approx(math.log(2500 / 2000), abs=0.02)


def test_what_is_not_told_apart_from_nothing_is_taken_back(history: History) -> None:
    history.tell(all_of(Calls(10), Calls(5)), all_of(Calls(9.9), Calls(5)), noise=0.2)
    ruling = history.ruling()
    assert (ruling.course, ruling.decided_by) == (Course.ROLL_BACK, "")


def test_each_statement_has_its_interval(history: History) -> None:
    history.tell(all_of(Calls(10), Calls(5)), all_of(Calls(5, pages=25), Calls(5)))
    (unit,) = history.evidence().units
    assert (unit.unit, unit.pairs) == (TOUCHED, READINGS)
    assert unit.cost.low < math.log(0.5) < unit.cost.high < math.log(0.6)
    assert unit.pages == pytest.approx(math.log(0.25))


WATCHES, NEEDED = 200, 20
HOUR = Stretch(CHANGED, CHANGED + timedelta(hours=1))


def taken_back(drift: float, effect: float, *, with_control: bool) -> float:
    """Return the share of watches that take a change back, where all of production drifts.

    The drift grows from nothing at the change to ``drift`` at the end; readings have 10 % noise of
    their own, and all statements of a reading share 5 %.
    """
    random = np.random.default_rng(20261121)
    back = 0
    for _ in range(WATCHES):
        shared, own = random.normal(0, 0.05, (2, NEEDED)), random.normal(0, 0.1, (2, NEEDED, 6))
        shared[1] += drift * np.arange(1, NEEDED + 1) / NEEDED
        logs = shared[:, :, np.newaxis] + own
        drifts = np.median(logs[1, :, 1:] - logs[0, :, 1:], axis=1) if with_control else [None] * 20
        logs[1, :, 0] += effect
        back += _is_taken_back(logs[:, :, 0], drifts)
    return back / WATCHES


def _is_taken_back(logs: Any, drifts: Any) -> bool:
    pairs = [
        Pair(n, HOUR, HOUR, {"q": float(b)}, {"q": float(a)}, drift=d and float(d), controls=5)
        for n, (b, a, d) in enumerate(zip(*np.exp(logs), drifts, strict=True))
    ]
    for end in range(4, NEEDED + 1):
        said = weigh(pairs[:end], None, alpha=ALPHA)
        ruling = rule(said, end, Watched((), end, NEEDED), needed=NEEDED, tolerated=1e-9)
        if ruling.course is not Course.GO_ON:
            return ruling.course is Course.ROLL_BACK
    return False


@pytest.mark.slow
@pytest.mark.parametrize("drift", [-0.3, 0.3])
def test_a_gain_of_a_fifth_is_kept_whatever_drifts(drift: float) -> None:
    assert taken_back(drift, math.log(0.8), with_control=True) <= 0.02


@pytest.mark.slow
def test_without_a_control_drift_takes_good_changes_back_and_hides_bad_ones() -> None:
    assert taken_back(0.6, math.log(0.8), with_control=False) > 0.5
    assert taken_back(0.6, math.log(0.8), with_control=True) <= 0.02
    assert taken_back(-0.6, math.log(1.2), with_control=False) < 0.1
    assert taken_back(-0.6, math.log(1.2), with_control=True) > 0.98


def test_what_is_foretold_leaves_out_planning_which_production_does_not_count() -> None:
    at = Stretch(CHANGED, CHANGED + MINUTE)
    pairs = [Pair(number, at, at, {TOUCHED: 10.0}, {TOUCHED: 1.0}) for number in range(6)]
    # 10 ms with 1 ms of planning become 2 ms with 1 ms of planning: executing takes a ninth.
    blocks = [Block(0, 0, ArmName.BASELINE, Purpose.OBJECTIVE, {TOUCHED: 0.010})]
    judgement: dict[str, Any] = {
        "objective": {"effect": -1.0},
        "units": [{"unit": TOUCHED, "effect": math.log(0.2)}],
    }
    trial = StoredTrial(
        trial_id=1,
        improvement_id=1,
        design=TrialDesign((Unit(TOUCHED),), "s"),
        seed=7,
        blocks=tuple(blocks),
        started_at=CHANGED,
        ended_at=CHANGED,
        ending=None,
        verdict=Verdict.IMPROVED,
        judgement=judgement,
        reason="",
        error="",
        facts={},
        elapsed_s=1.0,
    )
    plain = weigh(pairs, trial, alpha=ALPHA)
    assert plain is not None
    assert plain.foretold == pytest.approx(math.log(0.2))
    told = replace(trial, facts={"planning_s": {TOUCHED: [0.001, 0.001]}})
    without = weigh(pairs, told, alpha=ALPHA)
    assert without is not None
    assert without.foretold == pytest.approx(math.log(1 / 9))
    odd = replace(trial, facts={"planning_s": {TOUCHED: [0.001, 0.005]}})
    bounded = weigh(pairs, odd, alpha=ALPHA)
    assert bounded is not None
    assert bounded.foretold == pytest.approx(math.log(0.1 * 0.002 / 0.009))
