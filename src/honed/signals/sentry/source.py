"""Where a signal comes from, as an event tells it, or the attributes of something in a list."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec

from honed.core.canonical import Json
from honed.core.signal import Signal, SignalType
from honed.core.wire import parse_time, text_in
from honed.signals.sentry.protocol import tags_in, told

#: What tags or attributes call the service.
_SERVICES: Final = ("service", "service.name")


class Source(msgspec.Struct, frozen=True):
    """What all signals have that were told together."""

    at: datetime
    service: str
    environment: str
    release: str

    def signal(
        self,
        type_: SignalType,
        subject: str,
        body: Mapping[str, Json],
        value: float | None = None,
        fingerprint: str = "",
    ) -> Signal:
        """Return a signal that comes from here."""
        return Signal(
            type=type_,
            subject=subject,
            at=self.at,
            service=self.service,
            environment=self.environment,
            release=self.release,
            value=value,
            fingerprint=fingerprint,
            body=told(body),
        )


def source_of_event(event: Mapping[str, Json], received_at: datetime) -> Source:
    """Return where an event comes from, and when; without a time: when it came."""
    release = text_in(event, "release")
    return Source(
        at=parse_time(event.get("timestamp"), received_at),
        service=_service(tags_in(event), release),
        environment=text_in(event, "environment"),
        release=release,
    )


def source_of_listed(
    said: Mapping[str, Json], attributes: Mapping[str, Json], received_at: datetime
) -> Source:
    """Return where something in a list comes from, by its attributes."""
    release = text_in(attributes, "sentry.release")
    return Source(
        at=parse_time(said.get("timestamp"), received_at),
        service=_service(attributes, release),
        environment=text_in(attributes, "sentry.environment"),
        release=release,
    )


def _service(named: Mapping[str, Json], release: str) -> str:
    """Return what tags or attributes call the service, else the package of ``shop@1.2``."""
    for name in _SERVICES:
        if service := text_in(named, name):
            return service
    package, at, _ = release.rpartition("@")
    return package if at else ""
