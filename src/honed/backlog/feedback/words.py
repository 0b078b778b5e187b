"""The words of a text: in small letters, without tokens of what was scrubbed, in one form each."""

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Final

#: What the scrubber puts in the place of personal data: ``<email:3fa9c1>``.
_TOKEN: Final = re.compile(r"<[a-z_]+:[0-9a-f]+>")
_WORD: Final = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
_APOSTROPHE: Final = "\N{RIGHT SINGLE QUOTATION MARK}"
#: Endings in the order in which they are tried, and what takes their place. The first two rules are
#: of Harman's S stemmer (1991, "How effective is suffixing?", JASIS 42); the others fold verbs. It
#: need not be a word that comes out, only the same for forms of one.
_ENDINGS: Final = (
    ("ies", "y"),
    ("sses", "ss"),
    ("ings", ""),
    ("ing", ""),
    ("edly", ""),
    ("ed", ""),
    ("ly", ""),
    ("es", ""),
    ("s", ""),
    ("e", ""),
)
_LEAST_STEM: Final = 3


@cache
def vocabulary(table: str) -> Mapping[str, str]:
    """Return a table of ``vocabulary.toml``: by name, words with white space between."""
    text = (resources.files("honed.backlog.feedback") / "vocabulary.toml").read_text("utf-8")
    return {name: str(said) for name, said in tomllib.loads(text)[table].items()}


def words(text: str) -> list[str]:
    """Return the words of a text in their order, in small letters."""
    plain = _TOKEN.sub(" ", text).lower().replace(_APOSTROPHE, "'")
    return _WORD.findall(plain)


def stem(word: str) -> str:
    """Return one form for the forms of an English word: slow, slowly; crash, crashes, crashing."""
    for ending, instead in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _LEAST_STEM:
            if ending == "s" and word.endswith(("us", "ss")):
                continue
            return _single(word[: len(word) - len(ending)] + instead)
    return word


def _single(word: str) -> str:
    """Return a word without the letter that its ending doubled: stopped, stopp, stop."""
    is_doubled = len(word) > _LEAST_STEM and word[-1] == word[-2] and word[-1] not in "aeiouls"
    return word[:-1] if is_doubled else word
