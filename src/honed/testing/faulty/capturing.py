"""Meets each fault of the service and writes what a client tells of it; run as a program."""

import json
import sys
from pathlib import Path
from typing import Any

import sentry_sdk
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from honed.client.events import Origin, told_exceptions
from honed.client.variables import Telling
from honed.testing.faulty.service import FAULTS


class _Kept(Transport):
    """Keeps the last event in place of sending it."""

    event: Any = None

    def capture_envelope(self, envelope: Envelope) -> None:
        """Keep the event."""
        type(self).event = envelope.get_event()


def main(client: str, folder: str) -> None:
    """Write what ``client`` tells of each fault, as JSON by name."""
    sys.path.insert(0, str(Path(folder) / "src"))
    sentry_sdk.init(
        "http://key@127.0.0.1/1", transport=_Kept, default_integrations=False, traces_sample_rate=0
    )
    json.dump({name: _told(client, code) for name, code in FAULTS.items()}, sys.stdout, default=str)


def _told(client: str, code: str) -> Any:  # noqa: ANN401 - an event is any JSON
    try:
        exec(compile(code, "<caller>", "exec"), {"__name__": "caller"})  # noqa: S102 - planted
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is told
        if client == "sentry":
            sentry_sdk.capture_exception(error)
            return _Kept.event
        exceptions = told_exceptions(error, Telling(), "logging")
        return Origin().event({"exception": {"values": exceptions}})
    return None


if __name__ == "__main__":
    main(*sys.argv[1:])
