"""The text of a reproducing test, and of the probe that tells how the call ends.

What was captured stands in it as constants alone: escaped, in one line each, never in a comment, a
docstring or a name, so that nothing that somebody made an error say is more than data.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from honed.core.fault import Fault, Frame
from honed.core.stable_names import type_name
from honed.repair.reproduce.answers import Told
from honed.repair.reproduce.calls import RETURNED, Call
from honed.repair.reproduce.imports import MAKE
from honed.repair.reproduce.places import NAMELESS

#: Where nobody has said what is right.
NOTHING: Final = Told()
_MOST_SAID: Final = 300
_WORD: Final = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z0-9]+|[A-Z]+")
#: Makes an object as it was.
MAKE_TEXT: Final = f'''
def {MAKE}(kind, /, **attributes):
    """Return an object as it was; its constructor does not run."""
    made = object.__new__(kind)
    for name, value in attributes.items():
        object.__setattr__(made, name, value)
    return made

'''
_PROBE: Final = """
import os as _honed_os

import pytest as _honed_pytest

_honed_TYPE = {type}
_honed_PATH, _honed_NAME = {path}, {name}
_honed_CALLED = {called}
_honed_NAMELESS = {nameless}


def _honed_places(error):
    found, trace = [], error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        found.append((_honed_os.path.abspath(code.co_filename), code.co_name))
        trace = trace.tb_next
    root = _honed_os.getcwd() + _honed_os.sep
    own = [(path[len(root):], name) for path, name in found if path.startswith(root)]
    return [each for each in own[1:] if each[1] not in _honed_NAMELESS]


def _honed_leaves(error):
    below = getattr(error, "exceptions", None)
    if not isinstance(error, BaseExceptionGroup) or not below:
        return [error]
    return [error, *(leaf for each in below for leaf in _honed_leaves(each))]


def _honed_is_it(error):
    kind = type(error)
    package = kind.__module__.partition(".")[0].strip("_")
    if _honed_TYPE not in (kind.__name__, package + "." + kind.__name__):
        return False
    places = _honed_places(error)
    if not isinstance(error, RecursionError):
        places = places[-1:]
    return (_honed_PATH, _honed_NAME) in places


def _honed_begin({fixtures}):
    {lines}


def {probe}({fixtures}):
    try:
        _honed_begin({fixtures})
    except BaseException as error:
        if any(_honed_is_it(each) for each in _honed_leaves(error)):
            return
        if _honed_CALLED not in _honed_places(error):
            _honed_pytest.xfail("it did not come to the call")
        raise AssertionError("it ends otherwise") from error
    _honed_pytest.skip("it ends well")
"""
#: The name of the probe's only test.
PROBE: Final = "test_probe"


def test_names(call: Call, fault: Fault, told: Told = NOTHING) -> tuple[str, ...]:  # noqa: PT028 - it names tests, and is none
    """Return what the tests are called, that of ``call`` first."""
    others = [f"{_begin(each.call)}_is_right" for each in told.others]
    first = f"{_begin(call)}_raises_no_{'_'.join(_words(_kind(fault)))}"
    return tuple(_apart([f"{_begin(call)}_is_right" if told.own else first, *others]))


def test_text(call: Call, fault: Fault, told: Told = NOTHING) -> str:  # noqa: PT028 - it writes tests, and is none
    """Return a test that fails as long as ``call`` raises anything, or returns another sort.

    Where people say what is right, it fails as long as the call does anything else, and other calls
    have tests of their own.
    """
    said = ascii(fault.message[:_MOST_SAID])
    place, kind = ascii(call.place.name), ascii(fault.type)
    has_to = "what is right, a person says" if told.own else "it has to return"
    every = [call, *(each.call for each in told.others)]
    asked = [
        told.own.lines if told.own else _asked(call),
        *(each.lines for each in told.others),
    ]
    tests = (
        f"\ndef {name}({', '.join(each.fixtures)}):\n" + "".join(f"    {line}\n" for line in lines)
        for name, each, lines in zip(test_names(call, fault, told), every, asked, strict=True)
    )
    return (
        f'"""A call as it was captured when it failed; {has_to}."""\n\n'
        + _imports(call)
        + f'#: What was captured.\nCAPTURED = {{\n    "type": {kind},\n'
        f'    "message": {said},\n    "function": {place},\n}}\n\n'
        + (MAKE_TEXT if any(each.makes_objects for each in every) else "")
        + "\n".join(tests)
    )


def probe_text(call: Call, fault: Fault, at: tuple[str, str]) -> str:
    """Return a test that passes where ``call`` ends as it was captured.

    It is skipped where the call returns, expected to fail where it never came to the function, and
    fails where it ends in another way.

    Args:
        call: what is called.

        fault: what should be raised.

        at: path and name of the function in which it should arise.
    """
    called = (call.place.path, call.place.function.name if call.place.function else "<module>")
    return (
        _imports(call)
        + (MAKE_TEXT if call.makes_objects else "")
        + _PROBE.format(
            type=ascii(type_name(fault.type)),
            path=ascii(at[0]),
            name=ascii(at[1]),
            called=ascii(called),
            nameless=ascii(sorted(NAMELESS)),
            lines="\n    ".join(call.lines),
            fixtures=", ".join(call.fixtures),
            probe=PROBE,
        )
    )


def function_of(frame: Frame) -> str:
    """Return the name of a frame's function as its code has it."""
    return frame.function.rpartition(".")[2]


def _imports(call: Call) -> str:
    lines = call.imports.lines()
    return "\n".join(lines) + "\n\n" if lines else ""


def _asked(call: Call) -> Sequence[str]:
    """Return the call, and what the function itself says of its result."""
    if not call.promises:
        return call.lines
    first, *others = call.lines
    conditions = [f"assert {each}" for each in call.promises]
    return [f"{RETURNED} = {first}", *others, *conditions]


def _begin(call: Call) -> str:
    """Return how the name of a test of ``call`` begins."""
    function = call.place.function.name if call.place.function else "import"
    return "_".join(["test", *_words(function)])


def _apart(names: Sequence[str]) -> Iterator[str]:
    """Yield names of which no two are alike."""
    for place, name in enumerate(names):
        count = names[:place].count(name) + 1
        yield f"{name}_{count}" if count > 1 else name


def _kind(fault: Fault) -> str:
    return fault.type.rpartition(".")[2]


def _words(name: str) -> list[str]:
    """Return the words of a name, of letters that every reader takes for what they are."""
    return [word.lower() for word in _WORD.findall(name)] or ["call"]
