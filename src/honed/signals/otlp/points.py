"""Points of metrics: one signal for each, whatever was measured how."""

from collections.abc import Callable, Iterable, Mapping
from math import isfinite
from typing import Final, TypeAlias

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    DataPointFlags,
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    SummaryDataPoint,
)

from honed.core.canonical import Json
from honed.core.signal import Signal, SignalType
from honed.signals.otlp.histograms import Bucket, Run, explicit, exponential, quantiles
from honed.signals.otlp.reading import Origin, Reading, without_empty

Point: TypeAlias = (
    NumberDataPoint | HistogramDataPoint | ExponentialHistogramDataPoint | SummaryDataPoint
)

_TEMPORALITIES: Final = {1: "delta", 2: "cumulative"}
#: More buckets, and more quantiles of a summary, are not read: SDKs make at most 160.
_MOST_BUCKETS: Final = 2_000
_MOST_QUANTILES: Final = 32


def read_points(request: ExportMetricsServiceRequest, reading: Reading) -> None:
    """Add the signals of a request to those of its reading.

    The value of a gauge or a sum is its value, that of a distribution its mean. A cumulative point
    tells of all since ``start_at``.
    """
    for resource in request.resource_metrics:
        origin = Origin.of(resource.resource)
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                _read(metric, origin, reading)


def _read(metric: Metric, origin: Origin, reading: Reading) -> None:
    kind = metric.WhichOneof("data")
    if kind is None:
        return
    data = getattr(metric, kind)
    common: dict[str, Json] = {"kind": kind, "unit": metric.unit}
    if kind != "gauge" and kind != "summary":  # noqa: PLR1714 - mypy reads it so
        common["temporality"] = _TEMPORALITIES.get(data.aggregation_temporality, "")
    if kind == "sum":
        common["is_monotonic"] = data.is_monotonic
    points: Iterable[Point] = data.data_points
    for point in points:
        if reading.admits():
            _take(metric.name, point, common, origin, reading)


def _take(
    name: str, point: Point, common: Mapping[str, Json], origin: Origin, reading: Reading
) -> None:
    if not name:
        reading.reject("no_name")
        return
    if point.flags & DataPointFlags.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK:
        reading.skipped["no_value"] += 1
        return
    try:
        value, said = _READERS[type(point)](point)
    except ValueError:
        reading.reject("malformed_point")
        return
    if value is None:
        reading.skipped["no_value"] += 1
        return
    if not isfinite(value):
        reading.reject("not_a_number")
        return
    start = point.start_time_unix_nano
    body = {
        **common,
        **said,
        "attributes": reading.attributes(point.attributes),
        "start_at": reading.time(start).isoformat() if start else "",
    }
    reading.signals.append(
        Signal(
            type=SignalType.METRIC,
            subject=name,
            at=reading.time(point.time_unix_nano),
            service=origin.service,
            environment=origin.environment,
            release=origin.release,
            value=value,
            body=without_empty(body),
        )
    )


_Read: TypeAlias = tuple[float | None, dict[str, Json]]


def _number(point: NumberDataPoint) -> _Read:
    kind = point.WhichOneof("value")
    if kind is None:
        return None, {}
    return float(point.as_int if kind == "as_int" else point.as_double), {}


def _histogram(point: HistogramDataPoint) -> _Read:
    _check(len(point.bucket_counts))
    buckets = (
        explicit(point.explicit_bounds, point.bucket_counts) if len(point.bucket_counts) else []
    )
    return _distribution(point, buckets)


def _exponential(point: ExponentialHistogramDataPoint) -> _Read:
    _check(len(point.positive.bucket_counts) + len(point.negative.bucket_counts))
    buckets = exponential(
        point.scale,
        (point.zero_threshold, point.zero_count),
        Run(point.positive.offset, point.positive.bucket_counts),
        Run(point.negative.offset, point.negative.bucket_counts),
    )
    return _distribution(point, buckets)


def _check(number: int) -> None:
    """Return if so many buckets can be read.

    Raises:
        ValueError: they cannot.
    """
    if number > _MOST_BUCKETS:
        msg = "there are too many buckets"
        raise ValueError(msg)


def _distribution(
    point: HistogramDataPoint | ExponentialHistogramDataPoint, buckets: list[Bucket]
) -> _Read:
    if not point.count:
        return None, {}
    least = _finite(point.min) if point.HasField("min") else None
    most = _finite(point.max) if point.HasField("max") else None
    total = _finite(point.sum) if point.HasField("sum") else None
    estimates = quantiles(buckets, least, most)
    said: dict[str, Json] = {"count": point.count, "sum": total, "min": least, "max": most}
    middle = total / point.count if total is not None else estimates.get("0.5")
    return middle, {**said, "quantiles": estimates}


def _summary(point: SummaryDataPoint) -> _Read:
    if not point.count:
        return None, {}
    told = {
        repr(each.quantile): each.value
        for each in point.quantile_values[:_MOST_QUANTILES]
        if isfinite(each.quantile) and isfinite(each.value)
    }
    said: dict[str, Json] = {"count": point.count, "sum": _finite(point.sum), "quantiles": told}
    return point.sum / point.count, said


def _finite(number: float) -> float | None:
    return number if isfinite(number) else None


_READERS: Final[Mapping[type[Point], Callable[..., _Read]]] = {
    NumberDataPoint: _number,
    HistogramDataPoint: _histogram,
    ExponentialHistogramDataPoint: _exponential,
    SummaryDataPoint: _summary,
}
