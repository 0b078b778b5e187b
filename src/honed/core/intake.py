"""An intake: one wire on which signals come in. A plug-in, in one file of ``honed.intake``."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import ClassVar

import msgspec

from honed.core.canonical import Json
from honed.core.signal import Signal

#: The scheme of an Authorization header that carries a project's key.
_BEARER = "bearer "


class Request(msgspec.Struct, frozen=True):
    """One request to an intake's path."""

    method: str
    #: Without the query.
    path: str
    #: What stands in the path's places: ``{"project": "7"}``.
    parameters: Mapping[str, str] = msgspec.field(default_factory=dict)
    #: Names in lower case; of a name that comes twice, the last.
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    query: Mapping[str, str] = msgspec.field(default_factory=dict)
    #: The whole body, inflated; empty while only the key is asked for.
    body: bytes = b""
    #: When it came: for what does not say when it happened.
    received_at: datetime = msgspec.field(default_factory=lambda: datetime.now(UTC))


class Taken(msgspec.Struct, frozen=True):
    """What an intake has read in one request."""

    signals: tuple[Signal, ...] = ()
    #: How many items were left out, by reason: a short word with underscores, of a fixed set.
    skipped: Mapping[str, int] = msgspec.field(default_factory=dict)
    #: What the sender is answered, with status 200, once the signals are safe.
    answer: bytes = b"{}"
    content_type: str = "application/json"


class Refusal(msgspec.Struct, frozen=True):
    """Why a request is turned away."""

    #: Of HTTP.
    status: int
    error: str
    hint: str
    #: When to come again; 0: trying again makes no sense.
    retry_after_s: int = 0


class Answer(msgspec.Struct, frozen=True):
    """What a sender is told."""

    body: bytes
    content_type: str = "application/json"
    #: What a wire has beside those of HTTP, which are sent anyway: Retry-After is one of them.
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)


class Intake(ABC):
    """One wire on which signals come in. It parses (``core.wire`` helps) and does nothing else.

    Its module's docstring has four headings (What it does, Why it helps, Risk and rollback, How it
    is measured), from which its reference page is made.
    """

    #: Stored with every signal; never renamed.
    name: ClassVar[str]
    #: What it answers to, with places in braces: ``/api/{project}/envelope/``. A place holds one
    #: part of a path. Where one is called ``project``, the id of the project must stand in it.
    paths: ClassVar[tuple[str, ...]] = ()
    #: Whether ``key`` is asked once more, with the beginning of the body, where nothing else of
    #: the request shows a key.
    has_key_in_body: ClassVar[bool] = False

    def configure(self, settings: Mapping[str, Json]) -> None:
        """Take over what it needs of the settings, before anything comes; by default nothing.

        Args:
            settings: every setting of honed by its name, as JSON.

        Raises:
            ConfigurationError: one of them is wrong.
        """
        del settings

    def key(self, request: Request) -> str:
        """Return the public key of the project, before the body is read; empty: none was sent.

        By default that of the header ``X-Honed-Key``, else of ``Authorization: Bearer``.
        """
        key = request.headers.get("x-honed-key", "")
        if key:
            return key.strip()
        said = request.headers.get("authorization", "")
        return said[len(_BEARER) :].strip() if said[: len(_BEARER)].lower() == _BEARER else ""

    @abstractmethod
    def take(self, request: Request) -> Taken:
        """Return what the request says.

        Items that it does not know are counted in ``skipped``.

        Raises:
            MalformedSignal: the body as a whole cannot be read; the sender is answered 400.
        """

    def refuse(self, request: Request, refusal: Refusal) -> Answer:
        """Return how a request is told that it is turned away; by default in JSON.

        Args:
            request: its body may not be there: most are turned away before it is read.

            refusal: why.
        """
        del request
        said = {"error": refusal.error, "hint": refusal.hint}
        return Answer(json.dumps(said).encode())

    def poll_interval_s(self, settings: Mapping[str, Json]) -> float:
        """Return the pause between two polls; 0, the default: it only listens."""
        return 0.0

    def poll(self, settings: Mapping[str, Json]) -> Taken:
        """Return what there is to pull; by default nothing. The only method that may do I/O.

        What is pulled belongs to the project that has this intake's name.

        Args:
            settings: every setting of honed by its name, as JSON.
        """
        return Taken()
