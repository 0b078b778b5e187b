"""What users say, as JSON.

What it does: it takes what a user said at `POST /api/v1/feedback`: one object, or a list of them,
with `text` (or `message`, or `comments`), and optionally `rating` (a number), `sentiment`, `user`,
`page`, `service`, `environment`, `release`, `at` (ISO 8601 or Unix seconds) and `properties` (an
object of anything else). The project's key stands in the header `X-Honed-Key`.

Why it helps: a form of a few lines is enough to hear what users miss, without any SDK.

Risk and rollback: it only stores. A user is named by a token, whatever he is called, and everything
personal is replaced by one before it is written. An object without words and without a rating is
left out and counted as `empty`; the setting `intake_sources_off` turns the source off.

How it is measured: the view `honed.user_feedback` shows each; `honed intake status` counts them.
"""

from collections import Counter
from collections.abc import Mapping
from typing import ClassVar

import msgspec

from honed.core.canonical import Json
from honed.core.intake import Intake, Request, Taken
from honed.core.signal import Signal, SignalType
from honed.core.wire import number_in, parse_json, parse_time, text_in
from honed.errors import MalformedSignal

#: What the words may be called, the first that is there.
_TEXTS = ("text", "message", "comments")
#: Kept beside the words, where they are texts.
_KEPT = ("sentiment", "page")


class FeedbackIntake(Intake):
    """Takes what users say."""

    name: ClassVar[str] = "feedback"
    paths: ClassVar[tuple[str, ...]] = ("/api/v1/feedback",)

    def take(self, request: Request) -> Taken:
        """Return one signal for each thing that was said.

        Raises:
            MalformedSignal: the body is neither an object nor a list of objects.
        """
        said = parse_json(request.body)
        if not isinstance(said, dict | list):
            msg = "feedback is a JSON object, or a list of them"
            raise MalformedSignal(msg, hint='send {"text": "what the user said"}')
        signals: list[Signal] = []
        skipped: Counter[str] = Counter()
        for each in said if isinstance(said, list) else [said]:
            if not isinstance(each, dict):
                skipped["no_object"] += 1
            elif (signal := _signal(each, request)) is None:
                skipped["empty"] += 1
            else:
                signals.append(signal)
        answer = {"accepted": len(signals), "skipped": dict(skipped)}
        return Taken(tuple(signals), skipped, msgspec.json.encode(answer))


def _signal(said: Mapping[str, Json], request: Request) -> Signal | None:
    text = next((said[key] for key in _TEXTS if text_in(said, key)), "")
    rating = number_in(said, "rating")
    if not text and rating is None:
        return None
    body: dict[str, Json] = {"text": text}
    body |= {key: said[key] for key in _KEPT if text_in(said, key)}
    if user := text_in(said, "user"):
        # What is called so is hidden by the scrubber whatever it looks like.
        body["user_token"] = user
    if isinstance(said.get("properties"), dict):
        body["properties"] = said["properties"]
    return Signal(
        type=SignalType.FEEDBACK,
        subject=text_in(said, "page") or text_in(said, "service") or "feedback",
        at=parse_time(said.get("at"), request.received_at),
        service=text_in(said, "service"),
        environment=text_in(said, "environment"),
        release=text_in(said, "release"),
        value=rating,
        body=body,
    )
