"""What an unmodified SDK of Sentry sends, at honed's DSN.

What it does: it takes envelopes at `POST /api/{project}/envelope/`, and single events at the older
`/api/{project}/store/`. Exceptions come with their causes, calls, variables and breadcrumbs; log
errors and messages with template and parameters; transactions as spans with a summary of all below
them, their database queries as spans of their own, without values, and requests to models with
their tokens and cost; logs, metrics and streamed spans as such; feedback as what users say. The SDK
finds the project's key in the DSN and shows it by itself; where it is set up to send through a
tunnel, the key in the envelope's own header is taken.

Why it helps: a service that has an SDK of Sentry already needs one line, the DSN, and no code.

Risk and rollback: it only stores. What was said to a model and what it answered is never kept.
Sessions, profiles, attachments, check-ins, replays and reports of the client are left out and
counted, each by its name; so is what cannot be read, where something else in the same envelope can.
The setting `intake_sources_off` turns the source off; taking the DSN out of the service ends it,
too.

How it is measured: `honed intake status` counts what came and what was left out; exceptions and log
errors of one cause are one group, with how often, since when and in which releases.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Final
from urllib.parse import urlsplit

import msgspec
from msgspec import structs

from honed.core.canonical import Json
from honed.core.intake import Answer, Intake, Refusal, Request, Taken
from honed.core.wire import text_in
from honed.errors import MalformedSignal
from honed.llm.prices import Prices
from honed.signals.sentry.envelope import MALFORMED, Envelope, Item, parse_envelope
from honed.signals.sentry.events import read_event, read_report
from honed.signals.sentry.lists import read_logs, read_metrics, read_spans
from honed.signals.sentry.protocol import Reading, event_id, parse_object
from honed.signals.sentry.transactions import read_transaction

_STORE: Final = "/store"
_TOO_MANY_REQUESTS: Final = 429
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
    has_key_in_body: ClassVar[bool] = True

    def __init__(self) -> None:
        """Begin with the settings as they come."""
        self._own_prices: Path | None = None

    def configure(self, settings: Mapping[str, Json]) -> None:
        """Take over the setting ``price_file``.

        Raises:
            ConfigurationError: the file is not there, or not a table of prices.
        """
        file = settings.get("price_file")
        self._own_prices = Path(str(file)) if file else None
        _prices(self._own_prices)

    def key(self, request: Request) -> str:
        """Return the key that the SDK shows: by header, by query, or in the envelope's own DSN."""
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
        reading = Reading(request.received_at, _prices(self._own_prices))
        reading.skipped.update(envelope.skipped)
        for item in envelope.items:
            _read(item, reading)
        if reading.skipped[MALFORMED] and not reading.signals:
            msg = "no item of the envelope can be read"
            raise MalformedSignal(msg, hint=_HINT)
        return Taken(tuple(reading.signals), +reading.skipped, _answer(envelope, reading))

    def refuse(self, request: Request, refusal: Refusal) -> Answer:
        """Return the reason in JSON; who sends too much is told so as Sentry tells it, too."""
        told = super().refuse(request, refusal)
        if refusal.status != _TOO_MANY_REQUESTS:
            return told
        # Seconds, categories (none: all) and scope, as
        # develop.sentry.dev/sdk/expected-features/rate-limiting has it.
        limits = {"X-Sentry-Rate-Limits": f"{refusal.retry_after_s}::organization"}
        return structs.replace(told, headers=limits)


@lru_cache(1)
def _prices(own: Path | None) -> Prices:
    return Prices.load(own)


def _read(item: Item, reading: Reading) -> None:
    read = _READERS.get(item.type)
    if read is None:
        reading.skipped[item.type if item.type in _LEFT_OUT else "unknown_item"] += 1
        return
    try:
        said = parse_object(item.payload)
    except MalformedSignal:
        reading.skipped[MALFORMED] += 1
        return
    if read is read_event and said.get("type") == "transaction":
        read = read_transaction
    reading.size_bytes = len(item.payload)
    read(said, reading)


_READERS: Final[Mapping[str, Callable[[Mapping[str, Json], Reading], None]]] = {
    "event": read_event,
    "feedback": read_event,
    "log": read_logs,
    "span": read_spans,
    "trace_metric": read_metrics,
    "transaction": read_transaction,
    "user_report": read_report,
}


def _answer(envelope: Envelope, reading: Reading) -> bytes:
    """Return the event's id, as the SDKs expect it."""
    ids = (text_in(signal.body, "event_id") for signal in reading.signals)
    told = event_id(envelope.header) or next(filter(None, ids), "")
    return msgspec.json.encode({"id": told} if told else {})


def _key_of_dsn(body: bytes) -> str:
    try:
        return urlsplit(text_in(parse_object(body.partition(b"\n")[0]), "dsn")).username or ""
    except (MalformedSignal, ValueError):
        return ""
