"""Faults with the variables of their frames, out of a signal as it is stored."""

from collections.abc import Mapping

from honed.core.canonical import Json
from honed.core.fault import Fault, Frame
from honed.core.wire import text_in


def captured(body: Mapping[str, Json]) -> Fault | None:
    """Return the exception of a stored signal; None: it has none.

    Args:
        body: of a signal of the type exception: ``exceptions``, the first cause first.
    """
    found: Fault | None = None
    for each in _objects(body.get("exceptions")):
        frames = tuple(_frame(told) for told in _objects(each.get("frames")))
        found = Fault(
            text_in(each, "type"),
            text_in(each, "message"),
            frames,
            cause=found,
            is_cause_context=found is not None,
        )
    return found


def _frame(told: Mapping[str, Json]) -> Frame:
    line, variables = told.get("line"), told.get("vars")
    return Frame(
        text_in(told, "file"),
        text_in(told, "module"),
        text_in(told, "function"),
        line if isinstance(line, int) else 0,
        text_in(told, "code"),
        told.get("in_app") is True,
        variables if isinstance(variables, Mapping) else {},
    )


def _objects(value: Json) -> list[Mapping[str, Json]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []
