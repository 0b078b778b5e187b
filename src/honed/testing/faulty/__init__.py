"""A small service with faults of many sorts, and what clients tell when they are met."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from honed.core.fault import Fault
from honed.core.privacy import Scrubber
from honed.llm.prices import Prices
from honed.repair.reproduce.captured import captured
from honed.signals.sentry.events import read_event
from honed.signals.sentry.protocol import Reading
from honed.testing.faulty.service import FAULTS, FILES

__all__ = ["CLIENTS", "FAULTS", "FILES", "captured_faults", "fault_of", "plant"]

#: The clients that tell of faults.
CLIENTS: Final = ("sentry", "honed")
_WHEN: Final = datetime(2027, 3, 4, 12, tzinfo=UTC)
_LONGEST_S: Final = 120


def plant(folder: Path) -> Path:
    """Write the service's files into ``folder`` and return it."""
    for path, text in FILES.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text.lstrip("\n"), encoding="utf-8")
    return folder


def captured_faults(folder: Path, client: str) -> dict[str, Fault]:
    """Return the faults of the service in ``folder`` by name, as they are stored.

    A process of its own meets them, without a sandbox: they are harmless.

    Args:
        folder: where the service was planted.

        client: ``sentry`` for the SDK of Sentry, ``honed`` for honed's own.
    """
    argv = [sys.executable, "-m", "honed.testing.faulty.capturing", client, str(folder)]
    ended = subprocess.run(argv, capture_output=True, check=True, timeout=_LONGEST_S)
    events: dict[str, Any] = json.loads(ended.stdout)
    return {name: fault_of(event) for name, event in events.items()}


def fault_of(event: dict[str, Any]) -> Fault:
    """Return the fault of an event, read and scrubbed as the intake does."""
    reading = Reading(_WHEN, Prices())
    read_event(event, reading)
    body = Scrubber(b"planted").value(dict(reading.signals[0].body))
    assert isinstance(body, dict)
    fault = captured(body)
    assert fault is not None
    return fault
