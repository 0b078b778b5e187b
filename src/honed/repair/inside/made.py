"""Objects as Python's text: by a call that makes an equal one, of plain values alone.

``shop.Order(number=3, due=datetime.date(2026, 5, 2))`` is an object of the project's own with its
attributes. Text is read by its tree, and nothing of it is run but for making the object.
"""

import ast
import contextlib
import datetime as dt
import decimal
import sys
from dataclasses import dataclass
from typing import Any

PLAIN = (int, float, str, bytes, bool, complex, type(None))
MANY = (list, tuple, set, frozenset)
#: An object with more attributes, or that holds others of the project's own, is not told.
MOST_ATTRIBUTES = 20
DEEPEST = 6
#: Types of the library that are made by a call with numbers and texts.
LIBRARY = {
    "datetime.datetime": dt.datetime,
    "datetime.date": dt.date,
    "datetime.time": dt.time,
    "datetime.timedelta": dt.timedelta,
    "datetime.timezone": dt.timezone,
    "decimal.Decimal": decimal.Decimal,
}
#: Year, month, day, hour and minute.
_SAID = 5
#: What the library has a name for.
NAMED = {"datetime.timezone.utc": dt.UTC}


@dataclass(frozen=True)
class Made:
    """What a call makes: the name of a class, and what it is called with."""

    kind: str
    given: tuple[Any, ...] = ()
    named: tuple[tuple[str, Any], ...] = ()

    @property
    def is_own(self) -> bool:
        """Whether it is the project's, and not the library's."""
        return self.kind not in LIBRARY and self.kind not in NAMED

    def __repr__(self) -> str:
        """Return the call, or the name of what need not be called."""
        if self.kind in NAMED:
            return self.kind
        parts = [*map(repr, self.given), *(f"{name}={value!r}" for name, value in self.named)]
        return f"{self.kind}({', '.join(parts)})"


class Untold(Exception):
    """A value that no text tells."""


def told(value: Any, root: str, depth: int = 0) -> Any:
    """Return a value with every object in it as what makes it.

    Raises:
        Untold: something in it is neither plain, nor the library's, nor simple and below ``root``.
    """
    if type(value) in PLAIN:
        return value
    if depth > DEEPEST:
        raise Untold
    if type(value) in MANY:
        return type(value)(told(each, root, depth + 1) for each in value)
    if type(value) is dict:
        return {told(k, root, depth + 1): told(v, root, depth + 1) for k, v in value.items()}
    return _of_library(value) or _of_project(value, root)


def _of_library(value: Any) -> Made | None:
    name = f"{type(value).__module__}.{type(value).__qualname__}"
    if name not in LIBRARY:
        return None
    if value is dt.UTC:
        return Made("datetime.timezone.utc")
    if isinstance(value, dt.timezone):
        return Made(name, (_of_library(value.utcoffset(None)),))
    if isinstance(value, dt.timedelta):
        return Made(name, (value.days, value.seconds, value.microseconds))
    if isinstance(value, decimal.Decimal):
        return Made(name, (str(value),))
    names = ("year", "month", "day", "hour", "minute", "second", "microsecond")
    given = tuple(getattr(value, each) for each in names if hasattr(value, each))
    # Seconds of which there are none are not said.
    while len(given) > _SAID and not given[-1]:
        given = given[:-1]
    zone = getattr(value, "tzinfo", None)
    if zone is not None and type(zone) is not dt.timezone:
        raise Untold
    return Made(name, given, (("tzinfo", _of_library(zone)),) if zone is not None else ())


def _of_project(value: Any, root: str) -> Made:
    kind = type(value)
    module = sys.modules.get(kind.__module__)
    is_own = str(getattr(module, "__file__", None) or "").startswith(root)
    if not is_own or not is_simple(kind) or "<" in kind.__qualname__:
        raise Untold
    attributes = attributes_of(value)
    if len(attributes) > MOST_ATTRIBUTES:
        raise Untold
    # No root is above what is inside: what holds others of its own is a structure, and not plain.
    named = tuple((name, told(each, "\0", 1)) for name, each in attributes.items())
    return Made(f"{kind.__module__}.{kind.__qualname__}", (), named)


def is_simple(kind: type) -> bool:
    """Whether objects of a class are made as most are: no containers, numbers or enumerations."""
    return getattr(kind, "__new__", None) is object.__new__


def attributes_of(value: Any) -> dict[str, Any]:
    """Return the attributes of an object of its own: fields of a data class, or its dictionary.

    What cannot be had without running code that raises is left out.
    """
    own: dict[str, Any] = {}
    with contextlib.suppress(Exception):
        own |= vars(value)
    fields = getattr(type(value), "__dataclass_fields__", None)
    if fields is None:
        return own
    for name in fields:
        with contextlib.suppress(Exception):
            own.setdefault(name, getattr(value, name))
    return {name: own[name] for name in fields if name in own}


def read(text: str) -> Any:
    """Return the value of a text, with objects as what makes them.

    Raises:
        ValueError: it is none, or tells something else.
    """
    return _read(ast.parse(text, mode="eval").body)


def _read(node: ast.expr) -> Any:
    match node:
        case ast.Call(func=ast.Attribute()):
            named = tuple((each.arg or "", _read(each.value)) for each in node.keywords)
            return Made(ast.unparse(node.func), tuple(map(_read, node.args)), named)
        case ast.Attribute() if (name := ast.unparse(node)) in NAMED:
            return Made(name)
        case ast.Call(func=ast.Name("frozenset"), args=[inner]):
            return frozenset(_read(inner))
        case ast.List(elts) | ast.Tuple(elts) | ast.Set(elts):
            return _MANY_OF[type(node)](map(_read, elts))
        case ast.Dict(keys, values) if None not in keys:
            return {_read(k): _read(v) for k, v in zip(keys, values, strict=True) if k}
        case _:
            return ast.literal_eval(node)


_MANY_OF: dict[type[ast.expr], Any] = {ast.List: list, ast.Tuple: tuple, ast.Set: set}


def living(value: Any) -> Any:
    """Return a value with every object made.

    A data class is made by its constructor; another object gets its attributes as they were.
    """
    if isinstance(value, Made):
        return _made(value)
    if type(value) in MANY:
        return type(value)(map(living, value))
    if type(value) is dict:
        return {living(k): living(v) for k, v in value.items()}
    return value


def _made(made: Made) -> Any:
    if made.kind in NAMED:
        return NAMED[made.kind]
    given = [living(each) for each in made.given]
    named = {name: living(each) for name, each in made.named}
    kind = LIBRARY.get(made.kind) or _class(made.kind)
    fields = getattr(kind, "__dataclass_fields__", {})
    if kind in LIBRARY.values() or (fields and all(fields[name].init for name in named)):
        return kind(*given, **named)
    value = object.__new__(kind)
    for name, each in named.items():
        object.__setattr__(value, name, each)
    return value


def _class(name: str) -> Any:
    """Return a class of a module that is imported.

    Raises:
        LookupError: there is none.
    """
    parts = name.split(".")
    for end in range(len(parts) - 1, 0, -1):
        found: Any = sys.modules.get(".".join(parts[:end]))
        for part in parts[end:]:
            found = getattr(found, part, None)
        if isinstance(found, type):
            return found
    raise LookupError(name)
