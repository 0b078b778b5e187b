"""Records of a log: errors in groups, and other lines as far as they are wanted."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from msgspec import structs
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from honed.core.canonical import Json
from honed.core.fault import is_in_app
from honed.core.fingerprint import log_fingerprint
from honed.core.signal import Signal, SignalType
from honed.signals.genai import CONTENT
from honed.signals.otlp.faults import NAMES, exception_signal, read_exception
from honed.signals.otlp.reading import LEVELS, Origin, Reading, without_empty

#: Numbers of a level (OpenTelemetry, log data model, SeverityNumber): 17 to 20 are errors.
_PER_LEVEL: Final = 4
_HIGHEST: Final = 24
#: The file of the line of code, by its name now and the one before.
_FILES: Final = ("code.file.path", "code.filepath")
#: Names of events in which what was said to a model is told.
_SAID: Final = "gen_ai."
#: What logging libraries call their levels.
_NAMED: Final = {
    **LEVELS,
    "warning": LEVELS["warn"],
    "err": LEVELS["error"],
    "severe": LEVELS["error"],
    "critical": LEVELS["fatal"],
    "emergency": LEVELS["fatal"],
    "alert": LEVELS["fatal"],
    "panic": LEVELS["fatal"],
}


def read_records(request: ExportLogsServiceRequest, reading: Reading) -> None:
    """Add the signals of a request to those of its reading.

    An error with an exception is an exception, one without is a line in a group; so is an exception
    of which nobody says how severe it is. What is less severe is kept from the reading's level on.
    """
    for resource in request.resource_logs:
        origin = Origin.of(resource.resource)
        for scope in resource.scope_logs:
            for record in scope.log_records:
                if reading.admits():
                    _read(record, scope.scope.name, origin, reading)


def _read(record: LogRecord, logger: str, origin: Origin, reading: Reading) -> None:
    severity = _severity(record)
    told = read_exception(record.attributes)
    is_error = severity >= LEVELS["error"] or (not severity and told is not None)
    if not is_error and (severity or LEVELS["info"]) < reading.lowest_severity:
        reading.skipped["below_level"] += 1
        return
    where = _where(record, logger, severity, reading)
    at = reading.time(record.time_unix_nano, record.observed_time_unix_nano)
    if is_error and told is not None:
        where |= without_empty({"source": "log", "message": _message(record, reading)})
        reading.signals.append(exception_signal(told, at, origin, where, reading))
        return
    line = _line(record, at, origin, where, reading)
    if line is None:
        reading.reject("no_message")
    else:
        reading.signals.append(line if is_error else structs.replace(line, fingerprint=""))


def _line(
    record: LogRecord,
    at: datetime,
    origin: Origin,
    where: Mapping[str, Json],
    reading: Reading,
) -> Signal | None:
    """Return the signal of a line, in its group; None where it says nothing."""
    message = _message(record, reading) or record.event_name
    text = (message if isinstance(message, str) else json.dumps(message)).strip()
    if not text:
        return None
    logger = str(where.get("logger", ""))
    title = text.partition("\n")[0]
    return Signal(
        type=SignalType.LOG,
        subject=logger or "log",
        at=at,
        service=origin.service,
        environment=origin.environment,
        release=origin.release,
        fingerprint=log_fingerprint(logger, text),
        body=without_empty(
            {
                **where,
                "title": title,
                "culprit": logger,
                "files": _files(where),
                "message": message,
            }
        ),
    )


def _message(record: LogRecord, reading: Reading) -> Json:
    # An event of a conversation with a model: its body is what was said.
    if record.event_name.startswith(_SAID) or any(
        pair.key == "event.name" and pair.value.string_value.startswith(_SAID)
        for pair in record.attributes
    ):
        reading.skipped["content"] += 1
        return record.event_name
    if record.body.HasField("string_value"):
        return reading.text(record.body.string_value)
    return reading.value(record.body)


def _files(where: Mapping[str, Json]) -> Sequence[Json]:
    """Return the file in the service's own code that wrote it, if it is told."""
    attributes = where.get("attributes")
    said = attributes if isinstance(attributes, Mapping) else {}
    return [file for name in _FILES if isinstance(file := said.get(name), str) and is_in_app(file)][
        :1
    ]


def _where(record: LogRecord, logger: str, severity: int, reading: Reading) -> dict[str, Json]:
    attributes = reading.attributes(
        pair for pair in record.attributes if pair.key not in NAMES and not CONTENT.match(pair.key)
    )
    return without_empty(
        {
            "logger": logger,
            "level": _level(severity),
            "event": record.event_name,
            "trace_id": record.trace_id.hex(),
            "span_id": record.span_id.hex(),
            "attributes": attributes,
        }
    )


def _severity(record: LogRecord) -> int:
    """Return the number of its severity; 0: it is not told."""
    if 0 < record.severity_number <= _HIGHEST:
        return record.severity_number
    return _NAMED.get(record.severity_text.strip().lower(), 0)


def _level(severity: int) -> str:
    return list(LEVELS)[(severity - 1) // _PER_LEVEL] if severity else ""
