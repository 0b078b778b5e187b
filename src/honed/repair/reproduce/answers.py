"""What a person says is right of a call, as assertions of a test.

What is right is a literal: an answer that were an expression would be code that somebody types into
a store, and that a test runs later.
"""

import ast
import builtins
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from keyword import iskeyword
from typing import Final

from honed.core.answer import Answer
from honed.repair.reproduce.calls import Call, around, written
from honed.repair.reproduce.classes import Classes, last_name
from honed.repair.reproduce.imports import Imports
from honed.repair.reproduce.placeholders import harmless
from honed.repair.reproduce.places import Function, Place, place_named
from honed.repair.reproduce.refusal import NotRebuilt

#: What is one thing, and compared as such.
_SINGLE: Final = (None, True, False)


@dataclass(frozen=True, slots=True)
class Asserted:
    """A call of which it is known what is right."""

    call: Call
    #: Statements that fail where it does something else.
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """What people say is right, beside one captured call."""

    #: Of the captured call itself; None: nobody has said.
    own: Asserted | None = None
    #: Of other calls.
    others: tuple[Asserted, ...] = ()
    #: In a sentence each: answers that no test can be made of.
    left: tuple[str, ...] = ()


def by_call(answers: Sequence[Answer], classes: Classes) -> dict[str, Answer]:
    """Return by call, as ``Call.text`` has it, what was said of it last.

    Args:
        answers: the oldest first.

        classes: of the repository.
    """
    return {_known(each.call, classes): each for each in answers}


def told(call: Call, answers: Mapping[str, Answer], classes: Classes) -> Told:
    """Return what is known to be right when ``call`` is looked at.

    Args:
        call: as it was captured; the imports of its test are those of all.

        answers: as ``by_call`` returns them.

        classes: of the repository.
    """
    own: Asserted | None = None
    others: list[Asserted] = []
    left: list[str] = []
    for text, answer in answers.items():
        try:
            if text == call.text:
                own = Asserted(call, tuple(_assertion(call, answer)))
            else:
                other = asked_call(answer.call, classes, call.imports)
                others.append(Asserted(other, tuple(_assertion(other, answer))))
        except NotRebuilt as refusal:
            left.append(f"what is right of {text} is left out: {refusal}")
    return Told(own, tuple(others), tuple(left))


def asked_call(text: str, classes: Classes, imports: Imports | None = None) -> Call:
    """Return the call of a function of the repository that a person has written.

    What it is called with is read as what was captured is: nothing of it is run.

    Args:
        text: its name, with literals as arguments, or objects as their ``repr`` tells them.

        classes: of the repository.

        imports: of the test; None: of one of its own.

    Raises:
        NotRebuilt: it is no such call, or there is no such function, or more than one.
    """
    place, given = _asked(text, classes)
    return written(place, given, classes, imports or Imports())


def spelled(text: str, classes: Classes) -> str:
    """Return the call that a person has written with its module before and by names alone.

    Raises:
        NotRebuilt: as ``asked_call``.
    """
    asked_call(text, classes)
    place, given = _asked(text, classes)
    return f"{place.name}({', '.join(f'{name}={each}' for name, each in given.items())})"


def literal(text: str) -> str:
    """Return a literal of Python as Python writes it.

    Raises:
        NotRebuilt: it is none.
    """
    node = _parsed(text)
    _check_literal(node)
    return ast.unparse(node)


def exception(name: str) -> str:
    """Return the name of an exception: one of Python's own, or one with its module before.

    Raises:
        NotRebuilt: it is neither.
    """
    known = getattr(builtins, name, None)
    is_builtin = isinstance(known, type) and issubclass(known, BaseException)
    if not is_builtin and not ("." in name and _is_name(name)):
        msg = "it is no exception of Python's own, and has no module before"
        raise NotRebuilt(msg)
    return name


def raisable(name: str, classes: Classes) -> str:
    """Return the name of an exception that can be imported, as far as the repository tells.

    Raises:
        NotRebuilt: it is no exception's name, or a module of the repository has no such class.
    """
    module, _, last = exception(name).rpartition(".")
    paths = {classes.module(each): each for each in classes.sources}
    if module in paths:
        if not re.search(rf"\b{last}\b", classes.text(paths[module])):
            msg = f"{paths[module]} has no {last}"
            raise NotRebuilt(msg)
    elif module.partition(".")[0] in {each.partition(".")[0] for each in paths}:
        msg = f"the repository has no module {module}"
        raise NotRebuilt(msg)
    return name


def _asked(text: str, classes: Classes) -> tuple[Place, dict[str, str]]:
    node = _parsed(text)
    if not isinstance(node, ast.Call) or not _is_name(name := ast.unparse(node.func)):
        msg = "it is no call of a function by its name"
        raise NotRebuilt(msg)
    place, function = place_named(name, classes)
    return place, _given(place, function, node)


def _known(text: str, classes: Classes) -> str:
    try:
        return asked_call(text, classes).text
    except NotRebuilt:
        # As it was captured, with objects that no literal can tell.
        return text


def _is_name(name: str) -> bool:
    return all(part.isidentifier() and not iskeyword(part) for part in name.split("."))


def _parsed(text: str) -> ast.expr:
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        msg = "it is not Python's"
        raise NotRebuilt(msg) from None


def _check_literal(node: ast.expr) -> None:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        msg = f"{ast.unparse(node)[:60]} is no literal"
        raise NotRebuilt(msg) from None


def _given(place: Place, function: Function, call: ast.Call) -> dict[str, str]:
    """Return what each parameter is given, as a frame would tell it."""
    taken = function.args
    decorators = {last_name(each) for each in function.decorator_list}
    if place.owner and not decorators & {"staticmethod", "classmethod"}:
        msg = f"{place.name} is a method: what it is called on cannot be said"
        raise NotRebuilt(msg)
    first = "classmethod" in decorators
    names = [each.arg for each in (*taken.posonlyargs, *taken.args)][first:]
    given = {
        **dict(zip(names, call.args, strict=False)),
        **{each.arg or "**": each.value for each in call.keywords},
    }
    unknown = given.keys() - {*names, *(each.arg for each in taken.kwonlyargs)}
    if unknown or len(call.args) > len(names):
        msg = f"{place.name} takes {', '.join(names) or 'nothing'}"
        raise NotRebuilt(msg)
    return {name: ast.unparse(each) for name, each in given.items()}


def _assertion(call: Call, answer: Answer) -> list[str]:
    if answer.raises:
        head = f"with {call.imports.module('pytest')}.raises({_raised(answer.raises, call)}):"
        return [head, *(f"    {line}" for line in call.lines)]
    if call.place.function is None or call.lines[0].startswith("with "):
        msg = "what it returns cannot be compared"
        raise NotRebuilt(msg)
    node = _parsed(answer.returns)
    _check_literal(node)
    if isinstance(node, ast.Constant) and type(node.value) is int and node.value in {0, 1}:
        # To Python False is 0, and True is 1; to whoever says a number they are not.
        return around(f"assert {node.value} == ", call.lines, f" is not {bool(node.value)}")
    is_single = isinstance(node, ast.Constant) and any(node.value is each for each in _SINGLE)
    compared = "is" if is_single else "=="
    return around("assert ", call.lines, f" {compared} {_expected(node, call.imports)}")


def _raised(name: str, call: Call) -> str:
    module, _, last = exception(name).rpartition(".")
    return call.imports.name(module, last) if module else last


def _expected(node: ast.expr, imports: Imports, *, is_exact: bool = False) -> str:  # noqa: PLR0911 - one line for each sort of literal
    """Return a literal for a comparison: numbers with a point are compared nearly."""

    def inner(each: ast.expr, *, exact: bool = is_exact) -> str:
        return _expected(each, imports, is_exact=exact)

    match node:
        case ast.Constant(str(value)):
            return ascii(harmless(value))
        case ast.Constant(float()) | ast.UnaryOp(_, ast.Constant(float())) if not is_exact:
            return f"{imports.module('pytest')}.approx({ast.unparse(node)})"
        case ast.List(members):
            return f"[{', '.join(map(inner, members))}]"
        case ast.Tuple(members):
            return f"({', '.join(map(inner, members))}{',' * (len(members) == 1)})"
        case ast.Set(members):
            # What is hashed is found exactly, or not at all.
            return f"{{{', '.join(inner(each, exact=True) for each in members)}}}"
        case ast.Dict(keys, values):
            pairs = zip(keys, values, strict=True)
            texts = (f"{inner(key, exact=True)}: {inner(value)}" for key, value in pairs if key)
            return f"{{{', '.join(texts)}}}"
    return ast.unparse(node)
