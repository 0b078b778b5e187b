"""Texts of strangers in the words of a change: shown as data, obeyed by no forge and no person.

What an exception says may be written by whoever made it happen. In a description or a commit it
could call people (``@all``), close tickets (``fixes #1``), point readers to an address, end the
block that it stands in, or hide what it does by characters that turn the direction of writing. A
zero-width space (U+200B) after what a forge would obey takes that away and lets people read on, as
other bots do with mentions. Forges look for closing words in code blocks and commits, too, so that
a block alone is no protection.
"""

import re
import unicodedata
from typing import Final

from honed.core.secrets import find_secrets

_GAP: Final = "\u200b"
#: What is worth reading of an error.
MOST_LINES: Final = 60
MOST_CHARACTERS: Final = 6_000
_TITLE_CHARACTERS: Final = 120
#: Words with which GitHub, GitLab and Gitea close an issue, before what may be one.
_CLOSING: Final = re.compile(
    r"\b(cl|fi|re|im)(os(?:e|es|ed|ing)|x(?:es|ed|ing)?|solv(?:e|es|ed|ing)|open(?:s|ed|ing)?"
    r"|plement(?:s|ed|ing)?)(?=\W{1,5}\S{0,200}?[\d#!])",
    re.IGNORECASE,
)
#: A mention, an issue or a merge request.
_REFERENCE: Final = re.compile(r"(?<=[@#!])(?=[\w\"'\[{(-])")
#: The same in another tracker: PROJ-12, GH-12.
_TICKET: Final = re.compile(
    r"(?<![A-Za-z0-9_])([A-Z][A-Z0-9_]{1,30})(?=-\d)|(?<![A-Za-z0-9_])(gh)(?=-\d)"
)
_ADDRESS: Final = re.compile(r"(?i)(?<=[a-z0-9+.-]:)(?=//)|(?<=www)(?=\.)|(?<=mailto)(?=:)")
_RUNS: Final = re.compile(r"`+")
#: Categories of Unicode that are not shown, or change how others are: control, format, unassigned,
#: private, surrogates, and separators of lines.
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})


def block(text: str) -> str:
    """Return ``text`` as a fenced block of Markdown, in which nothing is obeyed.

    It is bounded; what is left out is said.
    """
    lines = [_line(line) for line in without_secrets(text[: 4 * MOST_CHARACTERS]).splitlines()]
    shown = "\n".join(lines[:MOST_LINES])[:MOST_CHARACTERS]
    is_whole = len(text) <= 4 * MOST_CHARACTERS and shown == "\n".join(lines)
    longest = max((len(run) for run in _RUNS.findall(shown)), default=0)
    fence = "`" * max(3, longest + 1)
    more = "" if is_whole else "\n\n(cut; the ticket has the rest)"
    return f"{fence}text\n{shown}\n{fence}{more}"


def code(text: str, most_characters: int = _TITLE_CHARACTERS) -> str:
    """Return ``text`` as code within a sentence of Markdown, on one line and bounded."""
    shown = plain(text, most_characters)
    longest = max((len(run) for run in _RUNS.findall(shown)), default=0)
    fence = "`" * (longest + 1)
    edge = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{edge}{shown or ' '}{edge}{fence}"


def plain(text: str, most_characters: int = _TITLE_CHARACTERS) -> str:
    """Return ``text`` on one line, bounded, for a title or a commit; nothing in it is obeyed."""
    line = _line(without_secrets(" ".join(text[: 4 * MOST_CHARACTERS].split())))
    return line if len(line) <= most_characters else f"{line[: most_characters - 3]}..."


def indented(text: str, most_lines: int = 20) -> str:
    """Return ``text`` for a commit's message: each line moved in, so that none is a trailer."""
    lines = without_secrets(text[: 4 * MOST_CHARACTERS]).splitlines()
    return "\n".join(f"    {plain(line, 200)}".rstrip() for line in lines[:most_lines])


def without_secrets(text: str) -> str:
    """Return ``text`` without what looks like a secret: what is published stays published."""
    for found in reversed(find_secrets(text)):
        text = f"{text[: found.start]}<{found.rule}>{text[found.end :]}"
    return text


def _line(line: str) -> str:
    """Return one line in which every character is seen, and nothing is obeyed."""
    seen = "".join(_visible(each) for each in line)
    seen = _TICKET.sub(lambda found: f"{found[0]}{_GAP}", seen)
    for obeyed in (_REFERENCE, _ADDRESS):
        seen = obeyed.sub(_GAP, seen)
    # HTML means nothing in a block; in a commit or a title somebody else may render it.
    seen = re.sub(r"<(?=[A-Za-z/!?])", f"<{_GAP}", seen)
    return _CLOSING.sub(rf"\1{_GAP}\2", seen)


def _visible(character: str) -> str:
    if character == "\t":
        return "    "
    is_unseen = unicodedata.category(character) in _UNSEEN
    return "\N{REPLACEMENT CHARACTER}" if is_unseen else character
