"""What holds for all calls of a function, taken for what has to hold for every other call."""

from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, Final, TypeGuard

from honed.repair.inside.made import Made

#: Numbers may be so many times farther from zero than those of the calls.
_FARTHEST: Final = 3
#: A least number above this holds by chance, as far as is known.
_USUAL_FLOOR: Final = 2
_SHORT: Final = 2
_DEEPEST: Final = 3

Rule = Callable[[list[Any]], bool]
Many = list[Any] | tuple[Any, ...] | set[Any] | frozenset[Any] | dict[Any, Any]
Relation = Callable[[object, object], bool]


def preconditions(known: Sequence[Sequence[Any]]) -> list[Rule]:
    """Return what holds for all calls: types, bounds, lengths, order, characters, proportions.

    A guess: it may hold by chance, and a precondition that no call shows is not found.
    """
    rules: list[Rule] = []
    width = len(known[0])
    for place in range(width):
        values = [call[place] for call in known]
        rules.append(_of_place(place, _Domain.of(values)))
    for one in range(width):
        for two in range(width):
            if one != two:
                rules += _between(known, one, two)
    return rules


def _of_place(place: int, domain: "_Domain") -> Rule:
    return lambda call: domain.holds(call[place])


def _between(known: Sequence[Sequence[Any]], one: int, two: int) -> Iterator[Rule]:
    """Yield how two arguments always are to each other."""
    for relation in _RELATIONS:
        if all(relation(call[one], call[two]) for call in known):
            yield partial(_holds_between, relation, one, two)


def _holds_between(relation: Relation, one: int, two: int, call: list[Any]) -> bool:
    return relation(call[one], call[two])


def _size(value: object) -> float | None:
    """Return what a value is as a size: a number itself, or how long it is."""
    if _is_number(value):
        return float(value)
    return float(len(value)) if hasattr(value, "__len__") else None


def _is_smaller(one: object, two: object) -> bool:
    first, second = _size(one), _size(two)
    return first is not None and second is not None and first < second


def _is_at_most(one: object, two: object) -> bool:
    first, second = _size(one), _size(two)
    return first is not None and second is not None and first <= second


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_in(value: object, holder: object) -> bool:
    try:
        return isinstance(holder, Container) and value in holder
    except TypeError:
        return False


_RELATIONS: Final = (_is_smaller, _is_at_most, _is_in)


@dataclass
class _Domain:
    """What values of one place have in common."""

    types: set[type]
    least: float | None
    most: float | None
    shortest: int
    is_sorted: bool
    is_falling: bool
    is_distinct: bool
    characters: set[str]
    #: Of the elements of all; None where there are none.
    elements: "_Domain | None"
    keys: "_Domain | None"
    #: Whether all texts have something in common beside their characters.
    are_words: Sequence[Callable[[str], bool]]
    #: Of the attributes of objects, by kind and name.
    attributes: Mapping[tuple[str, str], "_Domain"]

    @classmethod
    def of(cls, values: Sequence[Any], depth: int = 0) -> "_Domain":
        numbers = [value for value in values if _is_number(value)]
        holders = [
            value for value in values if isinstance(value, (list, tuple, set, frozenset, dict))
        ]
        sequences = [value for value in values if isinstance(value, (list, tuple))]
        texts = [value for value in values if isinstance(value, str)]
        inner = [
            each
            for holder in holders
            for each in (holder.values() if isinstance(holder, dict) else holder)
        ]
        keys = [key for holder in holders if isinstance(holder, dict) for key in holder]
        attributes: dict[tuple[str, str], list[Any]] = defaultdict(list)
        for each in values:
            for name, own in each.named if isinstance(each, Made) else ():
                attributes[each.kind, name].append(own)
        least = min(numbers, default=None)
        most = max(numbers, default=None)
        return cls(
            {type(value) for value in values},
            _floor(least),
            None if most is None else _FARTHEST * max(abs(most), abs(least or 0), 10),
            min((len(each) for each in (*holders, *texts)), default=0),
            _long(sequences) and all(_is_rising(each) for each in sequences),
            _long(sequences) and all(_is_rising(each[::-1]) for each in sequences),
            _long(sequences) and all(_is_distinct(each) for each in sequences),
            set("".join(texts)),
            cls.of(inner, depth + 1) if inner and depth < _DEEPEST else None,
            cls.of(keys, depth + 1) if keys and depth < _DEEPEST else None,
            [each for each in _OF_TEXTS if texts and all(map(each, texts))],
            {key: cls.of(own, depth + 1) for key, own in attributes.items()},
        )

    def holds(self, value: object) -> bool:
        """Whether a value has it, too."""
        if type(value) not in self.types:
            return False
        if _is_number(value):
            return self._is_within(value)
        if isinstance(value, str):
            is_known = set(value) <= self.characters
            return (
                is_known and len(value) >= self.shortest and all(e(value) for e in self.are_words)
            )
        if isinstance(value, (list, tuple, set, frozenset, dict)):
            return len(value) >= self.shortest and self._holds_inside(value)
        if isinstance(value, Made):
            kind = value.kind
            return all(self.attributes[kind, name].holds(own) for name, own in value.named)
        return True

    def _is_within(self, value: float) -> bool:
        return (self.least is None or value >= self.least) and (
            self.most is None or abs(value) <= self.most
        )

    def _holds_inside(self, value: Many) -> bool:
        if isinstance(value, (list, tuple)) and (
            (self.is_sorted and not _is_rising(value))
            or (self.is_falling and not _is_rising(value[::-1]))
            or (self.is_distinct and not _is_distinct(value))
        ):
            return False
        inner = value.values() if isinstance(value, dict) else value
        if self.keys and isinstance(value, dict) and not all(map(self.keys.holds, value)):
            return False
        return self.elements is None or all(map(self.elements.holds, inner))


def _floor(least: float | None) -> float | None:
    """Return the least number that may come, where the calls show that there is one."""
    if least is None or least < 0:
        return None if least is None else least * _FARTHEST
    return min(least, _USUAL_FLOOR)


def _long(sequences: Iterable[Sequence[Any]]) -> bool:
    """Whether order can be told at all: several have more than two elements."""
    return sum(len(each) > _SHORT for each in sequences) > 1


def _is_rising(values: Sequence[Any]) -> bool:
    try:
        return all(a <= b for a, b in pairwise(values))
    except TypeError:
        return False


def _is_distinct(values: Sequence[Any]) -> bool:
    try:
        return len(set(values)) == len(values)
    except TypeError:
        return False


def _is_balanced(text: str) -> bool:
    depth = 0
    for each in text:
        depth += (each in "([{<") - (each in ")]}>")
        if depth < 0:
            return False
    return depth == 0 and any(each in "([{<" for each in text)


def _is_float(text: str) -> bool:
    try:
        float(text.replace(",", "."))
    except ValueError:
        return False
    return True


_OF_TEXTS: Final[tuple[Callable[[str], bool], ...]] = (
    str.isalpha,
    str.isdigit,
    str.islower,
    str.isupper,
    str.isalnum,
    _is_balanced,
    lambda text: text == text.strip(),
    lambda text: "  " not in text,
    lambda text: text[:1].isupper(),
    _is_float,
)
