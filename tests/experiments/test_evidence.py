"""Every trial of a target counts: the more were tried, the more the policy asks of the next."""

import math
from dataclasses import replace
from typing import Any

import pytest

from honed.approval.policy import Answer, PolicyAnswer, ask_policy
from honed.core.trial import TrialDesign, Unit
from honed.core.verdict import State, Verdict
from honed.errors import NotAllowed
from honed.experiments.blocks import recompute
from honed.experiments.record import finish_trial, start_trial, wanted_log_e
from honed.experiments.trial import Ending, TrialResult
from honed.stats.e_lond import believed, level
from honed.storage.db import Connection, Database
from honed.testing.improvements import Improvements

DESIGN = TrialDesign((Unit("q"),), "s", alpha=0.04)
NOTHING = recompute((), DESIGN)


def tried(conn: Connection, improvement_id: int, verdict: Verdict, log_e: float) -> int:
    """Store a trial that ended so; return its row."""
    trial_id = start_trial(conn, improvement_id=improvement_id, design=DESIGN, seed=1)
    judgement = replace(NOTHING, verdict=verdict, log_e=log_e, reason="because")
    is_error = verdict is Verdict.ERROR
    ending = Ending.FAILED if is_error else Ending.DECIDED
    error = "no scales" if is_error else ""
    finish_trial(conn, trial_id, TrialResult(judgement, (), 1, ending, 1.0, error=error))
    return trial_id


def numbered(conn: Connection) -> list[tuple[int, float, bool]]:
    rows = conn.execute(
        "SELECT number, level, is_believed FROM honed.trial"
        " WHERE number IS NOT NULL ORDER BY number"
    )
    return [(row["number"], row["level"], row["is_believed"]) for row in rows]


def test_the_store_believes_what_e_lond_believes(improvements: Improvements) -> None:
    improvement_id = improvements.create(State.ON_TRIAL).improvement_id
    evidence = [5.0, 20.0, 3.0, -2.0, 6.0, 5.0, 0.0, 30.0]
    with replace(improvements.store, role="honed_daemon").transaction() as conn:
        for log_e in evidence:
            tried(conn, improvement_id, Verdict.IMPROVED, log_e)
        stored = numbered(conn)
    expected = believed(evidence, alpha=0.04)
    assert [each[2] for each in stored] == expected
    assert 0 < sum(expected) < len(expected)
    for number, at_level, _ in stored:
        discoveries = sum(expected[: number - 1])
        assert at_level == pytest.approx(level(number, discoveries, alpha=0.04), rel=1e-12)


@pytest.mark.parametrize("verdict", [each for each in Verdict if each is not Verdict.IMPROVED])
def test_every_try_counts_and_only_improved_is_a_discovery(
    improvements: Improvements, verdict: Verdict
) -> None:
    improvement_id = improvements.create(State.ON_TRIAL).improvement_id
    with improvements.store.transaction() as conn:
        first = wanted_log_e(conn, improvement_id, alpha=0.04)
        tried(conn, improvement_id, verdict, 50.0)
        second = wanted_log_e(conn, improvement_id, alpha=0.04)
        expected: Any = (1, pytest.approx(math.exp(-first)), False)
        assert numbered(conn) == [expected]
    assert first == pytest.approx(-math.log(level(1, 0, alpha=0.04)))
    assert second == pytest.approx(-math.log(level(2, 0, alpha=0.04)))


def test_a_trial_without_an_end_has_no_number(improvements: Improvements) -> None:
    improvement_id = improvements.create(State.ON_TRIAL).improvement_id
    with improvements.store.transaction() as conn:
        start_trial(conn, improvement_id=improvement_id, design=DESIGN, seed=1)
        assert numbered(conn) == []
        tried(conn, improvement_id, Verdict.IMPROVED, 9.0)
        assert [each[0] for each in numbered(conn)] == [1]


def test_who_writes_a_trial_cannot_choose_how_it_is_weighed(
    improvements: Improvements, daemon: Database
) -> None:
    improvement_id = improvements.create(State.ON_TRIAL).improvement_id
    with daemon.transaction() as conn:
        trial_id = tried(conn, improvement_id, Verdict.IMPROVED, 1.0)
    before: Any = (1, pytest.approx(level(1, 0, alpha=0.04)), False)
    with improvements.store.transaction() as conn:
        conn.execute(
            "UPDATE honed.trial SET number = 7, level = 1, is_believed = true, log_e = 99"
            " WHERE trial_id = %s",
            (trial_id,),
        )
        assert numbered(conn) == [before]
    with pytest.raises(NotAllowed), daemon.transaction() as conn:
        conn.execute("UPDATE honed.trial SET number = 7")


def asked(improvements: Improvements) -> PolicyAnswer:
    """Return what the policy says to a new improvement with that evidence."""
    improvement = improvements.create(State.PROVEN)
    with replace(improvements.store, role="honed_daemon").transaction() as conn:
        return ask_policy(conn, improvement.improvement_id)


def test_the_policy_asks_for_the_evidence_that_the_number_of_trials_takes(
    improvements: Improvements,
) -> None:
    first = -math.log(level(1, 0, alpha=0.05))
    weak = asked(replace(improvements, log_e=first - 0.01))
    assert weak.answer is Answer.NEEDS_PERSON
    assert weak.reason == (
        "its evidence is e = 110.7, and number 1 among the trials of its target takes 111.8"
        " (e-LOND, level 0.00894)"
    )
    second = -math.log(level(2, 0, alpha=0.05))
    assert asked(replace(improvements, log_e=second - 0.01)).answer is Answer.NEEDS_PERSON
    third = -math.log(level(3, 0, alpha=0.05))
    strong = asked(replace(improvements, log_e=third + 0.01))
    assert strong.answer is Answer.APPROVED
    assert "number 3 among the trials" in strong.reason


def test_a_discovery_makes_the_next_one_easier(improvements: Improvements) -> None:
    assert asked(improvements).answer is Answer.APPROVED
    with_one = -math.log(level(2, 1, alpha=0.05))
    assert with_one < -math.log(level(2, 0, alpha=0.05))
    assert asked(replace(improvements, log_e=with_one + 0.01)).answer is Answer.APPROVED


def test_what_has_no_trial_on_record_goes_to_a_person(improvements: Improvements) -> None:
    improvement = improvements.create(State.PROVEN)
    with improvements.store.transaction() as conn:
        conn.execute("DELETE FROM honed.trial")
        assert ask_policy(conn, improvement.improvement_id).reason == "no trial of it is on record"
