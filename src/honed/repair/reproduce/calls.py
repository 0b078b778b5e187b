"""One captured call as Python: the function, with the arguments that its frame still shows."""

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from honed.core.canonical import Json
from honed.core.fault import Frame
from honed.repair.reproduce.classes import Classes, last_name
from honed.repair.reproduce.fixtures import fixtures_of
from honed.repair.reproduce.imports import Imports
from honed.repair.reproduce.places import Place, place_of
from honed.repair.reproduce.refusal import NotRebuilt
from honed.repair.reproduce.returns import promised
from honed.repair.reproduce.values import Values

#: What a test calls what a call returned.
RETURNED: Final = "returned"
_WIDEST: Final = 88
_PROPERTIES: Final = frozenset({"property", "cached_property"})
_CONTEXTS: Final = frozenset({"contextmanager", "asynccontextmanager"})


@dataclass(frozen=True, slots=True)
class Call:
    """A call that can be written into a test."""

    place: Place
    #: Statements, one a line.
    lines: tuple[str, ...]
    imports: Imports
    #: It on one line, with its module before: ``shop.cart.total(names=['pen'])``.
    text: str
    #: Whether it needs what makes an object without its constructor.
    makes_objects: bool
    #: Conditions that the function promises of what the call returns, by the name ``RETURNED``.
    promises: tuple[str, ...] = ()
    #: Fixtures of the repository that stand for what was given under their names.
    fixtures: tuple[str, ...] = ()


def call_of(frame: Frame, classes: Classes) -> Call:
    """Return the call that led to ``frame``.

    The arguments are those that the frame showed when the error passed through it: where the
    function had changed them by then, they are not what it was called with. What cannot be made
    again, such as a connection, is the fixture that the repository's tests have under its name.

    Raises:
        NotRebuilt: an argument cannot be made again, or there is no such function.
    """
    return written(place_of(frame, classes), frame.variables, classes, Imports())


def written(
    place: Place, variables: Mapping[str, Json], classes: Classes, imports: Imports
) -> Call:
    """Return a call of what is at ``place``.

    Args:
        place: a function, or a module to import.

        variables: what its parameters are given, as a frame tells it.

        classes: of the repository.

        imports: of the test; what the call needs is added.

    Raises:
        NotRebuilt: an argument cannot be made again.
    """
    values = Values(classes, imports, place.path)
    if place.function is None:
        called = f"{imports.module('importlib')}.import_module({place.module!r})"
        return Call(place, (called,), imports, place.module, makes_objects=False)
    writer = _Writer(place, place.function, variables, values, classes, imports)
    lines, text = tuple(writer.statements()), writer.text()
    is_named = any(re.search(rf"\b{RETURNED}\b", line) for line in lines)
    promises = () if is_named else tuple(promised(place.function, RETURNED))
    fixtures = tuple(dict.fromkeys(writer.fixtures))
    return Call(place, lines, imports, text, values.makes_objects, promises, fixtures)


@dataclass(frozen=True, slots=True)
class _Writer:
    place: Place
    function: ast.FunctionDef | ast.AsyncFunctionDef
    variables: Mapping[str, Json]
    values: Values
    classes: Classes
    imports: Imports
    fixtures: list[str] = field(default_factory=list)

    @property
    def decorators(self) -> set[str]:
        """The last names of the function's decorators."""
        return {last_name(each) for each in self.function.decorator_list}

    def text(self) -> str:
        """Return the call on one line, with its module before."""
        called, is_bound = self._called(self.decorators)
        name = f"{self.place.module}.{called}" if self.place.owner else self.place.name
        if self.decorators & _PROPERTIES:
            return name
        return f"{name}({', '.join(self._arguments(is_bound=is_bound))})"

    def statements(self) -> list[str]:
        """Return the call as its sort of function is called."""
        decorators = self.decorators
        called, is_bound = self._called(decorators)
        if decorators & _PROPERTIES:
            return [called]
        call = _folded(called, self._arguments(is_bound=is_bound))
        yields = _yields(self.function)
        if decorators & _CONTEXTS:
            if isinstance(self.function, ast.AsyncFunctionDef):
                return self._refuse("it is an asynchronous context manager")
            return [*around("with ", call, ":"), "    pass"]
        if isinstance(self.function, ast.AsyncFunctionDef):
            if yields:
                return self._refuse("it is an asynchronous generator")
            return around(f"{self.imports.module('asyncio')}.run(", call, ")")
        return around("list(", call, ")") if yields else call

    def _called(self, decorators: set[str]) -> tuple[str, bool]:
        """Return what is called, and whether it has its first argument by itself."""
        name, owner = self.function.name, self.place.owner
        if not owner:
            return self.imports.name(self.place.module, name), False
        if "staticmethod" in decorators:
            return f"{self.imports.name(self.place.module, owner)}.{name}", False
        if name in {"__init__", "__new__", "__post_init__"}:
            if name == "__post_init__":
                self._refuse("its constructor is made by a decorator")
            return self.imports.name(self.place.module, owner), True
        if name.startswith("__") and not name.endswith("__"):
            self._refuse("its name is private to its class")
        taken = [*self.function.args.posonlyargs, *self.function.args.args]
        first = taken[0].arg if taken else ""
        if "classmethod" in decorators:
            return f"{self._class(first)}.{name}", True
        return f"{self._object(first)}.{name}", True

    def _class(self, first: str) -> str:
        try:
            return self.values.expression(self.variables[first])
        except (KeyError, NotRebuilt):
            return self.imports.name(self.place.module, self.place.owner)

    def _object(self, first: str) -> str:
        """Return what a method is called on."""
        try:
            return self.values.expression(self.variables[first])
        except (KeyError, NotRebuilt) as error:
            if isinstance(error, NotRebuilt) and "object" not in str(self.variables[first]):
                msg = f"{first} cannot be made again: {error}"
                raise NotRebuilt(msg) from None
            known = self.classes.find(self.place.owner, self.place.path)
            try:
                return self.values.instance(known)
            except NotRebuilt as refused:
                msg = f"{first} cannot be made again: {refused}"
                raise NotRebuilt(msg) from None

    def _arguments(self, *, is_bound: bool) -> list[str]:
        """Return the arguments: by position where others follow without names, else by name."""
        taken = self.function.args
        positional = [*taken.posonlyargs, *taken.args]
        rest = self._rest(taken.vararg)
        defaults = len(positional) - len(taken.defaults)
        texts = []
        for place, each in enumerate(positional):
            if is_bound and place == 0:
                continue
            text = self._argument(each, has_default=place >= defaults)
            is_by_place = place < len(taken.posonlyargs) or rest != "[]"
            if text is None and is_by_place:
                self._refuse(f"{each.arg} was not told")
            if text is not None:
                texts.append(text if is_by_place else f"{each.arg}={text}")
        if rest != "[]":
            texts.append(f"*{rest}")
        for each, default in zip(taken.kwonlyargs, taken.kw_defaults, strict=True):
            text = self._argument(each, has_default=default is not None)
            texts += [] if text is None else [f"{each.arg}={text}"]
        more = self._argument(taken.kwarg, has_default=True) if taken.kwarg else None
        return [*texts, f"**{more}"] if more not in {None, "{}"} else texts

    def _rest(self, vararg: ast.arg | None) -> str:
        """Return the further arguments by position as a list."""
        told = self.variables.get(vararg.arg) if vararg else None
        if vararg is None or told is None:
            return "[]"
        text = self._made(vararg.arg, told, None)
        return "[]" if text in {"()", "[]"} else text

    def _argument(self, taken: ast.arg, *, has_default: bool) -> str | None:
        """Return what a parameter was given; None: it was not told, and has a default."""
        if taken.arg in self.variables:
            return self._made(taken.arg, self.variables[taken.arg], taken.annotation)
        if not has_default:
            self._refuse(f"{taken.arg} was not told")
        return None

    def _made(self, name: str, told: Json, shape: ast.expr | None) -> str:
        try:
            return self.values.expression(told, shape)
        except NotRebuilt as error:
            if name in fixtures_of(self.classes) and name != self.function.name:
                self.fixtures.append(name)
                return name
            msg = f"{name} cannot be made again: {error}"
            raise NotRebuilt(msg) from None

    def _refuse(self, why: str) -> list[str]:
        raise NotRebuilt(why)


def _folded(called: str, arguments: list[str]) -> list[str]:
    """Return a call on one line, or with a line for each argument."""
    line = f"{called}({', '.join(arguments)})"
    if len(line) <= _WIDEST:
        return [line]
    return [f"{called}(", *(f"    {each}," for each in arguments), ")"]


def around(head: str, lines: Sequence[str], tail: str) -> list[str]:
    """Return lines with ``head`` before the first and ``tail`` behind the last."""
    return (
        [head + lines[0], *lines[1:-1], lines[-1] + tail] if lines[1:] else [head + lines[0] + tail]
    )


def _yields(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Return whether it is a generator itself, and not only a function within it."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        each = waiting.pop()
        if isinstance(each, (ast.Yield, ast.YieldFrom)):
            return True
        if not isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            waiting += ast.iter_child_nodes(each)
    return False
