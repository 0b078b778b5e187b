"""Python's text of a value, where that text makes an equal value again."""

import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import importlib
import math
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

#: Modules and the names that are taken from them.
Names: TypeAlias = Iterable[tuple[str, str]]

#: A longer text says nothing to a person who reads a test.
LONGEST = 240
_DEEPEST = 5
_DEEP = "it is too deep"
_NO_MEMBER = "it is no member"
_UNEQUAL = "nothing is equal to it"
_ZONE = "it has a time zone"
_OTHER = "its text is too long, or another value"
_PLAIN = (bool, int, str, bytes, type(None))
_OF_LIBRARY: dict[type, str] = {
    dt.date: "date",
    dt.time: "time",
    dt.timedelta: "timedelta",
    decimal.Decimal: "Decimal",
    fractions.Fraction: "Fraction",
}


class Unwritable(ValueError):
    """A value of which no text can be given."""


class Text:
    """Python's text of a value, with the names that it takes from modules."""

    def __init__(self) -> None:
        self.imports: set[tuple[str, str]] = set()

    def of(self, value: Any, depth: int = 0) -> str:  # noqa: C901, PLR0911 - one line for each sort
        """Return the text of ``value``, without looking whether it is an equal value."""
        kind = type(value)
        if depth > _DEEPEST:
            raise Unwritable(_DEEP)
        if kind in _PLAIN:
            return _quoted(value) if kind is str else ascii(value)
        if kind is float:
            return self._float(value)
        if kind in (list, tuple, set, frozenset, dict):
            return self._many(value, kind, depth)
        if isinstance(value, enum.Enum):
            if kind.__members__.get(value.name) is not value:
                raise Unwritable(_NO_MEMBER)
            return f"{self.name(kind)}.{value.name}"
        if kind in _OF_LIBRARY:
            return self._library(value, kind)
        if dataclasses.is_dataclass(value):
            return self._fields(value, [each.name for each in dataclasses.fields(value)], depth)
        if isinstance(value, tuple) and hasattr(kind, "_fields"):
            return self._fields(value, kind._fields, depth)
        raise Unwritable(kind.__name__)

    def name(self, kind: type) -> str:
        """Return how a class is called, and note where it is from."""
        if kind.__module__ == "builtins":
            return kind.__qualname__
        found: Any = importlib.import_module(kind.__module__)
        for part in kind.__qualname__.split("."):
            found = getattr(found, part, None)
        if found is not kind or kind.__module__ == "__main__":
            raise Unwritable(kind.__qualname__)
        self.imports.add((kind.__module__, kind.__qualname__.partition(".")[0]))
        return str(kind.__qualname__)

    def _float(self, value: float) -> str:
        if math.isnan(value):
            raise Unwritable(_UNEQUAL)
        return repr(value) if math.isfinite(value) else f"float({str(value)!r})"

    def _many(self, value: Any, kind: type, depth: int) -> str:
        if kind is dict:
            pairs = [(self.of(k, depth + 1), self.of(v, depth + 1)) for k, v in value.items()]
            return "{" + ", ".join(f"{key}: {each}" for key, each in pairs) + "}"
        texts = [self.of(each, depth + 1) for each in value]
        if kind in (set, frozenset):
            inner = "{" + ", ".join(sorted(texts)) + "}" if texts else ""
            return inner if kind is set and texts else f"{kind.__name__}({inner})"
        inner = ", ".join(texts)
        if kind is tuple:
            return f"({inner},)" if len(texts) == 1 else f"({inner})"
        return f"[{inner}]"

    def _library(self, value: Any, kind: type) -> str:
        if getattr(value, "tzinfo", None) is not None:
            raise Unwritable(_ZONE)
        self.imports.add((kind.__module__.removeprefix("_py"), kind.__name__))
        return repr(value).removeprefix("datetime.").removeprefix("decimal.")

    def _fields(self, value: Any, names: Sequence[str], depth: int) -> str:
        name = self.name(type(value))
        fields = (f"{each}={self.of(getattr(value, each), depth + 1)}" for each in names)
        return f"{name}({', '.join(fields)})"


def written(value: Any) -> tuple[str, list[tuple[str, str]]]:
    """Return text and imports of ``value``; the text was read back, and was an equal value.

    Raises:
        Unwritable: there is none, or it is too long.
    """
    text = Text()
    try:
        said = text.of(value)
        is_short = len(said) <= LONGEST
        again = eval(said, namespace(text.imports)) if is_short else None  # noqa: S307 - it is ours
        is_equal = bool(again == value)
    except Exception as error:
        raise Unwritable(str(error)) from error
    if not is_short or type(again) is not type(value) or not is_equal:
        raise Unwritable(_OTHER)
    return said, sorted(text.imports)


def _quoted(text: str) -> str:
    """Return a text's own text in double quotes, unless it holds such."""
    said = ascii("'" + text)
    return '"' + said[2:] if said.startswith("\"'") else ascii(text)


def namespace(imports: Names) -> dict[str, Any]:
    """Return names as a test has them after those imports."""
    return {name: getattr(importlib.import_module(module), name) for module, name in imports}
