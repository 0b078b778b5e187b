"""Which lines a test runs, with types of locals and the calls that were made."""

import ast
import itertools
import sys
import threading
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Self

from . import made

#: The types of locals are looked at on so many visits of a line.
MOST_VISITS = 25
MOST_CALLS = 200
LONGEST_REPR = 4000
#: Keys of one dictionary, or attributes of one object, that are told.
MOST_KEYS = 30

_IS_GENERATOR = 0x20 | 0x80 | 0x200
_TOOL = 4


def is_repairable(path: str, root: str) -> bool:
    """Whether a file is the project's own code: not its tests, nor what is installed."""
    if not path.startswith(root) or not path.endswith(".py"):
        return False
    parts = Path(path[len(root) :]).parts
    name = parts[-1]
    is_test = name.startswith("test_") or name.endswith("_test.py") or name == "conftest.py"
    hidden = any(part.startswith(".") or part in ("site-packages", "tests") for part in parts)
    return not is_test and not hidden


class Recorder:
    """A context in which lines and calls of the project's own code are recorded."""

    def __init__(self, root: str, *, has_values: bool) -> None:
        self._root = root
        self._has_values = has_values
        self._wanted: dict[str, bool] = {}
        self._lines: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
        self._types: dict[str, dict[int, dict[str, set[str]]]] = {}
        self._keys: dict[str, dict[str, dict[str, None]]] = defaultdict(lambda: defaultdict(dict))
        self._calls: list[dict[str, Any]] = []
        #: Functions with calls that cannot be told.
        self._untold: dict[tuple[str, str], None] = {}
        self._open: dict[int, tuple[FrameType, dict[str, Any]]] = {}

    def told(self) -> dict[str, Any]:
        """Return what was recorded, in JSON's terms."""
        return {
            "lines": {path: dict(lines) for path, lines in self._lines.items()},
            "types": {
                path: {
                    line: {name: sorted(types) for name, types in names.items()}
                    for line, names in lines.items()
                }
                for path, lines in self._types.items()
            },
            "keys": {
                path: {name: list(keys)[:MOST_KEYS] for name, keys in names.items()}
                for path, names in self._keys.items()
            },
            "calls": self._calls,
            "untold": list(self._untold),
        }

    def __enter__(self) -> Self:
        """Start recording."""
        if sys.version_info >= (3, 12):
            self._monitor()
        else:
            threading.settrace(self._enter)
            sys.settrace(self._enter)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        if sys.version_info >= (3, 12):
            sys.monitoring.set_events(_TOOL, 0)
            sys.monitoring.free_tool_id(_TOOL)
        else:
            sys.settrace(None)
            threading.settrace(None)

    def _is_wanted(self, path: str) -> bool:
        if path not in self._wanted:
            self._wanted[path] = is_repairable(path, self._root)
        return self._wanted[path]

    def _enter(self, frame: FrameType, event: str, _argument: Any) -> Any:
        if event != "call" or not self._is_wanted(frame.f_code.co_filename):
            return None
        self._called(frame)
        return self._step

    def _step(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            self._line(frame, frame.f_lineno)
        elif event == "return":
            self._returned(frame, argument)
        return self._step

    if sys.version_info >= (3, 12):

        def _monitor(self) -> None:
            monitoring = sys.monitoring
            events = monitoring.events

            def started(code: CodeType, _offset: int) -> Any:
                if not self._is_wanted(code.co_filename):
                    return monitoring.DISABLE
                self._called(_caller())
                return None

            def line(code: CodeType, number: int) -> Any:
                if not self._is_wanted(code.co_filename):
                    return monitoring.DISABLE
                self._line(_caller(), number)
                return None

            def returned(code: CodeType, _offset: int, result: Any) -> Any:
                if not self._is_wanted(code.co_filename):
                    return monitoring.DISABLE
                self._returned(_caller(), result)
                return None

            monitoring.use_tool_id(_TOOL, "honed")
            monitoring.register_callback(_TOOL, events.PY_START, started)
            monitoring.register_callback(_TOOL, events.LINE, line)
            monitoring.register_callback(_TOOL, events.PY_RETURN, returned)
            monitoring.set_events(_TOOL, events.PY_START | events.LINE | events.PY_RETURN)

    def _line(self, frame: FrameType, number: int) -> None:
        path = frame.f_code.co_filename
        lines = self._lines[path]
        lines[number] += 1
        if self._has_values and lines[number] <= MOST_VISITS:
            names = self._types.setdefault(path, {}).setdefault(number, {})
            for name, value in list(frame.f_locals.items()):
                names.setdefault(name, set()).add(_type(value))
                if lines[number] == 1:
                    self._keys[path][name] |= dict.fromkeys(self._keys_of(value))

    def _keys_of(self, value: Any) -> list[str]:
        """Return what can be looked up in a value: keys that are texts, or own attributes."""
        if type(value) is dict:
            return [each for each in itertools.islice(value, MOST_KEYS) if type(each) is str]
        module = sys.modules.get(type(value).__module__)
        is_own = str(getattr(module, "__file__", None) or "").startswith(self._root)
        return list(made.attributes_of(value)) if is_own else []

    def _called(self, frame: FrameType) -> None:
        code = frame.f_code
        self._lines[code.co_filename][code.co_firstlineno] += 1
        if len(self._calls) >= MOST_CALLS or code.co_name.startswith("<"):
            return
        call: dict[str, Any] = {"path": code.co_filename, "name": code.co_qualname}
        arguments = plain_arguments(frame)
        if arguments is None:
            arguments = made_arguments(frame, self._root)
            call["has_objects"] = True
        if arguments is None:
            self._untold[code.co_filename, code.co_qualname] = None
            return
        call["arguments"] = arguments
        call["is_entry"] = not self._is_within(frame)
        self._calls.append(call)
        if not code.co_flags & _IS_GENERATOR:
            self._open[id(frame)] = frame, call

    def _is_within(self, frame: FrameType) -> bool:
        """Whether the project's own code is among the callers."""
        caller = frame.f_back
        while caller is not None:
            if self._is_wanted(caller.f_code.co_filename):
                return True
            caller = caller.f_back
        return False

    def _returned(self, frame: FrameType, result: Any) -> None:
        _, call = self._open.pop(id(frame), (None, None))
        if call is not None:
            call["result"] = literal(result)


def plain_arguments(frame: FrameType) -> list[str] | None:
    """Return the arguments of a call as literals; None where one of them is none."""
    return _arguments(frame, literal)


def made_arguments(frame: FrameType, root: str) -> list[str] | None:
    """Return the arguments of a call as texts, objects among them; None where one has none."""
    return _arguments(frame, lambda value: _text(value, root))


def _arguments(frame: FrameType, tell: Callable[[Any], str | None]) -> list[str] | None:
    code = frame.f_code
    if code.co_flags & 0x0C or code.co_kwonlyargcount:
        return None
    arguments = []
    for name in itertools.islice(code.co_varnames, code.co_argcount):
        text = None if name in ("self", "cls") else tell(frame.f_locals.get(name))
        if text is None:
            return None
        arguments.append(text)
    return arguments


def _text(value: Any, root: str) -> str | None:
    try:
        text = repr(made.told(value, root))
        made.read(text)
    except Exception:  # noqa: BLE001 - an attribute may be code of the project's that raises
        return None
    return text if len(text) <= LONGEST_REPR else None


def literal(value: Any) -> str | None:
    """Return Python's text of a value that can be read back, None for others and long ones."""
    if not is_plain(value):
        return None
    text = repr(value)
    if len(text) > LONGEST_REPR:
        return None
    try:
        ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None
    return text


def is_plain(value: Any, depth: int = 0) -> bool:
    """Whether a value is made of numbers, texts and Python's own containers alone."""
    if value is None or type(value) in (int, float, str, bytes, bool, complex):
        return True
    if depth > 6 or type(value) not in (list, tuple, set, dict, frozenset):
        return False
    if type(value) is dict:
        value = itertools.chain(value.keys(), value.values())
    return all(is_plain(each, depth + 1) for each in itertools.islice(value, 2000))


def _caller() -> FrameType:
    """Return the frame of the code that is monitored."""
    return sys._getframe(2)  # noqa: SLF001 - monitoring tells code alone


def _type(value: Any) -> str:
    return type(value).__name__
