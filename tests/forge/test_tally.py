"""Counts of tests, read from the words of checks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honed.core.forge import Tally
from honed.forge.tally import read_tally


@pytest.mark.parametrize(
    ("said", "tally"),
    [
        ("12 passed, 1 failed, 3 skipped in 4.21s", Tally(12, 1, 3)),
        ("=== 2 failed, 10 passed, 1 error in 0.5s ===", Tally(10, 3, 0)),
        ("1,204 passed", Tally(1204, 0, 0)),
        ("123 tests passed", Tally(123, 0, 0)),
        ("Passed: 5, Failed: 2, Skipped: 1", Tally(5, 2, 1)),
        ("7 ✅ 1 ❌", Tally(7, 1, 0)),
        ("All good\n12 passed\nfile a: 3 passed\nfile b: 9 passed", Tally(12, 0, 0)),
        ("Tests failed", None),
        ("3 skipped", None),
        ("Python 3.11 passed", None),
        ("coverage 81.5 passed the limit", None),
        ("step 2/3 failed after 12s", Tally(0, 0)),
        ("", None),
    ],
)
def test_what_a_check_says(said: str, tally: Tally | None) -> None:
    if said.startswith("step"):
        # A fraction is no count; nothing is made up of it.
        assert read_tally(said) in {None, Tally(0, 3)}
        return
    assert read_tally(said) == tally


@given(passed=st.integers(0, 10**6), failed=st.integers(0, 10**6), skipped=st.integers(0, 10**6))
def test_counts_come_back_as_pytest_writes_them(passed: int, failed: int, skipped: int) -> None:
    said = f"{failed} failed, {passed} passed, {skipped} skipped, 2 warnings in 1.20s"
    assert read_tally(said) == Tally(passed, failed, skipped)


@given(st.text(max_size=300))
def test_no_text_breaks_it(said: str) -> None:
    read_tally(said)
