"""How much processor time a function takes where tests call it, with whatever they call it with."""

import inspect
import time
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any

from . import tests
from .isolated import Say

#: By this name a function's module knows its clock while it is timed.
_NAME = "__honed_clock__"


class Clock:
    """A function of which every outermost call is timed, put in the place of a living one.

    Raises:
        ValueError: it cannot be put there.
    """

    def __init__(self, function: FunctionType) -> None:
        self.cpu_s = 0.0
        self.calls = 0
        self._is_within = False
        self._inner = FunctionType(
            function.__code__,
            function.__globals__,
            function.__name__,
            function.__defaults__,
            function.__closure__,
        )
        self._inner.__kwdefaults__ = function.__kwdefaults__
        function.__globals__[_NAME] = self._call
        function.__code__ = _handing_on(function.__code__)

    def reset(self) -> None:
        """Forget what was timed."""
        self.cpu_s, self.calls = 0.0, 0

    def _call(self, given: Any, named: Any) -> Any:
        if self._is_within:
            return self._inner(*given, **named)
        self._is_within = True
        self.calls += 1
        started = time.thread_time_ns()
        try:
            return self._inner(*given, **named)
        finally:
            self.cpu_s += (time.thread_time_ns() - started) / 1e9
            self._is_within = False


def in_tests(server: Any, request: dict[str, Any]) -> Callable[[Say], None]:
    """Return the work that tells the processor time of a function in one run of tests.

    The tests run once unheard, and then ``passes`` times, of which the median counts.
    """

    def run(say: Say) -> None:
        function = server.functions.named(request["path"], request["name"])
        if function is None or inspect.isgeneratorfunction(function):
            say({"cpu_s": None, "inputs": 0, "why": "it is not there, or a generator"})
            return
        tests.on_time_out = lambda: say({"cpu_s": None, "inputs": 0, "why": "it takes too long"})
        try:
            clock = Clock(function)
        except ValueError as error:
            say({"cpu_s": None, "inputs": 0, "why": f"it cannot be timed: {error}"})
            return
        taken, calls = [], 0
        for _ in range(request["passes"] + 1):
            clock.reset()
            for key in request["tests"]:
                ended = server.run_test(key, request["timeout_s"])
                if ended["outcome"] != "passed":
                    say({"cpu_s": None, "inputs": 0, "why": f"{key} does not pass each time"})
                    return
            calls = clock.calls
            taken.append(clock.cpu_s)
        cpu_s = sorted(taken[1:])[request["passes"] // 2]
        said = cpu_s if cpu_s > 0 else None
        say({"cpu_s": said, "inputs": calls, "why": "" if said else "its tests do not call it"})

    return run


def _handing_on(code: CodeType) -> CodeType:
    """Return code that hands a call on to the clock, with the same variables from around it."""
    names = code.co_freevars
    lines = [
        "def around():",
        *(f"    {name} = None" for name in names),
        "    def handing_on(*given, **named):",
        f"        ({''.join(f'{name}, ' for name in names)})",
        f"        return {_NAME}(given, named)",
    ]
    module = compile("\n".join(lines), code.co_filename, "exec", dont_inherit=True)
    around = next(each for each in module.co_consts if isinstance(each, CodeType))
    found = next(each for each in around.co_consts if isinstance(each, CodeType))
    return found.replace(co_qualname=code.co_qualname, co_name=code.co_name)
