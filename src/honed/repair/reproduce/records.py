"""How an object of a class gets what it holds."""

import ast
from collections.abc import Mapping, Sequence

from honed.repair.reproduce.classes import Known
from honed.repair.reproduce.refusal import NotRebuilt


def sets_itself(known: Known, fields: Mapping[str, str]) -> bool:
    """Return whether a record holds what its constructor does not take."""
    if known.definition is None or not known.fields:
        return False
    return (
        any(
            isinstance(each, ast.Call)
            and any(
                word.arg == "init" and isinstance(word.value, ast.Constant) and not word.value.value
                for word in each.keywords
            )
            for each in ast.walk(known.definition)
        )
        or not fields.keys() <= known.fields.keys()
    )


def stored(known: Known, arguments: Sequence[str]) -> dict[str, str]:
    """Return under which names a constructor keeps what it is given, by position."""
    if not arguments:
        return {}
    constructor = known.constructor
    taken = [each.arg for each in constructor.args.args[1:]] if constructor else []
    stored = {
        each.value.id: target.attr
        for each in ast.walk(constructor or ast.Module([], []))
        if isinstance(each, ast.Assign) and isinstance(each.value, ast.Name)
        for target in each.targets
        if isinstance(target, ast.Attribute)
    }
    if len(arguments) > len(taken) or not set(taken[: len(arguments)]) <= stored.keys():
        msg = f"what a {known.qualified} held is not told by names"
        raise NotRebuilt(msg)
    return {stored[name]: text for name, text in zip(taken, arguments, strict=False)}
