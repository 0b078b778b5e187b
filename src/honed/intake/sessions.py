"""Events of users' sessions, as JSON.

What it does: it takes what happened in users' sessions at `POST /api/v1/sessions`: one object, or a
list of them, each with `session` (its id) and `events`, in their order. An event is a word, or an
object with `event` and optionally `page`, `duration_ms`, `at` (ISO 8601 or Unix seconds),
`position` and `properties`. Beside `events` may stand `user`, `service`, `environment`, `release`
and `position`, the number of the first of them where a session is sent in parts. The project's key
stands in the header `X-Honed-Key`.

Why it helps: the ways that users take show where they turn back, go in circles or give up.

Risk and rollback: it only stores. Users are named by tokens, as everything personal is replaced by
one before it is written. What has no session or no name is left out and counted; the setting
`intake_sources_off` turns the source off.

How it is measured: the view `honed.session_event` shows each in its place; `honed intake status`
counts them.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from honed.core.canonical import Json
from honed.core.intake import Intake, Request, Taken
from honed.core.signal import Signal, SignalType
from honed.core.wire import number_in, parse_json, parse_time, text_in
from honed.errors import MalformedSignal

#: The largest number of an event.
_LAST_POSITION = 2**53


class SessionsIntake(Intake):
    """Takes events of sessions, in their order."""

    name: ClassVar[str] = "sessions"
    paths: ClassVar[tuple[str, ...]] = ("/api/v1/sessions",)

    def take(self, request: Request) -> Taken:
        """Return one signal for each event.

        Raises:
            MalformedSignal: the body is neither an object nor a list of objects.
        """
        said = parse_json(request.body)
        if not isinstance(said, Mapping | list):
            msg = "sessions are a JSON object, or a list of them"
            raise MalformedSignal(msg, hint='send {"session": "s1", "events": ["open", "buy"]}')
        signals: list[Signal] = []
        skipped: Counter[str] = Counter()
        for session in said if isinstance(said, list) else [said]:
            events = session.get("events") if isinstance(session, Mapping) else None
            if not isinstance(session, Mapping) or not text_in(session, "session"):
                skipped["no_session"] += 1
            elif not isinstance(events, list):
                skipped["no_events"] += 1
            else:
                signals += _signals(session, events, request, skipped)
        answer = {"accepted": len(signals), "skipped": dict(skipped)}
        return Taken(tuple(signals), skipped, json.dumps(answer).encode())


def _signals(
    session: Mapping[str, Json], events: Sequence[Json], request: Request, skipped: Counter[str]
) -> Iterator[Signal]:
    first = _position(session, 0)
    for place, said in enumerate(events):
        event: Mapping[str, Json] = said if isinstance(said, Mapping) else {"event": said}
        if not text_in(event, "event"):
            skipped["no_event"] += 1
            continue
        body: dict[str, Json] = {
            "event": text_in(event, "event"),
            "position": _position(event, first + place),
        }
        # What is called a token is hidden by the scrubber whatever it looks like.
        named = {"user_token": text_in(session, "user"), "page": text_in(event, "page")}
        body |= {key: value for key, value in named.items() if value}
        if isinstance(event.get("properties"), Mapping):
            body["properties"] = event["properties"]
        yield Signal(
            type=SignalType.SESSION_EVENT,
            subject=text_in(session, "session"),
            at=parse_time(event.get("at"), request.received_at),
            service=text_in(session, "service"),
            environment=text_in(session, "environment"),
            release=text_in(session, "release"),
            value=number_in(event, "duration_ms"),
            body=body,
        )


def _position(said: Mapping[str, Json], otherwise: int) -> int:
    position = number_in(said, "position")
    return otherwise if position is None or not 0 <= position <= _LAST_POSITION else int(position)
