"""What people see from psql: history, queues, findings and dead letters, each without a secret."""

import math
from collections.abc import Callable
from typing import Any

import pytest

from honed.core.verdict import Outcome, State
from honed.errors import NotAllowed
from honed.improvement.transition import Changes, Move, transition
from honed.jobs.queue import defer
from honed.storage.db import Database
from honed.testing.desk import Desk, Probe
from honed.testing.improvements import STEP, Improvements

LogIn = Callable[[str], Database]
VIEWS = ["improvement_history", "queue_health", "current_findings", "dead_letters"]


def rows(database: Database, statement: str, *values: object) -> list[dict[str, Any]]:
    """Return what a query returns."""
    with database.transaction() as conn:
        return conn.execute(statement.encode(), values).fetchall()


@pytest.mark.parametrize("role", ["honed_viewer", "honed_operator", "honed_approver"])
def test_a_viewer_sees(log_in: LogIn, role: str) -> None:
    person = log_in(role)
    for view in VIEWS:
        rows(person, f"TABLE honed.{view}")


def test_a_stranger_sees_nothing(log_in: LogIn) -> None:
    stranger = log_in("")
    for view in VIEWS:
        with pytest.raises(NotAllowed):
            rows(stranger, f"TABLE honed.{view}")


def test_history_tells_what_became_of_an_improvement(improvements: Improvements) -> None:
    improvement = improvements.create(State.WATCHING)
    changes = Changes(production_log_ratio=-0.3, outcome=Outcome.HIGH_SUCCESS)
    with improvements.store.transaction() as conn:
        transition(
            conn,
            improvements.signer,
            improvement.improvement_id,
            Move(State.KEPT, changes),
            fence=None,
        )
        conn.execute(
            "INSERT INTO honed.analysis (cycle_id, target_id, record)"
            " VALUES (%s, %s, '{\"anomalyCount\": 2}')",
            (improvement.cycle_id, improvement.target_id),
        )
    (row,) = rows(improvements.store, "SELECT * FROM honed.improvement_history")
    assert row["target"] == "shop"
    assert (row["hypothesis_type"], row["change_type"]) == ("index_optimization", "optimization")
    assert (row["state"], row["outcome"], row["risk_level"]) == ("kept", "high_success", "low")
    assert row["generated_code"] == STEP.do[0] + ";"
    assert row["analysis_results"] == {"anomalyCount": 2}
    assert row["trial_delta"] == pytest.approx(100 * (1 - math.exp(-0.5)))
    assert row["performance_delta"] == pytest.approx(100 * (1 - math.exp(-0.3)))
    assert (row["was_deployed"], row["was_rolled_back"]) == (True, False)
    assert row["started_at"] <= row["applied_at"] <= row["completed_at"]
    assert row["digest"] == improvement.digest


def test_history_shows_each_improvement_once_with_its_last_decision(
    improvements: Improvements,
) -> None:
    improvement = improvements.create(State.AWAITING_APPROVAL)
    history = "SELECT decision, was_deployed FROM honed.improvement_history"
    assert rows(improvements.store, history) == [{"decision": None, "was_deployed": False}]
    rows(
        improvements.store,
        "SELECT honed.approve(%s, %s)",
        improvement.improvement_id,
        improvement.digest,
    )
    rows(improvements.store, "SELECT honed.reject(%s, 'no')", improvement.improvement_id)
    assert rows(improvements.store, history) == [{"decision": "rejected", "was_deployed": False}]


@pytest.mark.parametrize(
    ("area", "change_type"),
    [("performance", "optimization"), ("quality", "bugfix"), ("features", "feature")],
)
def test_an_area_is_a_type_of_change(
    improvements: Improvements, area: str, change_type: str
) -> None:
    improvements.create(State.PROPOSED)
    rows(improvements.store, "UPDATE honed.improvement SET area = %s RETURNING 1", area)
    (row,) = rows(improvements.store, "SELECT change_type FROM honed.improvement_history")
    assert row["change_type"] == change_type


def health(store: Database, queue: str) -> dict[str, Any]:
    """Return the health of one queue."""
    (row,) = rows(store, "SELECT * FROM honed.queue_health WHERE queue = %s", queue)
    return row


def test_every_queue_is_shown_even_when_it_is_empty(store: Database) -> None:
    shown = rows(store, "SELECT * FROM honed.queue_health")
    assert [row["queue"] for row in shown] == ["act", "analyze", "hypothesize", "learn"]
    assert all(row["depth"] == row["doing"] == row["failed"] == 0 for row in shown)
    assert all(row["oldest"] is None for row in shown)


def test_a_queue_tells_what_waits_what_is_done_and_what_failed(desk: Desk) -> None:
    desk.send(Probe(number=1), Probe(number=2))
    desk.send(Probe(number=3), delay_s=900)
    rows(
        desk.store,
        "UPDATE honed.procrastinate_events SET at = at - interval '1 hour' WHERE job_id = 1"
        " RETURNING 1",
    )
    found = health(desk.store, "analyze")
    assert (found["depth"], found["delayed"], found["doing"], found["failed"]) == (2, 1, 0, 0)
    assert 3600 <= found["oldest"].total_seconds() < 3700
    rows(
        desk.store,
        "UPDATE honed.procrastinate_jobs SET status = 'doing' WHERE id = 1 RETURNING 1",
    )
    found = health(desk.store, "analyze")
    assert (found["depth"], found["delayed"], found["doing"]) == (1, 1, 1)
    assert found["oldest"].total_seconds() < 3600
    rows(
        desk.store,
        "INSERT INTO honed.procrastinate_jobs (queue_name, task_name, args)"
        """ VALUES ('act', 'probe', '{"version": 1}') RETURNING 1""",
    )
    rows(desk.store, "UPDATE honed.procrastinate_jobs SET status = 'todo' RETURNING 1")
    desk.work()
    assert health(desk.store, "act")["failed"] == 1
    assert health(desk.store, "analyze")["depth"] == 0
    (letter,) = rows(desk.store, "SELECT * FROM honed.dead_letters")
    assert (letter["queue"], letter["cause"]) == ("act", "contract")
    rows(desk.store, "SELECT honed.discard_dead_letter(%s)", letter["dead_letter_id"])
    assert rows(desk.store, "SELECT * FROM honed.dead_letters") == []
    assert health(desk.store, "act")["failed"] == 0


def test_a_delayed_message_has_waited_since_it_was_due(desk: Desk) -> None:
    with desk.daemon.transaction() as conn:
        defer(conn, Probe(number=1), delay_s=1e-6)
    rows(
        desk.store,
        "UPDATE honed.procrastinate_events SET at = at - interval '1 hour' RETURNING 1",
    )
    assert health(desk.store, "analyze")["oldest"].total_seconds() < 60


def test_findings_are_current_until_they_are_closed(improvements: Improvements) -> None:
    store = improvements.store
    rows(
        store,
        """
        INSERT INTO honed.finding (target_id, type, subject, title, weight)
        VALUES (%(t)s, 'slow_statement', 'q1', 'light', 0.1)
             , (%(t)s, 'slow_statement', 'q2', 'heavy', 0.9)
        RETURNING 1
        """.replace("%(t)s", str(improvements.target_id)),
    )
    current = "SELECT target, title FROM honed.current_findings"
    assert [row["title"] for row in rows(store, current)] == ["heavy", "light"]
    rows(store, "UPDATE honed.finding SET closed_at = now() WHERE subject = 'q2' RETURNING 1")
    assert rows(store, current) == [{"target": "shop", "title": "light"}]
    rows(store, "UPDATE honed.target SET removed_at = now() RETURNING 1")
    assert rows(store, current) == []
