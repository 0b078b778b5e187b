"""Prometheus: gauges and counters that services show on a page.

What it does: it reads the pages that the setting `prometheus_targets` names, in Prometheus' text
format, every `prometheus_interval_s` seconds. Each gauge, counter and untyped number becomes a
metric, with its labels; the service is the target's name, or else its host and port. What is read
belongs to the project called `prometheus`; without it nothing is. As in Prometheus, `up` is 1 for
a target that was read and 0 for one that was not.

Why it helps: what a service or an exporter shows to Prometheus, a queue's length, a cache's size,
tells why a latency has changed.

Risk and rollback: it asks each target once in an interval, waits 10 seconds at most, takes 8 MB and
10,000 samples of it at most, and follows no redirects. Histograms and summaries are left out and
counted; OpenTelemetry's wire takes them. An empty setting turns it off.

How it is measured: `honed intake status` counts what was taken and left out, and targets that could
not be read by reason.
"""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import ClassVar, Final
from urllib.parse import urlsplit

import httpx

from honed.core.canonical import Json
from honed.core.exposition import COUNTER, GAUGE, UNTYPED, Sample, read_page
from honed.core.intake import Intake, Request, Taken
from honed.core.signal import Signal, SignalType

_KEPT: Final = frozenset({GAUGE, COUNTER, UNTYPED})
#: Families of several numbers.
_FAMILIES: Final = frozenset({"histogram", "summary", "gaugehistogram", "info", "stateset"})
#: What clients show of each counter: when it began.
_CREATED: Final = "_created"
MOST_SAMPLES: Final = 10_000
_MOST_LABELS: Final = 64
_LONGEST_LABEL: Final = 4_096
_MOST_BYTES: Final = 8 * 2**20
#: Longest wait for a whole page, and for any part of it.
_PAGE_S: Final = 10.0
_PART_S: Final = 5.0
_AT_ONCE: Final = 8
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HEADERS: Final = {"Accept": "text/plain;version=0.0.4", "Accept-Encoding": "identity"}
_OK: Final = 200
#: Why a page could not be read.
_REDIRECTED, _BAD_STATUS, _ENCODED = "redirected", "bad_status", "encoded"
_TOO_LARGE, _TOO_SLOW, _UNREACHABLE = "too_large", "too_slow", "unreachable"


class PrometheusIntake(Intake):
    """Reads pages of metrics on time."""

    name: ClassVar[str] = "prometheus"

    def take(self, request: Request) -> Taken:
        """Return what a page says that was read from ``request.path``."""
        target = Target.parse(request.path)
        page = read_page(request.body.decode(errors="replace"))
        skipped: Counter[str] = Counter({"malformed_line": page.malformed})
        signals: list[Signal] = []
        for sample in page.samples:
            if reason := _unkept(sample):
                skipped[reason] += 1
            elif len(signals) >= MOST_SAMPLES:
                skipped["over_limit"] += 1
            else:
                signals.append(_signal(sample, target, request.received_at, skipped))
        return Taken(tuple(signals), +skipped)

    def poll_interval_s(self, settings: Mapping[str, Json]) -> float:
        """Return the pause between two readings; 0: there is nothing to read."""
        interval = settings.get("prometheus_interval_s")
        is_wanted = bool(targets(settings)) and isinstance(interval, int | float)
        return float(interval) if is_wanted and isinstance(interval, int | float) else 0.0

    def poll(self, settings: Mapping[str, Json]) -> Taken:
        """Return what all targets show; one that cannot be read does not keep back the others."""
        wanted = targets(settings)
        with (
            httpx.Client(timeout=_PART_S, trust_env=False, headers=_HEADERS) as client,
            ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="prometheus") as readers,
        ):
            each = list(readers.map(lambda target: self._read(client, target), wanted))
        skipped: Counter[str] = Counter()
        for taken in each:
            skipped.update(taken.skipped)
        return Taken(tuple(signal for taken in each for signal in taken.signals), skipped)

    def _read(self, client: httpx.Client, target: "Target") -> Taken:
        now = datetime.now(UTC)
        try:
            body = _fetch(client, target.url)
        except _Unread as error:
            return Taken((_up(target, now, 0.0),), {error.reason: 1})
        taken = self.take(Request("GET", target.told, body=body, received_at=now))
        return Taken((_up(target, now, 1.0), *taken.signals), taken.skipped)


@dataclass(frozen=True, slots=True)
class Target:
    """A page to read."""

    name: str
    url: str

    @classmethod
    def parse(cls, told: str) -> "Target":
        """Return the target of ``name=url``, or of a URL, whose host and port are its name then."""
        name, equals, url = told.partition("=")
        if not equals or "/" in name:
            name, url = "", told
        return cls(name or urlsplit(url).netloc, url)

    @property
    def told(self) -> str:
        """As it may be parsed again."""
        return f"{self.name}={self.url}"


class _Unread(Exception):
    """A page could not be read."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def targets(settings: Mapping[str, Json]) -> Sequence[Target]:
    """Return the pages that the setting ``prometheus_targets`` names."""
    told = str(settings.get("prometheus_targets") or "")
    return [Target.parse(each.strip()) for each in told.split(",") if each.strip()]


def _fetch(client: httpx.Client, url: str) -> bytes:
    """Return a page, as it was sent.

    Raises:
        _Unread: it is not there, too large or too slow, or it is encoded.
    """
    deadline = time.monotonic() + _PAGE_S
    parts: list[bytes] = []
    size = 0
    try:
        with client.stream("GET", url) as answer:
            if answer.status_code != _OK:
                raise _Unread(_REDIRECTED if answer.is_redirect else _BAD_STATUS)
            if answer.headers.get("content-encoding", "identity") != "identity":
                raise _Unread(_ENCODED)
            for part in answer.iter_raw():
                size += len(part)
                parts.append(part)
                if size > _MOST_BYTES:
                    raise _Unread(_TOO_LARGE)
                if time.monotonic() > deadline:
                    raise _Unread(_TOO_SLOW)
    except httpx.TimeoutException as error:
        raise _Unread(_TOO_SLOW) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _Unread(_UNREACHABLE) from error
    return b"".join(parts)


def _unkept(sample: Sample) -> str:
    """Return why a sample is left out; empty: it is not."""
    if sample.type not in _KEPT:
        return sample.type if sample.type in _FAMILIES else "other_type"
    if sample.name.endswith(_CREATED):
        return "created"
    return "" if isfinite(sample.value) else "not_a_number"


def _signal(sample: Sample, target: Target, now: datetime, skipped: Counter[str]) -> Signal:
    # Left out as a whole: of half a secret nobody can see that it was one.
    labels = {
        name: value
        for name, value in list(sample.labels.items())[:_MOST_LABELS]
        if len(value) <= _LONGEST_LABEL
    }
    if len(labels) < len(sample.labels):
        skipped["labels"] += len(sample.labels) - len(labels)
    body: dict[str, Json] = {"kind": sample.type}
    if labels:
        body["attributes"] = labels
    return Signal(
        type=SignalType.METRIC,
        subject=sample.name,
        at=_at(sample, now),
        service=target.name,
        value=sample.value,
        body=body,
    )


def _at(sample: Sample, now: datetime) -> datetime:
    if sample.at_ms is None:
        return now
    try:
        return _EPOCH + timedelta(milliseconds=sample.at_ms)
    except OverflowError:
        return now


def _up(target: Target, now: datetime, value: float) -> Signal:
    return Signal(
        type=SignalType.METRIC,
        subject="up",
        at=now,
        service=target.name,
        value=value,
        body={"kind": GAUGE},
    )
