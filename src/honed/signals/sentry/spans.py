"""One span of Sentry, of a transaction or streamed: a request to a model, a query, or another."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from msgspec import structs

from honed.core.canonical import Json
from honed.core.query_text import without_values
from honed.core.signal import Signal, SignalType
from honed.core.wire import text_in
from honed.signals.genai import CONTENT, Inference, read_inference
from honed.signals.sentry.protocol import Reading, lasted
from honed.signals.sentry.source import Source

#: Attributes that hold what was said to a model and what it said, and values of queries, by
#: Sentry's own names (sentry_sdk.consts 2.75): none of it is kept.
_CONTENT: Final = re.compile(
    r"gen_ai\.(?:request\.(?:messages|available_tools)|response\.(?:text|tool_calls)"
    r"|tool\.(?:input|output)|embeddings\.input|user\.message|choice)"
    r"|ai\.(?:input_messages|responses|texts|preamble|documents|citations|tool_calls|tools"
    r"|function_call|search_queries|search_results)"
    r"|mcp\.(?:tool|prompt)\.result\.|mcp\.request\.argument"
    r"|db\.(?:params|query\.parameter|operation\.parameter|statement\.parameters)"
)
#: Attributes that are told elsewhere, or are the same in every span of a process.
_ELSEWHERE: Final = ("sentry.", "process.", "thread.", "db.query.text", "db.statement")
_OPERATION: Final = "gen_ai.operation.name"
_PROVIDER: Final = "gen_ai.system"
#: Operations of Sentry that the conventions call otherwise: of its gen_ai, and of its older ai, as
#: in ``ai.chat_completions.create.cohere``.
_OPERATIONS: Final = {
    "responses": "chat",
    "chat_completions": "chat",
    "messages": "chat",
    "completions": "text_completion",
}
_FINE: Final = frozenset({"", "ok"})


@dataclass(frozen=True, slots=True)
class Span:
    """A span, whichever way it was told."""

    name: str
    operation: str
    attributes: Mapping[str, Json]
    #: Where it stands: its status, ids and segment.
    place: Mapping[str, Json] = field(default_factory=dict)
    #: Whether it holds a request to a model, and says of that what its own span says.
    is_wrapper: bool = False

    @property
    def system(self) -> str:
        """What the database is called that it asks; empty: it asks none, or nobody says which."""
        told = text_in(self.attributes, "db.system.name") or text_in(self.attributes, "db.system")
        return told.lower()

    @property
    def is_query(self) -> bool:
        """Whether it asks a database; what is the whole of a request is more than that."""
        is_database = self.operation.partition(".")[0] == "db" or bool(self.system)
        return is_database and not self.place.get("is_segment")


def telling(
    span: Span, times: Mapping[str, Json], end: str, source: Source, reading: Reading
) -> Signal | None:
    """Return the signal of a span; None where it does not say how long it lasted.

    Args:
        span: what it is.

        times: what has its times.

        end: the name of the time at which it ended.

        source: where it comes from.

        reading: of the request.
    """
    found = lasted(times, end)
    if found is None:
        return None
    source, took_ms = structs.replace(source, at=found[0]), found[1]
    asked = _asking_a_model(span, source, took_ms, reading)
    if asked is not None:
        return asked
    name, query = _query(span) if span.is_query else (span.name, "")
    body = {
        "op": span.operation,
        **span.place,
        "query": query,
        "attributes": kept(span.attributes, reading),
    }
    return source.signal(SignalType.SPAN, name or span.operation or "span", body, took_ms)


def kept(attributes: Mapping[str, Json], reading: Reading) -> dict[str, Json]:
    """Return the attributes that are kept; those of content are counted."""
    own: dict[str, Json] = {}
    for name, value in attributes.items():
        if CONTENT.match(name) or _CONTENT.match(name):
            reading.skipped["content"] += 1
        elif not name.startswith(_ELSEWHERE):
            own[name] = value
    return own


def is_asking_a_model(span: Span) -> bool:
    """Return whether a span is a request to a model."""
    return _inference(span) is not None


def _inference(span: Span) -> Inference | None:
    return None if span.is_wrapper else read_inference(_conventional(span))


def _asking_a_model(span: Span, source: Source, took_ms: float, reading: Reading) -> Signal | None:
    """Return the request to a model that a span is; None: it is none."""
    inference = _inference(span)
    if inference is None:
        return None
    others = {k: v for k, v in span.attributes.items() if k not in inference.read}
    status = text_in(span.place, "status")
    body = {
        **span.place,
        "name": span.name,
        "error": "" if status in _FINE else status,
        "attributes": kept(others, reading),
    }
    signal = source.signal(SignalType.INFERENCE, inference.model, body, took_ms)
    # A cost that is not known is said not to be.
    return structs.replace(
        signal, body={**signal.body, **inference.body(reading.prices, source.at)}
    )


def _conventional(span: Span) -> Mapping[str, Json]:
    """Return the attributes with the operation by the name that OpenTelemetry has for it."""
    family, _, operation = span.operation.partition(".")
    if family not in {"gen_ai", "ai"}:
        return span.attributes
    provider: dict[str, Json] = {}
    if family == "ai":
        operation, _, provider[_PROVIDER] = operation.partition(".create.")
    said = text_in(span.attributes, _OPERATION) or operation
    return {**provider, **span.attributes, _OPERATION: _OPERATIONS.get(said, said)}


def _query(span: Span) -> tuple[str, str]:
    """Return a name for a query and its text, both without its values."""
    text = (
        text_in(span.attributes, "db.query.text")
        or text_in(span.attributes, "db.statement")
        or span.name
    )
    query = without_values(text, span.system)
    return query or span.system or "query", query
