"""One event of Sentry as one signal: an exception, a line of a log, or what a user says.

Nothing is cut here, because half of a secret is not recognised as one; what an event has too much
of is left out as a whole.
"""

from collections.abc import Mapping
from typing import Final

from honed.core.canonical import Json
from honed.core.fingerprint import culprit, files, fingerprint, log_fingerprint, title
from honed.core.signal import Signal, SignalType
from honed.core.wire import number_in, text_in
from honed.signals.sentry.faults import Thrown, fault, thrown
from honed.signals.sentry.protocol import (
    Reading,
    event_id,
    object_in,
    objects_in,
    tags_in,
    told,
)
from honed.signals.sentry.source import Source, source_of_event

#: Larger events, in bytes, lose what is heavy.
LARGE_BYTES: Final = 256 * 1024
_HEAVY: Final = frozenset({"breadcrumbs", "extra", "request", "tags"})
_HEAVY_IN_FRAMES: Final = frozenset({"vars", "pre_context", "post_context"})

_MOST_BREADCRUMBS: Final = 100
_BREADCRUMB: Final = ("timestamp", "type", "category", "level", "message", "data")
_REQUEST: Final = ("method", "url", "query_string", "headers", "data")
#: Of a user what names no person, or is replaced by a token before it is stored.
_USER: Final = ("id", "email", "ip_address")
#: Told in places of their own.
_CONTEXTS_ELSEWHERE: Final = frozenset({"trace", "feedback", "runtime"})
#: What stands in a client's own fingerprint for that of honed.
_DEFAULTS: Final = frozenset({"{{ default }}", "{{default}}"})


def read_event(event: Mapping[str, Json], reading: Reading) -> None:
    """Add the signal of an event, where it says something."""
    source = source_of_event(event, reading.received_at)
    feedback = object_in(object_in(event, "contexts"), "feedback")
    if feedback or event.get("type") == "feedback":
        signal = _feedback(feedback, source, _identity(event))
    else:
        event = _shortened(event) if reading.size_bytes > LARGE_BYTES else event
        signal = _exception(event, source) or _log(event, source)
    reading.take(signal, "empty")


def read_report(said: Mapping[str, Json], reading: Reading) -> None:
    """Add what a user says in an old report, which is of an event."""
    source = source_of_event(said, reading.received_at)
    reading.take(_feedback(said, source, {"about_event": event_id(said)}), "empty")


def _feedback(
    said: Mapping[str, Json], source: Source, identity: Mapping[str, Json]
) -> Signal | None:
    """Return what a user says; None where it has neither words nor a rating."""
    text = text_in(said, "message") or text_in(said, "comments")
    rating = number_in(said, "rating")
    if not text and rating is None:
        return None
    page = text_in(said, "url")
    about: dict[str, Json] = {
        "text": text,
        # A user's name has no shape by which it could be found and replaced: it is not kept.
        "user_token": text_in(said, "contact_email")
        or text_in(said, "email")
        or text_in(said, "user"),
        "page": page,
        "about_event": text_in(said, "associated_event_id"),
        "properties": object_in(said, "properties"),
        **identity,
    }
    subject = page or source.service or "feedback"
    return source.signal(SignalType.FEEDBACK, subject, about, rating)


def _exception(event: Mapping[str, Json], source: Source) -> Signal | None:
    exceptions = thrown(event)
    found = fault(exceptions, text_in(event, "platform"))
    if found is None or not (found.type or found.message):
        return None
    place = culprit(found) or text_in(event, "transaction")
    type_ = found.type or "exception"
    about: dict[str, Json] = {
        "title": title(found),
        "culprit": place,
        "files": list(files(found)),
        "exceptions": [_told_exception(each) for each in exceptions],
        "message": _message(event)[1],
        **_circumstances(event),
    }
    subject = f"{type_} at {place}" if place else type_
    group = _group(event, fingerprint(found))
    return source.signal(SignalType.EXCEPTION, subject, about, fingerprint=group)


def _log(event: Mapping[str, Json], source: Source) -> Signal | None:
    template, message = _message(event)
    if not message:
        return None
    logger = text_in(event, "logger")
    about: dict[str, Json] = {
        "title": message.strip().partition("\n")[0],
        "culprit": logger or text_in(event, "transaction"),
        "message": message,
        "template": template if template != message else "",
        "params": object_in(event, "logentry").get("params"),
        **_circumstances(event),
    }
    group = _group(event, log_fingerprint(logger, template))
    return source.signal(SignalType.LOG, logger or "log", about, fingerprint=group)


def _message(event: Mapping[str, Json]) -> tuple[str, str]:
    """Return the template of the message that an event has, and what was made of it."""
    entry = object_in(event, "logentry") or object_in(event, "message")
    template = text_in(entry, "message") or text_in(event, "message")
    message = text_in(entry, "formatted") or template
    return template or message, message


def _group(event: Mapping[str, Json], default: str) -> str:
    """Return the fingerprint: that of honed, unless the client says what is one group."""
    said = event.get("fingerprint")
    listed = said if isinstance(said, list) else []
    parts = [str(each) for each in listed if isinstance(each, str | int)]
    if all(part in _DEFAULTS for part in parts):
        return default
    return "\n".join(["client", *(default if part in _DEFAULTS else part for part in parts)])


def _told_exception(each: Thrown) -> Json:
    return told(
        {
            "type": each.type,
            "message": each.message,
            "handled": each.mechanism.get("handled"),
            "mechanism": text_in(each.mechanism, "type"),
            "frames": [call.told() for call in each.calls],
        }
    )


def _circumstances(event: Mapping[str, Json]) -> dict[str, Json]:
    contexts = object_in(event, "contexts")
    crumbs = objects_in(event, "breadcrumbs")[-_MOST_BREADCRUMBS:]
    return {
        **_identity(event),
        "level": text_in(event, "level"),
        "logger": text_in(event, "logger"),
        "server": text_in(event, "server_name"),
        "transaction": text_in(event, "transaction"),
        "tags": tags_in(event),
        "user": _some(object_in(event, "user"), _USER),
        "request": _some(object_in(event, "request"), _REQUEST),
        "runtime": _version(object_in(contexts, "runtime")),
        "sdk": _version(object_in(event, "sdk")),
        "breadcrumbs": [_some(crumb, _BREADCRUMB) for crumb in crumbs],
        "extra": object_in(event, "extra"),
        "contexts": {k: v for k, v in contexts.items() if k not in _CONTEXTS_ELSEWHERE},
        "is_shortened": event.get("is_shortened"),
    }


def _identity(event: Mapping[str, Json]) -> dict[str, Json]:
    trace = object_in(object_in(event, "contexts"), "trace")
    return {
        "event_id": event_id(event),
        "trace_id": text_in(trace, "trace_id"),
        "span_id": text_in(trace, "span_id"),
    }


def _some(said: Mapping[str, Json], keys: tuple[str, ...]) -> Json:
    return told({key: said.get(key) for key in keys})


def _version(said: Mapping[str, Json]) -> str:
    return f"{text_in(said, 'name')} {text_in(said, 'version')}".strip()


def _shortened(event: Mapping[str, Json]) -> Mapping[str, Json]:
    """Return an event without what is heavy, and that says so."""
    exceptions: list[Json] = [
        {**each, "stacktrace": {"frames": [_light(frame) for frame in _frames(each)]}}
        for each in objects_in(event, "exception")
    ]
    contexts = {"trace": object_in(object_in(event, "contexts"), "trace")}
    light = {name: value for name, value in event.items() if name not in _HEAVY}
    return {**light, "exception": exceptions, "contexts": contexts, "is_shortened": True}


def _frames(exception: Mapping[str, Json]) -> list[Mapping[str, Json]]:
    return objects_in(object_in(exception, "stacktrace"), "frames")


def _light(frame: Mapping[str, Json]) -> Mapping[str, Json]:
    return {name: value for name, value in frame.items() if name not in _HEAVY_IN_FRAMES}
