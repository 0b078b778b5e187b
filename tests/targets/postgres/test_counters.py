import pytest
from hypothesis import given
from hypothesis import strategies as st

from honed.targets.postgres.counters import STATEMENT_COUNTERS, Reading, add, growth

_VALUES = st.fixed_dictionaries(
    {name: st.integers(min_value=0, max_value=10**15) for name in STATEMENT_COUNTERS}
)
_READINGS = st.builds(Reading, _VALUES, st.sampled_from(["", "monday", "tuesday"]))


def _reading(calls: int, since: str = "") -> Reading:
    return Reading({**dict.fromkeys(STATEMENT_COUNTERS, 0), "calls": calls}, since)


@given(st.none() | _READINGS, _READINGS, st.booleans())
def test_growth_is_never_negative(
    before: Reading | None,
    now: Reading,
    was_reset: bool,  # noqa: FBT001 - drawn by name
) -> None:
    assert min(growth(before, now, was_reset=was_reset).values()) >= 0


@given(_VALUES, _VALUES)
def test_growth_is_what_was_added(before: dict[str, int], more: dict[str, int]) -> None:
    grown = growth(Reading(before), Reading(add(before, more)))
    for name in set(STATEMENT_COUNTERS) - {"exec_ms_squares"}:
        assert grown[name] == more[name]


@given(_READINGS, _READINGS)
def test_squares_are_never_less_than_those_of_equal_calls(before: Reading, now: Reading) -> None:
    grown = growth(before, now)
    if grown["calls"] and grown != now.values:
        assert grown["exec_ms_squares"] >= grown["exec_ms"] ** 2 / grown["calls"] * (1 - 1e-12)


@pytest.mark.parametrize(
    ("before", "now", "was_reset", "calls"),
    [
        (None, _reading(7), False, 7),
        (_reading(5), _reading(7), False, 2),
        (_reading(5), _reading(3), False, 3),
        (_reading(5), _reading(7), True, 7),
        (_reading(5, "monday"), _reading(7, "tuesday"), False, 7),
        (_reading(5, "monday"), _reading(7, "monday"), False, 2),
        (_reading(5, "monday"), _reading(5, "monday"), False, 0),
    ],
)
def test_a_row_that_began_again_counts_from_zero(
    before: Reading | None, now: Reading, *, was_reset: bool, calls: int
) -> None:
    assert growth(before, now, was_reset=was_reset)["calls"] == calls


def test_what_was_not_counted_before_has_not_grown() -> None:
    before = Reading({"calls": 3, "exec_ms": 1.0})
    now = Reading({"calls": 5, "exec_ms": 2.0, "blocks_read": 700})
    assert growth(before, now) == {"calls": 2, "exec_ms": 1.0, "blocks_read": 0}
