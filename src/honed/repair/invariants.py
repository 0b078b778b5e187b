"""What every call has in common that ended well, taken for what every other call should have."""

import ast
import re
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from typing import Final

from honed.repair.behaviour import Answer, Compared
from honed.repair.localise import Spectrum
from honed.repair.source import Source

#: So many calls that end well show what sort of thing a function returns.
_LEAST_CALLS: Final = 2
_NUMBER: Final = re.compile(r"-?(\d|inf|nan)")
_WORD: Final = re.compile(r"[A-Za-z_]\w*")
#: By what a canonical text begins with.
_SORTS: Final = {"'": "text", '"': "text", "[": "list", "(": "tuple", "{": "set or dict"}


def strangeness(own: Sequence[Answer], compared: Compared) -> float:
    """Return the share of calls that raised before and now return another sort of thing.

    Another than all calls returned that ended well before: a function that returns numbers does not
    answer None where it used to raise. Likely invariants, as Ernst, Perkins et al., "The Daikon
    system for dynamic detection of likely invariants", 2007, with the sort of the result alone.
    Where too few calls ended well, or they returned several sorts, nothing is strange.
    """
    strange = asked = 0
    for begin, end in _spans(compared):
        returned = [each for each in compared.base[begin:end] if each and each[0] == "returned"]
        sorts = {sort_of(each[1]) for each in returned}
        if len(returned) < _LEAST_CALLS or len(sorts) > 1:
            continue
        for before, after in zip(compared.base[begin:end], own[begin:end], strict=True):
            if before and after and before[0] == "raised" and after[0] == "returned":
                asked += 1
                strange += sort_of(after[1]) not in sorts
    return strange / max(1, asked)


def remainder(own: Sequence[Answer], base: Sequence[Answer], raised: Collection[str]) -> float:
    """Return the share of calls that raised what is to be repaired, and still do.

    A change that only answers the call that was captured has not understood what is wrong.

    Args:
        own: of a candidate.

        base: of the code as it was.

        raised: names of the types of exceptions that failing tests end with.
    """
    wrong = [
        after[:2] == before[:2]
        for before, after in zip(base, own, strict=True)
        if before and after and before[0] == "raised" and before[1] in raised
    ]
    return sum(wrong) / max(1, len(wrong))


def is_refusal(sources: Mapping[str, Source], spectrum: Spectrum) -> bool:
    """Return whether a statement of the code's own raised what a failing test ended with."""
    raising = {
        (path, line)
        for path, source in sources.items()
        for each in source.statements()
        if isinstance(each, ast.Raise)
        for line in range(each.lineno, (each.end_lineno or each.lineno) + 1)
    }
    return any(stack[-1] in raising for stack in spectrum.stacks.values())


def sort_of(text: str) -> str:
    """Return what sort of thing a canonical text tells of."""
    if _NUMBER.match(text):
        return "number"
    if text.startswith(("b'", 'b"')):
        return "bytes"
    if text[:1] in _SORTS:
        return _SORTS[text[:1]]
    word = _WORD.match(text)
    # What changes its arguments and returns nothing says so behind None.
    return {"True": "bool", "False": "bool"}.get(word[0], word[0]) if word else text[:1]


def _spans(compared: Compared) -> list[tuple[int, int]]:
    """Return where the answers of each probe begin and end."""
    ends = [0]
    for probe in compared.probes:
        ends.append(ends[-1] + len(probe.inputs))
    return list(pairwise(ends))
