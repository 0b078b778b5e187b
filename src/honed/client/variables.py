"""Values of a program as JSON, without running any code of the program.

A value is told as a whole or not at all, because of half a secret nobody can see that it was one.
"""

import re
from collections import deque
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import PosixPath, PurePosixPath, PureWindowsPath, WindowsPath
from types import BuiltinFunctionType, FunctionType, GetSetDescriptorType, ModuleType
from typing import Any, Final
from uuid import UUID

#: What is called like this is not told, whatever it is.
_SECRET: Final = re.compile(
    r"passw|passphrase|pwd|secret|token(?!s|i[sz])|api_?key|auth(?!or(?!i[sz]))|credential|private_?key"
    r"|cookie|csrf|dsn$",
    re.IGNORECASE,
)
FILTERED: Final = "[Filtered]"
_NO_ROOM: Final = "..."
#: Longer texts are not told.
_LONGEST: Final = 1_000
#: Larger numbers take too long to write.
_MOST_BITS: Final = 256
#: Of one collection, of one frame, and of all values together, in characters.
_MOST_MEMBERS: Final = 10
_MOST_VARIABLES: Final = 20
_MOST_TOGETHER: Final = 64_000
_DEEPEST: Final = 3

_LISTS: Final[Mapping[type, str]] = {
    list: "[]", tuple: "()", set: "{}", frozenset: "{}", deque: "[]"
}  # fmt: skip
#: What these say of themselves is Python's own doing.
_PLAIN: Final = frozenset({
    bool, float, complex, type(None), str, bytes, datetime, date, time, timedelta, Decimal, UUID,
    PosixPath, PurePosixPath, PureWindowsPath, WindowsPath,
})  # fmt: skip

#: What is code and no value.
_CODE: Final = (ModuleType, FunctionType, BuiltinFunctionType, type)


def is_secret(name: str) -> bool:
    """Return whether a value by this name is not told."""
    return _SECRET.search(name) is not None


class Telling:
    """Tells the values of one event; what they take together is bounded."""

    def __init__(self) -> None:
        """Begin with all the room that there is."""
        self._room = _MOST_TOGETHER

    def variables(self, named: Mapping[str, Any]) -> dict[str, str]:
        """Return the first variables of a frame, each as a text."""
        own = (
            (name, value)
            for name, value in named.items()
            if not (name.startswith("__") or issubclass(type(value), _CODE))
        )
        return {name: self._named(name, value) for name, value in islice(own, _MOST_VARIABLES)}

    def text(self, value: object, deep: int = _DEEPEST) -> str:
        """Return a value as Python would write it; of what it has no word for, the type."""
        if self._room <= 0:
            return _NO_ROOM
        try:
            text = self._text(value, deep)
        except Exception:  # noqa: BLE001 - another thread may change it just now
            text = _type(value)
        self._room -= len(text)
        return text

    def json(self, value: object, deep: int = _DEEPEST) -> Any:  # noqa: ANN401 - JSON is anything
        """Return a value as JSON, where it is as good as that; else as a text."""
        kind = type(value)
        if kind is str and isinstance(value, str) and len(value) <= _LONGEST:
            return value
        if kind in {bool, float, type(None)} or (kind is int and _is_small(value)):
            return value
        if deep and kind is dict and isinstance(value, dict):
            items = islice(((str(k), v) for k, v in value.items()), _MOST_VARIABLES)
            return {k: FILTERED if is_secret(k) else self.json(v, deep - 1) for k, v in items}
        if deep and kind in {list, tuple} and isinstance(value, list | tuple):
            return [self.json(each, deep - 1) for each in value[:_MOST_VARIABLES]]
        return self.text(value, deep)

    def _text(self, value: object, deep: int) -> str:
        kind = type(value)
        if kind in _PLAIN or (kind is int and _is_small(value)):
            is_long = isinstance(value, str | bytes) and len(value) > _LONGEST
            text = "" if is_long else repr(value)
            return text if 0 < len(text) <= _LONGEST + len("b''") else _type(value)
        if deep and kind is dict and isinstance(value, dict):
            return f"{{{_joined(self._pair(k, v, deep) for k, v in _some(value.items()))}}}"
        if deep and kind in _LISTS and isinstance(value, Iterable):
            brackets = _LISTS[kind]
            members = _joined(self.text(each, deep - 1) for each in _some(value))
            return f"{brackets[0]}{members}{brackets[1]}"
        return self._instance(value, deep)

    def _instance(self, value: object, deep: int) -> str:
        held = _attributes(value) if deep else {}
        own = (f"{name}={self._named(name, each, deep - 1)}" for name, each in _some(held.items()))
        return f"{_type(value)[:-1]} {_joined(own)}>" if held else _type(value)

    def _named(self, name: object, value: object, deep: int = _DEEPEST) -> str:
        is_hidden = isinstance(name, str) and is_secret(name)
        return FILTERED if is_hidden else self.text(value, deep)

    def _pair(self, key: object, value: object, deep: int) -> str:
        return f"{self.text(key, 0)}: {self._named(key, value, deep - 1)}"


def _is_small(value: object) -> bool:
    return isinstance(value, int) and value.bit_length() <= _MOST_BITS


def _attributes(value: object) -> dict[str, Any]:
    """Return what an instance holds, without asking the instance."""
    kind = type(value)
    if issubclass(kind, _CODE):
        return {}
    named = (base.__dict__["__dict__"] for base in kind.__mro__ if "__dict__" in base.__dict__)
    holder = next(named, None)
    # Another descriptor would be the program's own.
    return holder.__get__(value) if isinstance(holder, GetSetDescriptorType) else {}


def _type(value: object) -> str:
    kind = type(value)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return f"<{module}{kind.__qualname__}>"


def _some(values: Iterable[Any]) -> list[Any]:
    return list(islice(values, _MOST_MEMBERS + 1))


def _joined(texts: Iterable[str]) -> str:
    """Return texts with commas between; of more than are shown, three dots say so."""
    shown = list(texts)
    return ", ".join([*shown[:_MOST_MEMBERS], _NO_ROOM] if len(shown) > _MOST_MEMBERS else shown)
