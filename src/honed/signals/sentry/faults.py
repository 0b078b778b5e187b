"""Exceptions as Sentry tells them, the first cause first, as one fault."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import msgspec

from honed.core.canonical import Json
from honed.core.fault import Fault
from honed.core.wire import text_in
from honed.signals.sentry.frames import Call, read_call
from honed.signals.sentry.protocol import object_in, objects_in, whole_in

#: More are left out: of exceptions and of frames the last, which are the outermost and the
#: innermost, stay.
MOST_EXCEPTIONS: Final = 64
MOST_FRAMES: Final = 256


class Thrown(msgspec.Struct, frozen=True):
    """One exception of an event."""

    #: With its module where that is told.
    type: str
    message: str
    calls: Sequence[Call]
    mechanism: Mapping[str, Json]


def thrown(event: Mapping[str, Json]) -> list[Thrown]:
    """Return the exceptions of an event, the first cause first."""
    found = []
    for said in objects_in(event, "exception")[-MOST_EXCEPTIONS:]:
        module, name = text_in(said, "module"), text_in(said, "type")
        frames = objects_in(object_in(said, "stacktrace"), "frames")[-MOST_FRAMES:]
        found.append(
            Thrown(
                type=f"{module}.{name}" if module and name else name,
                message=text_in(said, "value"),
                calls=[read_call(each) for each in frames],
                mechanism=object_in(said, "mechanism"),
            )
        )
    return found


def fault(exceptions: Sequence[Thrown], platform: str) -> Fault | None:
    """Return the last exception with its causes and the members of groups; None if there is none.

    Args:
        exceptions: of the event, the first cause first.

        platform: what the event says.
    """
    return _tree(exceptions) or _chain(exceptions, is_context=platform == "python")


def _chain(exceptions: Sequence[Thrown], *, is_context: bool) -> Fault | None:
    """Return the fault of a plain chain.

    Python's SDK does not tell which of them were only being handled; to say so of all is safe,
    because one that was raised on purpose by the code that caught the other counts as its cause.
    """
    chained = None
    for each in exceptions:
        chained = _fault(each, chained, (), is_context=is_context and chained is not None)
    return chained


def _tree(exceptions: Sequence[Thrown]) -> Fault | None:
    """Return the fault of exceptions that name their parents; None where they do not.

    Parents have lower numbers, so that nothing is its own cause.
    """
    numbered = {
        number: each
        for each in exceptions
        if (number := whole_in(each.mechanism, "exception_id")) is not None
    }
    if not numbered:
        return None
    causes: dict[int, tuple[Fault, bool]] = {}
    members: defaultdict[int, list[Fault]] = defaultdict(list)
    for number in sorted(numbered, reverse=True):
        each = numbered[number]
        cause, is_context = causes.get(number, (None, False))
        built = _fault(each, cause, tuple(reversed(members[number])), is_context=is_context)
        parent, source = whole_in(each.mechanism, "parent_id"), text_in(each.mechanism, "source")
        if parent is None or parent >= number:
            continue
        if "[" in source:
            members[parent].append(built)
        else:
            causes[parent] = (built, source == "__context__")
    return built


def _fault(
    each: Thrown, cause: Fault | None, members: tuple[Fault, ...], *, is_context: bool
) -> Fault:
    frames = tuple([call.frame for call in each.calls])
    return Fault(
        type=each.type,
        message=each.message,
        frames=frames,
        cause=cause,
        is_cause_context=is_context,
        # A member that nobody raised arose where the group did.
        members=tuple(
            other if other.frames else replace(other, frames=frames) for other in members
        ),
    )
