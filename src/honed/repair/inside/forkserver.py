"""Collect the tests once, then fork for everything that is tried.

Requests and answers are objects of JSON, one a line; ``do`` names the request:

- ``base``: run tests, each alone.
- ``split``: make tests of the assertions of tests.
- ``trace``: which lines tests run, with the types of locals and calls (see ``spectrum``).
- ``try``: whether candidates pass, failing tests first.
- ``call``: what a function returns on inputs, as it is and with candidates (see ``behaviour``).
- ``callings``: what functions are called with in tests (see ``callings``).
- ``profile``: what functions take by themselves in tests (see ``profiling``).
- ``time``: how much processor time calls of a function take (see ``timing``).
- ``decide``: what a condition would have to say, and which conditions say it (see ``angel``).
"""

import contextlib
import functools
import gc
import importlib.machinery
import json
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, TextIO

import pytest

from . import angel, behaviour, callings, profiling, spectrum, tests, timing
from .isolated import Say, adopt_orphans, has_children, in_child
from .swap import Change, Files, Functions
from .tests import Case, Excinfo
from .verdicts import by_number, judged

#: Tests that fail on the base and are run whatever the first ones say, to see half a repair.
MOST_FAILING = 8
#: A test that may take longer is run only where those before it pass.
LONG_S = 0.5

#: So many tests tell whether candidates have spoilt the process that they share.
MOST_CANARIES = 12

#: Where so many tests are out of time, the others get so many times the slowest that passes.
MOST_LATE = 4
TIMES = 20.0
LEAST_S = 0.1

#: More than the CPU time of a test that a busy machine may need of the wall's.
WALL_FACTOR = 6
WALL_S = 4.0

ARGUMENTS = (
    "-q",
    "-p",
    "no:cacheprovider",
    "-p",
    "no:faulthandler",
    "-p",
    "no:randomly",
    # What is tried here is no news to whom the tests report.
    "-p",
    "no:honed",
    "--capture=no",
    # What an assertion compared is told by its line; to say it in words takes longer than tests.
    "--assert=plain",
)


def main() -> None:
    """Read where the tests are, collect them and answer until stdin ends."""
    sys.dont_write_bytecode = True
    adopt_orphans()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    requests = os.fdopen(os.dup(0), encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    opened = json.loads(requests.readline())
    os.chdir(opened["root"])
    sys.path[:0] = [opened["root"], os.path.join(opened["root"], "src")]
    server = Server(opened["root"], opened["tests"], requests, answers)
    code = pytest.main([*ARGUMENTS, *opened["tests"]], plugins=[Loop(server.serve)])
    if not server.has_served:
        _say(answers, {"error": f"pytest ended with {int(code)} before it had collected tests"})


class Loop(Excinfo):
    """A plug-in of pytest that hands the collected tests over instead of running them."""

    def __init__(self, take: Callable[[list[Any], "Loop"], None]) -> None:
        super().__init__()
        self._take = take

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Hand over, and tell pytest that the tests were run."""
        self._take(session.items, self)
        return True


class Server:
    """The collected tests, and what is done with them."""

    def __init__(self, root: str, ids: list[str], requests: TextIO, answers: TextIO) -> None:
        self.has_served = False
        self.files = Files()
        self._root = os.path.join(os.path.realpath(root), "")
        self._ids = ids
        self._requests = requests
        self._answers = answers
        self._cases: dict[str, Case] = {}
        self._does: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "base": self._base,
            "split": self._split,
            "trace": self._trace,
            "try": self._try,
            "call": self._call,
            "decide": self._decide,
            "callings": functools.partial(callings.callings, self),
            "profile": functools.partial(profiling.profiled, self),
            "time": functools.partial(timing.timed, self),
        }

    def serve(self, items: list[Any], excinfo: Excinfo) -> None:
        """Answer requests until there are no more."""
        self.has_served = True
        self.excinfo = excinfo
        self._cases = {item.nodeid: Case(item.nodeid, item) for item in items}
        self.functions = Functions(self._root)
        gc.collect()
        # What is alive now lives on in every fork, and is not to be copied by a collection.
        gc.freeze()
        _say(self._answers, {"tests": list(self._cases)})
        for line in self._requests:
            request = json.loads(line)
            unknown = {*request.get("failing", ()), *request.get("passing", ())} - set(self._cases)
            answer = {"error": f"no such tests: {sorted(unknown)}"} if unknown else None
            _say(self._answers, answer or self._does[request["do"]](request))

    def _base(self, request: dict[str, Any]) -> dict[str, Any]:
        """Run tests once, each in a process of its own."""
        ended: list[dict[str, Any]] = []
        late, slowest_s = 0, 0.0
        for key in request["tests"]:
            limit_s = request["timeout_s"]
            if late >= MOST_LATE:
                limit_s = min(limit_s, max(LEAST_S, slowest_s * TIMES))
            ended.append(self._alone(key, limit_s))
            late += ended[-1]["outcome"] == "timeout"
            if ended[-1]["outcome"] == "passed":
                slowest_s = max(slowest_s, ended[-1]["cpu_s"])
        return {"tests": ended}

    def _split(self, request: dict[str, Any]) -> dict[str, Any]:
        """Make a test of each assertion of tests, which has to be done in every server."""
        found = [
            case for key in request["tests"] for case in tests.assertions(self._cases[key].item)
        ]
        self._cases |= {case.key: case for case in found}
        return {"tests": [case.key for case in found]}

    def _alone(self, key: str, limit_s: float) -> dict[str, Any]:
        def work(say: Say) -> None:
            self._run([key], {key: limit_s}, say)

        said, _ = in_child(work, limit_s * WALL_FACTOR + WALL_S)
        ended: dict[str, Any] = next((each for each in said if "outcome" in each), {})
        return ended or {"key": key, "outcome": "died", "cpu_s": limit_s}

    def _run(
        self, keys: list[str], limits: dict[str, float], say: Say, *, stops: bool = False
    ) -> bool:
        """Run tests in this process, which is a fork, and return whether all passed."""
        has_passed = True
        for number, key in enumerate(keys):
            case = self._cases[key]
            following = self._cases[keys[number + 1]] if number + 1 < len(keys) else None
            late = {"key": key, "outcome": "timeout", "cpu_s": limits[key]}
            tests.on_time_out = functools.partial(say, late)
            ended = tests.run(case, limits[key], self.excinfo, following)
            say(ended)
            has_passed &= ended["outcome"] == "passed"
            # One that is out of time would be so again, and again.
            if ended["outcome"] == "timeout" or (stops and not has_passed):
                tests.tear_down(case, limits[key])
                break
        return has_passed

    def _trace(self, request: dict[str, Any]) -> dict[str, Any]:
        """Run each test with tracing; those that say nothing are left out."""
        traced = {}
        for key in request["tests"]:

            def work(say: Say, key: str = key) -> None:
                recorder = spectrum.Recorder(self._root, has_values=key in request["failing"])
                limit_s = request["timeout_s"]
                tests.on_time_out = lambda: say(recorder.told())
                with recorder, contextlib.suppress(tests.OutOfTime):
                    tests.run(self._cases[key], limit_s, self.excinfo)
                say(recorder.told())

            said, _ = in_child(work, request["timeout_s"] * WALL_FACTOR + WALL_S)
            if said:
                traced[key] = said[-1]
        return {"tests": traced}

    def _try(self, request: dict[str, Any]) -> dict[str, Any]:
        """Run candidates, failing tests first.

        Many share a fork, since forking costs more than most tests. What passes there is run again
        in a fork of its own, so that no candidate passes by what an earlier one left behind; where
        one has spoilt what they share, all are run again in forks of their own.
        """
        compiled = [self._compiled(each) for each in request["candidates"]]
        said: dict[int, list[Any]] = {}
        waiting = [n for n, each in enumerate(compiled) if isinstance(each, list)]
        if request.get("apart"):
            said = {n: self._apart(compiled[n], request) for n in waiting}  # type: ignore[arg-type]
            waiting = []
        while waiting:
            said |= self._together(compiled, waiting, request)
            waiting = [number for number in waiting if number not in said]
        results = []
        for number, each in enumerate(compiled):
            if isinstance(each, str):
                results.append({"ended": "invalid", "error": each})
                continue
            result = judged(said[number], request)
            if result["is_plausible"] or result["broken"] is not None:
                # In a process of its own and in the order of the tests, as pytest would run them.
                whole = self._judged_in_order(each, request)
                result["is_plausible"] = whole
                result["broken"] = None if whole else result["broken"]
            results.append(result)
        return {"results": results}

    def _compiled(self, edits: dict[str, Any]) -> list[Change] | str:
        try:
            return self.changes(edits)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            return str(error) or type(error).__name__

    def _together(
        self, compiled: list[Any], waiting: list[int], request: dict[str, Any]
    ) -> dict[int, list[Any]]:
        """Return what the first of the waiting candidates said: all up to one that ends a fork.

        A fork ends also behind a candidate that has left processes: no other runs beside them.
        """
        if any(change.is_whole for change in compiled[waiting[0]]):
            return {waiting[0]: self._apart(compiled[waiting[0]], request)}

        def run(say: Say) -> None:
            for number in waiting:
                is_whole = any(change.is_whole for change in compiled[number])
                replaced = None if is_whole else self.functions.put(compiled[number])
                if replaced is None:
                    # It is the first of those that wait, the next time.
                    break
                say(number)
                self._judge(request, say)
                self.functions.restore(replaced)
                if has_children():
                    say("left")
                    return
            say("well" if self._is_clean(request) else "spoilt")

        wall_s = self._wall_s(request) + len(waiting) / 2
        told, _ = in_child(run, wall_s)
        if told and told[-1] == "spoilt":
            return {number: self._apart(compiled[number], request) for number in waiting}
        said = by_number(told)
        was_cut = len(said) > 1 and not isinstance(told[-1], str)
        if was_cut and judged([*said.values()][-1], request)["ended"] == "died":
            # Perhaps by what those before it had used up: it is the first of the next fork.
            said.popitem()
        return said or {waiting[0]: self._apart(compiled[waiting[0]], request)}

    def _is_clean(self, request: dict[str, Any]) -> bool:
        """Whether tests that pass on the base still do after all that ran in this process."""
        passing = request["passing"][:MOST_CANARIES]
        return self._run(passing, request["limits"], lambda _: None, stops=True)

    def _judged_in_order(self, changes: list[Change], request: dict[str, Any]) -> bool:
        """Whether a candidate passes all tests in the order in which pytest runs them."""
        wanted = {*request["failing"], *request["passing"]}
        keys = [key for key in self._cases if key in wanted]
        run = functools.partial(self._run, keys, request["limits"], stops=True)
        wall_s = self._wall_s(request)
        told, _ = in_child(lambda say: self._with(changes, lambda: run(say=say)), wall_s)
        outcomes = [each["outcome"] for each in told]
        return outcomes == ["passed"] * len(keys)

    def _apart(self, changes: list[Change], request: dict[str, Any]) -> list[Any]:
        wall_s = self._wall_s(request)
        said, _ = in_child(
            lambda say: self._with(changes, lambda: self._judge(request, say)), wall_s
        )
        return said

    def _judge(self, request: dict[str, Any], say: Say) -> None:
        """Run failing tests, and if they pass now the passing ones until one fails."""
        failing, passing = request["failing"], request["passing"]
        limits = _soon(request)
        # To see how much of a failing repair is right is not worth a long test.
        first = [key for key in failing[:MOST_FAILING] if limits[key] <= LONG_S] or failing[:1]
        rest = [key for key in (*failing, *passing) if key not in first]
        if self._run(first, limits, say):
            self._run(rest, limits, say, stops=True)

    @staticmethod
    def _wall_s(request: dict[str, Any]) -> float:
        """Return how long a candidate may take: all tests as usual, a few of them at their limits.

        A limit is so many times what the test takes.
        """
        usual_s = sum(request["limits"].values()) / TIMES
        limits = _soon(request).values()
        most_s = min(sum(limits), 3 * max(limits, default=1.0))
        return float((usual_s + most_s) * WALL_FACTOR + WALL_S)

    def changes(self, edits: dict[str, Any]) -> list[Change]:
        """Return the compiled changes of a candidate, by file."""
        return [self.files.changed(path, each) for path, each in sorted(edits.items())]

    def _with(self, changes: list[Change], run: Callable[[], object]) -> None:
        """Run in this process, which is a fork, with changes."""
        is_in_place = not any(each.is_whole for each in changes)
        if is_in_place and self.functions.put(changes) is not None:
            run()
        else:
            self._anew(changes, run)

    def _anew(self, changes: list[Change], run: Callable[[], object]) -> None:
        """Import everything below the folder again, with the changed text, and collect again."""
        for name, module in list(sys.modules.items()):
            if str(getattr(module, "__file__", None) or "").startswith(self._root):
                del sys.modules[name]
        wanted = [key for key, case in self._cases.items() if case.code is not None]

        def take(items: list[Any], excinfo: Excinfo) -> None:
            self.excinfo = excinfo
            self._cases = {item.nodeid: Case(item.nodeid, item) for item in items}
            for item in items:
                if any(key.startswith(f"{item.nodeid}@") for key in wanted):
                    self._cases |= {case.key: case for case in tests.assertions(item)}
            self.functions = Functions(self._root)
            run()

        with _served({each.path: each.text for each in changes}):
            pytest.main([*ARGUMENTS, *self._ids], plugins=[Loop(take)])

    def _call(self, request: dict[str, Any]) -> dict[str, Any]:
        return {
            "outputs": [behaviour.outputs(self, edits, request) for edits in request["candidates"]]
        }

    def _decide(self, request: dict[str, Any]) -> dict[str, Any]:
        return angel.decide(self, request)

    def in_fork(
        self, edits: dict[str, Any], run: Callable[[Say], None], wall_s: float
    ) -> list[Any]:
        """Return what ``run`` says in a fork in which a candidate is in place."""
        changes = self.changes(edits)
        return in_child(lambda say: self._with(changes, lambda: run(say)), wall_s)[0]

    @property
    def root(self) -> str:
        """The folder of the project, with a slash."""
        return self._root

    def item(self, key: str) -> Any:
        """Return a collected test as pytest has it."""
        return self._cases[key].item

    def run_test(self, key: str, limit_s: float) -> dict[str, Any]:
        """Run one test in this process, which is a fork."""
        return tests.run(self._cases[key], limit_s, self.excinfo)


@contextlib.contextmanager
def _served(texts: dict[str, bytes]) -> Iterator[None]:
    """Let imports find these texts in place of what is on disk."""
    loader = importlib.machinery.SourceFileLoader
    on_disk = loader.get_code

    def get_code(self: Any, fullname: str) -> Any:
        if self.path in texts:
            return compile(texts[self.path], self.path, "exec", dont_inherit=True)
        return on_disk(self, fullname)

    loader.get_code = get_code  # type: ignore[method-assign]
    try:
        yield
    finally:
        loader.get_code = on_disk  # type: ignore[method-assign]


def _soon(request: dict[str, Any]) -> dict[str, float]:
    """Return the CPU time that tests may use for now."""
    limits: dict[str, float] = request.get("soon", request["limits"])
    return limits


def _say(answers: TextIO, each: dict[str, Any]) -> None:
    answers.write(json.dumps(each) + "\n")
    answers.flush()
