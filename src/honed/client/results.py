"""What the tests of a run came to, as pytest tells it, one result for each attempt at each test."""

import hashlib
import inspect
import os
import platform
import sys
import uuid
from collections import Counter
from collections.abc import Generator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

from honed.client.dsn import Dsn
from honed.client.faults import relative, told_fault
from honed.client.raised import bounded
from honed.client.reports import FOLDER, Delivery, deliver
from honed.client.revision import read_revision

#: Where a report carries what only the process that runs its test knows, also from a worker of
#: xdist to the process that reports: plain values only.
_SEEN = "honed_seen"
#: What a test ran on, the first that is set: what passes on one may fail on another.
_ENVIRONMENTS = ("HONED_ENVIRONMENT", "TOX_ENV_NAME", "NOX_CURRENT_SESSION")


def take_part(config: pytest.Config, dsn: str) -> None:
    """Let results be seen, and reported by the one process that hears of all."""
    config.pluginmanager.register(Witness(config.rootpath), "honed-witness")
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recorder(config.rootpath, dsn), "honed-recorder")


class Witness:
    """Adds to the reports of tests what only their own process knows; none fails for it."""

    def __init__(self, root: Path) -> None:
        """Tell files relative to ``root``."""
        self._root = root

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Add the error and the version of the test to its report."""
        report = yield
        with suppress(Exception):
            setattr(report, _SEEN, self._seen(item, call))
        return report

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_make_collect_report(
        self,
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Add the error that kept tests from being collected to its report."""
        report = yield
        with suppress(Exception):
            if report.failed:
                # pytest takes the call away after this; its own error says less than the cause.
                error: BaseException = report.call.excinfo.value
                if isinstance(error, pytest.Collector.CollectError):
                    error = error.__cause__ or error
                setattr(report, _SEEN, {"fault": told_fault(error, self._root)})
        return report

    def _seen(self, item: pytest.Item, call: pytest.CallInfo[None]) -> dict[str, Any]:
        seen: dict[str, Any] = {}
        if call.when == "setup":
            seen["version"] = _version(item)
        if call.excinfo is not None and not call.excinfo.errisinstance(pytest.skip.Exception):
            seen["fault"] = told_fault(call.excinfo.value, self._root)
        return seen


def _version(item: pytest.Item) -> str:
    """Return a digest of what a test does, the same wherever in its file it stands."""
    function = inspect.unwrap(getattr(item, "function", None) or _version)
    return "" if function is _version else _digest(function.__code__)


def _digest(code: CodeType) -> str:
    digest = hashlib.blake2b(code.co_code, digest_size=8)
    names = (code.co_names, code.co_varnames, code.co_freevars)
    digest.update("\n".join(map(_told_constant, (*names, *code.co_consts))).encode())
    return digest.hexdigest()


def _told_constant(constant: object) -> str:
    if isinstance(constant, CodeType):
        return _digest(constant)
    if isinstance(constant, tuple):
        return ",".join(map(_told_constant, constant))
    # A set has another order in each process.
    return ascii(sorted(map(ascii, constant)) if isinstance(constant, frozenset) else constant)


@dataclass(slots=True)
class _Attempt:
    """One attempt at one test, of which some phases have been told."""

    number: int
    reports: list[pytest.TestReport] = field(default_factory=list)


class Recorder:
    """Hears of every test of a run, and reports them at its end; no run fails for it."""

    def __init__(self, root: Path, dsn: str) -> None:
        """Report to ``dsn``, of tests below ``root``."""
        self._root = root
        self._dsn = dsn
        self._open: dict[tuple[str, str], _Attempt] = {}
        self._attempts: Counter[tuple[str, str]] = Counter()
        self._results: list[dict[str, Any]] = []
        self._run: dict[str, Any] = {}
        self._said = ""

    def pytest_sessionstart(self) -> None:
        """Note what is being tested, before a test changes it."""
        with suppress(Exception):
            self._run = _run(self._root)

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note one phase of a test; the last one ends its attempt."""
        with suppress(Exception):
            self._note(report)

    @pytest.hookimpl(trylast=True)
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a file whose tests cannot be collected."""
        with suppress(Exception):
            if report.failed:
                self._results.append(_uncollected(report))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Report everything that was noted."""
        if not self._results:
            return
        try:
            dsn = Dsn.of(self._dsn)
            self._said = _told(deliver(dsn, self._root / FOLDER, self._run, self._results))
        except (OSError, ValueError) as error:
            self._said = f"reported nothing: {error}"
        except Exception as error:  # noqa: BLE001 - whatever it is, no run of tests fails for it
            self._said = f"reported nothing: {type(error).__name__}"

    # In quotes: older pytests do not export it.
    def pytest_terminal_summary(self, terminalreporter: "pytest.TerminalReporter") -> None:
        """Say what became of the report."""
        if self._said:
            terminalreporter.write_line(f"honed: {self._said}")

    def _note(self, report: pytest.TestReport) -> None:
        key = (report.nodeid, getattr(report, "worker_id", ""))
        if key not in self._open:
            self._attempts[key] += 1
            self._open[key] = _Attempt(self._attempts[key])
        attempt = self._open[key]
        attempt.reports.append(report)
        # pytest-rerunfailures calls an attempt that it repeats "rerun" and tells no more of it; a
        # worker of xdist that died tells of no phase.
        if report.when not in {"setup", "call"} or str(report.outcome) == "rerun":
            del self._open[key]
            self._results.append(self._result(attempt))

    def _result(self, attempt: _Attempt) -> dict[str, Any]:
        reports = attempt.reports
        seen: dict[str, Any] = {}
        for report in reports:
            # The first error is the one that counts; a second may follow from it.
            seen = {**getattr(report, _SEEN, {}), **seen}
        outcome, told = _outcome(reports)
        file, line, _ = reports[0].location
        result: dict[str, Any] = {
            "test": reports[0].nodeid,
            "outcome": outcome,
            "at": datetime.fromtimestamp(_started_s(reports[0]), UTC).isoformat(),
            "duration_ms": round(1000 * sum(report.duration for report in reports), 3),
            "attempt": attempt.number,
            "worker": getattr(reports[0], "worker_id", ""),
            "file": relative(file, self._root),
            "line": (line or 0) + 1,
            "version": seen.get("version", ""),
            "message": bounded(_why(told)) if told is not None else "",
        }
        if outcome in {"failed", "error"}:
            result["fault"] = seen.get("fault")
        return result


def _outcome(reports: list[pytest.TestReport]) -> tuple[str, pytest.TestReport | None]:
    """Return what an attempt came to, and the report that says why; None: nothing is to be said."""
    for report in reports:
        if report.failed or str(report.outcome) == "rerun":
            return ("error" if report.when in {"setup", "teardown"} else "failed"), report
    for report in reports:
        if report.skipped:
            return ("xfailed" if hasattr(report, "wasxfail") else "skipped"), report
    return "passed", None


def _why(report: pytest.TestReport) -> str:
    """Return why a test failed or was skipped, in the words of the test."""
    if hasattr(report, "wasxfail"):
        return str(report.wasxfail).removeprefix("reason: ")
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    return str(getattr(crash, "message", report.longrepr or ""))


def _started_s(report: pytest.TestReport) -> float:
    # pytest before 8 does not tell.
    started: float = getattr(report, "start", 0.0)
    return started or datetime.now(UTC).timestamp()


def _uncollected(report: pytest.CollectReport) -> dict[str, Any]:
    fault = getattr(report, _SEEN, {}).get("fault", {})
    return {
        "test": report.nodeid or ".",
        "outcome": "error",
        "at": datetime.now(UTC).isoformat(),
        "file": report.nodeid.partition("::")[0],
        "message": fault.get("message") or bounded(report.longreprtext),
        "fault": fault or None,
    }


def _run(root: Path) -> dict[str, Any]:
    named = (os.environ.get(name, "") for name in _ENVIRONMENTS)
    return {
        "run": uuid.uuid4().hex,
        **asdict(read_revision(root)),
        "environment": next(filter(None, named), "") or _environment(),
    }


def _environment() -> str:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return f"{platform.python_implementation()} {version} {sys.platform}"


def _told(delivery: Delivery) -> str:
    """Return what became of the results, in one line."""
    said = [
        f"reported {delivery.sent} results" if delivery.sent else "",
        f"reported {delivery.sent_earlier} of earlier runs" if delivery.sent_earlier else "",
        f"kept {delivery.kept} results in {FOLDER} for a later run" if delivery.kept else "",
        f"lost {delivery.lost} results" if delivery.lost else "",
    ]
    why = f": {delivery.trouble}" if delivery.trouble else ""
    return ", ".join(filter(None, said)) + why
