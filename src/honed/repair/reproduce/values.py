"""Captured values as Python that makes them again, from what they said of themselves.

Nothing that was captured is executed to find that out. What comes of it calls only types of
Python's library that hold what they are given, and classes of the repository: records by their
constructors, all others without.
"""

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from honed.core.canonical import Json
from honed.core.privacy import TOKEN
from honed.repair.reproduce import library, shapes
from honed.repair.reproduce.classes import Classes, Known
from honed.repair.reproduce.imports import MAKE, Imports
from honed.repair.reproduce.placeholders import FILTERED, harmless
from honed.repair.reproduce.records import sets_itself, stored
from honed.repair.reproduce.refusal import NotRebuilt
from honed.repair.reproduce.texts import Said, read

_DEEPEST: Final = 30
_NUMBERS: Final = (int, float, complex)
_TYPE: Final = re.compile(r"<class '([\w.]+)'>")
_MEMBER: Final = re.compile(r"<([\w.]+)\.(\w+): .*>", re.DOTALL)
_AT_ADDRESS: Final = re.compile(r"<([\w.]+) object(?: at 0x[0-9a-fA-F]+)?>")
_INSTANCE: Final = re.compile(r"<([\w.]+)(?: (.*))?>", re.DOTALL)

_Shape = ast.expr | None


class Values:
    """Makes the values of one test."""

    def __init__(self, classes: Classes, imports: Imports, near: str) -> None:
        """Begin.

        Args:
            classes: of the repository.

            imports: of the test; what values need is added.

            near: the path of the module whose values they are.
        """
        self._classes, self._imports, self._near = classes, imports, near
        self._deep = 0
        #: Whether the test needs what makes an object without its constructor.
        self.makes_objects = False

    def expression(self, told: Json, shape: _Shape = None) -> str:
        """Return Python that makes a value.

        Args:
            told: what a source told of it: a text as ``repr`` writes it, alone or in lists and
                objects.

            shape: how its place is annotated, where it is.

        Raises:
            NotRebuilt: what was told is not enough.
        """
        self._deep += 1
        try:
            if self._deep > _DEEPEST:
                msg = "it is nested too deep"
                raise NotRebuilt(msg)
            if isinstance(told, str):
                return self._text(told, shape)
            if isinstance(told, Mapping):
                return self._mapping(told, shape)
            if isinstance(told, Sequence):
                return self._many([partial(self.expression, each) for each in told], shape)
            return repr(told)
        finally:
            self._deep -= 1

    def instance(self, known: Known) -> str:
        """Return Python that makes an object of a class that needs nothing for that."""
        if not known.needs_nothing:
            msg = f"what a {known.qualified} held was not told"
            raise NotRebuilt(msg)
        return f"{self._imports.name(known.module, known.qualified)}()"

    def _text(self, text: str, shape: _Shape) -> str:
        text = text.strip()
        if text in FILTERED or TOKEN.fullmatch(text):
            return _hidden(text, shape)
        said = read(text)
        return self._node(said.tree, said, shape)

    def _mapping(self, told: Mapping[str, Json], shape: _Shape) -> str:
        """Return an object of JSON, whose keys are texts now whatever they were."""
        of_key, of_value = shapes.of_pair(shape)
        is_text = shapes.sort(of_key) in {"", "str", "Any", "object"}
        pairs = [
            (
                ascii(harmless(key)) if is_text else self.expression(key, of_key),
                self.expression(value, of_value),
            )
            for key, value in told.items()
        ]
        return self._around(shape, "{" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}")

    def _around(self, shape: _Shape, text: str) -> str:
        sort = shapes.sort(shape)
        if sort in {"Counter", "OrderedDict"}:
            return f"{self._imports.name('collections', sort)}({text})"
        return text

    def _many(
        self, members: Sequence[Callable[[_Shape], str]], shape: _Shape, told: str = "list"
    ) -> str:
        """Return a collection, as its annotation says, or else as it was told."""
        texts = [make(shapes.of_member(shape, place)) for place, make in enumerate(members)]
        said = shapes.sort(shape)
        sort = shapes.MANY.get(said, told)
        inner = ", ".join(texts)
        if sort == "tuple":
            return f"({inner},)" if len(texts) == 1 else f"({inner})"
        if sort == "set":
            return f"{{{inner}}}" if texts else "set()"
        if sort in {"frozenset", "deque"}:
            called = sort if sort == "frozenset" else self._imports.name("collections", sort)
            return f"{called}([{inner}])"
        if said and said[0].isupper() and (known := self._named_tuple(said)):
            return f"{self._imports.name(known.module, known.qualified)}({inner})"
        return f"[{inner}]"

    def _named_tuple(self, name: str) -> Known | None:
        try:
            known = self._classes.find(name, self._near)
        except NotRebuilt:
            return None
        return known if known.is_tuple else None

    def _node(self, node: ast.expr, said: Said, shape: _Shape = None) -> str:  # noqa: C901, PLR0911 - one line for each sort of syntax
        def inner(each: ast.expr, of_it: _Shape = None) -> str:
            return self._node(each, said, of_it)

        match node:
            case ast.Name(name) if name in said.angles:
                return self._angle(said.angles[name], shape)
            case ast.Constant(value) if (
                shapes.sort(shape) in {"tuple", "Tuple"} and value is not None
            ):
                # honed's client writes a tuple of one as (1).
                return self._many([partial(inner, node)], shape)
            case ast.Constant(value) if value is not ...:
                return ascii(harmless(value) if isinstance(value, str) else value)
            case ast.UnaryOp(ast.USub(), ast.Constant(value)) if isinstance(value, _NUMBERS):
                return f"-{value!r}"
            case ast.BinOp(_, ast.Add() | ast.Sub(), ast.Constant(complex())) if _is_complex(node):
                return f"({ast.unparse(node)})"
            case ast.List(members):
                return self._many([partial(inner, each) for each in members], shape)
            case ast.Tuple(members):
                return self._many([partial(inner, each) for each in members], shape, "tuple")
            case ast.Set(members):
                return self._many([partial(inner, each) for each in members], shape, "set")
            case ast.Dict([], []) if shapes.sort(shape) in shapes.MANY:
                return self._many([], shape)
            case ast.Dict(keys, values) if None not in keys:
                return self._dict(keys, values, inner, shape)
            case ast.Call(function, arguments, keywords):
                return self._call(ast.unparse(function), arguments, keywords, inner)
            case ast.Name() | ast.Attribute():
                return self._name(ast.unparse(node))
        msg = "its text is no value"
        raise NotRebuilt(msg)

    def _dict(
        self,
        keys: Sequence[ast.expr | None],
        values: Sequence[ast.expr],
        inner: Callable[..., str],
        shape: _Shape,
    ) -> str:
        of_key, of_value = shapes.of_pair(shape)
        pairs = zip(keys, values, strict=True)
        texts = (f"{inner(key, of_key)}: {inner(value, of_value)}" for key, value in pairs)
        return self._around(shape, "{" + ", ".join(texts) + "}")

    def _name(self, name: str) -> str:
        """Return what is meant by a name: a constant of Python's library, a member of an enum."""
        if name in library.NAMED:
            module, own = library.NAMED[name]
            return self._imports.name(module, own)
        outer, _, member = name.rpartition(".")
        if outer:
            return self._member(self._classes.find(outer, self._near), member)
        msg = f"{name} is no value"
        raise NotRebuilt(msg)

    def _member(self, known: Known, member: str) -> str:
        if not (known.is_enum and member in known.members):
            msg = f"{known.qualified}.{member} is no value"
            raise NotRebuilt(msg)
        return f"{self._imports.name(known.module, known.qualified)}.{member}"

    def _call(
        self,
        name: str,
        arguments: Sequence[ast.expr],
        keywords: Sequence[ast.keyword],
        inner: Callable[..., str],
    ) -> str:
        called = self._of_library(name)
        if called:
            named = [f"{each.arg}={inner(each.value)}" for each in keywords if each.arg]
            return f"{called}({', '.join([*map(inner, arguments), *named])})"
        if name == "defaultdict":
            factory, *held = map(inner, arguments)
            called = self._imports.name("collections", "defaultdict")
            return f"{called}({', '.join([factory, *held])})"
        known = self._classes.find(name, self._near)
        fields = {
            each.arg: inner(each.value, known.fields.get(each.arg)) for each in keywords if each.arg
        }
        if known.is_record:
            return self._record(known, [inner(each) for each in arguments], fields)
        return self._made(known, {**stored(known, [inner(each) for each in arguments]), **fields})

    def _of_library(self, name: str) -> str:
        if name in library.ERRORS:
            return name
        if name not in library.CALLED:
            return ""
        module, own = library.CALLED[name]
        return own if module == "builtins" else self._imports.name(module, own)

    def _record(self, known: Known, arguments: Sequence[str], fields: Mapping[str, str]) -> str:
        """Return a call of a constructor; of one that does not take all fields, what it held."""
        if not arguments and sets_itself(known, fields):
            return self._made(known, fields)
        texts = [*arguments, *(f"{name}={text}" for name, text in fields.items())]
        return f"{self._imports.name(known.module, known.qualified)}({', '.join(texts)})"

    def _made(self, known: Known, fields: Mapping[str, str]) -> str:
        """Return an object with its attributes as they were; its constructor does not run."""
        self.makes_objects = True
        name = self._imports.name(known.module, known.qualified)
        return (
            f"{MAKE}({', '.join([name, *(f'{field}={text}' for field, text in fields.items())])})"
        )

    def _angle(self, text: str, shape: _Shape) -> str:
        """Return what stands in angle brackets: a token, a type, a member of an enum, an object."""
        if TOKEN.fullmatch(text):
            return _hidden(text, shape)
        if found := _TYPE.fullmatch(text):
            return self._type(found[1])
        if found := _MEMBER.fullmatch(text):
            return self._member(self._classes.find(found[1], self._near), found[2])
        if found := _AT_ADDRESS.fullmatch(text):
            return self.instance(self._classes.find(found[1], self._near))
        found = _INSTANCE.fullmatch(text)
        if not found:
            msg = f"a text like {text[:60].partition(' ')[0]!a} is no value"
            raise NotRebuilt(msg)
        return self._instance(self._classes.find(found[1], self._near), found[2] or "")

    def _type(self, name: str) -> str:
        if name in library.TYPES:
            return name
        known = self._classes.find(name, self._near)
        return self._imports.name(known.module, known.qualified)

    def _instance(self, known: Known, told: str) -> str:
        """Return an object as honed's client tells it: its type and its attributes."""
        said = read(f"_({told})")
        held = said.tree.keywords if isinstance(said.tree, ast.Call) else []
        if not isinstance(said.tree, ast.Call) or said.tree.args:
            msg = f"what a {known.qualified} held is not told by names"
            raise NotRebuilt(msg)
        names = {each.arg: each.value for each in held if each.arg}
        if known.is_enum and isinstance(name := names.get("_name_"), ast.Constant):
            return self._member(known, str(name.value))
        if known.fields and not names:
            msg = f"what a {known.qualified} held was not told"
            raise NotRebuilt(msg)
        fields = {
            name: self._node(value, said, known.fields.get(name)) for name, value in names.items()
        }
        return self._record(known, (), fields) if known.is_record else self._made(known, fields)


def _is_complex(node: ast.BinOp) -> bool:
    """Return whether its left side is a number."""
    real = node.left.operand if isinstance(node.left, ast.UnaryOp) else node.left
    return isinstance(real, ast.Constant) and isinstance(real.value, _NUMBERS)


def _hidden(text: str, shape: _Shape) -> str:
    """Return a harmless value for a whole one that was hidden."""
    return "0" if shapes.sort(shape) in {"int", "float"} else ascii(harmless(text))
