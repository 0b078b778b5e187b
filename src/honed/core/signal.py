"""A signal: one thing that a service, a test run or a user has told honed."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

import msgspec

from honed.core.canonical import Json


class SignalType(StrEnum):
    """What sort of thing was told."""

    #: An exception that somebody caught, or nobody did.
    EXCEPTION = "exception"
    #: A line of a log.
    LOG = "log"
    #: One operation of a service, with how long it took.
    SPAN = "span"
    #: A number that a service measured of itself.
    METRIC = "metric"
    #: What one test of one run came to.
    TEST_RESULT = "test_result"
    #: What a user said.
    FEEDBACK = "feedback"
    #: One event of a user's session.
    SESSION_EVENT = "session_event"
    #: One request to a model.
    INFERENCE = "inference"


class Signal(msgspec.Struct, frozen=True):
    """One thing that was told, as a plug-in of the intake has read it.

    It is scrubbed after that and before it is first written: a plug-in hands on what was said.
    A server makes thousands in a second: a Struct is made six times as fast as a dataclass that is
    frozen, which sets one field after the other.
    """

    type: SignalType
    #: What it is about: ``ValueError at shop.cart.total``, the name of a span or metric, the id of
    #: a test or session, a model.
    subject: str
    #: When it happened, with a time zone, by the sender's clock.
    at: datetime
    service: str = ""
    #: Such as ``production``.
    environment: str = ""
    #: The version of the service.
    release: str = ""
    #: Milliseconds of a span, test or inference; the value of a metric; a rating.
    value: float | None = None
    #: Signals of one project with the same one are one group; empty: it is in none. The body of a
    #: signal with a fingerprint may name the group: ``title`` (else the subject), ``culprit`` and
    #: ``files``, a list of paths in the service's own code.
    fingerprint: str = ""
    #: All else that was said, as JSON.
    body: Mapping[str, Json] = msgspec.field(default_factory=dict)
