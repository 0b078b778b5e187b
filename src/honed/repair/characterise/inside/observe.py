"""Calls functions of a repository in the sandbox and tells how each call ends.

It needs nothing but the standard library and pytest. Both are imported before anything of the
repository is on the path, so that nothing of it stands in for them.
"""

import ast
import importlib
import inspect
import json
import linecache
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any, TypeAlias

import pytest

from .guess import Guess, Made, parameters
from .texts import Unwritable, namespace, written
from .watch import Watch

_Json: TypeAlias = dict[str, Any]
_Tell: TypeAlias = Callable[[_Json], None]

_ROOT = os.environ["HONED_ROOT"]
#: Wall time of one call, of all calls of a module, and of the tests.
_CALL_S, _MODULE_S, _TESTS_S = 2.0, 90.0, 240.0
_LONGEST = 8 << 20
_MOST_SEEN, _MOST_LOOKED_AT = 12, 60
_MOST_ITEMS = 50
#: After so many calls of a function that do not come back no more is tried.
_MOST_LOST = 3


class _EndlessError(Exception):
    """A generator yields more than a person would write down."""


def main() -> None:
    """Answer what is asked."""
    asked = json.loads(Path(os.environ["HONED_ASKED"]).read_text(encoding="utf-8"))
    sys.path[:0] = [_ROOT, _ROOT + "/src"]
    seen: _Json = {"calls": {}, "names": {}}
    if asked["tests"] is not None:
        for line in _forked(partial(_record, asked["tests"]), _TESTS_S):
            seen = line
    told: list[_Json] = []
    for module in asked["modules"]:
        told += _forked(partial(_module, module, seen, asked), _MODULE_S)
    with open(os.environ["HONED_REPORT"], "w", encoding="utf-8") as file:
        json.dump({"calls": told}, file)


def _forked(work: Callable[[_Tell], None], wall_s: float) -> list[_Json]:
    """Return what ``work`` tells in a process of its own, up to where its time is over."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        with os.fdopen(writing, "w", encoding="utf-8") as out:

            def tell(value: _Json) -> None:
                out.write(json.dumps(value) + "\n")
                out.flush()

            try:
                _in_silence()
                work(tell)
            finally:
                out.flush()
                os._exit(0)
    os.close(writing)
    text = _read(reading, time.monotonic() + wall_s)
    os.close(reading)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    found = []
    for line in text.decode(errors="replace").splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            break
    return found


def _read(number: int, until: float) -> bytes:
    found = b""
    while len(found) < _LONGEST:
        ready, _, _ = select.select([number], [], [], max(0.0, until - time.monotonic()))
        more = os.read(number, 1 << 16) if ready else b""
        if not more:
            break
        found += more
    return found


def _in_silence() -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)


def _record(tests: list[str], tell: _Tell) -> None:
    """Run the tests, and tell what they and what they call pass to functions of the repository."""
    calls: dict[str, list[_Json]] = {}
    names: dict[str, list[Any]] = {}
    looked: dict[str, int] = {}

    def profile(frame: FrameType, event: str, argument: Any) -> None:
        code = frame.f_code
        if event != "call" or not code.co_filename.startswith(_ROOT + os.sep):
            return
        key = f"{code.co_filename[len(_ROOT) + 1 :]}::{code.co_qualname}"
        looked[key] = looked.get(key, 0) + 1
        if looked[key] > _MOST_LOOKED_AT or "<" in code.co_qualname:
            return
        call: _Json = {}
        for name in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]:
            try:
                call[name] = written(frame.f_locals[name])
            except (Unwritable, KeyError):
                continue
            _keep(names.setdefault(name, []), call[name])
        if call:
            _keep(calls.setdefault(key, []), call)

    sys.setprofile(profile)
    try:
        pytest.main(["-p", "no:cacheprovider", "-p", "no:honed", "-q", "--rootdir", _ROOT, *tests])
    finally:
        sys.setprofile(None)
        tell({"calls": calls, "names": names})


def _keep(found: list[Any], value: Any) -> None:
    if value not in found and len(found) < _MOST_SEEN:
        found.append(value)


def _module(asked_of: _Json, seen: _Json, asked: _Json, tell: _Tell) -> None:
    """Tell how calls of the functions of one module end."""
    module = importlib.import_module(asked_of["module"])
    seen = {
        "names": {name: [_made(each) for each in found] for name, found in seen["names"].items()},
        "calls": {
            key: [{name: _made(each) for name, each in call.items()} for call in found]
            for key, found in seen["calls"].items()
        },
    }
    guess = Guess({**seen, "literals": asked["literals"]}, asked["seed"])
    for each in asked_of["functions"]:
        function, owner = _function(module, each["name"])
        if function is None:
            continue
        lost = 0
        tried = _calls(module, each, (function, owner), guess)
        for call in each.get("calls") or islice(tried, asked["most"]):
            answers = _forked(partial(_call, call), _CALL_S)
            lost += not answers
            if lost > _MOST_LOST:
                break
            for told in answers:
                tell({"path": asked_of["path"], "name": each["name"], "call": call, **told})


def _made(told: Any) -> Made:
    return Made(told[0], tuple(map(tuple, told[1])))


def _function(module: ModuleType, name: str) -> tuple[Any, type | None]:
    """Return a function, and its class if it is called on an object of it."""
    outer, _, own = name.rpartition(".")
    try:
        owner = getattr(module, outer) if outer else None
        function = getattr(owner or module, own)
    except AttributeError:
        return None, None
    static = inspect.getattr_static(owner, own) if owner is not None else None
    if isinstance(static, property):
        return static.fget, owner
    if inspect.isclass(function) or not callable(function):
        return None, None
    is_static = owner is not None and not inspect.isfunction(static)
    return function, None if is_static else owner


def _calls(
    module: ModuleType, each: _Json, what: tuple[Any, type | None], guess: Guess
) -> Iterator[_Json]:
    """Yield calls of a function as data."""
    function, owner = what
    constants = [ast.literal_eval(text) for text in each["constants"]]
    key = f"{each['path']}::{each['name']}"
    own = each["name"].rpartition(".")[2]
    is_property = owner is not None and isinstance(inspect.getattr_static(owner, own), property)
    for receiver, given in guess.calls(key, function, owner, constants):
        imports = {name for _, value in given for name in value.imports}
        if receiver is None:
            imports.add((module.__name__, each["name"].partition(".")[0]))
        else:
            imports.update(receiver.imports)
        yield {
            "called": each["name"] if receiver is None else own,
            "receiver": "" if receiver is None else receiver.text,
            "is_property": is_property,
            "arguments": _arguments(function, given, is_bound=owner is not None),
            "imports": sorted(imports),
        }


def _arguments(function: Any, given: Iterable[Any], *, is_bound: bool) -> list[list[Any]]:
    """Return names, texts and whether each is passed by its name."""
    taken = parameters(function, is_bound=is_bound) or []
    by_name = {each.name for each in taken if each.kind is each.KEYWORD_ONLY}
    values = {each.name: value for each, value in given}
    found, is_gap = [], False
    for each in taken:
        if each.name not in values:
            is_gap = True
        else:
            found.append([each.name, values[each.name].text, is_gap or each.name in by_name])
    return found


def _call(call: _Json, tell: _Tell) -> None:
    tell(_called(call))


def _called(call: _Json) -> _Json:
    """Return how one call ends: what it returns or raises, what it changes, the lines it runs."""
    space = namespace((module, name) for module, name in call["imports"])
    values = {name: _value(text, space) for name, text, _ in call["arguments"]}
    receiver = _value(call["receiver"], space) if call["receiver"] else None
    before = _state(values, receiver)
    positional = [values[name] for name, _, is_named in call["arguments"] if not is_named]
    named = {name: values[name] for name, _, is_named in call["arguments"] if is_named}
    watch = Watch(_ROOT)
    ended = _ended(call, (receiver, positional, named), space, watch)
    told = {"lines": {path: sorted(found) for path, found in watch.lines.items()}, **ended}
    told["depends"] = [*sorted(watch.depends), *ended.get("depends", ())]
    after = _state(values, receiver)
    told["changed"] = {
        name: after[name] for name in after if after[name] != before.get(name) and after[name]
    }
    return told


def _ended(call: _Json, given: tuple[Any, list[Any], _Json], space: _Json, watch: Watch) -> _Json:
    """Return what a call returns or raises, or what that depends on beside its arguments."""
    receiver, positional, named = given
    ended: _Json = {}
    try:
        with watch:
            if receiver is None:
                function = _attribute(space, call["called"])
            else:
                function = getattr(receiver, call["called"])
            result = function if call["is_property"] else function(*positional, **named)
            if inspect.isgenerator(result):
                ended["through"] = "list"
                result = list(_some(result))
        ended.update(_returned(result))
    except _EndlessError:
        ended["depends"] = ["its end"]
    except Unwritable as error:
        ended["depends"] = [f"unwritable: {error}"]
    except Exception as error:  # noqa: BLE001 - what it raises is what it does
        ended["raised"] = _raised(error)
    return ended


def _returned(result: Any) -> _Json:
    """Return the text of a result; of an object that shows what it is, the text of that.

    Raises:
        Unwritable: it has none.
    """
    try:
        return {"returned": written(result)}
    except Unwritable:
        kind: Any = type(result)
        if kind.__repr__ is object.__repr__ or kind.__module__ == "builtins":
            raise
        return {"returned": written(repr(result)), "through": "repr"}


def _value(text: str, space: _Json) -> Any:
    return eval(text, space)  # noqa: S307 - it is ours, or the repository's


def _attribute(space: _Json, name: str) -> Any:
    first, *rest = name.split(".")
    found = space[first]
    for each in rest:
        found = getattr(found, each)
    return found


def _some(generator: Iterable[Any]) -> Iterator[Any]:
    for number, each in enumerate(generator):
        if number >= _MOST_ITEMS:
            raise _EndlessError
        yield each


def _state(values: _Json, receiver: Any) -> _Json:
    """Return the texts of everything that a call could change; None: one has none."""
    found = {name: _text(value) for name, value in values.items()}
    if receiver is not None:
        found[""] = _text(getattr(receiver, "__dict__", None))
    return found


def _text(value: Any) -> Any:
    try:
        return written(value)
    except Unwritable:
        return None


def _raised(error: Exception) -> _Json:
    """Return the type of an error, and whether code of the repository raises it in words."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    line = linecache.getline(frame.filename, frame.lineno or 0).strip()
    is_meant = frame.filename.startswith(_ROOT + os.sep) and line.startswith("raise")
    kind = type(error)
    return {"module": kind.__module__, "name": kind.__qualname__, "is_meant": is_meant}
