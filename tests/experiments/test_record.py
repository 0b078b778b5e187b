"""Trials in a real store."""

import math
from collections.abc import Callable

import psycopg
import pytest

from honed.core.trial import TrialDesign, Unit
from honed.core.verdict import State, Verdict
from honed.errors import NotAllowed, WrongState
from honed.experiments.blocks import ArmName, Block, Purpose
from honed.experiments.record import (
    add_block,
    finish_trial,
    load_last_trial,
    load_trial,
    start_trial,
)
from honed.experiments.trial import Ending, TrialResult, run_trial
from honed.storage.db import Connection, Database
from honed.testing.improvements import Improvements
from honed.testing.simulated import Noise, SimulatedTrial

UNITS = tuple(Unit(f"q{number}", weight=1.0 / number, repeats=3) for number in range(1, 6))
DESIGN = TrialDesign(UNITS, "backend_cpu_s", alpha=0.04)
NOISE = Noise(environment=0.02, correlation=0.9, execution=0.03, spikes=0.0)


@pytest.fixture
def improvement_id(improvements: Improvements) -> int:
    return improvements.create(State.ON_TRIAL).improvement_id


def run_and_store(
    conn: Connection, improvement_id: int, effects: dict[str, float]
) -> tuple[int, TrialResult]:
    trial = SimulatedTrial(DESIGN, effects=effects, noise=NOISE, seed=5)
    trial_id = start_trial(conn, improvement_id=improvement_id, design=DESIGN, seed=9)
    result = run_trial(trial, [], seed=9, record=lambda block: add_block(conn, trial_id, block))
    finish_trial(conn, trial_id, result)
    return trial_id, result


@pytest.mark.parametrize("effects", [{"q1": -1.0}, {}, {"q2": 0.7}, {"q1": -2000.0}])
def test_stored_rows_give_the_identical_judgement(
    store: Database, improvement_id: int, effects: dict[str, float]
) -> None:
    with store.transaction() as conn:
        trial_id, result = run_and_store(conn, improvement_id, effects)
    with store.transaction() as conn:
        stored = load_trial(conn, trial_id)
    assert stored is not None
    assert stored.recompute() == result.judgement
    assert stored.is_confirmed()
    assert stored.blocks == result.blocks
    assert (stored.design, stored.seed) == (DESIGN, 9)
    assert (stored.verdict, stored.reason) == (result.verdict, result.judgement.reason)
    assert (stored.ending, stored.error) == (result.ending, result.error)
    assert stored.facts == result.facts
    assert stored.elapsed_s == result.elapsed_s


def test_a_changed_block_is_not_confirmed(store: Database, improvement_id: int) -> None:
    with store.transaction() as conn:
        trial_id, _ = run_and_store(conn, improvement_id, {"q1": -1.0})
        conn.execute(
            """
            UPDATE honed.trial_block SET costs = costs || '{"q1": 3.0}'
            WHERE trial_id = %s AND pair = 2 AND position = 0
            """,
            (trial_id,),
        )
        stored = load_trial(conn, trial_id)
    assert stored is not None
    assert not stored.is_confirmed()


@pytest.mark.parametrize("cost", [5e-324, 1e-7, 0.1 + 0.2, 1.0, 1e22, 1.7976931348623157e308])
def test_a_cost_comes_back_bit_for_bit(store: Database, improvement_id: int, cost: float) -> None:
    block = Block(0, 0, ArmName.BASELINE, Purpose.OBJECTIVE, {"q1": cost})
    with store.transaction() as conn:
        trial_id = start_trial(conn, improvement_id=improvement_id, design=DESIGN, seed=1)
        add_block(conn, trial_id, block)
        stored = load_trial(conn, trial_id)
    assert stored is not None
    assert stored.blocks == (block,)
    assert math.copysign(1.0, stored.blocks[0].costs["q1"]) == 1.0


def test_a_trial_without_an_end_is_not_the_last(store: Database, improvement_id: int) -> None:
    with store.transaction() as conn:
        assert load_last_trial(conn, improvement_id) is None
        trial_id, _ = run_and_store(conn, improvement_id, {"q1": -1.0})
        open_id = start_trial(conn, improvement_id=improvement_id, design=DESIGN, seed=1)
        last, still_open = load_last_trial(conn, improvement_id), load_trial(conn, open_id)
    assert last is not None
    assert last.trial_id == trial_id
    assert still_open is not None
    assert (still_open.verdict, still_open.ending, still_open.ended_at) == (None, None, None)
    assert not still_open.is_confirmed()


def test_a_trial_ends_once(store: Database, improvement_id: int) -> None:
    with store.transaction() as conn:
        trial_id, result = run_and_store(conn, improvement_id, {"q1": -1.0})
        with pytest.raises(WrongState, match="has ended already"):
            finish_trial(conn, trial_id, result)


def test_an_unknown_trial_is_none(store: Database) -> None:
    with store.transaction() as conn:
        assert load_trial(conn, 12345) is None


FORBIDDEN: list[tuple[str, Callable[[Connection, int], object]]] = [
    (
        "change a block",
        lambda conn, trial: conn.execute(
            "UPDATE honed.trial_block SET costs = '{}' WHERE trial_id = %s", (trial,)
        ),
    ),
    (
        "remove a block",
        lambda conn, trial: conn.execute(
            "DELETE FROM honed.trial_block WHERE trial_id = %s", (trial,)
        ),
    ),
    (
        "change a design",
        lambda conn, trial: conn.execute(
            "UPDATE honed.trial SET design = '{}' WHERE trial_id = %s", (trial,)
        ),
    ),
    (
        "remove a trial",
        lambda conn, trial: conn.execute("DELETE FROM honed.trial WHERE trial_id = %s", (trial,)),
    ),
]


@pytest.mark.parametrize("act", [act for _, act in FORBIDDEN], ids=[name for name, _ in FORBIDDEN])
def test_the_daemon_cannot(
    store: Database, improvement_id: int, act: Callable[[Connection, int], object]
) -> None:
    daemon = Database(store.url, role="honed_daemon")
    with daemon.transaction() as conn:
        trial_id, _ = run_and_store(conn, improvement_id, {"q1": -1.0})
    with pytest.raises(NotAllowed), daemon.transaction() as conn:
        act(conn, trial_id)


def test_a_verdict_is_stored_with_everything_that_belongs_to_it(
    store: Database, improvement_id: int
) -> None:
    with store.transaction() as conn:
        trial_id = start_trial(conn, improvement_id=improvement_id, design=DESIGN, seed=1)
    with pytest.raises(psycopg.errors.CheckViolation), store.transaction() as conn:
        conn.execute("UPDATE honed.trial SET verdict = 'improved' WHERE trial_id = %s", (trial_id,))


def test_an_evaluator_that_failed_is_kept_as_such(store: Database, improvement_id: int) -> None:
    with store.transaction() as conn:
        trial_id, _ = run_and_store(conn, improvement_id, {"q1": -2000.0})
        stored = load_trial(conn, trial_id)
    assert stored is not None
    assert (stored.verdict, stored.ending) == (Verdict.ERROR, Ending.FAILED)
    assert "q1 was measured as 0.0" in stored.error
