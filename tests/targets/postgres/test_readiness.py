"""Whether production allows a change: each limit by itself, and the window at every minute."""

from dataclasses import replace
from datetime import UTC, datetime, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honed.config import Settings, load_settings
from honed.errors import ConfigurationError
from honed.targets.postgres.readiness import (
    Moment,
    OpenTransaction,
    Standby,
    is_open,
    obstacles,
)
from honed.testing.pets import PetShop

QUIET = Moment(local_time=time(12), time_zone="UTC", busy=3, connections=100)
MB = 1024 * 1024
LIMITS = Settings()
LATE = datetime(2026, 11, 21, 8, 40, 12, tzinfo=UTC)
MINUTES = st.integers(0, 24 * 60 - 1)


def clock(minute: int) -> time:
    return time(minute // 60, minute % 60)


def window(begin: int, end: int) -> str:
    return f"{clock(begin):%H:%M}-{clock(end):%H:%M}"


def test_quiet_production_allows_a_change() -> None:
    assert obstacles(QUIET, LIMITS, added_bytes=10**12) == []


@pytest.mark.parametrize(("moment", "word"), [
    (replace(QUIET, busy=51), "more than 50% of the 100 connections are busy"),
    (replace(QUIET, transactions=(OpenTransaction(7, "report", LATE),)),
     "process 7 (report) has been open since 2026-11-21 08:40:12"),
    (replace(QUIET, transactions=(OpenTransaction(0, "two-phase", LATE),)),
     "the prepared transaction two-phase has been open"),
    (replace(QUIET, standbys=(Standby("far", 61.0, 0),)), "far is more than 60 s behind"),
    (replace(QUIET, standbys=(Standby("stuck", 0.0, 1024 * MB + 1),)),
     "stuck is more than 1024 MB behind"),
])  # fmt: skip
def test_each_limit_holds_a_change_up(moment: Moment, word: str) -> None:
    (said,) = obstacles(moment, LIMITS, added_bytes=0)
    assert word in said


@pytest.mark.parametrize("moment", [
    replace(QUIET, busy=50),
    replace(QUIET, standbys=(Standby("near", 60.0, 1024 * MB),)),
])  # fmt: skip
def test_what_is_at_its_limit_is_within_it(moment: Moment) -> None:
    assert obstacles(moment, LIMITS, added_bytes=0) == []


@pytest.mark.parametrize(("added", "is_held_up"), [(50 * MB, False), (50 * MB + 1, True)])
def test_twice_the_size_of_a_change_must_be_free(added: int, is_held_up: bool) -> None:  # noqa: FBT001 - a case
    limits = Settings(disk_limit_mb=1000)
    full = replace(QUIET, used_bytes=900 * MB)
    assert bool(obstacles(full, limits, added_bytes=added)) is is_held_up


def test_what_adds_nothing_needs_no_room() -> None:
    full = replace(QUIET, used_bytes=2000 * MB)
    assert obstacles(full, Settings(disk_limit_mb=1000), added_bytes=0) == []


@given(begin=MINUTES, end=MINUTES, at=MINUTES)
def test_a_window_is_the_minutes_from_its_begin_up_to_its_end(
    begin: int, end: int, at: int
) -> None:
    length = (end - begin) % 1440 or 1440
    inside = {(begin + each) % 1440 for each in range(length)}
    assert is_open(window(begin, end), clock(at)) is (at in inside)


@given(at=st.times())
def test_no_window_is_always_open(at: time) -> None:
    assert is_open("", at)


@pytest.mark.parametrize("wrong", ["22-06", "24:00-06:00", "22:00-06:60", "22:00", "22:00-6:00"])
def test_what_is_no_window_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match="change_window"):
        load_settings(change_window=wrong)


def test_a_real_server_tells_what_its_databases_take(pet_shop: PetShop) -> None:
    pet_shop.configure(disk_limit_mb=1)
    (said,) = pet_shop.target.obstacles(10 * MB)
    assert said == "20 MB are not free below disk_limit_mb"
    pet_shop.configure(disk_limit_mb=1_000_000)
    assert pet_shop.target.obstacles(10 * MB) == []
