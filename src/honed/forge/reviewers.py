"""Who is asked to review a change: those who wrote what it changes, the causing commit first."""

import re
from collections.abc import Collection, Sequence
from typing import Final

#: More are not asked: a review that is everybody's is nobody's.
MOST_REVIEWERS: Final = 2
#: What forges allow in a name.
_NAME: Final = re.compile(r"[A-Za-z0-9](?:[\w.-]{0,98}[A-Za-z0-9_])?")
_BOT: Final = re.compile(r"(?i)\[bot\]$|(?:^|[-_.])bot$|^(?:dependabot|renovate|honed)\b")


def is_person(name: str) -> bool:
    """Return whether a name is not that of a program, as far as names tell."""
    return bool(name.strip()) and not _BOT.search(name)


def reviewers(
    causing: Sequence[str], authors: Sequence[str], *, never: Collection[str] = ()
) -> tuple[str, ...]:
    """Return whom to ask, by their names on the forge: no bot, nobody twice, at most two.

    Args:
        causing: authors of the commit that caused the trouble.

        authors: those of the lines that are changed, by how many they wrote.

        never: names that are not asked: honed's own, and people who left.
    """
    left_out = {name.lower() for name in never}
    found: dict[str, str] = {}
    for name in (*causing, *authors):
        is_known = _NAME.fullmatch(name) and is_person(name)
        if is_known and name.lower() not in left_out:
            found.setdefault(name.lower(), name)
    return tuple(found.values())[:MOST_REVIEWERS]
