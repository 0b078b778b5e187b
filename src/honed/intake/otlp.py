"""OpenTelemetry: traces, metrics and logs of every exporter that speaks OTLP over HTTP.

What it does: it takes what exporters send by OTLP/HTTP, as protobuf and as JSON, at `/v1/traces`,
`/v1/metrics` and `/v1/logs`: spans, with the query's text without its values; exceptions, of spans
and of logs, in groups; requests to models, with their tokens and what they cost by a dated table of
prices; points of metrics; and lines of logs from the level of the setting `otlp_log_level` on. The
project's key stands in the header `X-Honed-Key` or `Authorization: Bearer`, which
OTEL_EXPORTER_OTLP_HEADERS sets, or in the path: `/otlp/<key>/v1/traces`.

Why it helps: a service that is instrumented already, or is by `opentelemetry-instrument`, tells
where its time and its money go, without a line of code for honed.

Risk and rollback: it only stores. What was said to a model and what it answered is never kept, and
neither are the values in a query. An item that cannot be kept is counted, and the sender is told so
in the answer (partial success); at most 10,000 are taken of one request. A cumulative metric tells
of all since its process began. The setting `intake_sources_off` turns the source off.

How it is measured: `honed intake status` counts what was taken and left out; the view
`honed.inference_request` shows the requests to models with their cost.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Final

from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from honed.core.canonical import Json
from honed.core.intake import Answer, Intake, Refusal, Request, Taken
from honed.errors import MalformedSignal
from honed.llm.prices import Prices
from honed.signals.otlp.from_json import message_from_json
from honed.signals.otlp.points import read_points
from honed.signals.otlp.reading import LEVELS, Reading
from honed.signals.otlp.records import read_records
from honed.signals.otlp.spans import read_spans

_PROTOBUF: Final = "application/x-protobuf"
_JSON: Final = "application/json"
#: What some senders call protobuf; nothing at all is what the specification's default is.
_PROTOBUFS: Final = frozenset({_PROTOBUF, "application/protobuf", ""})
_HINT: Final = f"send OTLP as {_PROTOBUF} or {_JSON}, unchanged as an exporter makes it"
#: Field and wire type of `message` in google.rpc.Status, which every refusal is.
_STATUS_MESSAGE: Final = b"\x12"


@dataclass(frozen=True, slots=True)
class _Kind:
    """One of the three things that exporters send."""

    request: type[Any]
    response: type[Any]
    read: Callable[[Any, Reading], None]
    #: Where the answer says how many items were left out.
    rejected: str


_KINDS: Final[Mapping[str, _Kind]] = {
    "traces": _Kind(
        ExportTraceServiceRequest, ExportTraceServiceResponse, read_spans, "rejected_spans"
    ),
    "metrics": _Kind(
        ExportMetricsServiceRequest,
        ExportMetricsServiceResponse,
        read_points,
        "rejected_data_points",
    ),
    "logs": _Kind(
        ExportLogsServiceRequest, ExportLogsServiceResponse, read_records, "rejected_log_records"
    ),
}


class OtlpIntake(Intake):
    """Takes what OpenTelemetry's exporters send over HTTP."""

    name: ClassVar[str] = "otlp"
    paths: ClassVar[tuple[str, ...]] = (
        "/v1/traces",
        "/v1/metrics",
        "/v1/logs",
        "/otlp/{key}/v1/traces",
        "/otlp/{key}/v1/metrics",
        "/otlp/{key}/v1/logs",
    )

    def __init__(self) -> None:
        """Begin with the settings as they come."""
        self._own_prices: Path | None = None
        self._lowest_severity = LEVELS["error"]

    def configure(self, settings: Mapping[str, Json]) -> None:
        """Take over the settings ``price_file`` and ``otlp_log_level``.

        Raises:
            ConfigurationError: the file is not there, or not a table of prices.
        """
        file, level = settings.get("price_file"), settings.get("otlp_log_level")
        self._own_prices = Path(str(file)) if file else None
        self._lowest_severity = LEVELS.get(str(level), LEVELS["error"])
        _prices(self._own_prices)

    def key(self, request: Request) -> str:
        """Return the key in the path, else in a header."""
        return request.parameters.get("key") or super().key(request)

    def take(self, request: Request) -> Taken:
        """Return the signals of one request, and the answer in the sender's own encoding.

        Raises:
            MalformedSignal: the body is not what the path is for.
        """
        kind = _KINDS[request.path.rstrip("/").rpartition("/")[2]]
        is_json = _is_json(request)
        message = _from_json(kind, request.body) if is_json else _from_protobuf(kind, request.body)
        reading = Reading(request.received_at, _prices(self._own_prices), self._lowest_severity)
        kind.read(message, reading)
        response = _response(kind, reading)
        if is_json:
            answer, content_type = json_format.MessageToJson(response, indent=None).encode(), _JSON
        else:
            answer, content_type = response.SerializeToString(), _PROTOBUF
        return Taken(tuple(reading.signals), reading.skipped, answer, content_type)

    def refuse(self, request: Request, refusal: Refusal) -> Answer:
        """Return a google.rpc.Status in the sender's own encoding; in doubt that is protobuf."""
        text = f"{refusal.error}: {refusal.hint}"
        if _said_type(request) == _JSON:
            return Answer(json.dumps({"message": text}).encode(), _JSON)
        said = text.encode()
        return Answer(_STATUS_MESSAGE + _varint(len(said)) + said, _PROTOBUF)


@lru_cache(1)
def _prices(own: Path | None) -> Prices:
    return Prices.load(own)


def _said_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _is_json(request: Request) -> bool:
    """Return whether the body is JSON.

    Raises:
        MalformedSignal: it is neither JSON nor protobuf.
    """
    said = _said_type(request)
    if said not in _PROTOBUFS and said != _JSON:
        msg = "the body is neither protobuf nor JSON"
        raise MalformedSignal(msg, hint=_HINT)
    return said == _JSON


def _from_protobuf(kind: _Kind, body: bytes) -> Message:
    try:
        message: Message = kind.request.FromString(body)
    except DecodeError as error:
        # The words of the parser may repeat what was sent.
        msg = "the body is not the protobuf message that this path takes"
        raise MalformedSignal(msg, hint=_HINT) from error
    return message


def _from_json(kind: _Kind, body: bytes) -> Message:
    try:
        message: Message = message_from_json(kind.request, body)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        msg = "the body is not the JSON that this path takes"
        raise MalformedSignal(msg, hint=_HINT) from error
    return message


def _response(kind: _Kind, reading: Reading) -> Any:  # noqa: ANN401 - a message of one of three types
    """Return the answer, which says so where something was left out that cannot be kept."""
    left_out = Counter({reason: reading.skipped[reason] for reason in sorted(reading.rejections)})
    if left_out:
        reasons = ", ".join(f"{reason} ({number})" for reason, number in left_out.items())
        said = {kind.rejected: left_out.total(), "error_message": f"left out: {reasons}"}
        return kind.response(partial_success=said)
    return kind.response()


def _varint(number: int) -> bytes:
    """Return a number as protobuf writes it, seven bits a byte, the lowest first."""
    parts = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - what fits into seven bits
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)
