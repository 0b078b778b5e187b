"""What an unmodified SDK of Sentry sends, at honed's DSN.

What it does: it takes envelopes at `POST /api/{project}/envelope/`, and single events at the older
`/api/{project}/store/`. Exceptions come with their causes, calls, variables and breadcrumbs; log
errors and messages with template and parameters; transactions as spans with a summary of all below
them, their database queries as spans of their own; logs, metrics and streamed spans as such;
feedback as what users say. The SDK finds the project's key in the DSN and shows it by itself.

Why it helps: a service that has an SDK of Sentry already needs one line, the DSN, and no code.

Risk and rollback: it only stores. Sessions, profiles, attachments, check-ins, replays and reports
of the client are left out and counted, each by its name; so is what cannot be read, where something
else in the same envelope can. The setting `intake_sources_off` turns the source off; taking the DSN
out of the service ends it, too.

How it is measured: `honed intake status` counts what came and what was left out; exceptions and log
errors of one cause are one group, with how often, since when and in which releases.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import ClassVar, Final
from urllib.parse import urlsplit

from honed.core.canonical import Json
from honed.core.intake import Intake, Request, Taken
from honed.core.signal import Signal
from honed.core.wire import text_in
from honed.errors import MalformedSignal
from honed.signals.sentry.envelope import MALFORMED, Envelope, Item, parse_envelope
from honed.signals.sentry.events import read_event, read_feedback
from honed.signals.sentry.lists import read_logs, read_metrics, read_spans
from honed.signals.sentry.protocol import Read, event_id, parse_object
from honed.signals.sentry.source import source_of_event
from honed.signals.sentry.transactions import read_transaction

_STORE: Final = "/store"
#: In a header such as ``Sentry sentry_key=4d2e, sentry_version=7``.
_KEY: Final = re.compile(r"\bsentry_key=([^,\s]+)")
#: Items that are left out, each counted by its own name.
_LEFT_OUT: Final = frozenset(
    {
        "attachment",
        "check_in",
        "client_report",
        "form_data",
        "metric_buckets",
        "profile",
        "profile_chunk",
        "raw_security",
        "replay_event",
        "replay_recording",
        "replay_video",
        "session",
        "sessions",
        "statsd",
        "unreal_report",
    }
)
_HINT: Final = "an item's payload is a JSON object, as long as the item's header says"


class SentryIntake(Intake):
    """Takes envelopes and events."""

    name: ClassVar[str] = "sentry"
    paths: ClassVar[tuple[str, ...]] = ("/api/{project}/envelope/", "/api/{project}/store/")

    def key(self, request: Request) -> str:
        """Return the key that the SDK shows: by header, by query, or in the envelope's own DSN.

        The last needs the body, which is not there before somebody has shown a key.
        """
        for header in ("x-sentry-auth", "authorization"):
            if shown := _KEY.search(request.headers.get(header, "")):
                return shown[1]
        return request.query.get("sentry_key", "") or _key_of_dsn(request.body)

    def take(self, request: Request) -> Taken:
        """Return the signals of every item.

        Raises:
            MalformedSignal: it is no envelope, or nothing in it can be read.
        """
        if request.path.rstrip("/").endswith(_STORE):
            envelope = Envelope({}, (Item("event", request.body),))
        else:
            envelope = parse_envelope(request.body)
        signals: list[Signal] = []
        skipped = Counter(envelope.skipped)
        for item in envelope.items:
            read = _read(item, request.received_at)
            signals += read.signals
            skipped.update(read.skipped)
        if skipped[MALFORMED] and not signals:
            msg = "no item of the envelope can be read"
            raise MalformedSignal(msg, hint=_HINT)
        return Taken(tuple(signals), +skipped, _answer(envelope, signals))


def _read(item: Item, received_at: datetime) -> Read:
    reader = _READERS.get(item.type)
    if reader is None:
        return Read(skipped=Counter([item.type if item.type in _LEFT_OUT else "unknown_item"]))
    try:
        said = parse_object(item.payload)
    except MalformedSignal:
        return Read(skipped=Counter([MALFORMED]))
    return reader(said, len(item.payload), received_at)


def _event(said: Mapping[str, Json], size_bytes: int, received_at: datetime) -> Read:
    if said.get("type") == "transaction":
        return read_transaction(said, received_at)
    return _one(read_event(said, size_bytes, received_at))


def _report(said: Mapping[str, Json], _size_bytes: int, received_at: datetime) -> Read:
    return _one(read_feedback(said, source_of_event(said, received_at), {}))


def _one(signal: Signal | None) -> Read:
    return Read([signal]) if signal else Read(skipped=Counter(["empty"]))


_Reader = Callable[[Mapping[str, Json], int, datetime], Read]
_READERS: Final[Mapping[str, _Reader]] = {
    "event": _event,
    "feedback": _event,
    "transaction": lambda said, _, received_at: read_transaction(said, received_at),
    "user_report": _report,
    "log": lambda said, _, received_at: read_logs(said, received_at),
    "trace_metric": lambda said, _, received_at: read_metrics(said, received_at),
    "span": lambda said, _, received_at: read_spans(said, received_at),
}


def _answer(envelope: Envelope, signals: list[Signal]) -> bytes:
    """Return the event's id, as the SDKs expect it."""
    told = event_id(envelope.header)
    if not told:
        told = next((each for signal in signals if (each := text_in(signal.body, "event_id"))), "")
    return json.dumps({"id": told} if told else {}).encode()


def _key_of_dsn(body: bytes) -> str:
    try:
        return urlsplit(text_in(parse_object(body.partition(b"\n")[0]), "dsn")).username or ""
    except (MalformedSignal, ValueError):
        return ""
