"""Answers: equal rows in any order give equal answers, and others do not."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honed.targets.postgres.answer import Answer
from honed.targets.postgres.answers import leaves_rows_open

TEXT, FLOAT8 = 25, 701
ROWS = st.lists(st.tuples(st.none() | st.binary(max_size=4), st.none() | st.binary(max_size=4)))


def answer_of(rows: list[tuple[bytes | None, ...]], kind: int = TEXT) -> Answer:
    return Answer(0).with_rows(rows, [kind] * len(rows[0]) if rows else [])


@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_count(
    rows: list[tuple[bytes | None, ...]], random: Random
) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert answer_of(shuffled) == answer_of(rows)


@given(ROWS, ROWS)
def test_equal_answers_come_of_equal_rows(
    left: list[tuple[bytes | None, ...]], right: list[tuple[bytes | None, ...]]
) -> None:
    def key(row: tuple[bytes | None, ...]) -> list[tuple[bool, bytes]]:
        return [(value is None, value or b"") for value in row]

    same = sorted(left, key=key) == sorted(right, key=key)
    assert (answer_of(left) == answer_of(right)) is same


def test_rows_may_come_in_parts() -> None:
    rows = [(b"1",), (b"2",), (None,)]
    parts = answer_of(rows[:1]).with_rows(rows[1:], [TEXT])  # type: ignore[arg-type]  # bytes or None
    assert parts == answer_of(rows)  # type: ignore[arg-type]  # likewise


def test_sums_of_floats_may_differ_in_their_last_digits_only() -> None:
    assert answer_of([(b"0.1",)], FLOAT8) == answer_of([(b"0.10000000000000003",)], FLOAT8)
    assert answer_of([(b"0.1",)], FLOAT8) != answer_of([(b"0.1001",)], FLOAT8)


@pytest.mark.parametrize(
    ("statement", "is_open"),
    [
        ("SELECT a FROM t ORDER BY a LIMIT 3", True),
        ("SELECT a FROM t FETCH FIRST 3 ROWS ONLY", True),
        ("SELECT DISTINCT ON (a) a, b FROM t", True),
        ("SELECT row_number() OVER (ORDER BY a) FROM t", True),
        ("SELECT string_agg(a, ',') FROM t", True),
        ("SELECT jsonb_agg(a) FROM t", True),
        ("SELECT DISTINCT a FROM t", False),
        ("SELECT attr_value, mode, lead FROM t WHERE word = 'limit 3 over'", False),
        ("SELECT sum(a) FROM t GROUP BY b", False),
        ("not SQL at all limit 3", False),
    ],
)
def test_only_some_statements_leave_their_rows_open(statement: str, *, is_open: bool) -> None:
    assert leaves_rows_open(statement) is is_open
