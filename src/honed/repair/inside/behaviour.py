"""What a function returns on inputs, and what that costs in lines."""

import ast
import itertools
import sys
from types import FrameType
from typing import Any

from . import tests
from .isolated import Say

#: A call that has run more lines is endless for us.
MOST_LINES = 100_000
MOST_ITEMS = 1_000
DEEPEST = 8

#: After so many calls that had to be killed the rest is not tried.
MOST_KILLED = 3


class Endless(BaseException):
    """A call ran too many lines."""


def outputs(server: Any, edits: dict[str, Any], request: dict[str, Any]) -> list[Any]:
    """Return for each input what came out, ``[outcome, text, lines]``; None where unknown."""
    inputs: list[list[str]] = request["inputs"]
    answers: list[Any] = [None] * len(inputs)
    begin, killed = 0, 0
    while begin < len(inputs) and killed < MOST_KILLED:

        def run(say: Say, begin: int = begin) -> None:
            function = server.functions.named(request["path"], request["name"])
            if function is None:
                return
            for number in range(begin, len(inputs)):
                say([number, *_output(function, inputs[number], request, say, number)])

        for number, *answer in server.in_fork(edits, run, wall_s=request["wall_s"]):
            answers[number] = answer
            begin = number + 1
        killed += 1
        if begin < len(inputs) and not _is_endless(answers[begin - 1]):
            answers[begin] = ["died", "", MOST_LINES]
            begin += 1
    # A function that is not there says nothing.
    return answers if any(each and each[0] != "died" for each in answers) else [None] * len(inputs)


def _is_endless(answer: Any) -> bool:
    return bool(answer) and answer[0] == "endless"


def _output(
    function: Any, texts: list[str], request: dict[str, Any], say: Say, number: int
) -> list[Any]:
    arguments = [ast.literal_eval(text) for text in texts]
    counter = _Counter(request["path"])
    tests.on_time_out = lambda: say([number, "endless", "", MOST_LINES])
    try:
        with tests.alarm(request["cpu_s"]), counter:
            result = function(*arguments)
            if hasattr(result, "__next__"):
                result = list(itertools.islice(result, MOST_ITEMS))
            text = canonical(result)
    except (Endless, tests.OutOfTime):
        return ["endless", "", MOST_LINES]
    except Exception as error:  # noqa: BLE001 - an error is an answer like any other
        return ["raised", type(error).__name__, counter.lines]
    # What returns nothing may have changed its arguments.
    is_told = result is None or request.get("with_arguments", False)
    after = canonical(arguments) if is_told else ""
    return ["returned", f"{text}{after}", counter.lines]


class _Counter:
    """Counts the lines that run in one file, as a measure of cost that no busy machine changes."""

    def __init__(self, path: str) -> None:
        self.lines = 0
        self._path = path

    def __enter__(self) -> None:
        sys.settrace(self._enter)

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _enter(self, frame: FrameType, event: str, _argument: Any) -> Any:
        return self._step if frame.f_code.co_filename == self._path else None

    def _step(self, frame: FrameType, event: str, _argument: Any) -> Any:
        self.lines += 1
        if self.lines > MOST_LINES:
            raise Endless
        return self._step


def canonical(value: Any, depth: int = 0) -> str:
    """Return a text that is the same for values that are equal to any sensible reader."""
    if isinstance(value, float):
        return f"{value:.9g}"
    if value is None or isinstance(value, (int, str, bytes, complex)):
        return repr(value)
    if isinstance(value, (dict, set, frozenset, list, tuple)):
        return _canonical_many(value, depth + 1)
    return type(value).__name__


def _canonical_many(value: Any, depth: int) -> str:
    if depth > DEEPEST:
        return "..."
    if isinstance(value, dict):
        parts = [f"{canonical(k, depth)}: {canonical(v, depth)}" for k, v in value.items()]
    else:
        parts = [canonical(each, depth) for each in value]
    if isinstance(value, (list, tuple)):
        inner = ", ".join(parts)
        return f"[{inner}]" if isinstance(value, list) else f"({inner},)"
    return "{" + ", ".join(sorted(parts)) + "}"
