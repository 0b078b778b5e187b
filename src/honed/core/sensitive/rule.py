"""A rule: one pattern of text that may not be stored, and where it occurs."""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

Span: TypeAlias = tuple[int, int]

#: After the first character of a word: nothing of a word stands before it, unless that ends an
#: escape, as in the JSON text ``\\nword`` or in the query string ``%20word``.
_BEGUN = r"(?:(?<!\w.)|(?<=\\[nrtbf].)|(?<=%[0-9A-Fa-f]{2}.))"

#: Digits of other scripts, by the code of their zero: Arabic, Persian, Devanagari, full width.
_ZEROS = (0x0660, 0x06F0, 0x0966, 0xFF10)
_SPACES = (0x00A0, 0x2007, 0x2009, 0x202F, 0x3000)
_DASHES = range(0x2010, 0x2016)
#: One character for one, so that places stay the same.
_FOLDING: dict[int, str] = {
    **{zero + digit: str(digit) for zero in _ZEROS for digit in range(10)},
    **dict.fromkeys(_SPACES, " "),
    **dict.fromkeys(_DASHES, "-"),
    # Full width as well.
    **{ord(sign) + 0xFEE0: sign for sign in "@+-.:="},
}
_AT_ADDRESS = re.compile(r" at 0x[0-9a-f]{6,16}\b")
_MASK = bytes.maketrans(b"123456789", b"000000000")
#: A character as JSON writes it, also where JSON stands in JSON.
_ESCAPED = re.compile(r"\\{1,8}u([0-9A-Fa-f]{4})")


class Found(NamedTuple):
    """One place of a text that may not be stored."""

    #: Name of the rule.
    rule: str
    start: int
    end: int


def whole(match: re.Match[str]) -> Span:
    """Return the span of the whole match."""
    return match.span()


def value(match: re.Match[str]) -> Span:
    """Return the span of the group that matched last: what stands beside a name, say."""
    return match.span(match.lastindex or 0)


@dataclass(frozen=True, slots=True)
class Rule:
    """One pattern of text that may not be stored.

    A pattern needs time linear in the text: what repeats is bounded, or possessive and behind a
    boundary, so that no character is looked at from more than a bounded number of places.
    """

    #: What it finds; a part of every token, so it is never renamed.
    name: str
    pattern: re.Pattern[str]
    #: The mask, in small letters, of a text in which it finds something has one of these.
    needs: tuple[str, ...]
    #: Which part of a match is sensitive; None: nothing, it only looked so.
    span: Callable[[re.Match[str]], Span | None] = whole


def masked(text: str) -> str:
    """Return the plain ``text`` with each digit as 0 and each sign beyond ASCII as a question mark.

    What could be found in a text is told by its mask, and texts that differ in numbers only, as
    times and messages do, have the same; so have objects that Python prints with their addresses.
    """
    if "\\u" in text or not text.isascii():
        text = plain(text)
    if " at 0x" in text:
        text = _AT_ADDRESS.sub(" at 0x0", text)
    return text.encode("ascii", "replace").translate(_MASK).decode()


def needs(*texts: str) -> tuple[str, ...]:
    """Return ``texts`` as masks in small letters have them."""
    return tuple(masked(text).lower() for text in texts)


def word(pattern: str) -> str:
    """Return ``pattern``, which begins with a character or a class of such, for words only.

    The boundary is looked for behind the first character, because ``re`` skips what cannot begin a
    match ten times as fast where a pattern begins with characters.
    """
    first = pattern.index("]") + 1 if pattern.startswith("[") else 1
    return pattern[:first] + _BEGUN + pattern[first:]


def plain(text: str) -> str:
    """Return ``text`` as the rules read it: in ASCII where that is possible, without escapes."""
    if "\\u" in text:
        text = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text)
    return text if text.isascii() else text.translate(_FOLDING)


def find(rules: Iterable[Rule], text: str) -> list[Found]:
    """Return where a rule matches ``text``, in order, without overlaps.

    Of matches that overlap, the one that begins first counts, then the longest, then that of the
    first rule.
    """
    read = plain(text)
    found = [
        Found(rule.name, *span)
        for rule in rules
        for match in rule.pattern.finditer(read)
        if (span := rule.span(match)) is not None
    ]
    if len(found) > 1:
        found = _apart(found)
    return found if len(read) == len(text) else _moved(found, text)


def _apart(found: list[Found]) -> list[Found]:
    apart: list[Found] = []
    end = -1
    for each in sorted(found, key=lambda each: (each.start, -each.end)):
        if each.start >= end:
            apart.append(each)
            end = each.end
    return apart


def _moved(found: list[Found], text: str) -> list[Found]:
    """Return the places in ``text`` of what was found in its plain form."""
    ends: list[int] = []
    shifts = [0]
    for match in _ESCAPED.finditer(text):
        shifts.append(shifts[-1] + len(match[0]) - 1)
        ends.append(match.end() - shifts[-1])

    def place(position: int) -> int:
        return position + shifts[bisect_right(ends, position)]

    return [Found(each.rule, place(each.start), place(each.end)) for each in found]
