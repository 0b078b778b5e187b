"""One call of a function with what came of it, as the sandbox told it."""

import ast
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from honed.core.canonical import Json
from honed.repair.characterise.functions import Lines

_MODULE: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
#: Syntax of which texts of values are made; anything else is no value.
_OF_VALUES: Final = (
    *(ast.Expression, ast.Constant, ast.List, ast.Tuple, ast.Set, ast.Dict, ast.Call, ast.Name),
    *(ast.Attribute, ast.keyword, ast.UnaryOp, ast.USub, ast.BinOp, ast.Add, ast.Load),
)
#: Modules of Python's own whose calls make a value and do nothing else.
_MODULES_OF_VALUES: Final = frozenset(
    {"collections", "datetime", "decimal", "enum", "fractions", "ipaddress", "types", "uuid"}
    | {"zoneinfo"}
)
_OWN: Final = frozenset({"float", "frozenset", "set"})
_LONGEST: Final = 1_000
_ADDRESS: Final = re.compile(r"\bat 0x[0-9a-fA-F]+")
#: What silly arguments raise of themselves says nothing of the function.
_SILLY: Final = frozenset(
    {"TypeError", "AttributeError", "NameError", "RecursionError", "MemoryError", "ImportError"}
)


class NotTold(ValueError):
    """What the sandbox told is no call, or no value."""


@dataclass(frozen=True, slots=True)
class Argument:
    """What one parameter is given."""

    name: str
    text: str
    #: Whether it is passed by its name.
    is_named: bool


@dataclass(frozen=True, slots=True)
class Case:
    """A call, and how it ends every time."""

    path: str
    #: The function, qualified in its module.
    name: str
    #: The object that it is called on; empty: it is no method of one.
    receiver: str
    arguments: tuple[Argument, ...]
    #: Modules and names that texts take from them.
    imports: frozenset[tuple[str, str]]
    #: Text of what it returns; empty: it raises.
    returned: str
    #: Name of the type that it raises; empty: it returns.
    raised: str
    #: Texts of what is other afterwards, by argument; the object's attributes by no name.
    changed: tuple[tuple[str, str], ...]
    #: What of the result is compared: its ``list`` or its ``repr``; empty: itself.
    through: str
    #: Whether it is no call, but a property.
    is_property: bool
    lines: Lines
    #: What the sandbox is asked to call it again.
    asked: Mapping[str, Json]

    @property
    def outcome(self) -> tuple[str, ...]:
        """All that a test compares."""
        return (self.returned, self.raised, *(text for each in self.changed for text in each))

    @property
    def says_something(self) -> bool:
        """Whether a test of it could fail for more than an error."""
        return self.returned != "None" or bool(self.changed)

    @classmethod
    def read(cls, told: Any) -> Self:  # noqa: ANN401 - nobody vouches for it
        """Return the case that was told.

        Raises:
            NotTold: it is none, or it depends on more than its arguments.
        """
        try:
            return cls._read(told)
        except (
            LookupError,
            TypeError,
            ValueError,
            AttributeError,
            SyntaxError,
            RecursionError,
        ) as error:
            raise NotTold(str(error)) from error

    @classmethod
    def _read(cls, told: Mapping[str, Any]) -> Self:
        call, imports = told["call"], set(map(_made_of, told["call"]["imports"]))
        if told["depends"]:
            msg = f"it depends on {told['depends']}"
            raise NotTold(msg)
        raised, returned = _raised(told.get("raised"), imports), ""
        if not raised:
            returned = _value(told["returned"][0])
            imports.update(map(_made_of, told["returned"][1]))
        changed = []
        for name, (text, used) in told["changed"].items():
            changed.append((_name(name) if name else "", _value(text)))
            imports.update(map(_made_of, used))
        given = [text for _, text, _ in call["arguments"]]
        _refuse_names([returned, call["receiver"], *given, *(t for _, t in changed)], imports)
        return cls(
            str(told["path"]),
            ".".join(map(_name, told["name"].split("."))),
            _value(call["receiver"]) if call["receiver"] else "",
            tuple(Argument(_name(n), _value(t), bool(by)) for n, t, by in call["arguments"]),
            frozenset(imports),
            returned,
            raised,
            tuple(sorted(changed)),
            _through(told.get("through", "")),
            bool(call["is_property"]),
            {str(path): frozenset(map(int, each)) for path, each in told["lines"].items()},
            call,
        )


def _through(told: str) -> str:
    if told not in {"", "list", "repr"}:
        msg = f"{told!r} is nothing to compare"
        raise NotTold(msg)
    return told


def _raised(told: Mapping[str, Any] | None, imports: set[tuple[str, str]]) -> str:
    if told is None:
        return ""
    name = ".".join(map(_name, told["name"].split(".")))
    if name in _SILLY and not told["is_meant"]:
        msg = f"{name} says that the arguments were no sensible ones"
        raise NotTold(msg)
    if told["module"] != "builtins":
        imports.add(_imported((told["module"], name.partition(".")[0])))
    return name


def _made_of(told: Any) -> tuple[str, str]:  # noqa: ANN401 - nobody vouches for it
    """Return what a text of a value imports: of Python's own modules those of values alone.

    What the sandbox tells is hostile, and the text runs wherever somebody runs the tests.
    """
    module, name = _imported(told)
    top = module.partition(".")[0]
    if (top in sys.stdlib_module_names or top == "builtins") and top not in _MODULES_OF_VALUES:
        msg = f"{module} is no module of values"
        raise NotTold(msg)
    return module, name


def _imported(told: Any) -> tuple[str, str]:  # noqa: ANN401 - nobody vouches for it
    module, name = told
    if not _MODULE.fullmatch(module):
        msg = f"{module!r} is no module"
        raise NotTold(msg)
    return module, _name(name)


def _name(told: str) -> str:
    if not told.isidentifier():
        msg = f"{told!r} is no name"
        raise NotTold(msg)
    return told


def _refuse_names(texts: Iterable[str], imports: Iterable[tuple[str, str]]) -> None:
    """Refuse texts that name what is neither imported nor one of Python's own collections."""
    known = _OWN | {name for _, name in imports}
    for text in filter(None, texts):
        for each in ast.walk(ast.parse(text, mode="eval")):
            if isinstance(each, ast.Name) and each.id not in known:
                msg = f"{each.id} is not known"
                raise NotTold(msg)


def _value(text: str) -> str:
    """Return a text if it is one of a value, and nothing that does more than make one."""
    tree = ast.parse(text, mode="eval")
    if len(text) > _LONGEST or "\n" in text or _ADDRESS.search(text):
        msg = "it is too long, or holds an address"
        raise NotTold(msg)
    if not all(isinstance(each, _OF_VALUES) for each in ast.walk(tree)):
        msg = f"{text!r} is no value"
        raise NotTold(msg)
    return text
