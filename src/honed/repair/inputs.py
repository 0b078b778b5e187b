"""More inputs for a function: mutations of those it was called with, of the same sort."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from honed.repair.inside.made import Made, read
from honed.repair.preconditions import preconditions

_TRIES: Final = 20
#: How often what another call had is taken over as it is, and other choices.
_TAKEN_OVER: Final = 0.1
_SOMETIMES: Final = 0.3
_OFTEN: Final = 0.6


def mutated(calls: Sequence[Sequence[str]], count: int, seed: int) -> list[list[str]]:
    """Return up to ``count`` inputs: those of the calls, then mutations of them.

    What holds for every call is taken for a precondition and holds for every mutation.

    Args:
        calls: by call Python's text of each argument.

        count: how many.

        seed: of the choices.
    """
    known = [[read(text) for text in call] for call in calls]
    if not known or not known[0]:
        return [list(call) for call in calls[:1]]
    rules = preconditions(known)
    chance = random.Random(seed)  # noqa: S311 - of inputs, not of secrets
    found = list(dict.fromkeys(tuple(map(repr, call)) for call in known))[:count]
    seen = set(found)
    for _ in range(count * _TRIES):
        if len(found) >= count:
            break
        call = [read(repr(value)) for value in chance.choice(known)]
        for _ in range(chance.choice((1, 1, 2, 3))):
            place = chance.randrange(len(call))
            other = chance.choice(known)[place]
            call[place] = _mutation(call[place], other, chance)
        texts = tuple(map(repr, call))
        if texts not in seen and all(rule(call) for rule in rules):
            seen.add(texts)
            found.append(texts)
    return [list(texts) for texts in found]


def _mutation(value: Any, other: Any, chance: random.Random) -> Any:  # noqa: ANN401 - of any type
    """Return a neighbour of ``value``; ``other`` is what another call had there."""
    if chance.random() < _TAKEN_OVER:
        return other
    mutate = _MUTATIONS.get(type(value))
    return mutate(value, other, chance) if mutate else value


def _other_int(value: int, _other: object, chance: random.Random) -> int:
    step = chance.choice((1, 1, 2, 5, max(1, abs(value) // 2), 17))
    return value + chance.choice((-1, 1)) * step


def _other_float(value: float, _other: object, chance: random.Random) -> float:
    return round(value + chance.choice((-1, 1)) * chance.choice((0.5, 1.0, 0.25, value / 2)), 6)


def _other_text(value: str, other: object, chance: random.Random) -> str:
    return "".join(_rearranged(list(value), list(str(other)), chance))


def _other_many(value: Any, other: object, chance: random.Random) -> Any:  # noqa: ANN401 - as above
    others = list(other) if isinstance(other, (list, tuple, set, frozenset)) else []
    return type(value)(_rearranged(list(value), others, chance))


def _rearranged(values: list[Any], others: list[Any], chance: random.Random) -> list[Any]:
    """Return a list with elements more, less, changed or elsewhere."""
    source = values + others
    if not values:
        return [chance.choice(source)] if source else []
    at = chance.randrange(len(values))
    act = chance.choice(("drop", "insert", "swap", "change", "take", "head", "tail", "reverse"))
    if act == "drop":
        del values[at]
    elif act == "insert":
        values.insert(at, chance.choice(source))
    elif act == "swap":
        two = chance.randrange(len(values))
        values[at], values[two] = values[two], values[at]
    elif act in ("change", "take"):
        taken = chance.choice(source)
        values[at] = _element(values[at], taken, chance) if act == "change" else taken
    else:
        values = {"head": values[: at + 1], "tail": values[at:], "reverse": values[::-1]}[act]
    return values


def _element(value: Any, other: Any, chance: random.Random) -> Any:  # noqa: ANN401 - as above
    if isinstance(value, str) and len(value) == 1:
        return value.swapcase() if chance.random() < _SOMETIMES else other
    return _mutation(value, other, chance)


def _other_dict(value: dict[Any, Any], other: object, chance: random.Random) -> dict[Any, Any]:
    changed = dict(value)
    if changed and chance.random() < _SOMETIMES:
        del changed[chance.choice(list(changed))]
    elif changed and chance.random() < _OFTEN:
        key = chance.choice(list(changed))
        changed[key] = _mutation(changed[key], chance.choice(list(changed.values())), chance)
    elif isinstance(other, dict) and other:
        key = chance.choice(list(other))
        changed[key] = other[key]
    return changed


def _other_object(value: Made, other: object, chance: random.Random) -> Made:
    """Return an object of which one attribute is another one."""
    if not value.is_own:
        return _other_moment(value, chance)
    others = dict(other.named) if isinstance(other, Made) and other.kind == value.kind else {}
    if not value.named:
        return value
    at = chance.randrange(len(value.named))
    name, old = value.named[at]
    new = others.get(name, old)
    if chance.random() < _OFTEN:
        new = _mutation(old, new, chance)
    return replace(value, named=(*value.named[:at], (name, new), *value.named[at + 1 :]))


def _other_moment(value: Made, chance: random.Random) -> Made:
    """Return another day or time; what else the library makes stays as it is."""
    most = _MOST_OF_MOMENT.get(value.kind, ())
    if not most:
        return value
    given = list(value.given)
    at = chance.randrange(len(most))
    given[at] = chance.randint(at in (_MONTH, _DAY), most[at]) if at else given[0] + 1
    given[_DAY] = min(given[_DAY], most[_DAY])
    return replace(value, given=tuple(given))


#: Of years the next; of months, days, hours and minutes any, up to what every one of them has.
_MOST_OF_MOMENT: Final = {
    "datetime.datetime": (0, 12, 28, 23, 59),
    "datetime.date": (0, 12, 28),
}
_MONTH: Final = 1
_DAY: Final = 2
_MUTATIONS: Final[Mapping[type, Callable[[Any, Any, random.Random], Any]]] = {
    bool: lambda value, _other, _chance: not value,
    int: _other_int,
    float: _other_float,
    str: _other_text,
    list: _other_many,
    tuple: _other_many,
    set: _other_many,
    frozenset: _other_many,
    dict: _other_dict,
    Made: _other_object,
}
