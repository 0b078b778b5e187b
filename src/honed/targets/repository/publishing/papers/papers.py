"""What a change of code carries along: the documents that are to tell of it.

Everything that is written here is made of names of functions and files, of versions and of ids of
commits. What an exception says never gets in: it is data, and a changelog is for ever.
"""

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from typing import Final

from honed.core.change import CodeChange, FileChange, Purpose
from honed.repair.refactor.touched import touched_functions
from honed.targets.repository.git.clone import Clone
from honed.targets.repository.publishing.packing import patch_digest
from honed.targets.repository.publishing.papers.changelog import is_changelog, is_kept, with_entry
from honed.targets.repository.publishing.papers.docstrings import with_true_defaults
from honed.targets.repository.publishing.papers.fragments import fragment, uses_fragments
from honed.targets.repository.publishing.papers.quotes import is_document, with_requirement
from honed.targets.repository.upgrade.requirements import raised_requirement

#: By purpose the subsection of a changelog, and what towncrier may call such news. What is the same
#: for whoever uses the code, as after a refactoring and with more tests, is no news.
_NEWS: Final = {
    Purpose.REPAIR: ("Fixed", ("bugfix", "fix", "fixed", "bug")),
    Purpose.OPTIMIZE: (
        "Changed",
        ("performance", "perf", "improvement", "enhancement", "changed", "change", "misc"),
    ),
    Purpose.UPGRADE: (
        "Changed",
        ("dependencies", "dependency", "deps", "packaging", "changed", "change", "misc"),
    ),
}
#: What is larger is no document that people read.
_LARGEST_CHARACTERS: Final = 1_000_000
#: Documents of one change that quote a requirement.
_MOST_QUOTES: Final = 20
_NAMED: Final = 3
_SHORT: Final = 8
#: A path that can stand in a sentence.
_PLAIN: Final = re.compile(r"[\w./+-]+")
#: What proposes the revert of a commit, and how it names that.
_REVERT: Final = re.compile(r"revert_commit: ([0-9a-f]{7,40})")


def with_papers(change: CodeChange, clone: Clone) -> CodeChange:
    """Return a change with the documents that are to tell of it, where the repository has them.

    Its changelog's section of what is not released gets a line, or a news fragment is made; blocks
    of code in documents that spell a requirement are given its new version; and docstrings state
    the defaults that it changes. A change that has papers already stays as it is.

    Args:
        change: of one commit.

        clone: has that commit.
    """
    if change.papers:
        return change
    told = replace(change, files=tuple(map(with_true_defaults, change.files)))
    shelf = _Shelf.of(clone, change.base_commit)
    taken = {each.path for each in change.files}
    papers = {each.path: each for each in (*_quotes(told, shelf), *_news(told, shelf))}
    return replace(told, papers=tuple(papers[path] for path in sorted(papers.keys() - taken)))


@dataclass(frozen=True, slots=True)
class _Shelf:
    """The files of a commit."""

    paths: Collection[str]
    read: Callable[[str], str | None]

    @classmethod
    def of(cls, clone: Clone, commit: str) -> "_Shelf":
        """Return those that are no links, with paths that anybody can write."""
        paths = (each.path for each in clone.entries(commit) if each.is_file)

        def read(path: str) -> str | None:
            content = clone.read(commit, path)
            try:
                text = None if content is None else content.decode()
            except UnicodeDecodeError:
                return None
            return text if text is None or len(text) <= _LARGEST_CHARACTERS else None

        return cls(frozenset(filter(_PLAIN.fullmatch, paths)), read)


def _quotes(change: CodeChange, shelf: _Shelf) -> Iterator[FileChange]:
    """Yield the documents that spell the requirement that a change raises."""
    raised = _raised(change)
    if raised is None:
        return
    found = 0
    for path in sorted(filter(is_document, shelf.paths)):
        text = shelf.read(path) or ""
        after = with_requirement(path, text, *raised)
        if after != text and found < _MOST_QUOTES:
            found += 1
            yield FileChange(path, text, after)


def _news(change: CodeChange, shelf: _Shelf) -> Iterator[FileChange]:
    """Yield the changelog with a line of the change, or a new fragment of news."""
    words = _words(change)
    if change.purpose not in _NEWS or not words:
        return
    heading, sorts = _NEWS[change.purpose]
    if uses_fragments(shelf.read):
        name = f"honed-{patch_digest(change)[:_SHORT]}"
        if path := fragment(shelf.paths, shelf.read, sorts, name):
            said = words.replace("`", "``") if path.endswith(".rst") else words
            yield FileChange(path, None, f"{said}.\n")
        return
    # The one at the root before that of the documents.
    for path in sorted(filter(is_changelog, shelf.paths), key=lambda each: (each.count("/"), each)):
        text = shelf.read(path) or ""
        if is_kept(path, text):
            after = with_entry(path, text, heading, words)
            yield from [FileChange(path, text, after)] if after != text else []
            return


def _words(change: CodeChange) -> str:
    """Return what a changelog says of a change; empty: nothing of it can be named."""
    if raised := _raised(change):
        old, new = raised
        is_plain = f"{old}{new}".isprintable() and "`" not in f"{old}{new}"
        return f"Require `{new}` instead of `{old}`" if is_plain else ""
    where = _where(change)
    if not where:
        return ""
    if change.purpose is Purpose.OPTIMIZE:
        return f"Make {where} faster"
    if reverted := _REVERT.fullmatch(change.made_by):
        return f"Repair {where} by undoing commit {reverted[1]}"
    return f"Repair {where}"


def _where(change: CodeChange) -> str:
    """Return the functions and files that a change is about: ``total`` in ``shop/prices.py``."""
    edited = [each for each in change.files if each.before is not None]
    sources = [each for each in edited if each.path.endswith(".py")] or edited
    plain = [each for each in sources if _PLAIN.fullmatch(each.path)]
    named = [_of_file(each) for each in plain[:_NAMED]]
    more = f" and {len(sources) - len(named)} more" if len(sources) > len(named) else ""
    return ", ".join(named) + more if named else ""


def _of_file(file: FileChange) -> str:
    names = [each.name.partition(".<locals>")[0] for each in touched_functions([file])]
    functions = [f"`{name}`" for name in dict.fromkeys(names)]
    if not functions or len(functions) > _NAMED:
        return f"`{file.path}`"
    return f"{', '.join(functions)} in `{file.path}`"


def _raised(change: CodeChange) -> tuple[str, str] | None:
    """Return the requirement that a change raises, before and after; None: it raises none."""
    if change.purpose is not Purpose.UPGRADE:
        return None
    pairs = (
        raised_requirement(each.path, each.before, each.after)
        for each in change.files
        if each.before is not None and each.after is not None
    )
    return next((each for each in pairs if each), None)
