"""Arguments for functions: what was seen, what the code compares with, what annotations allow."""

import collections.abc
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import inspect
import itertools
import random
import types
import typing
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

from .texts import Unwritable, written

#: Values of one parameter, and of a member of a collection.
_MOST_VALUES = 14
_MOST_MEMBERS = 3
_MOST_RECEIVERS = 8
_DEEPEST = 3
_BY_TYPE: dict[type, tuple[Any, ...]] = {
    bool: (True, False),
    int: (1, 0, 2, -1, 10, 100),
    float: (1.0, 0.0, -1.5, 2.5, 100.0),
    complex: (),
    str: ("abc", "", "a", "Hello World", "12", "a,b", "x=1"),
    bytes: (b"abc", b""),
    type(None): (None,),
    decimal.Decimal: (decimal.Decimal("1.50"), decimal.Decimal(0)),
    fractions.Fraction: (fractions.Fraction(1, 2), fractions.Fraction(0)),
    dt.date: (dt.date(2024, 2, 29), dt.date(2023, 12, 31)),
    dt.time: (dt.time(12, 30),),
    dt.timedelta: (dt.timedelta(hours=1), dt.timedelta(0)),
    list: ([1, 2, 3], [], ["a", "b"]),
    tuple: ((1, 2), ()),
    set: ({1, 2}, set()),
    frozenset: (frozenset({1, 2}), frozenset()),
    dict: ({"a": 1}, {}),
}
#: Where nothing is known.
_ANYTHING: tuple[Any, ...] = (
    1,
    "abc",
    [1, 2, 3],
    0,
    "",
    [],
    {"a": 1},
    -1,
    None,
    2.5,
    {},
    ["a", "b"],
)
_LISTS = (
    *(list, collections.abc.Sequence, collections.abc.Iterable, collections.abc.Collection),
    *(collections.abc.MutableSequence, collections.abc.Iterator, collections.abc.Container),
)
_SETS = (set, collections.abc.Set, collections.abc.MutableSet)
_DICTS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)


@dataclasses.dataclass(frozen=True)
class Made:
    """Python's text of a value, with what it takes from modules."""

    text: str
    imports: tuple[tuple[str, str], ...] = ()


#: The object that is called on, and what each parameter is given.
Call: TypeAlias = tuple[Made | None, list[tuple[inspect.Parameter, Made]]]


class Guess:
    """Arguments for the functions of one module."""

    def __init__(self, seen: dict[str, Any], seed: int) -> None:
        #: By parameter's name, and by function: what tests passed, as texts with imports.
        self._by_name: dict[str, list[Made]] = seen["names"]
        self._by_function: dict[str, list[dict[str, Made]]] = seen["calls"]
        #: By last name of what is called, somewhere in the repository: texts of literals.
        self._literals: dict[str, list[tuple[list[str], dict[str, str]]]] = seen["literals"]
        self._seed = seed

    def calls(
        self, key: str, function: Any, owner: type | None, constants: Sequence[Any]
    ) -> Iterator[Call]:
        """Yield calls of a function, as lists of argument by parameter, the likeliest first."""
        taken = parameters(function, is_bound=owner is not None)
        if taken is None:
            return
        hints = _hints(function)
        receivers: list[Made | None] = [None]
        if owner is not None:
            receivers = [*itertools.islice(self.made(owner, 0), _MOST_RECEIVERS)]
        values = {each.name: self._values(each, hints, constants) for each in taken}
        values = {name: found for name, found in values.items() if found}
        if not receivers or any(each.name not in values and _is_needed(each) for each in taken):
            return
        chance = random.Random(self._seed)  # noqa: S311 - of arguments, not of secrets
        known = [
            call
            for call in (*self._by_function.get(key, ()), *self._literal(function, taken))
            if set(call) <= set(values)
        ]
        seen: set[str] = set()
        for receiver, call in _mixed(receivers, values, known, chance):
            name = repr((receiver, sorted(call.items())))
            if name not in seen:
                seen.add(name)
                yield receiver, [(each, call[each.name]) for each in taken if each.name in call]

    def _values(
        self, parameter: inspect.Parameter, hints: dict[str, Any], constants: Sequence[Any]
    ) -> list[Made]:
        """Return what a parameter may be given, as texts with imports."""
        hint = hints.get(parameter.name, inspect.Parameter.empty)
        found = list(self._by_name.get(parameter.name, ()))
        if hint is inspect.Parameter.empty:
            guessed: list[Any] = [*constants, *_ANYTHING]
        else:
            guessed = [*_fitting(constants, hint), *self.of(hint, 0)]
        if parameter.default is not inspect.Parameter.empty:
            guessed.insert(0, parameter.default)
        for value in guessed:
            told = value if isinstance(value, Made) else _told(value)
            if told is not None and told not in found:
                found.append(told)
        return found[:_MOST_VALUES]

    def of(self, hint: Any, depth: int) -> list[Any]:  # noqa: C901, PLR0911 - one case for each sort of annotation
        """Return values that an annotation allows."""
        origin, inner = typing.get_origin(hint), typing.get_args(hint)
        if depth > _DEEPEST:
            return []
        if hint in _BY_TYPE:
            return list(_BY_TYPE[hint])
        if hint in (typing.Any, object, inspect.Parameter.empty) or isinstance(
            hint, typing.TypeVar
        ):
            return list(_ANYTHING)
        if origin in (typing.Union, types.UnionType):
            return _in_turn([self.of(each, depth + 1) for each in inner])
        if origin is typing.Literal:
            return list(inner)
        if origin is typing.Annotated:
            return self.of(inner[0], depth)
        if isinstance(hint, type) and issubclass(hint, enum.Enum):
            return list(hint)[:6]
        if (origin or hint) in (*_LISTS, *_SETS, *_DICTS, tuple, frozenset):
            return self._many(origin or hint, inner, depth)
        return list(self.made(hint, depth)) if isinstance(hint, type) else []

    def _many(self, origin: Any, inner: Sequence[Any], depth: int) -> list[Any]:
        members = [self.of(each, depth + 1)[:_MOST_MEMBERS] for each in inner if each is not ...]
        if not members or not all(members):
            kind = dict if origin in _DICTS else set if origin in _SETS else list
            return list(_BY_TYPE.get(origin, _BY_TYPE[kind])) if not inner else []
        first = members[0]
        if origin in _DICTS:
            pairs = list(zip(first, members[1] * 2, strict=False)) if len(members) > 1 else []
            return _each(_dict, [pairs[:1], pairs, []])
        if origin is tuple and ... not in inner:
            return _each(lambda some: _joined(some, "(", ",)"), [[each[0] for each in members]])
        opened, closed = ("{", "}") if origin in _SETS else ("[", "]")
        if origin is frozenset:
            opened, closed = "frozenset({", "})"
        if origin is tuple:
            opened, closed = "(", ",)"
        lists = [first[:1], first, first[::-1]]
        empty = [] if origin in _LISTS else set() if origin in _SETS else origin()
        return [*_each(lambda some: _joined(some, opened, closed), lists), empty]

    def made(self, kind: type, depth: int) -> Iterator[Made]:
        """Yield instances of a class, by its constructor."""
        if depth > _DEEPEST or inspect.isabstract(kind) or getattr(kind, "_is_protocol", False):
            return
        taken = parameters(kind, is_bound=False)
        if taken is None or kind.__module__ == "builtins":
            return
        hints = _hints(
            kind if dataclasses.is_dataclass(kind) else inspect.getattr_static(kind, "__init__")
        )
        needed = [each for each in taken if _is_needed(each)]
        seen = [
            call
            for key, calls in self._by_function.items()
            if key.endswith(f"::{kind.__qualname__}.__init__")
            for call in calls
        ]
        for call in (*self._literal(kind, taken), *seen):
            if all(each.name in call for each in needed):
                yield _construction(kind, taken, call)
        values = [self._of_member(each, hints, depth) for each in needed]
        if not all(values):
            return
        for place in range(min(_MOST_MEMBERS, max(map(len, values), default=1))):
            chosen = {
                each.name: found[place % len(found)]
                for each, found in zip(needed, values, strict=True)
            }
            yield _construction(kind, taken, chosen)

    def _literal(self, called: Any, taken: Sequence[inspect.Parameter]) -> list[dict[str, Made]]:
        """Return what the repository itself passes, where it is written down in literals."""
        found = []
        names = {each.name for each in taken}
        for positional, named in self._literals.get(getattr(called, "__name__", ""), ()):
            if len(positional) <= len(taken) and set(named) <= names:
                call = {
                    each.name: Made(text) for each, text in zip(taken, positional, strict=False)
                }
                found.append({**call, **{name: Made(text) for name, text in named.items()}})
        return found

    def _of_member(
        self, parameter: inspect.Parameter, hints: dict[str, Any], depth: int
    ) -> list[Made]:
        known = list(self._by_name.get(parameter.name, ()))
        guessed = self.of(hints.get(parameter.name, typing.Any), depth + 1)
        return [*known, *(told for each in guessed if (told := _told(each)))][:_MOST_VALUES]


def _construction(kind: type, taken: Sequence[inspect.Parameter], call: dict[str, Made]) -> Made:
    """Return the call of a constructor; of what is left out everything after has its name."""
    texts, is_gap = [], False
    for each in taken:
        if each.name not in call:
            is_gap = True
        elif is_gap or each.kind is each.KEYWORD_ONLY:
            texts.append(f"{each.name}={call[each.name].text}")
        else:
            texts.append(call[each.name].text)
    imports = {(kind.__module__, kind.__qualname__.partition(".")[0])}
    imports |= {name for made in call.values() for name in made.imports}
    return Made(f"{kind.__qualname__}({', '.join(texts)})", tuple(sorted(imports)))


def parameters(function: Any, *, is_bound: bool) -> list[inspect.Parameter] | None:
    """Return what a call gives one by one, without the object that it is of; None: unknown."""
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):
        return None
    taken = [
        each
        for each in signature.parameters.values()
        if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
    ]
    return taken[1:] if is_bound else taken


def _is_needed(parameter: inspect.Parameter) -> bool:
    return parameter.default is inspect.Parameter.empty


def _hints(function: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function)
    except Exception:  # noqa: BLE001 - an annotation may raise anything
        return {}


def _told(value: Any) -> Made | None:
    if isinstance(value, Made):
        return value
    try:
        text, imports = written(value)
    except Unwritable:
        return None
    return Made(text, tuple(imports))


def _fitting(constants: Sequence[Any], hint: Any) -> list[Any]:
    """Return the constants that an annotation may allow, and what lies beside numbers."""
    inner = typing.get_args(hint) or (hint,)
    kinds = tuple(each for each in inner if isinstance(each, type))
    if float in kinds:
        kinds += (int,)
    return [each for each in constants if isinstance(each, kinds) and type(each) in kinds]


def _in_turn(lists: Sequence[Sequence[Any]]) -> list[Any]:
    """Return members of lists, the first of each, then the second of each."""
    longest = max(map(len, lists), default=0)
    return [each[place] for place in range(longest) for each in lists if place < len(each)]


def _joined(values: Sequence[Any], opened: str, closed: str) -> Made | None:
    told = [made for each in values if (made := _told(each)) is not None]
    if len(told) < len(values):
        return None
    texts = ", ".join(each.text for each in told)
    closed = closed if texts else closed.lstrip(",")
    return Made(f"{opened}{texts}{closed}", _all_imports(told))


def _dict(pairs: Sequence[tuple[Any, Any]]) -> Made | None:
    told = [made for pair in pairs for each in pair if (made := _told(each)) is not None]
    if len(told) < 2 * len(pairs):
        return None
    both = zip(told[::2], told[1::2], strict=True)
    texts = ", ".join(f"{key.text}: {value.text}" for key, value in both)
    return Made(f"{{{texts}}}", _all_imports(told))


def _all_imports(told: Sequence[Made]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted({name for each in told for name in each.imports}))


def _each(make: Callable[[Any], Made | None], lists: Sequence[Any]) -> list[Made]:
    return [made for some in lists if (made := make(some)) is not None]


def _mixed(
    receivers: Sequence[Made | None],
    values: dict[str, list[Made]],
    known: Sequence[dict[str, Made]],
    chance: random.Random,
) -> Iterator[tuple[Made | None, dict[str, Made]]]:
    """Yield calls: those that were seen, then one argument other than usual, then any."""
    usual = {name: found[0] for name, found in values.items()}
    for receiver in receivers:
        yield receiver, usual
    for call in known:
        yield receivers[0], {**usual, **call}
    for name, found in values.items():
        for value in found[1:]:
            yield receivers[0], {**usual, name: value}
    for _ in range(400):
        call = {name: chance.choice(found) for name, found in values.items()}
        yield chance.choice(receivers), call
