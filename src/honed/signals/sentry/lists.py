"""What newer SDKs of Sentry send in lists: logs, metrics, and spans without a transaction."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from honed.core.canonical import Json
from honed.core.signal import Signal, SignalType
from honed.core.wire import number_in, text_in
from honed.signals.sentry.protocol import Read, object_in, objects_in
from honed.signals.sentry.source import Source, source_of_listed
from honed.signals.sentry.transactions import is_query, span_signal

#: Of one item; the SDK for Python sends no more than these.
MOST_LISTED: Final = 1_000
#: Attributes that are told elsewhere, or are the same in every signal of a service.
_ELSEWHERE: Final = ("sentry.", "process.", "thread.")
_PARAMETER: Final = "sentry.message.parameter."

#: Makes a signal, or says in a word why not.
_Make = Callable[[Mapping[str, Json], Mapping[str, Json], Source], Signal | str]


def read_logs(said: Mapping[str, Json], received_at: datetime) -> Read:
    """Return the lines of a log. They are in no group: an error among them comes as event, too."""
    return _read(said, received_at, _log)


def read_metrics(said: Mapping[str, Json], received_at: datetime) -> Read:
    """Return what a service measured of itself."""
    return _read(said, received_at, _metric)


def read_spans(said: Mapping[str, Json], received_at: datetime) -> Read:
    """Return the spans that a request to the service began, and the queries; others are counted."""
    return _read(said, received_at, _span)


def _read(said: Mapping[str, Json], received_at: datetime, make: _Make) -> Read:
    read = Read()
    listed = objects_in(said, "items")
    for each in listed[:MOST_LISTED]:
        attributes = _values(object_in(each, "attributes"))
        made = make(each, attributes, source_of_listed(each, attributes, received_at))
        if isinstance(made, Signal):
            read.signals.append(made)
        else:
            read.skipped[made] += 1
    if len(listed) > MOST_LISTED:
        read.skipped["too_many_listed"] += len(listed) - MOST_LISTED
    return read


def _log(each: Mapping[str, Json], attributes: Mapping[str, Json], source: Source) -> Signal | str:
    message = text_in(each, "body")
    if not message:
        return "empty"
    logger = text_in(attributes, "logger.name")
    body = {
        "message": message,
        "template": text_in(attributes, "sentry.message.template"),
        "params": {
            name.removeprefix(_PARAMETER): value
            for name, value in attributes.items()
            if name.startswith(_PARAMETER)
        },
        "level": text_in(each, "level"),
        "logger": logger,
        **_traced(each),
        "attributes": _own(attributes),
    }
    return source.signal(SignalType.LOG, logger or "log", body)


def _metric(
    each: Mapping[str, Json], attributes: Mapping[str, Json], source: Source
) -> Signal | str:
    name, value = text_in(each, "name"), number_in(each, "value")
    if not name or value is None:
        return "empty"
    body = {
        "kind": text_in(each, "type"),
        "unit": text_in(each, "unit"),
        **_traced(each),
        "attributes": _own(attributes),
    }
    return source.signal(SignalType.METRIC, name, body, value)


def _span(each: Mapping[str, Json], attributes: Mapping[str, Json], source: Source) -> Signal | str:
    operation = text_in(attributes, "sentry.op")
    is_segment = each.get("is_segment") is True
    if not is_segment and not is_query(operation, attributes):
        return "child_span"
    body = {
        "op": operation,
        "status": text_in(each, "status"),
        "is_segment": is_segment or None,
        "segment": "" if is_segment else text_in(attributes, "sentry.segment.name"),
        "parent_span_id": text_in(each, "parent_span_id"),
        **_traced(each),
        "attributes": _own(attributes),
    }
    name = text_in(each, "name") or operation or "span"
    return span_signal(name, each, "end_timestamp", source, body) or "no_times"


def _values(attributes: Mapping[str, Json]) -> dict[str, Json]:
    """Return attributes without the types of their values."""
    return {
        name: value.get("value") if isinstance(value, Mapping) else value
        for name, value in attributes.items()
    }


def _own(attributes: Mapping[str, Json]) -> dict[str, Json]:
    return {k: v for k, v in attributes.items() if not k.startswith(_ELSEWHERE)}


def _traced(each: Mapping[str, Json]) -> dict[str, Json]:
    return {"trace_id": text_in(each, "trace_id"), "span_id": text_in(each, "span_id")}
