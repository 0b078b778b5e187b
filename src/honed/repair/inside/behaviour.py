"""What a function returns on inputs, and what that costs in lines."""

import itertools
import sys
from types import FrameType
from typing import Any

from . import made, tests
from .isolated import Say

#: A call that has run more lines is endless for us.
MOST_LINES = 100_000
MOST_ITEMS = 1_000
DEEPEST = 8
#: An object is so many containers deep: a graph of them has many ways through it.
OF_OBJECT = 3

#: After so many calls that had to be killed the rest is not tried.
MOST_KILLED = 3
#: How a call ends for which there are no such objects: nothing is known of it.
UNMADE = "unmade"


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
    answers = [None if each and each[0] == UNMADE else each for each in answers]
    # A function that is not there says nothing.
    return answers if any(each and each[0] != "died" for each in answers) else [None] * len(inputs)


def _is_endless(answer: Any) -> bool:
    return bool(answer) and answer[0] == "endless"


def _output(
    function: Any, texts: list[str], request: dict[str, Any], say: Say, number: int
) -> list[Any]:
    given = [made.read(text) for text in texts]
    try:
        arguments = [made.living(each) for each in given]
    except Exception:  # noqa: BLE001 - no such object: what would be done with it is not known
        return [UNMADE, "", 0]
    before = canonical(arguments)
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
    # What returns nothing may have changed its arguments, and objects are there to be changed.
    has_objects = any(type(each) is made.Made and each.is_own for each in given)
    after = canonical(arguments)
    is_told = result is None or (has_objects and after != before)
    is_told = is_told or request.get("with_arguments", False)
    return ["returned", f"{text}{after if is_told else ''}", counter.lines]


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
    name = type(value).__name__
    if f"{type(value).__module__}.{name}" in made.LIBRARY:
        return f"{name} {value}"
    if made.is_simple(type(value)) and depth <= DEEPEST:
        return name + _canonical_many(made.attributes_of(value), depth + OF_OBJECT)
    return name


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
