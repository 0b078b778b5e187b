"""The shape of a message: what it says once the values in it are folded."""

import re
from functools import lru_cache
from typing import Final

#: What stands for a value.
VALUE: Final = "*"

#: A message is cut to so many characters before anything else is done, so that every message costs
#: a bounded time.
_MAX_LENGTH: Final = 1000

#: Words of a shape. What comes later hardly tells faults apart, and where a message was cut depends
#: on the lengths of its values.
_MAX_WORDS: Final = 24

#: Values, the first alternative that fits; none begins within a word. Possessive quantifiers
#: (``*+``) keep them linear.
_VALUES: Final = re.compile(
    r"""
    (?<!\w)(?:
      <[a-z_]++:[0-9a-f]{6,}+>                                # a scrubbed value: <email:3fa9c1>
    | '(?:\[.*?\]'(?!\w)                                      # a list that was quoted: '['a']'
        | (?:[^'\\]|\\.|'(?=\w))*+(?:'|\\?\Z))                # quoted; "don't" opens no quote
    | "(?:[^"\\]|\\.|"(?=\w))*+(?:"|\\?\Z)
    | `[^`]*+(?:`|\Z) | “[^”]*+(?:”|\Z) | «[^»]*+(?:»|\Z)
    | (?<==)[^\s,;)\]}*]++                                    # key=value
    | [a-z][a-z0-9+.-]*+://[^\s'"<>]++                        # URL
    | (?<!\*)(?:[A-Za-z]:)?[~.]{0,2}[\\/](?=[\w.*])[^\s,;:'"()<>\[\]{}]++     # path
    | (?<!\*)(?:::)?[^\s\d@'"`()\[\]{}<>,;=|*:%!?&]*+[\d@]       # a word with a digit or an @
        (?:[^\s'"`()\[\]{}<>,;=|*:!?&.]|\.(?=\w)|::|:(?=\w))*+
    | (?<!:)[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?!\w)  # IPv6 address without one
    | (?:[0-9A-Fa-f]{8,}|\w{40,}|None|True|False|NaN|nan|inf)\b
    | (?:NoneType|int|float|complex|bool|str|bytes|list|dict|tuple|set)\b(?!\()   # of a value
    | (?<!\S)--?[A-Za-z][\w-]*+                               # option of a command line
    | %(?:\(\w++\))?[-+ \#0]*+[\d*]*+(?:\.\d++)?[sdrifgexXc]\b   # places of a template
    | \{[\w.!:\[\]]*+\}
    )
    """,
    re.VERBOSE | re.DOTALL,
)

#: Brackets with nothing but values, and values one after the other, are one value.
_BRACKETS: Final = re.compile(
    r"\[[\s*,:;=]*+\]|\{[\s*,:;=]*+\}|\((?=[\s,:;=]*+\*)[\s*,:;=]*+\)|<(?=\w(?:[^<>*]|<locals>)*+\*)(?:[^<>]|<locals>)*+>"
)
_SERIES: Final = re.compile(r"\*(?:(?:[\s,;:=/|&+!-]|\b(?:and|or)\b)*+\*)++")

#: The first sentence, of three words or more, says what went wrong; what follows advises.
_ADVICE: Final = re.compile(r"\A(\S+ \S+ .*?(?:\w\w|[*)\]]))[.?!]+ [A-Z*(].*")

#: One error, two errors: the plural after a number, and after a number and one more word.
_PLURALS: Final = (
    re.compile(r"(\* [a-z-]{2,}[^\Ws])s\b"),
    re.compile(r"(\* [a-z-]+ [a-z-]{2,}[^\Ws])s\b"),
)

#: A literal in a line of code that is no key of a dictionary.
_LITERAL: Final = re.compile(
    r"""(?<![\[{\w])[fFrRuU]{0,2}(?:"((?:[^"\\]|\\.)*+)"|'((?:[^'\\]|\\.)*+)')(?!\s*:)"""
)
_PLACES: Final = re.compile(r"\{[^{}]*\}|%(?:\(\w+\))?[-+ #0]*[\d*]*(?:\.\d+)?[sdrifgexXc]|\\.")

#: Fewer letters than this in a line's literals do not make a template.
_MIN_LETTERS: Final = 8

#: Code that raises an error with nothing but a name, unless that is one for messages.
_RAISED_VALUE: Final = re.compile(
    r"raise (?:\w+\.)*[A-Z]\w*\((?!(?:None|\w*(?:message|msg|text|reason|details?|description)"
    r"|e|ex|exc|err|error|exception)\))[A-Za-z_]\w*\)(?: from \w+)?$"
)


def folded(message: str) -> str:
    """Return the first sentence of ``message`` with every value replaced by ``*``.

    Values are numbers, words with digits, identifiers, quoted texts, paths, addresses, times,
    scrubbed tokens and places of a template, so that a template and what is made of it mostly fold
    to the same. Folding twice changes nothing. A value in plain words is not recognised.
    """
    shape = message[:_MAX_LENGTH].strip().partition("\n")[0]
    before = None
    while shape != before:
        before = shape
        shape = _VALUES.sub(VALUE, shape)
        shape = _SERIES.sub(VALUE, _BRACKETS.sub(VALUE, shape))
        for plural in _PLURALS:
            shape = plural.sub(r"\1", shape)
        if ". " in shape or "? " in shape or "! " in shape:
            shape = _ADVICE.sub(r"\1", shape)
        shape = " ".join(shape.split()[:_MAX_WORDS]).rstrip(" .,;:!")
    return shape


def raised(message: str, code: str, *, in_app: bool) -> str:
    """Return the shape of a message, given the line of code that raised it; "" if that says all.

    Texts in the code say which parts of the message are no values, so that values in plain words
    are found as well. Where the application itself raises, its code is known to the reader of the
    shape: of a message that was made elsewhere only what precedes its first value is kept, because
    what follows is mostly about that value.
    """
    if not code.startswith(("raise ", "assert ")):
        return folded(message)
    constants = _constants(code[:_MAX_LENGTH])
    if in_app:
        says_all = constants or _RAISED_VALUE.match(code)
        return "" if says_all else _opening(folded(message))
    return _filled(message[:_MAX_LENGTH], constants) or folded(message)


def _opening(shape: str) -> str:
    """Return ``shape`` up to its first value, names counted, that follows at least two words."""
    words = shape.split()
    for index, word in enumerate(words):
        if index > 1 and not word.islower():
            return " ".join(words[:index])
    return shape


def _filled(message: str, constants: tuple[str, ...]) -> str:
    """Return ``constants`` with a value for what stands between them; "" if they are not in it."""
    if sum(map(str.isalpha, "".join(constants))) < _MIN_LETTERS:
        return ""
    parts: list[str] = []
    at = 0
    for constant in constants:
        start = message.find(constant, at)
        if start < 0:
            return ""
        parts += [VALUE, constant] if start > at else [constant]
        at = start + len(constant)
    return folded("".join([*parts, VALUE] if at < len(message) else parts))


@lru_cache(maxsize=4096)
def _constants(code: str) -> tuple[str, ...]:
    """Return the constant parts of the texts in ``code``, in order."""
    literals = [double or single for double, single in _LITERAL.findall(code)]
    parts = [part for literal in literals for part in _PLACES.split(literal)]
    return tuple(part for part in parts if any(map(str.isalpha, part)))
