"""Exceptions that spans and logs tell of, as signals in groups."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from honed.core.canonical import Json
from honed.core.fault import Fault, Frame
from honed.core.fingerprint import culprit, files, fingerprint
from honed.core.signal import Signal, SignalType
from honed.core.tracebacks import parse_traceback
from honed.signals.otlp.reading import Origin, Reading, without_empty

TYPE: Final = "exception.type"
MESSAGE: Final = "exception.message"
STACKTRACE: Final = "exception.stacktrace"
#: What tells of an exception, and of nothing else.
NAMES: Final = frozenset({TYPE, MESSAGE, STACKTRACE, "exception.escaped"})

_NAME: Final = re.compile(r"[\w.]{1,200}")
#: Exceptions of a chain, and calls of each, that are kept; of more calls, the innermost.
_MOST_EXCEPTIONS: Final = 5
_MOST_FRAMES: Final = 50


@dataclass(frozen=True, slots=True)
class Told:
    """An exception as it was told."""

    fault: Fault
    fingerprint: str
    #: The text of a traceback that is none of Python's.
    stacktrace: str = ""


def read_exception(pairs: Iterable[KeyValue]) -> Told | None:
    """Return the exception that attributes tell of; None: of none."""
    said = {pair.key: pair.value.string_value for pair in pairs if pair.key in NAMES}
    kind, message, stacktrace = (said.get(name, "") for name in (TYPE, MESSAGE, STACKTRACE))
    if not (kind or message or stacktrace):
        return None
    parsed = parse_traceback(stacktrace) if stacktrace else None
    if parsed is None:
        fault = Fault(kind or "Exception", message)
        return Told(fault, fingerprint(fault), stacktrace)
    # The attribute has all of the message, the traceback's reader bounds it.
    fault = replace(parsed, message=message or parsed.message)
    return Told(fault, fingerprint(fault))


def exception_signal(
    told: Told, at: datetime, origin: Origin, where: Mapping[str, Json], reading: Reading
) -> Signal:
    """Return the signal of an exception.

    Args:
        told: the exception.

        at: when it was seen.

        origin: who sends.

        where: what else is known of it, as JSON.

        reading: of the request.
    """
    fault = told.fault
    place = culprit(fault)
    # What is no name may be anything: it is not cut.
    name = fault.type.rpartition(".")[2] if _NAME.fullmatch(fault.type) else fault.type
    # Not cut: it is scrubbed first, and of half a secret nobody can see that it was one.
    first_line = reading.text(fault.message).strip().partition("\n")[0]
    body: dict[str, Json] = {
        **where,
        "title": f"{name}: {first_line}" if first_line else name,
        "culprit": place,
        "files": files(fault),
        "exceptions": _chain(fault, reading),
        "stacktrace": reading.text(told.stacktrace),
    }
    return Signal(
        type=SignalType.EXCEPTION,
        subject=f"{fault.type} at {place}" if place else fault.type,
        at=at,
        service=origin.service,
        environment=origin.environment,
        release=origin.release,
        fingerprint=told.fingerprint,
        body=without_empty(body),
    )


def _chain(fault: Fault, reading: Reading) -> list[Json]:
    """Return the exceptions with their calls, the first cause first."""
    chain: list[Fault] = []
    link: Fault | None = fault
    while link is not None and len(chain) < _MOST_EXCEPTIONS:
        chain.append(link)
        link = link.cause
    return [
        without_empty(
            {
                "type": each.type,
                "message": reading.text(each.message),
                "frames": [_frame(frame) for frame in each.frames[-_MOST_FRAMES:]],
            }
        )
        for each in reversed(chain)
    ]


def _frame(frame: Frame) -> Json:
    return without_empty(
        {
            "file": frame.file,
            "module": frame.module,
            "function": frame.function,
            "line": frame.line or None,
            "code": frame.code,
            "in_app": frame.is_in_app,
        }
    )
