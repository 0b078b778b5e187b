"""One test at a time: the whole of it, or one of its assertions alone."""

import ast
import contextlib
import copy
import os
import random
import signal
import time
import unittest
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

#: More assertions of one test are not run alone.
MOST_ASSERTIONS = 60

#: From the first alarm, which raises, to the second, which ends the process.
LEAST_SECOND_S = 0.1

#: Every test begins with this state of ``random``, so that two runs of it are the same run.
SEED = 20260101


@dataclass
class Case:
    """A collected test, or one of its assertions without the others."""

    key: str
    item: Any
    #: The test's function with one assertion of several; None for the whole test.
    code: CodeType | None = None


def _nothing() -> None:
    """Say nothing."""


#: Called when a test is out of time, before the process leaves.
on_time_out: Callable[[], None] = _nothing


class Excinfo:
    """A plug-in of pytest that remembers what the last test raised, and formats nothing."""

    def __init__(self) -> None:
        self.last: Any = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, item: Any, call: Any) -> pytest.TestReport:
        """Return a bare report: pytest's own costs more than most tests."""
        outcome: Any = "passed"
        if call.excinfo is not None:
            is_skip = call.excinfo.errisinstance((pytest.skip.Exception, unittest.SkipTest))
            outcome = "skipped" if is_skip else "failed"
            # The first error of a test counts: its teardown may raise another.
            self.last = self.last or call.excinfo
        return pytest.TestReport(item.nodeid, item.location, {}, outcome, None, call.when)


def run(
    case: Case, cpu_s: float, excinfo: Excinfo, following: Case | None = None
) -> dict[str, Any]:
    """Return how a test ended: its outcome, error, stack (innermost last) and CPU time.

    A test that uses more than ``cpu_s`` of CPU time is ended; one that will not be ends the
    process, after ``on_time_out``.
    """
    excinfo.last = None
    random.seed(SEED)
    started = time.process_time()
    with _code_of(case), _own_parameters(case.item), alarm(cpu_s):
        reports = runtestprotocol(case.item, log=False, nextitem=_next(case, following))
    outcomes = {report.outcome for report in reports}
    outcome = "failed" if "failed" in outcomes else "passed"
    if outcome == "passed" and "skipped" in outcomes:
        outcome = "skipped"
    if excinfo.last is not None and excinfo.last.errisinstance(OutOfTime):
        outcome = "timeout"
    ended = {"key": case.key, "outcome": outcome, "cpu_s": time.process_time() - started}
    if excinfo.last is not None and outcome == "failed":
        ended["error"] = f"{excinfo.last.typename}: {excinfo.last.value!s:.200}"
        ended["stack"] = _stack(excinfo.last.tb)
    return ended


def tear_down(case: Case, cpu_s: float) -> None:
    """End the fixtures that were kept for a test that does not come any more.

    They would stand in the way of the first test of another module.
    """
    with contextlib.suppress(Exception, OutOfTime), alarm(cpu_s):
        case.item.session._setupstate.teardown_exact(None)  # noqa: SLF001 - nobody else can


def _next(case: Case, following: Case | None) -> Any:
    """Return for whom fixtures are kept: the assertions of one test share those around it alone."""
    if following is None:
        return None
    return case.item.parent if following.item is case.item else following.item


def _stack(trace: Any) -> list[list[Any]]:
    stack = []
    while trace is not None:
        stack.append([trace.tb_frame.f_code.co_filename, trace.tb_lineno])
        trace = trace.tb_next
    return stack[-50:]


@contextlib.contextmanager
def _code_of(case: Case) -> Iterator[None]:
    if case.code is None:
        yield
        return
    function = function_of(case.item)
    whole = function.__code__
    function.__code__ = case.code
    try:
        yield
    finally:
        function.__code__ = whole


@contextlib.contextmanager
def _own_parameters(item: Any) -> Iterator[None]:
    """Give a test copies of its parameters: what it changes in them is not seen by the next."""
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    shared = dict(parameters)
    # What cannot be copied is shared, as it is with pytest.
    with contextlib.suppress(Exception):
        parameters.update(copy.deepcopy(shared))
    try:
        yield
    finally:
        parameters.update(shared)


class OutOfTime(BaseException):
    """A test used more CPU time than it may."""


@contextlib.contextmanager
def alarm(cpu_s: float) -> Iterator[None]:
    """Raise OutOfTime after ``cpu_s`` of CPU time; leave the process where that is caught."""
    rung = 0

    def ring(_signal: int, _frame: FrameType | None) -> None:
        nonlocal rung
        rung += 1
        if rung == 1:
            raise OutOfTime
        on_time_out()
        os._exit(0)

    # Of CPU time, because a busy machine is no endless loop.
    before = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, cpu_s, max(cpu_s, LEAST_SECOND_S))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def function_of(item: Any) -> Any:
    """Return the plain function behind a collected test; None where there is none."""
    function = getattr(item, "obj", None)
    function = getattr(function, "__func__", function)
    return function if isinstance(function, FunctionType) else None


def assertions(item: Any) -> list[Case]:
    """Return a case for each assertion in the body of a test that has several.

    After Xuan and Monperrus, "Test Case Purification for Improving Fault Localization" (FSE 2014):
    an assertion that fails hides those behind it. Statements that assert nothing stay.
    """
    function = function_of(item)
    definition = function and _definition(function)
    if not definition:
        return []
    lines = [each.lineno for each in definition.body if _asserts(each)]
    if not 1 < len(lines) <= MOST_ASSERTIONS:
        return []
    cases = []
    for line in lines:
        code = _with_one(definition, line, function)
        if code:
            cases.append(Case(f"{item.nodeid}@{line}", item, code))
    return cases


def _definition(function: FunctionType) -> ast.FunctionDef | None:
    try:
        tree = ast.parse(Path(function.__code__.co_filename).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None
    first = function.__code__.co_firstlineno
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            begins = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            if begins == first and node.name == function.__name__:
                return node
    return None


def _asserts(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Assert):
        return True
    call = statement.value if isinstance(statement, ast.Expr) else None
    method = call.func if isinstance(call, ast.Call) else None
    return isinstance(method, ast.Attribute) and method.attr.startswith("assert")


def _with_one(definition: ast.FunctionDef, line: int, function: FunctionType) -> CodeType | None:
    body = [each for each in definition.body if each.lineno == line or not _asserts(each)]
    alone = ast.FunctionDef(**{**vars(definition), "body": body, "decorator_list": []})
    module = ast.Module([ast.copy_location(alone, definition)], [])
    code = compile(module, function.__code__.co_filename, "exec", dont_inherit=True)
    for each in code.co_consts:
        if isinstance(each, CodeType) and each.co_name == definition.name:
            same_cells = each.co_freevars == function.__code__.co_freevars
            return each if same_cells else None
    return None
