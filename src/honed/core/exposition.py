"""Prometheus' text format: what a page of metrics says.

The format is that of prometheus.io/docs/instrumenting/exposition_formats (0.0.4), with names in
quotes as from 1.0.0 on.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

#: Types whose samples are single numbers.
GAUGE, COUNTER, UNTYPED = "gauge", "counter", "untyped"

_NAME: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*+")
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*+)"')
_BLANK: Final = re.compile(r"[ \t]*+")
#: Value, milliseconds since 1970, and what OpenMetrics appends.
_END: Final = re.compile(
    r"[ \t]*+((?i:nan|[+-]?inf(?:inity)?)|[-+]?[0-9.]++(?:[eE][-+]?[0-9]++)?)"
    r"(?:[ \t]++(-?[0-9]{1,18}))?(?:[ \t]++-?[0-9.]++)?[ \t]*+(?:#.*)?\Z"
)
_TYPE: Final = re.compile(r"#[ \t]++TYPE[ \t]++(\S++)[ \t]++(\w++)[ \t]*+\Z")
_ESCAPE: Final = re.compile(r"\\(.)")
_ESCAPED: Final = {"n": "\n"}
#: What families of samples append to their names.
_SUFFIXES: Final = ("_bucket", "_sum", "_count", "_total", "_created", "_info")


@dataclass(frozen=True, slots=True)
class Sample:
    """One line: a number, with what it is of."""

    name: str
    #: That of its family: ``counter``, ``gauge``, ``histogram`` ... ``untyped`` where none is told.
    type: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)
    #: When it was measured, in ms since 1970; None: now.
    at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """What a page says."""

    samples: tuple[Sample, ...] = ()
    #: Lines that could not be read.
    malformed: int = 0


def read_page(text: str) -> Page:
    """Return the samples of a page, in their order; whatever is no sample is passed over."""
    types: dict[str, str] = {}
    samples: list[Sample] = []
    malformed = 0
    for line in text.split("\n"):
        stripped = line.strip(" \t\r")
        if stripped.startswith("#"):
            if told := _TYPE.match(stripped):
                types[told[1].strip('"')] = told[2]
        elif stripped:
            sample = _sample(stripped, types)
            if sample is None:
                malformed += 1
            else:
                samples.append(sample)
    return Page(tuple(samples), malformed)


def _sample(line: str, types: Mapping[str, str]) -> Sample | None:
    """Return what a line says; None where it cannot be read."""
    named = _NAME.match(line)
    name, at = (named[0], named.end()) if named else ("", 0)
    at = _after_blank(line, at)
    labels: dict[str, str] = {}
    if line.startswith("{", at):
        read = _labels(line, at + 1, labels)
        if read is None:
            return None
        quoted, at = read
        name = name or quoted
    end = _END.match(line, at)
    if end is None or not name or (not labels and at and line[at - 1] not in " \t}"):
        return None
    try:
        value = float(end[1])
    except ValueError:
        return None
    return Sample(name, _type(name, types), value, labels, int(end[2]) if end[2] else None)


def _labels(line: str, at: int, labels: dict[str, str]) -> tuple[str, int] | None:
    """Add the labels from there on; return the name among them, and where they end, if they do."""
    name = ""
    while True:
        at = _after_blank(line, at)
        if line.startswith("}", at):
            return name, at + 1
        key = _QUOTED.match(line, at) or _NAME.match(line, at)
        if key is None:
            return None
        label = _plain(key[1]) if key.re is _QUOTED else key[0]
        at = _after_blank(line, key.end())
        if line.startswith("=", at):
            value = _QUOTED.match(line, _after_blank(line, at + 1))
            if value is None:
                return None
            labels[label] = _plain(value[1])
            at = _after_blank(line, value.end())
        else:
            name = label
        if line.startswith(",", at):
            at += 1
        elif not line.startswith("}", at):
            return None


def _after_blank(line: str, at: int) -> int:
    found = _BLANK.match(line, at)
    return found.end() if found else at


def _plain(quoted: str) -> str:
    return _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[1]), quoted)


def _type(name: str, types: Mapping[str, str]) -> str:
    """Return the type of the family that a sample belongs to."""
    for suffix in ("", *_SUFFIXES):
        if name.endswith(suffix) and (told := types.get(name.removesuffix(suffix))):
            return UNTYPED if told == "unknown" else told
    return UNTYPED
