"""What counts say of a merged change: harm in each of its forms, and how well it went."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from honed.core.aftermath import HIGH_SCORE, Standing
from honed.stats.rates import chance_of_more
from honed.targets.repository.watching.watched import (
    MORE,
    STEPS,
    Counts,
    Endings,
    Seen,
    Speed,
    harm,
    judge,
    score,
)

ALPHA = 0.05
GONE = Counts(before=70, after=0, before_h=168.0, after_h=24.0)
CALM = Counts(before=20, after=18, before_h=24.0, after_h=24.0)
SLOW = Speed("GET /cart", 0.5, 0.3, 0.7)
FAST = Speed("GET /", -0.5, -0.7, -0.3)
WELL = Seen(STEPS, Endings((), are_repaired=True), GONE, CALM)

counts = st.builds(
    Counts,
    before=st.integers(0, 300),
    after=st.integers(0, 300),
    before_h=st.floats(0.0, 200.0),
    after_h=st.floats(0.1, 200.0),
)


def test_what_is_gone_and_brings_nothing_new_is_well() -> None:
    said = judge(WELL, ALPHA)
    assert said.standing is Standing.WELL
    assert said.score is not None
    assert said.score > HIGH_SCORE
    assert said.facts["fault"] == GONE.to_json()
    early = judge(replace(WELL, steps=STEPS - 1), ALPHA)
    assert (early.standing, early.score) == (Standing.WAITING, None)


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (replace(WELL, tests=Endings(("test_a", "test_b"))), "tests fail .*: test_a, test_b"),
        (replace(WELL, new=("KeyError in cart",)), "faults are new .*: KeyError in cart"),
        (
            replace(WELL, fault=Counts(70, 9, 168.0, 24.0)),
            r"fault is not seen to come less often: 0.375 an hour \(9 in 24.0 h\) since",
        ),
        # Rare as it is, it came back.
        (replace(WELL, fault=Counts(1, 1, 168.0, 24.0)), "fault is not seen"),
        (
            replace(WELL, errors=Counts(20, 60, 24.0, 24.0)),
            r"errors come more often: 2.5 an hour \(60 in .*, 0.833 an hour \(20 in .* before",
        ),
        (replace(WELL, speeds=(SLOW,)), r"operations take longer: GET /cart \(\+65%\)"),
    ],
)
def test_harm_is_told(seen: Seen, reason: str) -> None:
    said = judge(seen, ALPHA)
    assert said.standing is Standing.HARMED
    assert re.search(reason, said.reason)


def test_what_is_seen_early_is_told_early_and_one_return_is_not_enough() -> None:
    early = replace(WELL, steps=1, errors=Counts(20, 5, 24.0, 6.0))
    assert harm(replace(early, fault=Counts(70, 3, 168.0, 6.0)), ALPHA) == ""
    assert harm(replace(early, fault=Counts(140, 5, 168.0, 6.0)), ALPHA)
    assert harm(replace(early, errors=Counts(20, 30, 24.0, 6.0)), ALPHA)
    # Rarer than it was, but not gone: kept, with a lower score.
    rarer = replace(WELL, fault=Counts(700, 20, 168.0, 24.0))
    assert harm(rarer, ALPHA) == ""
    assert score(rarer) < score(WELL)


def test_what_makes_an_operation_faster_is_judged_by_that() -> None:
    faster = Seen(STEPS, errors=CALM, operation="GET /", speeds=(FAST,))
    assert score(faster) > score(replace(faster, speeds=())) + 0.3
    # A little slower is within what days differ by.
    assert harm(replace(faster, speeds=(Speed("GET /", 0.15, 0.1, 0.2),)), ALPHA) == ""


def test_without_anybody_who_tells_only_tests_count() -> None:
    alone = Seen(0, Endings((), are_repaired=True))
    said = judge(alone, ALPHA)
    assert said.standing is Standing.WELL
    assert said.score == pytest.approx(0.8)
    assert judge(Seen(0, Endings(error="no sandbox")), ALPHA).score == pytest.approx(0.4)
    assert judge(replace(alone, tests=Endings(("test_a",))), ALPHA).standing is Standing.HARMED


def test_errors_have_half_of_alpha_and_a_quarter_of_that_in_each_look() -> None:
    between = Counts(20, 56, 24.0, 24.0)
    chance = chance_of_more(20, 56, 24.0, 24.0 * MORE)
    assert ALPHA / 8 < chance < ALPHA / 4
    assert harm(replace(WELL, errors=between), ALPHA) == ""
    assert harm(replace(WELL, errors=between), 8 * chance)


endings = st.builds(Endings, st.just(()), st.sampled_from([None, True, False]))


@given(counts, counts, st.integers(0, STEPS), endings)
def test_there_is_an_answer_whatever_is_counted(
    fault: Counts, errors: Counts, steps: int, tests: Endings
) -> None:
    seen = Seen(steps, tests, fault, errors)
    said = judge(seen, ALPHA)
    assert 0.0 <= score(seen) <= 1.0
    assert (said.score is not None) == (said.standing is Standing.WELL)
    more = replace(fault, after=fault.after + 1)
    assert score(replace(seen, fault=more)) <= score(seen) or math.isclose(fault.expected, 0)


def test_a_change_that_changes_nothing_is_seldom_taken_back_for_its_rates() -> None:
    generator = np.random.default_rng(20261121)
    trials, taken_back = 2000, 0
    for _ in range(trials):
        before = int(generator.poisson(40.0))
        after = np.cumsum(generator.poisson(10.0, size=STEPS))
        looks = [Counts(before, int(after[n]), 24.0, 6.0 * (n + 1)) for n in range(STEPS)]
        taken_back += any(harm(Seen(n + 1, errors=each), ALPHA) for n, each in enumerate(looks))
    assert taken_back / trials <= ALPHA
