"""A plug-in of pytest that runs beside code that nobody trusts: it writes down how tests ended.

It needs nothing but the standard library and pytest, and never imports honed.
"""

import atexit
import json
import os
import sys
import threading
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from _typeshed import TraceFunction

_REPORT = os.environ["HONED_REPORT"]
#: Beside it: what runs at this moment, for whoever cuts the run off and then finds no report.
_NOW = os.path.join(os.path.dirname(_REPORT), "now")
_ROOT = os.environ["HONED_ROOT"] + os.sep
_WORDS = 2_000

_outcomes: dict[str, dict[str, Any]] = {}
_lines: dict[str, set[int]] = {}


def pytest_collectstart(collector: pytest.Collector) -> None:
    """Say what is collected: importing it may never end."""
    _say_now(collector.nodeid)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Say that nothing runs."""
    del session
    _say_now("")


def pytest_runtest_logstart(nodeid: str) -> None:
    """Say which test runs."""
    _say_now(nodeid)


def pytest_runtest_logfinish() -> None:
    """Say that nothing runs."""
    _say_now("")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep the worst of a test's phases."""
    known = _outcomes.setdefault(report.nodeid, {"outcome": "skipped", "duration_s": 0.0})
    known["duration_s"] += report.duration
    outcome = _outcome(report)
    if _RANK[outcome] > _RANK[known["outcome"]]:
        known["outcome"] = outcome
    if report.failed:
        known["message"] = str(report.longrepr)[-_WORDS:]


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """Keep what could not even be collected, by its file."""
    if report.failed:
        words = str(report.longrepr)[-_WORDS:]
        _outcomes[report.nodeid] = {"outcome": "error", "duration_s": 0.0, "message": words}


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write the report."""
    del session
    _write(int(exitstatus))


_RANK = {"skipped": 0, "xfailed": 1, "passed": 2, "failed": 3, "error": 4}


def _outcome(report: pytest.TestReport) -> str:
    if hasattr(report, "wasxfail"):
        # What was to fail and passed counts against it only where that is strict: then it failed.
        return "xfailed" if report.skipped else "passed"
    if report.failed:
        return "failed" if report.when == "call" else "error"
    if report.skipped:
        return "skipped"
    return "passed" if report.when == "call" else "skipped"


def _say_now(what: str) -> None:
    with open(_NOW, "w", encoding="utf-8") as file:
        file.write(what)


def _write(status: int) -> None:
    found = {path[len(_ROOT) :]: sorted(lines) for path, lines in _lines.items()}
    with open(_REPORT, "w", encoding="utf-8") as file:
        json.dump({"status": status, "tests": _outcomes, "lines": found}, file)


def _watch_lines() -> None:
    """Note each line under the root that runs, once."""
    if sys.version_info >= (3, 12):
        monitoring = sys.monitoring
        tool = monitoring.COVERAGE_ID
        monitoring.use_tool_id(tool, "honed")

        def ran(code: CodeType, line: int) -> object:
            if code.co_filename.startswith(_ROOT):
                _lines.setdefault(code.co_filename, set()).add(line)
            return monitoring.DISABLE

        monitoring.register_callback(tool, monitoring.events.LINE, ran)
        monitoring.set_events(tool, monitoring.events.LINE)
        return

    def trace(frame: FrameType, event: str, argument: object) -> "TraceFunction | None":
        del argument
        path = frame.f_code.co_filename
        if not path.startswith(_ROOT):
            return None
        if event == "line":
            _lines.setdefault(path, set()).add(frame.f_lineno)
        return trace

    threading.settrace(trace)
    sys.settrace(trace)
    atexit.register(sys.settrace, None)


if os.environ.get("HONED_LINES"):
    _watch_lines()
