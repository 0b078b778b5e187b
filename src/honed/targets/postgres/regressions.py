"""Statements that became slower than their own history."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from scipy import stats

from honed.storage.db import Connection
from honed.targets.postgres.statements import QUERIES

#: The newest stretch that is compared with all before it (seed 001, phase 4: five minutes) ...
RECENT = timedelta(minutes=5)
#: ... but no more than this share of the history, which may have begun just now.
RECENT_SHARE = 0.25

#: Slower by this factor is a regression even if the plan did not change.
SLOWER = 2.0
#: Slower by this factor is one if the plan did, and Welch's test or the blocks say so too.
SLOWER_WITH_NEW_PLAN = 1.2
#: Calls on each side below which nothing is said.
MIN_CALLS = 3
#: Calls on each side from which time alone is evidence; below it, blocks must say it too.
CALLS_FOR_TIME_ALONE = 30
#: Blocks per call that say it too.
MORE_BLOCKS = 1.5
#: Largest p-value of Welch's test. It only opens a finding: calls are not independent, so it is no
#: error rate.
SIGNIFICANT = 0.001


@dataclass(frozen=True, slots=True)
class Sums:
    """Calls, milliseconds, their squares and blocks of one statement in one stretch."""

    calls: float
    ms: float
    squares: float
    blocks: float

    @property
    def mean_ms(self) -> float:
        """Milliseconds per call."""
        return self.ms / self.calls

    @property
    def variance_of_mean(self) -> float:
        """Variance of ``mean_ms``, unbiased; at least two calls."""
        spread = max(0.0, self.squares - self.calls * self.mean_ms**2)
        return spread / (self.calls - 1) / self.calls

    @property
    def blocks_per_call(self) -> float:
        """Shared blocks per call."""
        return self.blocks / self.calls


@dataclass(frozen=True, slots=True)
class Change:
    """One statement before and after."""

    before: Sums
    after: Sums

    @property
    def is_known(self) -> bool:
        """Whether there are enough calls on both sides to say anything."""
        return min(self.before.calls, self.after.calls) >= MIN_CALLS and self.before.ms > 0

    @property
    def ratio(self) -> float:
        """Mean time after / before."""
        return self.after.mean_ms / self.before.mean_ms

    def is_regression(self, *, has_new_plan: bool) -> bool:
        """Return whether the statement became slower, beyond what its own scatter explains."""
        if not self.is_known:
            return False
        is_significant = slower_p_value(self.before, self.after) <= SIGNIFICANT
        more_blocks = self.after.blocks_per_call > MORE_BLOCKS * self.before.blocks_per_call
        if has_new_plan:
            # Blocks have no scatter that one slow call could hide in.
            return self.ratio > SLOWER_WITH_NEW_PLAN and (is_significant or more_blocks)
        many_calls = min(self.before.calls, self.after.calls) >= CALLS_FOR_TIME_ALONE
        return self.ratio > SLOWER and is_significant and (many_calls or more_blocks)


def slower_p_value(before: Sums, after: Sums) -> float:
    """Return the one-sided p-value of Welch's test that ``after`` is not slower.

    Welch, "The generalization of Student's problem when several different population variances are
    involved", Biometrika 34 (1947). At least two calls on each side.
    """
    first, second = before.variance_of_mean, after.variance_of_mean
    difference = after.mean_ms - before.mean_ms
    if first + second == 0:
        return 0.0 if difference > 0 else 1.0
    freedom = (first + second) ** 2 / (
        first**2 / (before.calls - 1) + second**2 / (after.calls - 1)
    )
    return float(stats.t.sf(difference / math.sqrt(first + second), freedom))


def read_changes(store: Connection, target_id: int, lookback: timedelta) -> dict[str, Change]:
    """Return each statement before and after the newest stretch, by statement id."""
    window = {"target_id": target_id, "lookback": lookback}
    span = store.execute(QUERIES["get_span"], window).fetchone()
    if span is None or span["started_at"] is None:
        return {}
    rows = store.execute(QUERIES["list_before_and_after"], {**window, "split": _split(span)})
    return {
        row["statement_id"]: Change(_sums(row, "before"), _sums(row, "after"))
        for row in rows.fetchall()
    }


def _split(span: Mapping[str, Any]) -> datetime:
    whole: timedelta = span["ended_at"] - span["started_at"]
    by_time: datetime = span["ended_at"] - min(RECENT, whole * RECENT_SHARE)
    # At least the latest stretch, however long it was.
    last_started_at: datetime = span["last_started_at"]
    return min(by_time, last_started_at)


def _sums(row: Mapping[str, Any], side: str) -> Sums:
    names = ("calls", "ms", "squares", "blocks")
    return Sums(*(row[f"{name}_{side}"] for name in names))
