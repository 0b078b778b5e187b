"""One request while it is read: what is known beside its items, and what was left out of them."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Final

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from honed.core.canonical import Json
from honed.core.signal import Signal
from honed.llm.prices import Prices

#: Items that are taken of one request: exporters send 512 at once, collectors 8192.
MOST_ITEMS: Final = 10_000
#: Attributes of one item that are kept, as many as OpenTelemetry's SDKs send unless told otherwise.
MOST_ATTRIBUTES: Final = 128
#: Elements of a list, and lists within lists.
MOST_ELEMENTS: Final = 64
MOST_DEPTH: Final = 5
LONGEST_KEY: Final = 256
#: Characters of an attribute, and of a message or the text of a traceback. What is longer is left
#: out as a whole: of half a secret nobody can see that it was one.
LONGEST_VALUE: Final = 4_096
LONGEST_TEXT: Final = 32_768

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: OpenTelemetry's numbers of severity, the first of each level.
LEVELS: Final = {"trace": 1, "debug": 5, "info": 9, "warn": 13, "error": 17, "fatal": 21}


@dataclass(slots=True)
class Reading:
    """What is known while one request is read, and what was left out of it."""

    received_at: datetime
    prices: Prices
    #: Lines of a log below this number of severity are left out.
    lowest_severity: int = LEVELS["error"]
    signals: list[Signal] = field(default_factory=list)
    #: What was left out, by reason.
    skipped: Counter[str] = field(default_factory=Counter)
    #: The reasons among them of which the sender is told, because items could not be kept.
    rejections: set[str] = field(default_factory=set)
    _taken: int = 0

    def admits(self) -> bool:
        """Return whether there is room for one more item, and count it."""
        if self._taken >= MOST_ITEMS:
            self.reject("over_limit")
            return False
        self._taken += 1
        return True

    def reject(self, reason: str) -> None:
        """Count an item that is left out, because it cannot be kept."""
        self.skipped[reason] += 1
        self.rejections.add(reason)

    def time(self, *nanoseconds: int) -> datetime:
        """Return the first of these Unix times that is told; else when the request came."""
        for each in nanoseconds:
            if each:
                return _EPOCH + timedelta(microseconds=each // 1_000)
        return self.received_at

    def text(self, text: str, longest: int = LONGEST_TEXT) -> str:
        """Return ``text``, or how long it was where it is too long to be kept."""
        if len(text) <= longest:
            return text
        self.skipped["long_text"] += 1
        return f"({len(text)} characters)"

    def attributes(
        self, pairs: Iterable[KeyValue], whole: frozenset[str] = frozenset()
    ) -> dict[str, Json]:
        """Return attributes as JSON, no more of them than are kept.

        Args:
            pairs: the attributes.

            whole: names of texts that may be of any length; whoever names them bounds them.
        """
        kept: dict[str, Json] = {}
        for pair in pairs:
            key, value = pair.key, pair.value
            if len(kept) >= MOST_ATTRIBUTES or not key or len(key) > LONGEST_KEY:
                self.skipped["attributes"] += 1
            # Nearly every attribute is a short text.
            elif (text := value.string_value) and (len(text) <= LONGEST_VALUE or key in whole):
                kept[key] = text
            else:
                kept[key] = self.value(value)
        return kept

    def value(self, value: AnyValue, depth: int = 0) -> Json:
        """Return any value as JSON: no bytes, no number that JSON lacks, nothing nested deeply."""
        kind = value.WhichOneof("value")
        if kind == "string_value":
            text = value.string_value
            return text if len(text) <= LONGEST_VALUE else self.text(text, LONGEST_VALUE)
        if kind == "int_value":
            return value.int_value
        if kind == "double_value":
            return value.double_value if isfinite(value.double_value) else None
        if kind == "bool_value":
            return value.bool_value
        if kind in {"array_value", "kvlist_value"} and depth < MOST_DEPTH:
            return self._nested(value, depth + 1)
        if kind is not None:
            self.skipped["attributes"] += 1
        return None

    def _nested(self, value: AnyValue, depth: int) -> Json:
        pairs, elements = value.kvlist_value.values, value.array_value.values
        over = max(len(pairs), len(elements)) - MOST_ELEMENTS
        if over > 0:
            self.skipped["attributes"] += over
        if value.HasField("kvlist_value"):
            return {
                pair.key: self.value(pair.value, depth)
                for pair in pairs[:MOST_ELEMENTS]
                if len(pair.key) <= LONGEST_KEY
            }
        return [self.value(each, depth) for each in elements[:MOST_ELEMENTS]]


@dataclass(frozen=True, slots=True)
class Origin:
    """Who sends: what the attributes of a resource say of it."""

    service: str = ""
    environment: str = ""
    release: str = ""

    @classmethod
    def of(cls, resource: Resource) -> "Origin":
        """Return what ``resource`` says."""
        said = {pair.key: pair.value.string_value for pair in resource.attributes}
        return cls(
            service=said.get("service.name", ""),
            environment=said.get("deployment.environment.name", "")
            or said.get("deployment.environment", ""),
            release=said.get("service.version", ""),
        )


def without_empty(body: dict[str, Json]) -> dict[str, Json]:
    """Return ``body`` without what it does not say."""
    # No and nothing are said: they equal 0, and an empty text or list does not.
    return {key: value for key, value in body.items() if value or value == 0}
