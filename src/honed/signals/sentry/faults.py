"""Exceptions as Sentry tells them, the first cause first, as one fault."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from honed.core.canonical import Json
from honed.core.fault import Fault, Frame, is_in_app
from honed.core.wire import text_in
from honed.signals.sentry.protocol import object_in, objects_in, whole_in

#: More are left out: of exceptions and of frames the last, which are the outermost and the
#: innermost, stay.
MOST_EXCEPTIONS: Final = 64
MOST_FRAMES: Final = 256
_LAST_LINE: Final = 2**31
#: Files of a browser are URLs; parts of them become names, in which a password is not recognised.
_USERINFO: Final = re.compile(r"(?<=//)[^/\s]*@")


def fault(exceptions: Sequence[Mapping[str, Json]], platform: str) -> Fault | None:
    """Return the last exception with its causes and the members of groups; None if there is none.

    Args:
        exceptions: the values of the exception interface, the first cause first.

        platform: what the event says.
    """
    kept = exceptions[-MOST_EXCEPTIONS:]
    return _tree(kept) or _chain(kept, is_context=platform == "python")


def frames(exception: Mapping[str, Json]) -> list[Mapping[str, Json]]:
    """Return the frames of an exception as they are told, the innermost last."""
    return objects_in(object_in(exception, "stacktrace"), "frames")[-MOST_FRAMES:]


def frame(said: Mapping[str, Json]) -> Frame:
    """Return a frame. A file of the app is told from the app's root on, others as a whole path."""
    file = _USERINFO.sub("", text_in(said, "filename"))
    path = _USERINFO.sub("", text_in(said, "abs_path")) or file
    told = said.get("in_app")
    in_app = told if isinstance(told, bool) else is_in_app(path)
    line = whole_in(said, "lineno") or 0
    return Frame(
        file=(file or path) if in_app else path,
        module=text_in(said, "module"),
        function=text_in(said, "function"),
        line=line if 0 < line < _LAST_LINE else 0,
        code=text_in(said, "context_line").strip(),
        is_in_app=in_app,
    )


def type_of(exception: Mapping[str, Json]) -> str:
    """Return the type of an exception, with its module where that is told."""
    module, name = text_in(exception, "module"), text_in(exception, "type")
    return f"{module}.{name}" if module and name else name


def _chain(exceptions: Sequence[Mapping[str, Json]], *, is_context: bool) -> Fault | None:
    """Return the fault of a plain chain.

    Python's SDK does not tell which of them were only being handled; to say so of all is safe,
    because one that was raised on purpose by the code that caught the other counts as its cause.
    """
    chained = None
    for said in exceptions:
        chained = _fault(said, chained, (), is_context=is_context and chained is not None)
    return chained


def _tree(exceptions: Sequence[Mapping[str, Json]]) -> Fault | None:
    """Return the fault of exceptions that name their parents; None where they do not.

    Parents have lower numbers, so that nothing is its own cause.
    """
    numbered = {
        number: said
        for said in exceptions
        if (number := whole_in(object_in(said, "mechanism"), "exception_id")) is not None
    }
    if not numbered:
        return None
    causes: dict[int, tuple[Fault, bool]] = {}
    members: defaultdict[int, list[Fault]] = defaultdict(list)
    for number in sorted(numbered, reverse=True):
        cause, is_context = causes.get(number, (None, False))
        built = _fault(
            numbered[number], cause, tuple(reversed(members[number])), is_context=is_context
        )
        mechanism = object_in(numbered[number], "mechanism")
        parent, source = whole_in(mechanism, "parent_id"), text_in(mechanism, "source")
        if parent is None or parent >= number:
            continue
        if "[" in source:
            members[parent].append(built)
        else:
            causes[parent] = (built, source == "__context__")
    return built


def _fault(
    said: Mapping[str, Json], cause: Fault | None, members: tuple[Fault, ...], *, is_context: bool
) -> Fault:
    calls = tuple(frame(each) for each in frames(said))
    return Fault(
        type=type_of(said),
        message=text_in(said, "value"),
        frames=calls,
        cause=cause,
        is_cause_context=is_context,
        # A member that nobody raised arose where the group did.
        members=tuple(each if each.frames else replace(each, frames=calls) for each in members),
    )
