"""The changelog of a repository: where a line of what is not released belongs, and its removal.

Nothing is invented: where no section says that it is of what is not released, nothing changes.
"""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from honed.targets.repository.publishing.papers.page import Heading, Item, Page, Style

_CHANGELOG: Final = re.compile(r"(?i)^(docs?/)?(changelog|changes|history|news)\.(md|rst)$")
_UNRELEASED: Final = re.compile(r"(?i)\bunreleased\b")
#: Subsections in the order of Keep a Changelog, with what others call them.
_ORDER: Final = (
    frozenset({"added", "features", "new features", "new"}),
    frozenset({"changed", "changes", "improvements", "improved"}),
    frozenset({"deprecated", "deprecations"}),
    frozenset({"removed", "removals"}),
    frozenset({"fixed", "fixes", "bug fixes", "bugfixes", "bug fix"}),
    frozenset({"security"}),
)


def is_changelog(path: str) -> bool:
    """Return whether a file is where repositories keep their changelog."""
    return _CHANGELOG.match(path) is not None


def is_kept(path: str, text: str) -> bool:
    """Return whether a changelog has a section of what is not released."""
    return _unreleased(_page(path, text)) is not None


def with_entry(path: str, text: str, heading: str, words: str) -> str:
    """Return a changelog with one more entry; every line that is there stays.

    The text itself is returned where it has no section of what is not released, and where that says
    the same already.

    Args:
        path: of the file; its ending says how it is written.

        text: of the file.

        heading: ``Fixed`` or ``Changed``, as Keep a Changelog calls subsections.

        words: of the entry, without bullet and full stop.
    """
    page = _page(path, text)
    section = _unreleased(page)
    if section is None:
        return text
    said = words.replace("`", "``") if page.is_rst else words
    if said in page.words(section.last + 1, page.end(section)):
        return text
    found = _Place(page, section, heading).found(said)
    return page.with_lines(found.at, found.lines) if found else text


def without_entry(path: str, before: str, after: str, today: str) -> str:
    """Return the changelog of today without what was added to it between two others.

    What was released meanwhile, or is written otherwise now, stays: then it is today's text.
    """
    page = _page(path, today)
    section = _unreleased(page)
    added = _added(before, after)
    if section is None or not added:
        return today
    new = Page("".join(added), page.is_rst)
    items = new.items(0, len(new.lines))
    if len(items) != 1:
        return today
    entry = new.lines[items[0].first : items[0].end]
    bounds = range(section.last + 1, page.end(section))
    at = _only(page.lines, entry, bounds)
    if at is None:
        return today
    return _without(page, at, at + len(entry), new.headings)


@dataclass(frozen=True, slots=True)
class _Found:
    """What is inserted, and before which line."""

    at: int
    lines: list[str]


@dataclass(frozen=True)
class _Place:
    """Looks for the place of an entry in a section."""

    page: Page
    section: Heading
    #: ``Fixed`` or ``Changed``.
    heading: str

    def found(self, said: str) -> _Found | None:
        """Return where the entry stands, and with what around it; None: nobody can say."""
        begin, end = self.section.last + 1, self.page.end(self.section)
        subs = self._subsections(begin, end)
        for each in subs:
            if _rank(each.title) == _rank(self.heading):
                return self._into(each.last + 1, self.page.end(each), said)
        behind = subs[0].first if subs else end
        has_list = bool(self.page.items(begin, behind))
        is_divided = any(_rank(each.title) is not None for each in subs)
        if subs and not is_divided and not has_list:
            return None
        siblings = [each for each in self.page.headings if self._is_sibling(each)]
        if is_divided or not (has_list or self._is_flat(siblings)):
            return self._new(subs, siblings, end, said)
        return self._into(begin, behind, said)

    def _subsections(self, begin: int, end: int) -> list[Heading]:
        within = [each for each in self.page.headings if begin <= each.first < end]
        highest = min((each.level for each in within), default=0)
        return [each for each in within if each.level == highest]

    def _is_sibling(self, other: Heading) -> bool:
        return other.level > self.section.level and _rank(other.title) is not None

    def _is_flat(self, siblings: Sequence[Heading]) -> bool:
        """Return whether the other releases have their entries in no subsections."""
        if siblings:
            return False
        others = [e for e in self.page.headings if e.level == self.section.level]
        # How deep a new heading of reStructuredText would be, only others could say.
        return self.page.is_rst or any(
            self.page.items(e.last + 1, self.page.end(e)) for e in others if e != self.section
        )

    def _into(self, begin: int, end: int, said: str) -> _Found:
        items = self.page.items(begin, end)
        style = Style.of(self.page, items)
        if items:
            gap = [""] * style.is_spaced
            return _Found(items[-1].end, [*gap, *style.entry(said)])
        at = self.page.content_end(begin, end)
        is_close = at == begin and not self._has_blank_below()
        return _Found(at, [*([] if is_close else [""]), *style.entry(said), *self._gap(at)])

    def _new(
        self, subs: Sequence[Heading], siblings: Sequence[Heading], end: int, said: str
    ) -> _Found:
        title = [*self._title(siblings), *[""] * self._has_blank_below()]
        lines = [*title, *Style.of(self.page, []).entry(said)]
        wanted = _rank(self.heading) or 0
        for each in subs:
            if (_rank(each.title) or 0) > wanted:
                return _Found(each.first, [*lines, ""])
        at = self.page.content_end(self.section.last + 1, end)
        return _Found(at, ["", *lines, *self._gap(at)])

    def _title(self, siblings: Sequence[Heading]) -> list[str]:
        """Return the lines of the new subsection's heading, as others of the page are written."""
        like = siblings[0] if siblings else replace(self.section, mark="")
        level = like.level if siblings else self.section.level + 1
        named = (e.title for e in siblings if _rank(e.title) == _rank(self.heading))
        name = next(named, self.heading)
        return [name, like.mark * len(name)] if like.mark else [f"{'#' * level} {name}"]

    def _has_blank_below(self) -> bool:
        below = [
            not self.page.prose[each.last + 1].strip()
            for each in self.page.headings
            if self._is_sibling(each) and each.last + 1 < len(self.page.lines)
        ]
        return self.page.is_rst or not below or sum(below) * 2 > len(below)

    def _gap(self, at: int) -> list[str]:
        is_close = at < len(self.page.lines) and self.page.prose[at].strip()
        return [""] if is_close else []


def _page(path: str, text: str) -> Page:
    return Page(text, is_rst=path.lower().endswith(".rst"))


def _unreleased(page: Page) -> Heading | None:
    """Return the heading of what is not released; None: there is none."""
    for each in page.headings:
        below = page.prose[each.last + 1 : page.end(each)]
        first = next((line.strip() for line in below if line.strip()), "")
        if _UNRELEASED.search(each.title) or first.lower() == "unreleased":
            return each
    return None


def _rank(title: str) -> int | None:
    """Return where a subsection stands in Keep a Changelog; None: it is none of those."""
    name = " ".join(re.sub(r"[^a-z]+", " ", title.lower()).split())
    return next((rank for rank, names in enumerate(_ORDER) if name in names), None)


def _added(before: str, after: str) -> list[str]:
    """Return the lines that were inserted in one place; none where anything else changed."""
    new = after.splitlines(keepends=True)
    matcher = difflib.SequenceMatcher(a=before.splitlines(), b=after.splitlines(), autojunk=False)
    edits = [each for each in matcher.get_opcodes() if each[0] != "equal"]
    if len(edits) != 1 or edits[0][0] != "insert":
        return []
    return new[edits[0][3] : edits[0][4]]


def _only(lines: Sequence[str], wanted: Sequence[str], bounds: range) -> int | None:
    """Return where some lines stand in others; None: nowhere, or in several places."""
    size = len(wanted)
    found = [at for at in bounds if at + size <= bounds.stop and lines[at : at + size] == wanted]
    return found[0] if len(found) == 1 else None


def _without(page: Page, begin: int, end: int, made: Sequence[Heading]) -> str:
    """Return a page without an entry, nor the subsection that was made for it and is empty then."""
    above = [each for each in page.headings if each.last < begin]
    is_made = bool(made) and bool(above) and above[-1].title == made[0].title
    rest: list[Item] = []
    if is_made:
        stop = page.end(above[-1])
        rest = [e for e in page.items(above[-1].last + 1, stop) if e.first != begin]
    if is_made and not rest:
        begin = above[-1].first
    is_blank_before = begin > 0 and not page.prose[begin - 1].strip()
    is_blank_behind = end >= len(page.lines) or not page.prose[end].strip()
    if is_blank_before and is_blank_behind:
        begin -= 1
    return "".join([*page.lines[:begin], *page.lines[end:]])
