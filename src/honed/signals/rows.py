"""Signals as rows: scrubbed, bounded and in the form of COPY, before they wait to be stored."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from math import isfinite
from typing import Final, LiteralString, Protocol

from honed.core.canonical import Json
from honed.core.intake import Taken
from honed.core.signal import Signal
from honed.signals.counts import ACCEPTED, ADJUSTED, SKIPPED, Count
from honed.storage.copy import escaped

#: In the order of a line of ``encode``.
COPY: Final[LiteralString] = (
    "COPY honed.signal (project_id, source, type, at, subject, service, environment, release,"
    " value, fingerprint, body) FROM STDIN"
)

#: Longest subject, title and name, in characters: what an index can hold in any script.
LONGEST_NAME = 500
#: Largest signal, in bytes of its row; a larger one is left out.
LARGEST_SIGNAL_BYTES = 1024 * 1024
#: Files of a group that are kept.
_MOST_FILES = 50
#: Names that are remembered as they are stored: most come again and again.
_KNOWN_NAMES = 8_192

_FINGERPRINT = re.compile(r"[0-9a-f]{8,64}")
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


class Scrubs(Protocol):
    """What takes personal data and secrets out."""

    def text(self, text: str) -> str:
        """Return ``text`` with tokens in their places."""

    def value(self, value: Json) -> Json:
        """Return JSON with tokens in their places."""


@dataclass(slots=True)
class Group:
    """What a batch says of one group of signals."""

    project_id: int
    fingerprint: str
    type: str
    title: str
    culprit: str
    files: Sequence[str]
    first_seen_at: datetime
    last_seen_at: datetime
    releases: dict[str, None]
    environments: dict[str, None]
    #: The bodies of the first signal and of the last, as JSON.
    sample: str
    latest: str
    event_count: int = 1

    def add(self, other: "Group") -> None:
        """Count those of ``other`` too, which came later."""
        self.first_seen_at = min(self.first_seen_at, other.first_seen_at)
        self.last_seen_at = max(self.last_seen_at, other.last_seen_at)
        self.event_count += other.event_count
        self.releases |= other.releases
        self.environments |= other.environments
        self.latest = other.latest

    def encode(self) -> str:
        """Return the group as JSON."""
        plain = {
            "project_id": self.project_id,
            "fingerprint": self.fingerprint,
            "type": self.type,
            "title": self.title,
            "culprit": self.culprit,
            "files": list(self.files),
            "first_seen_at": self.first_seen_at.isoformat(),
            "last_seen_at": self.last_seen_at.isoformat(),
            "event_count": self.event_count,
            "releases": list(self.releases),
            "environments": list(self.environments),
        }
        return f'{_ENCODER.encode(plain)[:-1]},"sample":{self.sample},"latest":{self.latest}}}'


@dataclass(slots=True)
class Prepared:
    """What one request brought, ready to be stored."""

    rows: bytes = b""
    row_count: int = 0
    groups: list[Group] = field(default_factory=list)
    counts: Counter[Count] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Times:
    """What a signal's own time must lie between."""

    now: datetime
    retention: timedelta

    def adjusted(self, at: datetime) -> tuple[datetime, str]:
        """Return when it happened, or now where that cannot be; and why not, in a word."""
        try:
            moment = (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
        except (OverflowError, ValueError):
            return self.now, "clock_far_off"
        if moment > self.now:
            return self.now, "clock_ahead"
        if moment < self.now - self.retention:
            return self.now, "too_old"
        return moment, ""


class Preparer:
    """Makes rows of signals; any thread may."""

    def __init__(self, scrubber: Scrubs) -> None:
        """Scrub with ``scrubber``."""
        self._scrubber = scrubber
        self._known = lru_cache(_KNOWN_NAMES)(self._scrubbed_name)

    def prepare(self, project_id: int, source: str, taken: Taken, times: Times) -> Prepared:
        """Return the rows and groups of what was taken, and what is to be counted.

        Raises:
            TypeError: a body is not JSON, which is a defect of the plug-in; so are the others.
            ValueError: likewise.
            RecursionError: a body is nested too deeply.
        """
        prepared = Prepared()
        lines: list[bytes] = []
        for reason, number in taken.skipped.items():
            prepared.counts[Count(project_id, source, SKIPPED, reason)] += number
        for signal in taken.signals:
            at, oddity = times.adjusted(signal.at)
            body = self._body(signal.body)
            line = self._line(project_id, source, signal, at, body)
            if len(line) > LARGEST_SIGNAL_BYTES:
                prepared.counts[Count(project_id, source, SKIPPED, "too_large")] += 1
                continue
            lines.append(line)
            if oddity:
                prepared.counts[Count(project_id, source, ADJUSTED, oddity)] += 1
            if signal.fingerprint:
                prepared.groups.append(self._group(project_id, signal, at, body))
        prepared.rows, prepared.row_count = b"".join(lines), len(lines)
        prepared.counts[Count(project_id, source, ACCEPTED)] += len(lines)
        return prepared

    def _line(self, project_id: int, source: str, signal: Signal, at: datetime, body: str) -> bytes:
        value = signal.value
        cells = (
            str(project_id),
            source,
            signal.type.value,
            at.isoformat(),
            escaped(self._name(signal.subject)),
            escaped(self._name(signal.service)),
            escaped(self._name(signal.environment)),
            escaped(self._name(signal.release)),
            repr(float(value)) if value is not None and isfinite(value) else r"\N",
            _fingerprint(signal.fingerprint),
            # What JSON escapes needs no escape of COPY's but for its own backslashes.
            body.replace("\\", "\\\\"),
        )
        # Half of a surrogate pair, which JSON may say and UTF-8 may not, becomes a question mark.
        return ("\t".join(cells) + "\n").encode(errors="replace")

    def _body(self, body: Mapping[str, Json]) -> str:
        scrubbed = self._scrubber.value(body)
        try:
            text = _ENCODER.encode(scrubbed)
        except ValueError:
            # Not a number, or infinity: JSON has no word for them.
            text = _ENCODER.encode(_storable(scrubbed))
        if r"\u0000" in text:
            text = _ENCODER.encode(_storable(scrubbed))
        return text

    def _group(self, project_id: int, signal: Signal, at: datetime, body: str) -> Group:
        said = signal.body
        files = said.get("files")
        names = files if isinstance(files, list | tuple) else ()
        return Group(
            project_id=project_id,
            fingerprint=_fingerprint(signal.fingerprint),
            type=signal.type.value,
            title=self._name(_text(said.get("title")) or signal.subject),
            culprit=self._name(_text(said.get("culprit"))),
            files=[self._name(name) for name in names[:_MOST_FILES] if isinstance(name, str)],
            first_seen_at=at,
            last_seen_at=at,
            releases=self._set_of(signal.release),
            environments=self._set_of(signal.environment),
            sample=body,
            latest=body,
        )

    def _set_of(self, name: str) -> dict[str, None]:
        return {self._name(name): None} if name else {}

    def _name(self, name: str) -> str:
        # What is cut is not remembered: it may be as long as a body.
        return self._known(name) if len(name) <= LONGEST_NAME else self._scrubbed_name(name)

    def _scrubbed_name(self, name: str) -> str:
        # Scrubbed before it is cut: half of a secret is not seen as one.
        return _plain(self._scrubber.text(name))[:LONGEST_NAME] if name else ""


def _fingerprint(fingerprint: str) -> str:
    """Return a fingerprint that says nothing: what is no digest becomes one."""
    if not fingerprint or _FINGERPRINT.fullmatch(fingerprint):
        return fingerprint
    return sha256(fingerprint.encode(errors="replace")).hexdigest()[:32]


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""


def _plain(text: str) -> str:
    """Return a text that PostgreSQL can hold."""
    return text.replace("\0", "").encode(errors="replace").decode()


def _storable(value: Json) -> Json:
    """Return JSON that PostgreSQL can hold: no NUL, no infinity."""
    if isinstance(value, str):
        return _plain(value)
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, Mapping):
        return {_plain(str(key)): _storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(item) for item in value]
    return value
