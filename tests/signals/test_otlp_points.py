"""A point of a metric is one signal with one value, and estimates lie where the truth lies."""

import math
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import quantiles as exact_quantiles
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AggregationTemporality,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    Sum,
    Summary,
    SummaryDataPoint,
)

from honed.core.signal import Signal, SignalType
from honed.llm.prices import Prices
from honed.signals.otlp.histograms import Bucket, Run, explicit, exponential, quantiles
from honed.signals.otlp.points import read_points
from honed.signals.otlp.reading import Reading

RECEIVED = datetime(2026, 11, 21, 12, tzinfo=UTC)
AT = int(RECEIVED.timestamp()) * 10**9
SEED = 20261121
DELTA = AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE


def read(metric: Metric) -> Reading:
    request = ExportMetricsServiceRequest()
    request.resource_metrics.add().scope_metrics.add().metrics.append(metric)
    reading = Reading(RECEIVED, Prices())
    read_points(request, reading)
    return reading


def one(metric: Metric) -> Signal:
    (signal,) = read(metric).signals
    return signal


def gauge(*points: NumberDataPoint) -> Metric:
    return Metric(name="queue", unit="1", gauge=Gauge(data_points=points))


def histogram(**said: Any) -> Metric:
    point = HistogramDataPoint(time_unix_nano=AT, **said)
    data = Histogram(aggregation_temporality=CUMULATIVE, data_points=[point])
    return Metric(name="took", unit="ms", histogram=data)


def test_a_gauge_is_its_value() -> None:
    for point in (NumberDataPoint(as_int=7), NumberDataPoint(as_double=7.0)):
        signal = one(gauge(point))
        assert (signal.type, signal.subject, signal.value) == (SignalType.METRIC, "queue", 7.0)
        assert signal.body == {"kind": "gauge", "unit": "1"}
        assert signal.at == RECEIVED


def test_a_sum_says_since_when_and_how_it_counts() -> None:
    point = NumberDataPoint(as_int=3, time_unix_nano=AT, start_time_unix_nano=AT - 60 * 10**9)
    data = Sum(aggregation_temporality=DELTA, is_monotonic=True, data_points=[point])
    signal = one(Metric(name="orders", sum=data))
    assert signal.value == 3.0
    assert signal.body == {
        "kind": "sum", "temporality": "delta", "is_monotonic": True,
        "start_at": (RECEIVED - timedelta(seconds=60)).isoformat(),
    }  # fmt: skip


def test_a_histogram_is_its_mean_with_estimates() -> None:
    signal = one(
        histogram(
            count=4, sum=100.0, min=5.0, max=60.0, bucket_counts=[2, 1, 1],
            explicit_bounds=[10.0, 50.0],
        )
    )  # fmt: skip
    assert signal.value == 25.0
    assert signal.body == {
        "kind": "histogram", "unit": "ms", "temporality": "cumulative", "count": 4, "sum": 100.0,
        "min": 5.0, "max": 60.0,
        "quantiles": {"0.5": 10.0, "0.9": 56.0, "0.99": pytest.approx(59.6)},
    }  # fmt: skip


def test_a_histogram_without_sum_or_buckets_says_what_it_can() -> None:
    assert one(histogram(count=4, sum=8.0)).value == 2.0
    signal = one(histogram(count=2, bucket_counts=[2, 0], explicit_bounds=[10.0]))
    assert signal.value == 5.0
    assert read(histogram(count=2)).skipped == {"no_value": 1}
    assert read(histogram(count=0, sum=0.0)).skipped == {"no_value": 1}


def test_an_exponential_histogram_is_read() -> None:
    buckets = ExponentialHistogramDataPoint.Buckets(offset=0, bucket_counts=[1, 1, 2])
    point = ExponentialHistogramDataPoint(
        count=5, sum=15.0, scale=0, zero_count=1, positive=buckets, time_unix_nano=AT
    )
    data = ExponentialHistogram(aggregation_temporality=DELTA, data_points=[point])
    signal = one(Metric(name="took", exponential_histogram=data))
    assert signal.value == 3.0
    found = signal.body["quantiles"]
    assert isinstance(found, dict)
    assert 2 <= float(found["0.5"]) <= 4 <= float(found["0.9"]) <= 8


def test_a_summary_keeps_its_own_quantiles() -> None:
    values = [
        SummaryDataPoint.ValueAtQuantile(quantile=0.5, value=2.0),
        SummaryDataPoint.ValueAtQuantile(quantile=0.9, value=math.nan),
    ]
    point = SummaryDataPoint(count=2, sum=5.0, quantile_values=values)
    signal = one(Metric(name="took", summary=Summary(data_points=[point])))
    assert signal.value == 2.5
    assert signal.body == {"kind": "summary", "count": 2, "sum": 5.0, "quantiles": {"0.5": 2.0}}


@pytest.mark.parametrize(
    ("metric", "reason"),
    [
        (gauge(NumberDataPoint(as_double=math.nan)), "not_a_number"),
        (gauge(NumberDataPoint(as_double=-math.inf)), "not_a_number"),
        (Metric(gauge=Gauge(data_points=[NumberDataPoint(as_int=1)])), "no_name"),
        (histogram(count=1, bucket_counts=[1], explicit_bounds=[1.0]), "malformed_point"),
        (
            histogram(count=1, bucket_counts=[1, 0, 0], explicit_bounds=[2.0, 1.0]),
            "malformed_point",
        ),
        (histogram(count=1, bucket_counts=[1, 0], explicit_bounds=[math.nan]), "malformed_point"),
        (histogram(count=1, bucket_counts=[1] * 5_000), "malformed_point"),
    ],
)
def test_what_is_no_measurement_is_rejected(metric: Metric, reason: str) -> None:
    reading = read(metric)
    assert (reading.signals, reading.skipped) == ([], {reason: 1})
    assert reading.rejections == {reason}


def test_what_says_that_nothing_was_measured_is_no_error() -> None:
    reading = read(gauge(NumberDataPoint(flags=1), NumberDataPoint()))
    assert (reading.signals, reading.skipped) == ([], {"no_value": 2})
    assert reading.rejections == set()
    assert read(Metric(name="empty")).skipped == {}


def measured(count: int = 5_000) -> list[float]:
    chance = random.Random(SEED)  # noqa: S311 - figures, no secrets
    return [chance.lognormvariate(3.0, 1.0) for _ in range(count)]


def counted(values: Sequence[float], bounds: Sequence[float]) -> list[int]:
    edges = [-math.inf, *bounds, math.inf]
    return [sum(low < value <= high for value in values) for low, high in pairwise(edges)]


def test_estimates_are_off_by_no_more_than_a_bucket() -> None:
    values = measured()
    bounds = [0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 1000.0]
    found = quantiles(explicit(bounds, counted(values, bounds)), min(values), max(values))
    cuts = exact_quantiles(values, n=100)
    for quantile, exact in (("0.5", cuts[49]), ("0.9", cuts[89]), ("0.99", cuts[98])):
        low = max(bound for bound in bounds if bound < exact)
        high = min(bound for bound in bounds if bound >= exact)
        assert low <= found[quantile] <= high


@pytest.mark.parametrize("scale", [0, 2, 5])
def test_exponential_buckets_are_as_exact_as_their_base(scale: int) -> None:
    values = measured()
    base = 2.0 ** (2.0**-scale)
    indexes = [math.ceil(math.log(value, base)) - 1 for value in values]
    offset = min(indexes)
    counts = [indexes.count(index) for index in range(offset, max(indexes) + 1)]
    found = quantiles(exponential(scale, (0.0, 0), Run(offset, counts), Run(0, [])), None, None)
    cuts = exact_quantiles(values, n=100)
    for quantile, exact in (("0.5", cuts[49]), ("0.9", cuts[89]), ("0.99", cuts[98])):
        assert exact / base <= found[quantile] <= exact * base


def test_numbers_below_zero_come_first() -> None:
    buckets = exponential(0, (0.5, 1), Run(0, [1]), Run(0, [1, 2]))
    assert [(b.low, b.high, b.count) for b in buckets] == [
        (-4.0, -2.0, 2), (-2.0, -1.0, 1), (-0.5, 0.5, 1), (1.0, 2.0, 1),
    ]  # fmt: skip
    assert -4.0 <= quantiles(buckets, None, None)["0.5"] <= -1.0


EDGES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=10, unique=True).map(sorted)
COUNTS = st.integers(0, 2**64 - 1)


def test_an_estimate_stays_in_its_bucket_whatever_is_rounded() -> None:
    assert quantiles(explicit([-5e-28], [1, 1]), -1.0, 0.0)["0.5"] == -5e-28


@given(EDGES, st.data())
def test_estimates_rise_and_stay_within_the_measurements(
    bounds: list[float], data: st.DataObject
) -> None:
    size = len(bounds) + 1
    counts = data.draw(st.lists(COUNTS, min_size=size, max_size=size))
    least, most = sorted(data.draw(st.tuples(st.floats(-1e7, 1e7), st.floats(-1e7, 1e7))))
    found = list(quantiles(explicit(bounds, counts), least, most).values())
    assert found == sorted(found)
    assert all(least <= each <= most for each in found)


@given(
    st.integers(-(2**31), 2**31 - 1), st.integers(-(2**31), 2**31 - 1), st.lists(COUNTS, max_size=5)
)
def test_a_scale_of_any_size_is_read_or_refused(scale: int, offset: int, counts: list[int]) -> None:
    if not -10 <= scale <= 20:
        with pytest.raises(ValueError, match="scale"):
            exponential(scale, (0.0, 0), Run(offset, counts), Run(offset, counts))
        return
    buckets: list[Bucket] = exponential(scale, (math.inf, 1), Run(offset, counts), Run(0, []))
    assert all(math.isfinite(each) for each in quantiles(buckets, None, None).values())
