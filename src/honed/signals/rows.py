"""Signals as rows: scrubbed, bounded and in the form of COPY, before they wait to be stored."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from math import isfinite
from typing import Final, LiteralString, Protocol

import msgspec

from honed.core.canonical import Json
from honed.core.intake import Taken
from honed.core.signal import Signal
from honed.core.wire import text_in
from honed.errors import MalformedSignal
from honed.signals.counts import ACCEPTED, ADJUSTED, SKIPPED, Count
from honed.storage.copy import escaped

#: In the order of a line.
COPY: Final[LiteralString] = (
    "COPY honed.signal (project_id, source, type, at, subject, service, environment, release,"
    " value, fingerprint, body) FROM STDIN"
)

#: Longest subject, title and name, in characters: what an index can hold in any script.
LONGEST_NAME = 500
#: Largest signal, in bytes of its row; a larger one is left out.
LARGEST_SIGNAL_BYTES = 1024 * 1024
#: All signals of one request together, as rows: a text that is sent once is told with each of them.
LARGEST_REQUEST_BYTES = 40 * 1024 * 1024
#: Files of a group that are kept.
_MOST_FILES = 50
#: Names that are remembered.
_KNOWN_NAMES = 8_192

_FINGERPRINT = re.compile(r"[0-9a-f]{8,64}")
#: What is no number, or infinite, becomes null.
_ENCODE = msgspec.json.Encoder().encode


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
    sample: bytes
    latest: bytes
    event_count: int = 1

    def add(self, other: "Group") -> None:
        """Count those of ``other`` too, which came later."""
        self.first_seen_at = min(self.first_seen_at, other.first_seen_at)
        self.last_seen_at = max(self.last_seen_at, other.last_seen_at)
        self.event_count += other.event_count
        self.releases |= other.releases
        self.environments |= other.environments
        self.latest = other.latest

    def encode(self) -> bytes:
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
        head = _ENCODE(plain)[:-1]
        return b'%b,"sample":%b,"latest":%b}' % (head, self.sample, self.latest)


@dataclass(slots=True)
class Prepared:
    """What one request brought, ready to be stored."""

    rows: bytes = b""
    row_count: int = 0
    groups: list[Group] = field(default_factory=list)
    counts: dict[Count, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Times:
    """What a signal's own time must lie between."""

    now: datetime
    retention: timedelta

    def adjusted(self, at: datetime) -> tuple[datetime, str]:
        """Return when it happened, or now where that cannot be; and why not, in a word."""
        try:
            moment = at
            if at.tzinfo is not UTC:
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
        # What was changed is sensitive, and is not kept in plain.
        self._names = _Memory(self._scrubbed, lambda name, answer: name == answer)
        self._cells = _Memory(
            lambda name: escaped(self._names[name]), lambda name, _: name in self._names
        )

    def prepare(self, project_id: int, source: str, taken: Taken, times: Times) -> Prepared:
        """Return the rows and groups of what was taken, and what is to be counted.

        Raises:
            MalformedSignal: together they are larger than a request may become: something long
                is said once for many signals.
            TypeError: a body is not JSON, which is a defect of the plug-in.
            RecursionError: a body is nested too deeply.
        """
        prepared, room_bytes = Prepared(), LARGEST_REQUEST_BYTES
        self._names.forget_long()
        self._cells.forget_long()
        lines: list[bytes] = []
        first = f"{project_id}\t{source}\t"
        left_out = dict(taken.skipped)
        adjusted: dict[str, int] = {}
        for signal in taken.signals:
            at, oddity = times.adjusted(signal.at)
            body = self._body(signal.body)
            line = self._line(first, signal, at, body)
            if len(line) > LARGEST_SIGNAL_BYTES:
                left_out["too_large"] = left_out.get("too_large", 0) + 1
                continue
            room_bytes -= len(line)
            if room_bytes < 0:
                msg = f"its signals become more than {LARGEST_REQUEST_BYTES} bytes"
                raise MalformedSignal(msg)
            lines.append(line)
            if oddity:
                adjusted[oddity] = adjusted.get(oddity, 0) + 1
            if signal.fingerprint:
                prepared.groups.append(self._group(project_id, signal, at, body))
        prepared.rows, prepared.row_count = b"".join(lines), len(lines)
        counted = ((ACCEPTED, {"": len(lines)}), (ADJUSTED, adjusted), (SKIPPED, left_out))
        for outcome, numbers in counted:
            for reason, number in numbers.items():
                prepared.counts[Count(project_id, source, outcome, reason)] = number
        return prepared

    def _line(self, first: str, signal: Signal, at: datetime, body: bytes) -> bytes:
        cells, value = self._cells, signal.value
        number = repr(float(value)) if value is not None and isfinite(value) else r"\N"
        fingerprint = _fingerprint(signal.fingerprint) if signal.fingerprint else ""
        before = (
            f"{first}{signal.type}\t{at.isoformat()}\t{cells[signal.subject]}"
            f"\t{cells[signal.service]}\t{cells[signal.environment]}\t{cells[signal.release]}"
            f"\t{number}\t{fingerprint}\t"
        ).encode()
        # What JSON escapes needs no escape of COPY's but for its own backslashes.
        return before + (body.replace(b"\\", b"\\\\") if b"\\" in body else body) + b"\n"

    def _body(self, body: Mapping[str, Json]) -> bytes:
        scrubbed = self._scrubber.value(body)
        try:
            encoded = _ENCODE(scrubbed)
        except (TypeError, ValueError):
            # Half of a surrogate pair, which JSON may say and UTF-8 may not, or no plain object.
            return _ENCODE(_storable(scrubbed))
        return _ENCODE(_storable(scrubbed)) if rb"\u0000" in encoded else encoded

    def _group(self, project_id: int, signal: Signal, at: datetime, body: bytes) -> Group:
        said, names = signal.body, self._names
        files = said.get("files")
        paths = files if isinstance(files, list | tuple) else ()
        return Group(
            project_id=project_id,
            fingerprint=_fingerprint(signal.fingerprint),
            type=signal.type.value,
            title=names[text_in(said, "title") or signal.subject],
            culprit=names[text_in(said, "culprit")],
            files=[names[path] for path in paths[:_MOST_FILES] if isinstance(path, str)],
            first_seen_at=at,
            last_seen_at=at,
            releases={names[signal.release]: None} if signal.release else {},
            environments={names[signal.environment]: None} if signal.environment else {},
            sample=body,
            latest=body,
        )

    def _scrubbed(self, name: str) -> str:
        # Scrubbed before it is cut: half of a secret is not seen as one.
        return _plain(self._scrubber.text(name))[:LONGEST_NAME] if name else ""


class _Memory(dict[str, str]):
    """Names as they are stored: most come again and again. Long ones are soon forgotten."""

    def __init__(self, answer: Callable[[str], str], may_stay: Callable[[str, str], bool]) -> None:
        super().__init__()
        self._answer = answer
        self._may_stay = may_stay
        self._long: dict[str, str] = {}

    def __missing__(self, name: str) -> str:
        long = self._long
        answer = long.get(name)
        if answer is None:
            answer = self._answer(name)
            if len(name) > LONGEST_NAME:
                long[name] = answer
            elif self._may_stay(name, answer):
                if len(self) >= _KNOWN_NAMES:
                    self.clear()
                self[name] = answer
        return answer

    def forget_long(self) -> None:
        """Forget the long ones: they are remembered as long as one request is read."""
        self._long = {}


def _fingerprint(fingerprint: str) -> str:
    """Return a fingerprint that says nothing: what is no digest becomes one."""
    if _FINGERPRINT.fullmatch(fingerprint):
        return fingerprint
    return sha256(fingerprint.encode(errors="replace")).hexdigest()[:32]


def _plain(text: str) -> str:
    """Return a text that PostgreSQL can hold."""
    return text.replace("\0", "").encode(errors="replace").decode()


def _storable(value: Json) -> Json:
    """Return JSON that PostgreSQL can hold: no NUL, no half of a surrogate pair."""
    if isinstance(value, str):
        return _plain(value)
    if isinstance(value, Mapping):
        return {_plain(str(key)): _storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(item) for item in value]
    return value
