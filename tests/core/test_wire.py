"""What a sender wrote becomes a value or a clear refusal, and nothing else."""

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from math import isnan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honed.core.canonical import Json
from honed.core.wire import number_in, parse_json, parse_time, text_in
from honed.errors import MalformedSignal

SAID: dict[str, Json] = {
    "a": "x", "b": 7, "c": 1.5, "d": True, "e": None, "f": float("inf"), "g": 10**400,
}  # fmt: skip
NOON = datetime(2027, 3, 4, 12, tzinfo=UTC)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(value=ANYTHING)
def test_json_is_read_as_it_was_written(value: object) -> None:
    assert parse_json(json.dumps(value).encode()) == value
    assert parse_json(json.dumps(value, ensure_ascii=False).encode()) == value


@given(body=st.binary(max_size=200))
def test_noise_is_malformed_or_a_value(body: bytes) -> None:
    with suppress(MalformedSignal):
        parse_json(body)


def test_what_some_senders_write_is_read_too() -> None:
    assert isnan(parse_json(b"[NaN]")[0])  # type: ignore[index,arg-type]
    assert parse_json(b"\xef\xbb\xbf{}") == {}
    assert parse_json('{"a": "é"}'.encode("utf-16")) == {"a": "é"}
    assert parse_json(rb'"\ud800"') == "\ud800"
    assert parse_json(b"[" + b"1" * 40 + b"]") == [int("1" * 40)]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[" * 100_000, b"1" * 5_000, b"\xff", b"{'a': 1}", b"{} {}"]
)
def test_what_is_no_json_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedSignal):
        parse_json(body)


@pytest.mark.parametrize(
    ("said", "time"),
    [
        ("2027-03-04T10:00:00Z", datetime(2027, 3, 4, 10, tzinfo=UTC)),
        ("2027-03-04T10:00:00", datetime(2027, 3, 4, 10, tzinfo=UTC)),
        ("2027-03-04T10:00:00+02:00", datetime(2027, 3, 4, 8, tzinfo=UTC)),
        (1_800_000_000, datetime(2027, 1, 15, 8, tzinfo=UTC)),
        (1_800_000_000.5, datetime(2027, 1, 15, 8, 0, 0, 500_000, tzinfo=UTC)),
        ("then", NOON), ("", NOON), (None, NOON), (True, NOON), ([], NOON), (1e300, NOON),
        (-1e300, NOON), (float("nan"), NOON), (float("inf"), NOON), (10**400, NOON),
    ],
)  # fmt: skip
def test_a_time_is_read_or_is_the_other_one(said: object, time: datetime) -> None:
    assert parse_time(said, NOON) == time  # type: ignore[arg-type]  # as it was sent


@given(moment=st.datetimes(timezones=st.just(timezone(timedelta(hours=3)))))
def test_every_time_comes_back(moment: datetime) -> None:
    assert parse_time(moment.isoformat(), NOON) == moment


def test_texts_and_numbers_are_those_that_are_meant() -> None:
    assert [text_in(SAID, key) for key in "abz"] == ["x", "", ""]
    assert [number_in(SAID, key) for key in "abcdefgz"] == [
        None, 7.0, 1.5, None, None, None, None, None,
    ]  # fmt: skip
