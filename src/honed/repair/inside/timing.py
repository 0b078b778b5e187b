"""How much processor time calls of a function take, as it is or with a candidate."""

import ast
import gc
import inspect
import marshal
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from . import clocked, tests
from .isolated import Say

#: Calls before time is taken: Python specialises code that runs again and again.
WARM = 20
#: Turns of which the median counts.
TURNS = 5
#: A turn that takes longer is not timed any more.
TURN_CPU_S = 5.0
#: Bytes of arguments that are laid ready for one turn.
MOST_BYTES = 32 << 20


def timed(server: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Return the processor time in seconds of ``passes`` calls with each input: their median turn.

    Each call has arguments of its own, which are made before time is taken. Inputs for which it
    raises are left out; ``inputs`` says how many were not. Where there is no time to tell,
    ``cpu_s`` is None, and ``why`` says why. Where ``tests`` are named, what they call the function
    with are the inputs, see ``clocked``.
    """

    def run(say: Say) -> None:
        function = server.functions.named(request["path"], request["name"])
        if function is None:
            say(_nothing("it is not there"))
            return
        tests.on_time_out = lambda: say(_nothing("it takes too long"))
        try:
            with tests.alarm(TURN_CPU_S * (TURNS + 1)):
                say(_taken(_callable(function), request))
        except tests.OutOfTime:
            say(_nothing("it takes too long"))
        except Exception as error:  # noqa: BLE001 - it did not raise before
            say(_nothing(f"it raises {type(error).__name__} now and then"))

    work = clocked.in_tests(server, request) if request["tests"] else run
    said = server.in_fork(request["candidate"], work, wall_s=request["wall_s"])
    answer: dict[str, Any] = said[-1] if said else _nothing("it died")
    return answer


def _nothing(why: str) -> dict[str, Any]:
    return {"cpu_s": None, "inputs": 0, "why": why}


def _callable(function: Any) -> Callable[..., Any]:
    if inspect.isgeneratorfunction(function):
        return lambda *given: deque(function(*given), maxlen=0)
    return function  # type: ignore[no-any-return]  # it is a function


def _taken(function: Callable[..., Any], request: dict[str, Any]) -> dict[str, Any]:
    packed = [each for each in map(_packed, request["inputs"]) if _returns(function, each)]
    if not packed:
        return _nothing("it raises for every input")
    passes = max(1, min(request["passes"], MOST_BYTES // max(1, sum(map(len, packed)))))
    for _ in range(-(-WARM // len(packed))):
        _turn(function, packed, 1)
    turns = sorted(_turn(function, packed, passes) for _ in range(TURNS))
    return {"cpu_s": turns[TURNS // 2] / passes, "inputs": len(packed), "why": ""}


def _returns(function: Callable[..., Any], packed: bytes) -> bool:
    try:
        function(*marshal.loads(packed))  # noqa: S302 - made here
    except Exception:  # noqa: BLE001 - whatever it raises
        return False
    return True


def _turn(function: Callable[..., Any], packed: list[bytes], passes: int) -> float:
    ready = [marshal.loads(each) for _ in range(passes) for each in packed]  # noqa: S302 - made here
    gc.collect()
    gc.disable()
    try:
        # Of the thread: where processor time is limited, the process's goes on in jumps of some ms.
        started = time.thread_time_ns()
        for given in ready:
            function(*given)
        return (time.thread_time_ns() - started) / 1e9
    finally:
        gc.enable()


def _packed(texts: list[str]) -> bytes:
    return marshal.dumps(tuple(ast.literal_eval(text) for text in texts))
