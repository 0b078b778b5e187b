"""A page of metrics says what Prometheus' own client says that it does."""

import math
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from honed.core.exposition import Sample, read_page


def named(samples: tuple[Sample, ...]) -> dict[str, Sample]:
    return {sample.name: sample for sample in samples}


def test_a_page_is_read_line_by_line() -> None:
    page = read_page(
        "# HELP orders Orders that were made\n# TYPE orders counter\n"
        'orders{shop="north",kind="a b"} 3 1395066363000\n'
        "\n  queue\t7 \n# TYPE heat gauge\nheat{} -1.5e-3\n# EOF"
    )
    assert page.samples == (
        Sample("orders", "counter", 3.0, {"shop": "north", "kind": "a b"}, 1395066363000),
        Sample("queue", "untyped", 7.0),
        Sample("heat", "gauge", -0.0015),
    )
    assert page.malformed == 0


@pytest.mark.parametrize(
    "line",
    ["a", "a b", "a{", 'a{x="1"', "a{x=1} 2", 'a{x="1" y="2"} 3', "1 2", "a 1 2 3 4", "a 1_000",
     "a 1.2.3", "{} 1", 'a{"x} 1', "a 0x1F", "é 1", "a:b:- 1", '{x="1"} 2'],
)  # fmt: skip
def test_what_is_no_sample_is_counted(line: str) -> None:
    page = read_page(f"{line}\nb 1\n")
    assert [sample.name for sample in page.samples] == ["b"]
    assert page.malformed == 1


@pytest.mark.parametrize(
    ("line", "labels"),
    [
        (r'a{x="1\"2"} 1', {"x": '1"2'}),
        (r'a{x="1\\",y="}"} 1', {"x": "1\\", "y": "}"}),
        (r'a{x="1\n2",} 1', {"x": "1\n2"}),
        ('a{ x = "1" , y="é" } 1', {"x": "1", "y": "é"}),
        ('a{"x.y"="1"} 1', {"x.y": "1"}),
        ('{"a", x="1"} 1', {"x": "1"}),
    ],
)
def test_labels_are_as_they_were_before_they_were_written(
    line: str, labels: Mapping[str, str]
) -> None:
    assert read_page(line).samples == (Sample("a", "untyped", 1.0, labels),)


def test_a_sample_has_the_type_of_its_family() -> None:
    page = read_page(
        '# TYPE h histogram\nh_bucket{le="1"} 1\nh_sum 1\nh_count 1\n'
        "# TYPE c counter\nc_total 1\n# TYPE u unknown\nu 1\n# TYPE n_count gauge\nn_count 1\n"
    )  # fmt: skip
    assert [sample.type for sample in page.samples] == [
        "histogram", "histogram", "histogram", "counter", "untyped", "gauge",
    ]  # fmt: skip


def test_numbers_may_be_none() -> None:
    found = [sample.value for sample in read_page("a NaN\na +Inf\na -Inf\na .5\na 1e3").samples]
    assert math.isnan(found[0])
    assert found[1:] == [math.inf, -math.inf, 0.5, 1000.0]


LABELS = st.text(max_size=20).filter(lambda text: "\r" not in text)
NUMBERS = st.floats(allow_nan=False)


@given(LABELS, LABELS, NUMBERS, st.floats(0, 1e300))
def test_what_the_client_writes_is_read_as_its_own_parser_does(
    first: str, second: str, level: float, count: float
) -> None:
    registry = CollectorRegistry()
    gauge = Gauge("level", "Of the water", ["first", "second"], registry=registry)
    gauge.labels(first, second).set(level)
    Counter("orders", "Made", registry=registry).inc(count)
    Histogram("took", "Seconds", registry=registry).observe(0.3)
    Info("build", "Of this", registry=registry).info({"version": "1"})
    text = generate_latest(registry).decode()
    page = read_page(text)
    ours = {(s.name, tuple(sorted(s.labels.items())), s.value) for s in page.samples}
    theirs = {
        (s.name, tuple(sorted(s.labels.items())), float(s.value))
        for family in text_string_to_metric_families(text)
        for s in family.samples
    }
    assert ours == theirs
    assert page.malformed == 0
    assert named(page.samples)["level"].labels == {"first": first, "second": second}
    assert named(page.samples)["orders_total"].type == "counter"


@given(st.text(max_size=200))
def test_any_text_is_read(text: str) -> None:
    page = read_page(text)
    assert len(page.samples) + page.malformed <= text.count("\n") + 1
    assert all(sample.name for sample in page.samples)
