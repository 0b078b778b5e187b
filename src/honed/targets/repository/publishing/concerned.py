"""Whom a change concerns: those who wrote the lines that it changes, as the base has them."""

import difflib
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from honed.core.change import CodeChange, FileChange
from honed.core.forge import Forge
from honed.errors import ForgeRefused, GitFailed
from honed.forge.reviewers import MOST_REVIEWERS, is_person, reviewers
from honed.targets.repository.git.blame import Writer, writers
from honed.targets.repository.git.clone import Clone

#: A name that is an address is told to nobody.
_ADDRESS: Final = re.compile(r"@|\bat\b.+\bdot\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Concerned:
    """Whom a change concerns, most lines first."""

    #: By their accounts on the forge; they can be asked for a review.
    accounts: tuple[str, ...] = ()
    #: By their names, where the forge does not know them.
    names: tuple[str, ...] = ()


def concerned(clone: Clone, forge: Forge, change: CodeChange) -> Concerned:
    """Return who wrote what a change changes, and so knows best what it should be.

    Raises:
        ForgeUnavailable: the forge does not answer.
    """
    people = [each for each in authors(clone, change) if is_person(each.name)][:MOST_REVIEWERS]
    accounts: list[str] = []
    names: list[str] = []
    for each in people:
        if account := _account(forge, each):
            accounts.append(account)
        elif not _ADDRESS.search(each.name):
            names.append(each.name)
    return Concerned(reviewers(accounts, ()), tuple(names))


def _account(forge: Forge, writer: Writer) -> str:
    """Return by what a forge knows somebody; a token that may not ask is answered nothing."""
    try:
        return forge.author(writer.commit)
    except ForgeRefused:
        return ""


def authors(clone: Clone, change: CodeChange) -> tuple[Writer, ...]:
    """Return who wrote the lines that a change changes on its base, most lines first."""
    lines: Counter[tuple[str, str]] = Counter()
    found: dict[tuple[str, str], Writer] = {}
    for file in change.files:
        if not (stretches := _stretches(file)):
            continue
        with suppress(GitFailed):
            for each in writers(clone, change.base_commit, file.path, stretches):
                who = each.name, each.email
                lines[who] += each.lines
                found.setdefault(who, each)
    return tuple(replace(found[who], lines=count) for who, count in lines.most_common())


def _stretches(file: FileChange) -> Sequence[tuple[int, int]]:
    """Return the lines before that are other or gone; where some are new, those around them."""
    if not file.before:
        return ()
    before, after = file.before.splitlines(), (file.after or "").splitlines()
    matcher = difflib.SequenceMatcher(a=before, b=after, autojunk=False)
    return [
        (begin + 1, end) if end > begin else (max(begin, 1), min(begin + 1, len(before)))
        for what, begin, end, _, _ in matcher.get_opcodes()
        if what != "equal"
    ]
