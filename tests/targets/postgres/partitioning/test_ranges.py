from datetime import datetime, timedelta
from itertools import islice, pairwise

import pytest

from honed.targets.postgres.partitioning.ranges import (
    Key,
    Position,
    Range,
    Width,
    following,
    name_for,
    width_of,
)

TIMES = Key("at", "timestamp with time zone", "Europe/Berlin")
DAYS = Key("day", "date", "UTC")
NUMBERS = Key("item_id", "bigint", "UTC")


def day(text: str) -> datetime:
    return datetime.fromisoformat(text)


def months(*texts: str) -> list[Range]:
    """Return the ranges between each day and the next."""
    days = [day(text) for text in texts]
    return [Range(*pair) for pair in pairwise(days)]


@pytest.mark.parametrize(
    ("bound", "key", "expected"),
    [
        ("FOR VALUES FROM (1) TO (5)", NUMBERS, Range(1, 5)),
        ("FOR VALUES FROM ('-10') TO ('5')", NUMBERS, Range(-10, 5)),
        ("FOR VALUES FROM (MINVALUE) TO ('5')", NUMBERS, None),
        ("FOR VALUES FROM ('5') TO (MAXVALUE)", NUMBERS, None),
        ("DEFAULT", NUMBERS, None),
        (
            "FOR VALUES FROM ('2026-03-01') TO ('2026-04-01')",
            DAYS,
            Range(day("2026-03-01"), day("2026-04-01")),
        ),
        (
            "FOR VALUES FROM ('2026-03-01 00:00:00+01') TO ('2026-04-01 00:00:00+02')",
            TIMES,
            Range(day("2026-03-01"), day("2026-04-01")),
        ),
        ("FOR VALUES FROM ('infinity') TO ('0044-03-15 BC')", DAYS, None),
    ],
)
def test_bounds_are_read_as_the_server_writes_them(
    bound: str, key: Key, expected: Range | None
) -> None:
    assert Range.parse(bound, key) == expected


@pytest.mark.parametrize(
    ("position", "key", "text"),
    [
        (day("2026-04-01"), TIMES, "2026-04-01 00:00:00 Europe/Berlin"),
        (day("2026-04-01"), DAYS, "2026-04-01"),
        (7, NUMBERS, "7"),
    ],
)
def test_a_time_with_zone_is_written_with_its_zone(position: Position, key: Key, text: str) -> None:
    assert key.write(position) == text


def test_months_are_told_from_days() -> None:
    ranges = months("2026-01-01", "2026-02-01", "2026-03-01")
    assert width_of(ranges) == Width(months=1)
    assert [each.upper for each in islice(following(day("2026-12-01"), Width(months=1)), 2)] == [
        day("2027-01-01"),
        day("2027-02-01"),
    ]
    assert width_of(months("2026-01-05", "2026-01-12")) == Width(distance=timedelta(days=7))
    assert width_of(months("2026-01-31", "2026-02-28")) == Width(distance=timedelta(days=28))


@pytest.mark.parametrize(
    ("width", "text"),
    [
        (Width(months=1), "1 month"),
        (Width(months=3), "3 months"),
        (Width(distance=timedelta(days=7)), "7 days"),
        (Width(distance=timedelta(hours=6)), "6:00:00"),
        (Width(distance=500), "500"),
    ],
)
def test_a_width_reads_well(width: Width, text: str) -> None:
    assert str(width) == text


def test_only_the_last_ranges_tell_the_width() -> None:
    early = [Range(0, 50)]
    late = [Range(n, n + 10) for n in range(50, 80, 10)]
    assert width_of([*early, *late]) == Width(distance=10)
    assert width_of([*late, Range(80, 100)]) is None


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("log_2026_01", "log_2026_02"), "log_2026_03"),
        (("log_y2026m01", "log_y2026m02"), "log_y2026m03"),
        (("log_202601_part", "log_202602_part"), "log_202603_part"),
        (("log_20260101", "log_20260201"), "log_20260301"),
        (("first", "second"), "log_p20260301"),
    ],
)
def test_a_new_one_is_called_as_the_others(names: tuple[str, ...], expected: str) -> None:
    *known, new = months("2026-01-01", "2026-02-01", "2026-03-01", "2026-04-01")
    named = list(zip(known, names, strict=True))
    assert name_for(new, named, table="log", taken=names) == expected
    assert name_for(new, named, table="log", taken=[expected]) is None


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("item_p1", "item_p2"), "item_p3"),
        (("item_0", "item_1"), "item_2"),
        (("item_000_100", "item_100_200"), "item_200_300"),
        (("item_0", "item_100"), "item_200"),
        (("item_old", "item_new"), "item_p200"),
    ],
)
def test_numbers_are_named_as_the_others(names: tuple[str, ...], expected: str) -> None:
    known = [Range(0, 100), Range(100, 200)]
    named = list(zip(known, names, strict=True))
    assert name_for(Range(200, 300), named, table="item", taken=names) == expected
