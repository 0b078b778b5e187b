"""Reading what a value said of itself (its repr) as Python's syntax; nothing of it is executed."""

import ast
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from honed.repair.reproduce.refusal import NotRebuilt

#: Longer texts are not read.
_LONGEST: Final = 64_000
_STRING: Final = re.compile(r"(?:\b[bB])?(?:'(?:[^'\\]|\\.)*+'|\"(?:[^\"\\]|\\.)*+\")", re.DOTALL)
#: What stands where a collection was cut: its last members are not known.
_CUT: Final = re.compile(r",\s*\.\.\.\s*(?=[\])}>]|$)")
_PLACEHOLDER: Final = "_angle_"


@dataclass(frozen=True, slots=True)
class Said:
    """A text as syntax."""

    tree: ast.expr
    #: What stood in angle brackets, with them, by the name that stands for it.
    angles: Mapping[str, str]


def read(text: str) -> Said:
    """Return ``text`` as an expression.

    Raises:
        NotRebuilt: it is none, or too long, or too deep.
    """
    if len(text) > _LONGEST:
        msg = "its text is too long"
        raise NotRebuilt(msg)
    shown, angles = _without_angles(text.strip())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Said(ast.parse(shown, mode="eval").body, angles)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        msg = "its text is not Python's"
        raise NotRebuilt(msg) from None


def _without_angles(text: str) -> tuple[str, dict[str, str]]:
    """Return ``text`` with a name for each outermost pair of angle brackets, and what they hold."""
    parts: list[str] = []
    angles: dict[str, str] = {}
    at = 0
    while at < len(text):
        if text[at] == "<":
            end = _end_of_angle(text, at)
            name = f"{_PLACEHOLDER}{len(angles)}"
            angles[name] = text[at:end]
            parts.append(name)
            at = end
        elif string := _STRING.match(text, at):
            parts.append(string[0])
            at = string.end()
        elif cut := _CUT.match(text, at):
            at = cut.end()
        else:
            parts.append(text[at])
            at += 1
    return "".join(parts), angles


def _end_of_angle(text: str, at: int) -> int:
    """Return where the pair of angle brackets ends that begins there."""
    deep = 0
    while at < len(text):
        string = _STRING.match(text, at)
        if string:
            at = string.end()
            continue
        deep += {"<": 1, ">": -1}.get(text[at], 0)
        at += 1
        if not deep:
            return at
    msg = "its text ends too early"
    raise NotRebuilt(msg)
