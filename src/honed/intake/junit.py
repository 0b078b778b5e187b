"""Results of tests as JUnit XML, which every runner of tests can write.

What it does: it takes a file of JUnit XML at `POST /api/v1/junit`, from pytest, Maven, Gradle,
Jest, go-junit-report and whatever else writes it, with the attempts that Maven's reruns add. What
the file does not say may stand in the address: `run`, `commit`, `committed_at`, `branch`, `dirty`
(true or false), `service` and `environment`; of the file's properties those of the same names
count, and of a suite its host where no environment is named. The project's key stands in the header
`X-Honed-Key`: `curl --data-binary @report.xml -H "X-Honed-Key: ..." ".../api/v1/junit?commit=..."`.

Why it helps: tests in any language are seen over time, with one line in the pipeline.

Risk and rollback: it only stores; what fails is scrubbed before it is written. A file with a
document type is refused, so no entity is ever expanded or fetched; elements may be nested 32 deep.
A value that cannot be read (`bad_dirty` and the like), or of a name that is not known here
(`unknown_parameter`), is left out and counted in the answer, and its result is kept. What a test
printed is not read. The setting `intake_sources_off` turns the source off.

How it is measured: the view `honed.test_result` shows each, `honed.flaky_test` those that are
flaky, where the commit is known; `honed intake status` counts them.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from math import isfinite
from typing import ClassVar, NoReturn
from xml.parsers import expat  # refuses document types below, and with them every entity

from honed.core.fault import Fault, Frame, is_in_app
from honed.core.intake import Intake, Request, Taken
from honed.core.testrun import Outcome, Result, Run, moment, signal_of
from honed.core.tracebacks import parse_traceback
from honed.core.wire import parse_time
from honed.errors import MalformedSignal

_MOST_DEPTH = 32
#: More results of one request are left out.
_MOST_TESTS = 50_000
#: Of a longer text of a failure, the beginning and the end are read: the error stands at one.
_MOST_TEXT = 60_000

_ENDING = frozenset({"failure", "error", "skipped"})
#: Failed attempts before one that passed, and after one that failed (Maven's Surefire).
_EARLIER = frozenset({"flakyFailure", "flakyError"})
_LATER = frozenset({"rerunFailure", "rerunError"})
_SAYING = _ENDING | _EARLIER | _LATER
_XFAIL = "pytest.xfail"
#: Where pytest's own traceback ends: ``tests/test_cart.py:7: AssertionError``.
_ENDED = re.compile(r"^(?P<file>\S[^:\n]*):(?P<line>\d{1,9}): (?P<type>[\w.]+)\s*\Z", re.MULTILINE)
_YES = {"true": True, "1": True, "false": False, "0": False}
_RUN = ("run", "commit", "branch", "service", "environment")
_PARAMETERS = frozenset({*_RUN, "dirty", "committed_at"})
_LINE = re.compile(r"\d{1,9}")


class JunitIntake(Intake):
    """Takes results of tests as JUnit XML."""

    name: ClassVar[str] = "junit"
    paths: ClassVar[tuple[str, ...]] = ("/api/v1/junit",)

    def take(self, request: Request) -> Taken:
        """Return one signal for each attempt at each test.

        Raises:
            MalformedSignal: the body is not JUnit XML, or has a document type.
        """
        reader = _Reader(request)
        reader.read(request.body)
        skipped = +reader.skipped
        signals = tuple(signal_of(run, result) for run, result in reader.results)
        answer = {"accepted": len(signals), "skipped": dict(skipped)}
        return Taken(signals, skipped, json.dumps(answer).encode())


@dataclass(slots=True)
class _Said:
    """A failure, an error or that a test was skipped."""

    tag: str
    attributes: Mapping[str, str]
    text: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Case:
    """A test while it is read."""

    attributes: Mapping[str, str]
    said: list[_Said] = field(default_factory=list)


class _Reader:
    """Reads a file of JUnit XML from its beginning to its end."""

    def __init__(self, request: Request) -> None:
        self.results: list[tuple[Run, Result]] = []
        self.skipped: Counter[str] = Counter()
        self._request = request
        self.skipped["unknown_parameter"] += len(request.query.keys() - _PARAMETERS)
        self._check_run(request.query)
        self._depth = 0
        self._suites: list[Mapping[str, str]] = []
        self._properties: dict[str, str] = {}
        self._case: _Case | None = None
        self._said: _Said | None = None

    def read(self, body: bytes) -> None:
        """Read the whole file.

        Raises:
            MalformedSignal: it is not JUnit XML, or has a document type.
        """
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = _refuse_doctype
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        try:
            parser.Parse(body, True)  # noqa: FBT003 - it takes nothing by name
        except (expat.ExpatError, LookupError, ValueError) as error:
            # ValueError and LookupError: the encoding is unknown. Words may repeat what was sent.
            msg = "the body is not XML"
            raise MalformedSignal(msg, hint="send the file that the test runner wrote") from error

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > _MOST_DEPTH:
            msg = f"elements are nested more than {_MOST_DEPTH} deep"
            raise MalformedSignal(msg)
        if self._depth == 1 and tag not in {"testsuites", "testsuite"}:
            msg = "the body is XML, but not of JUnit"
            raise MalformedSignal(msg, hint="its root is <testsuites> or <testsuite>")
        if tag == "testsuite":
            self._suites.append(attributes)
            self._check("timestamp", attributes, moment)
        elif tag == "testcase":
            self._case = _Case(attributes)
        elif tag == "property" and self._case is None:
            told = {attributes.get("name", ""): attributes.get("value", "")}
            self._properties |= told
            self._check_run(told)
        elif tag in _SAYING and self._case is not None:
            self._said = _Said(tag, attributes)
            self._case.said.append(self._said)

    def _end(self, tag: str) -> None:
        self._depth -= 1
        if tag == "testsuite":
            self._suites.pop()
        elif tag in _SAYING:
            self._said = None
        elif tag == "testcase" and self._case is not None:
            self._keep(self._case)
            self._case = None

    def _text(self, text: str) -> None:
        if self._said is not None:
            self._said.text.append(text)

    def _keep(self, case: _Case) -> None:
        if not case.attributes.get("name"):
            self.skipped["no_test"] += 1
        elif len(self.results) >= _MOST_TESTS:
            self.skipped["too_many"] += 1
        else:
            suite = self._suites[-1] if self._suites else {}
            run = _run(self._request.query, self._properties, suite)
            at = parse_time(suite.get("timestamp"), self._request.received_at)
            self.results += ((run, result) for result in _results(case, suite, at))
            self._check("time", case.attributes, _milliseconds)
            self._check("line", case.attributes, _LINE.fullmatch)

    def _check_run(self, said: Mapping[str, str]) -> None:
        self._check("dirty", said, _yes)
        self._check("committed_at", said, moment)

    def _check(
        self, name: str, said: Mapping[str, str], read: Callable[[str], object | None]
    ) -> None:
        """Count a value that is said and cannot be read."""
        if said.get(name) and read(said[name]) is None:
            self.skipped[f"bad_{name}"] += 1


def _refuse_doctype(*_: object) -> NoReturn:
    msg = "the body has a document type, which JUnit XML has not"
    raise MalformedSignal(msg, hint="remove <!DOCTYPE ...>")


def _run(*said: Mapping[str, str]) -> Run:
    """Return the run that they tell of, the first that tells it; the last is the suite."""
    *told, suite = said
    known = {name: next((each[name] for each in told if each.get(name)), "") for name in _RUN}
    known["environment"] = known["environment"] or suite.get("hostname", "")
    dirty, committed_at = (
        next((each[name] for each in told if each.get(name)), "")
        for name in ("dirty", "committed_at")
    )
    return Run(is_dirty=_yes(dirty), committed_at=moment(committed_at), **known)


def _yes(said: str) -> bool | None:
    return _YES.get(said.lower())


def _results(case: _Case, suite: Mapping[str, str], at: datetime) -> Iterator[Result]:
    """Yield what a test came to in each of its attempts, in their order."""
    said = case.attributes
    bare = Result(
        test=" > ".join(filter(None, (said.get("classname") or suite.get("name"), said["name"]))),
        outcome=Outcome.PASSED,
        at=at,
        duration_ms=_milliseconds(said.get("time", "")),
        file=said.get("file", ""),
        line=int(said["line"]) if _LINE.fullmatch(said.get("line", "")) else 0,
    )
    earlier = [each for each in case.said if each.tag in _EARLIER]
    later = [each for each in case.said if each.tag in _LATER]
    # Of several, the first that is no skip: an error in clearing away follows what it cleared.
    own = sorted((each for each in case.said if each.tag in _ENDING), key=_is_skip)[:1]
    final = [_told(bare, own[0]) if own else bare]
    attempts = [
        *(_told(bare, each) for each in earlier), *final, *(_told(bare, each) for each in later)
    ]  # fmt: skip
    for number, result in enumerate(attempts, start=1):
        yield replace(result, attempt=number) if len(attempts) > 1 else result


def _is_skip(said: _Said) -> bool:
    return said.tag == "skipped"


def _told(bare: Result, said: _Said) -> Result:
    kind = said.attributes.get("type", "")
    message, text = _bounded(said.attributes.get("message", "")), _bounded("".join(said.text))
    if said.tag == "skipped":
        outcome = Outcome.XFAILED if kind == _XFAIL else Outcome.SKIPPED
        return replace(bare, outcome=outcome, message=message or text)
    outcome = Outcome.ERROR if said.tag.lower().endswith("error") else Outcome.FAILED
    fault = _fault(bare.test, kind, message, text)
    return replace(bare, outcome=outcome, message=message or fault.message, fault=fault)


def _fault(test: str, kind: str, message: str, text: str) -> Fault:
    """Return the error that a failure tells, with its calls where it has a traceback."""
    fault = parse_traceback(text)
    if fault is not None:
        return fault
    ended = _ENDED.search(text)
    if ended is None:
        return Fault(kind or "failure", message or text)
    kind = kind or ended["type"]
    frame = Frame(ended["file"], "", test, int(ended["line"]), "", is_in_app(ended["file"]))
    return Fault(kind, message.removeprefix(f"{kind}: "), (frame,))


def _bounded(text: str) -> str:
    """Return a text without its middle, cut between words: half of a secret is not seen as one."""
    text = text.strip()
    if len(text) <= _MOST_TEXT:
        return text
    head, tail = text[: _MOST_TEXT // 2].rstrip(), text[-_MOST_TEXT // 2 :].lstrip()
    return f"{head[: len(head) - len(head.split()[-1])]}...{tail[len(tail.split()[0]) :]}"


def _milliseconds(seconds: str) -> float | None:
    try:
        said = float(seconds.replace(",", ""))
    except ValueError:
        return None
    return 1000 * said if isfinite(said) and said >= 0 else None
