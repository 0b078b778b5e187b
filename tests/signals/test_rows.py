"""Rows of signals: whatever was sent, PostgreSQL can hold it, and what was said is what is read."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, ClassVar, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from honed.core.intake import Taken
from honed.core.signal import Signal, SignalType
from honed.errors import MalformedSignal
from honed.signals.counts import Count
from honed.signals.rows import (
    COPY,
    LARGEST_SIGNAL_BYTES,
    LONGEST_NAME,
    Prepared,
    Preparer,
    Times,
)
from honed.storage.copy import copy_rows
from honed.storage.db import Connection, Database

NOON = datetime(2027, 3, 4, 12, tzinfo=UTC)
TIMES = Times(NOON, timedelta(days=30))
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=12,
)
#: Halves of surrogate pairs too.
TEXTS = st.text(st.characters(codec=None), max_size=60)
#: Whatever a plug-in may make.
SIGNALS = st.builds(
    Signal,
    type=st.sampled_from(SignalType),
    subject=TEXTS,
    at=st.datetimes(timezones=st.none() | st.timezones()),
    service=TEXTS,
    value=st.none() | st.floats(),
    fingerprint=TEXTS,
    body=st.dictionaries(TEXTS, ANYTHING | TEXTS, max_size=5),
)


class Shouting:
    """A scrubber that can be seen."""

    def text(self, text: str) -> str:
        return text.upper()

    def value(self, value: Any) -> Any:
        if isinstance(value, str):
            return value.upper()
        if isinstance(value, dict):
            return {key.upper(): self.value(item) for key, item in value.items()}
        return value


class Untouched:
    def text(self, text: str) -> str:
        return text

    def value(self, value: Any) -> Any:
        return value


def prepare(*signals: Signal, scrubber: Any = None) -> Prepared:
    return Preparer(scrubber or Untouched()).prepare(7, "test", Taken(tuple(signals)), TIMES)


def a_signal(**changes: Any) -> Signal:
    return Signal(**{"type": SignalType.LOG, "subject": "cart", "at": NOON, **changes})


@pytest.fixture(scope="module")
def conn(postgres_server: Any, migrated_template: str) -> Iterator[Connection]:
    """Return a connection on which nothing is ever committed."""
    with Database(postgres_server.url(migrated_template)).connect() as connection:
        yield connection
        connection.rollback()


@pytest.fixture
def stored(conn: Connection) -> Iterator[Callable[[Prepared], list[dict[str, Any]]]]:
    """Return what stores rows and reads them again."""

    def store(prepared: Prepared) -> list[dict[str, Any]]:
        with conn.transaction(force_rollback=True):
            copy_rows(conn, COPY, prepared.rows)
            return conn.execute("SELECT * FROM honed.signal ORDER BY signal_id").fetchall()

    yield store
    conn.rollback()


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(signal=SIGNALS)
def test_whatever_was_sent_can_be_stored(
    stored: Callable[[Prepared], list[dict[str, Any]]], signal: Signal
) -> None:
    (row,) = stored(prepare(signal))
    assert row["subject"] == signal.subject.replace("\0", "").encode(errors="replace").decode()
    assert len(row["body"]) <= len(signal.body)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    body=st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6),
        st.text(st.characters(codec="utf-8", exclude_characters="\0"))
        | st.integers(-(2**53), 2**53)
        | st.booleans(),
    )
)
def test_what_was_said_is_what_is_read(
    stored: Callable[[Prepared], list[dict[str, Any]]], body: dict[str, Any]
) -> None:
    (row,) = stored(prepare(a_signal(body=body)))
    assert row["body"] == body


def test_each_field_is_in_its_column(
    stored: Callable[[Prepared], list[dict[str, Any]]],
) -> None:
    signal = Signal(
        SignalType.SPAN, "GET /\tcart\\", NOON, "shop", "production", "1.2", 12.5, "ab" * 8,
        {"a": 'line\nfeed \\ and "quote" and \t'},
    )  # fmt: skip
    (row,) = stored(prepare(signal))
    assert (row["project_id"], row["source"], row["type"]) == (7, "test", "span")
    assert (row["at"], row["subject"], row["service"]) == (NOON, "GET /\tcart\\", "shop")
    assert (row["environment"], row["release"], row["value"]) == ("production", "1.2", 12.5)
    assert (row["fingerprint"], row["body"]) == ("ab" * 8, signal.body)


def test_all_that_a_sender_writes_is_scrubbed() -> None:
    signal = a_signal(
        subject="cart", service="shop", environment="prod", release="one",
        fingerprint="ab" * 8, body={"key": "word", "title": "oh", "culprit": "f", "files": ["a"]},
    )  # fmt: skip
    prepared = prepare(signal, scrubber=Shouting())
    row = prepared.rows.decode().split("\t")
    assert row[4:8] == ["CART", "SHOP", "PROD", "ONE"]
    assert json.loads(row[10])["KEY"] == "WORD"
    (group,) = prepared.groups
    assert (group.title, group.culprit, group.files) == ("OH", "F", ["A"])
    assert (list(group.releases), list(group.environments)) == (["ONE"], ["PROD"])
    assert json.loads(group.sample)["KEY"] == "WORD"


def test_a_name_is_cut_after_it_was_scrubbed() -> None:
    class Hiding(Untouched):
        def text(self, text: str) -> str:
            return text.replace("secret-of-many-words", "<hidden>")

    long = "x" * (LONGEST_NAME - 8) + "secret-of-many-words"
    row = prepare(a_signal(subject=long), scrubber=Hiding()).rows.decode().split("\t")
    assert row[4] == "x" * (LONGEST_NAME - 8) + "<hidden>"


@pytest.mark.parametrize(
    ("at", "oddity"),
    [
        (NOON + timedelta(seconds=1), "clock_ahead"),
        (NOON + timedelta(days=4000), "clock_ahead"),
        (NOON - timedelta(days=31), "too_old"),
        (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))), "clock_far_off"),
        (datetime(9999, 12, 31, 23, tzinfo=timezone(-timedelta(hours=12))), "clock_far_off"),
    ],
)
def test_a_clock_that_is_wrong_is_set_and_counted(at: datetime, oddity: str) -> None:
    prepared = prepare(a_signal(at=at))
    assert prepared.rows.decode().split("\t")[3] == NOON.isoformat()
    assert prepared.counts[Count(7, "test", "adjusted", oddity)] == 1
    assert prepared.counts[Count(7, "test", "accepted")] == 1


def test_a_clock_that_can_be_right_is_believed() -> None:
    for at in (NOON, NOON - timedelta(days=29), datetime(2027, 3, 4, 11)):  # noqa: DTZ001 - as sent
        prepared = prepare(a_signal(at=at))
        assert [what.outcome for what in prepared.counts] == ["accepted"]
    zoned = datetime(2027, 3, 4, 13, tzinfo=timezone(timedelta(hours=2)))
    assert b"2027-03-04T11:00:00+00:00" in prepare(a_signal(at=zoned)).rows


def test_a_signal_that_is_too_large_is_left_out_alone() -> None:
    large = a_signal(body={"text": "x" * LARGEST_SIGNAL_BYTES}, fingerprint="ab" * 8)
    prepared = prepare(a_signal(), large, a_signal())
    assert (prepared.row_count, prepared.groups) == (2, [])
    assert prepared.counts[Count(7, "test", "skipped", "too_large")] == 1


def test_a_text_that_is_told_with_every_signal_cannot_fill_the_memory() -> None:
    signals = (a_signal(body={"user": "x" * 900_000}) for _ in range(1_000_000))
    taken = Taken(cast("Any", signals))
    with pytest.raises(MalformedSignal):
        Preparer(Untouched()).prepare(7, "test", taken, TIMES)


def test_a_long_name_is_read_once_for_a_request_and_then_forgotten() -> None:
    class Counting(Untouched):
        read: ClassVar[list[str]] = []

        def text(self, text: str) -> str:
            self.read.append(text)
            return text

    name, preparer = "x" * (LONGEST_NAME + 1), Preparer(Counting())
    for _ in range(2):
        taken = Taken(tuple(a_signal(service=name) for _ in range(50)))
        preparer.prepare(7, "test", taken, TIMES)
    assert Counting.read.count(name) == 2


def test_a_fingerprint_says_nothing() -> None:
    said = [prepare(a_signal(fingerprint=text)).groups[0].fingerprint for text in ("bob", "eve")]
    assert len(set(said)) == 2
    assert "bob" not in said[0]
    assert prepare(a_signal(fingerprint="ab" * 8)).groups[0].fingerprint == "ab" * 8


def test_what_is_no_json_is_a_defect_of_the_plug_in() -> None:
    with pytest.raises(TypeError):
        prepare(a_signal(body=cast("Any", {"a": object()})))


def test_a_group_is_called_by_its_subject_where_its_body_names_nothing() -> None:
    (group,) = prepare(a_signal(fingerprint="ab" * 8, body={"title": 7, "files": "a"})).groups
    assert (group.title, group.culprit, group.files) == ("cart", "", [])
