"""What becomes of a watched change, by what its pairs show."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from honed.core.target import Interval
from honed.core.verdict import Verdict
from honed.loop.cycle import Options
from honed.loop.evidence import MIN_PAIRS, Evidence, Pair, weigh
from honed.loop.learn import Course, Ruling, rule
from honed.loop.watch import PATIENCE, Watched, stretches_of_pair
from honed.stats.compare import Rule, decide
from honed.stats.intervals import Interval as EffectInterval
from honed.stats.moments import FloatArray, Moments
from honed.wiring import installed_kinds

START = datetime(2026, 1, 1, tzinfo=UTC)
NEEDED = 10
FREE = Options(dry_run=False, require_approval=False)
HOUR = Interval(START, START + timedelta(hours=1))
ALPHA = 0.05
ENDLESS = EffectInterval(0.0, -math.inf, math.inf)


def pair(ordinal: int, before: float, after: float, **more: Any) -> Pair:
    return Pair(ordinal, HOUR, HOUR, {"q": before}, {"q": after}, **more)


def evidence(verdict: Verdict, effect: float, *, gain: str = "", pages: float = 0.0) -> Evidence:
    """Return evidence of which nothing more is told than is given here."""
    found = weigh([pair(0, 1.0, 1.0)], None, alpha=ALPHA)
    assert found is not None
    objective = replace(found.time.objective, effect=effect)
    time = replace(found.time, verdict=verdict, reason="because", objective=objective)
    shown = EffectInterval(-0.5, -0.6, -0.4)
    return replace(
        found,
        time=time,
        time_at_end=shown if "time" in gain else ENDLESS,
        pages=replace(found.pages, effect=pages, low=pages, high=pages),
        pages_at_end=shown if "pages" in gain else ENDLESS,
    )


def seen(stretches: int, *, bases: int = NEEDED) -> Watched:
    return Watched((), stretches, bases)


@pytest.mark.parametrize("verdict", list(Verdict))
def test_too_few_pairs_decide_nothing(verdict: Verdict) -> None:
    ruling = rule(evidence(verdict, 3.0, pages=3.0), MIN_PAIRS - 1, seen(3), needed=NEEDED)
    assert ruling.course is Course.GO_ON


@pytest.mark.parametrize("pairs", [MIN_PAIRS, NEEDED])
@pytest.mark.parametrize(("pages", "decided_by"), [(0.0, "time"), (0.5, "time and pages")])
def test_worse_is_taken_back_at_once(pairs: int, pages: float, decided_by: str) -> None:
    said = evidence(Verdict.WORSE, 0.2, pages=pages, gain="pages")
    ruling = rule(said, pairs, seen(pairs), needed=NEEDED)
    assert (ruling.course, ruling.effect) == (Course.ROLL_BACK, 0.2)
    assert ruling.decided_by == decided_by


def test_more_pages_take_back_at_once_what_is_not_faster() -> None:
    slower = evidence(Verdict.INCONCLUSIVE, 0.01, pages=0.5)
    ruling = rule(slower, MIN_PAIRS, seen(MIN_PAIRS), needed=NEEDED)
    assert (ruling.course, ruling.decided_by) == (Course.ROLL_BACK, "pages")
    assert "+64.9% pages" in ruling.reason
    faster = evidence(Verdict.INCONCLUSIVE, -0.01, pages=0.5, gain="time")
    assert rule(faster, MIN_PAIRS, seen(MIN_PAIRS), needed=NEEDED).course is Course.GO_ON
    ruling = rule(faster, NEEDED, seen(NEEDED), needed=NEEDED)
    assert (ruling.course, ruling.decided_by) == (Course.KEEP, "time")


@pytest.mark.parametrize("verdict", [Verdict.IMPROVED, Verdict.EQUIVALENT, Verdict.INCONCLUSIVE])
@pytest.mark.parametrize(
    ("gain", "effect", "costs", "course", "kept_effect"),
    [
        ("time", -0.5, True, Course.KEEP, -0.5),
        ("pages", -0.1, True, Course.KEEP, -0.1),
        ("pages", 0.1, True, Course.KEEP, -0.4),
        ("pages and time", -0.5, True, Course.KEEP, -0.5),
        ("", -0.1, True, Course.ROLL_BACK, -0.1),
        ("", -0.1, False, Course.KEEP, -0.1),
        ("", 0.1, True, Course.ROLL_BACK, 0.1),
        ("", 0.1, False, Course.KEEP, 0.1),
    ],
)
def test_what_does_no_harm_is_watched_to_the_end_and_kept_for_a_gain(  # noqa: PLR0917 - one case each
    verdict: Verdict, gain: str, effect: float, costs: int, course: Course, kept_effect: float
) -> None:
    said = evidence(verdict, effect, gain=gain, pages=-0.4)
    early = rule(said, NEEDED - 1, seen(NEEDED), needed=NEEDED, costs_to_keep=bool(costs))
    assert early.course is Course.GO_ON
    ruling = rule(said, NEEDED, seen(NEEDED), needed=NEEDED, costs_to_keep=bool(costs))
    assert (ruling.course, ruling.effect, ruling.decided_by) == (course, kept_effect, gain)


@pytest.mark.parametrize(
    ("effect", "course"), [(-0.1, Course.KEEP), (0.05, Course.KEEP), (0.15, Course.ROLL_BACK)]
)
def test_what_only_takes_away_is_kept_unless_it_costs_more_than_is_tolerated(
    effect: float, course: Course
) -> None:
    said = evidence(Verdict.INCONCLUSIVE, effect)
    assert rule(said, NEEDED, seen(NEEDED), needed=NEEDED, tolerated=0.1).course is course
    harm = evidence(Verdict.WORSE, 0.05)
    assert rule(harm, MIN_PAIRS, seen(NEEDED), needed=NEEDED, tolerated=0.1).course is (
        Course.ROLL_BACK
    )


def test_pages_are_the_effect_only_where_they_alone_decided() -> None:
    tolerated = evidence(Verdict.INCONCLUSIVE, 0.05, pages=-0.4)
    ruling = rule(tolerated, NEEDED, seen(NEEDED), needed=NEEDED, tolerated=0.1)
    assert (ruling.course, ruling.effect, ruling.decided_by) == (Course.KEEP, 0.05, "")


@pytest.mark.parametrize("effect", [-0.1, 0.1])
def test_what_costs_nothing_to_keep_is_taken_back_for_harm_alone(effect: float) -> None:
    said = evidence(Verdict.INCONCLUSIVE, effect)
    ruling = rule(said, NEEDED, seen(NEEDED), needed=NEEDED, costs_to_keep=False)
    assert (ruling.course, ruling.decided_by) == (Course.KEEP, "")
    worse = evidence(Verdict.WORSE, 0.2)
    harm = rule(worse, NEEDED, seen(NEEDED), needed=NEEDED, costs_to_keep=False)
    assert harm.course is Course.ROLL_BACK


def test_what_costs_something_is_told_by_each_kind() -> None:
    kinds = installed_kinds()
    must_gain = {name for name, kind in kinds.items() if kind.costs_to_keep}
    assert must_gain == {"batch_size", "configuration", "index_optimization", "query_regression"}


def test_what_improves_by_itself_shows_harm_and_no_gain() -> None:
    def ruled(verdict: Verdict, effect: float, gain: str = "") -> Ruling:
        said = evidence(verdict, effect, gain=gain)
        return rule(said, NEEDED, seen(NEEDED), needed=NEEDED, improves_by_itself=True)

    for kept in ruled(Verdict.IMPROVED, -0.5, "time"), ruled(Verdict.INCONCLUSIVE, 0.05):
        assert (kept.course, kept.effect, kept.decided_by) == (Course.KEEP, None, "")
    harm = ruled(Verdict.WORSE, 0.2)
    assert (harm.course, harm.effect, harm.decided_by) == (Course.ROLL_BACK, 0.2, "time")


def test_what_production_does_not_exercise_is_kept_in_the_end() -> None:
    assert rule(None, 0, seen(PATIENCE * NEEDED - 1), needed=NEEDED).course is Course.GO_ON
    ruling = rule(None, 0, seen(PATIENCE * NEEDED), needed=NEEDED)
    assert (ruling.course, ruling.effect) == (Course.KEEP, None)
    assert "exercise" in ruling.reason


@pytest.mark.parametrize("bases", range(MIN_PAIRS))
def test_too_little_production_before_the_change_decides_nothing_and_says_so(bases: int) -> None:
    ruling = rule(None, 0, seen(1, bases=bases), needed=NEEDED)
    assert (ruling.course, ruling.effect) == (Course.KEEP, None)
    assert f"only {bases} readings of production before it" in ruling.reason


def test_an_effect_against_disturbed_readings_does_not_count_as_a_gain() -> None:
    disturbed = replace(seen(NEEDED), is_disturbed=True)
    kept = rule(evidence(Verdict.IMPROVED, -0.5), NEEDED, disturbed, needed=NEEDED)
    assert (kept.course, kept.effect) == (Course.KEEP, None)
    worse = rule(evidence(Verdict.WORSE, 0.5), NEEDED, disturbed, needed=NEEDED)
    assert (worse.course, worse.effect) == (Course.ROLL_BACK, 0.5)


def test_a_watch_ends_when_every_stretch_from_before_is_compared() -> None:
    said = evidence(Verdict.INCONCLUSIVE, -0.1, gain="time")
    few = NEEDED // 2
    assert rule(said, few - 1, seen(NEEDED, bases=few), needed=NEEDED).course is Course.GO_ON
    assert rule(said, few, seen(NEEDED, bases=few), needed=NEEDED).course is Course.KEEP


@pytest.mark.parametrize("bases", [1, 3, 4, 7, 20])
def test_the_stretches_of_a_watch_are_dealt_evenly(bases: int) -> None:
    lengths = [stretches_of_pair(n, bases=bases, needed=20) for n in range(bases)]
    assert sum(lengths) == 20
    assert max(lengths) - min(lengths) <= 1


#: As the watch has it: its judge, whose objective may spend nine tenths of alpha.
WATCH_RULE = Rule(alpha=0.045, prior_variance=0.4, min_pairs=MIN_PAIRS)
WATCHES = 4000


def noise(stretches: int, seed: int) -> FloatArray:
    """Return the logarithms of cost of watches that see 10 % noise and nothing else."""
    shape = (WATCHES, stretches)
    return np.random.default_rng(seed).normal(0.0, 0.1, shape)


def taken_back(differences: FloatArray) -> float:
    """Return the share of watches that ever say WORSE, looking after every pair."""
    below, above = np.cumsum(differences < 0, axis=1), np.cumsum(differences > 0, axis=1)
    decisions = decide(Moments.of_prefixes(differences), below, above, rule=WATCH_RULE)
    return float(decisions.worse.any(axis=1).mean())


@pytest.mark.parametrize("bases", [4, 5, 8, 13, 20])
def test_a_change_that_does_nothing_is_hardly_ever_called_worse(bases: int) -> None:
    before, after = noise(bases, seed=bases), noise(20, seed=100 + bases)
    ends = np.cumsum([stretches_of_pair(n, bases=bases, needed=20) for n in range(bases)])
    blocks = np.split(after, ends[:-1], axis=1)
    means = np.stack([block.mean(axis=1) for block in blocks], axis=1)
    assert taken_back(means - before) <= 0.05


@pytest.mark.parametrize(("bases", "at_least"), [(1, 0.2), (3, 0.05)])
def test_stretches_compared_again_and_again_would_call_nothing_worse(
    bases: int, at_least: float
) -> None:
    """Why no two pairs share a stretch: the noise of one would count as often as it is used."""
    before, after = noise(bases, seed=bases), noise(20, seed=100 + bases)
    assert taken_back(after - before[:, np.arange(20) % bases]) > at_least
