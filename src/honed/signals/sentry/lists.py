"""What newer SDKs of Sentry send in lists: logs, metrics, and spans without a transaction."""

from collections.abc import Callable, Mapping
from typing import Final

from honed.core.canonical import Json
from honed.core.signal import SignalType
from honed.core.wire import number_in, text_in
from honed.signals.sentry.protocol import Reading, object_in, objects_in
from honed.signals.sentry.source import Source, source_of_listed
from honed.signals.sentry.spans import Span, is_asking_a_model, kept, telling

#: Of one item; the SDK for Python sends no more than these.
MOST_LISTED: Final = 1_000
_PARAMETER: Final = "sentry.message.parameter."
_IDS: Final = ("trace_id", "span_id", "parent_span_id")

#: Takes what is listed, with its attributes and where it comes from.
_Take = Callable[[Mapping[str, Json], Mapping[str, Json], Source, Reading], None]


def read_logs(said: Mapping[str, Json], reading: Reading) -> None:
    """Add the lines of a log. They are in no group: an error among them comes as event, too."""
    _read(said, reading, _log)


def read_metrics(said: Mapping[str, Json], reading: Reading) -> None:
    """Add what a service measured of itself."""
    _read(said, reading, _metric)


def read_spans(said: Mapping[str, Json], reading: Reading) -> None:
    """Add spans that began something, queries and requests to models; others are counted."""
    _read(said, reading, _span)


def _read(said: Mapping[str, Json], reading: Reading, take: _Take) -> None:
    listed = objects_in(said, "items")
    for each in listed[:MOST_LISTED]:
        attributes = _values(object_in(each, "attributes"))
        source = source_of_listed(each, attributes, reading.received_at)
        take(each, attributes, source, reading)
    if len(listed) > MOST_LISTED:
        reading.skipped["too_many_listed"] += len(listed) - MOST_LISTED


def _log(
    each: Mapping[str, Json], attributes: Mapping[str, Json], source: Source, reading: Reading
) -> None:
    logger = text_in(attributes, "logger.name")
    body: dict[str, Json] = {
        "message": text_in(each, "body"),
        "template": text_in(attributes, "sentry.message.template"),
        "params": {
            name.removeprefix(_PARAMETER): value
            for name, value in attributes.items()
            if name.startswith(_PARAMETER)
        },
        "level": text_in(each, "level"),
        "logger": logger,
        **_ids(each),
        "attributes": kept(attributes, reading),
    }
    signal = source.signal(SignalType.LOG, logger or "log", body)
    reading.take(signal if body["message"] else None, "empty")


def _metric(
    each: Mapping[str, Json], attributes: Mapping[str, Json], source: Source, reading: Reading
) -> None:
    name, value = text_in(each, "name"), number_in(each, "value")
    body: dict[str, Json] = {
        "kind": text_in(each, "type"),
        "unit": text_in(each, "unit"),
        **_ids(each),
        "attributes": kept(attributes, reading),
    }
    signal = source.signal(SignalType.METRIC, name, body, value)
    reading.take(signal if name and value is not None else None, "empty")


def _span(
    each: Mapping[str, Json], attributes: Mapping[str, Json], source: Source, reading: Reading
) -> None:
    is_segment = each.get("is_segment") is True
    place = {
        "status": text_in(each, "status"),
        "is_segment": is_segment or None,
        "segment": "" if is_segment else text_in(attributes, "sentry.segment.name"),
        **_ids(each),
    }
    span = Span(text_in(each, "name"), text_in(attributes, "sentry.op"), attributes, place)
    if is_segment or span.is_query or is_asking_a_model(span):
        reading.take(telling(span, each, "end_timestamp", source, reading), "no_times")
    else:
        reading.skipped["child_span"] += 1


def _values(attributes: Mapping[str, Json]) -> dict[str, Json]:
    """Return attributes without the types of their values."""
    return {
        name: value.get("value") if isinstance(value, dict) else value
        for name, value in attributes.items()
    }


def _ids(each: Mapping[str, Json]) -> dict[str, Json]:
    return {name: text_in(each, name) for name in _IDS}
