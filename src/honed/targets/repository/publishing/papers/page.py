"""A page of Markdown or reStructuredText: its headings, its lists, and how those look."""

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Final

_FENCE: Final = re.compile(r"^ {0,3}(`{3,}|~{3,})")
_HASHES: Final = re.compile(r"^ {0,3}(#{1,6})[ \t]+(.*?)[ \t]*#*[ \t]*$")
_SETEXT: Final = re.compile(r"^ {0,3}(=+|-+)[ \t]*$")
_ADORNMENT: Final = re.compile(r"^([!-/:-@\[-`{-~])\1{2,}[ \t]*$")
_BULLET: Final = re.compile(r"^( {0,3})([-*+])([ \t]+)(?=\S)")
_RULE: Final = re.compile(r"^ {0,3}([-*_])([ \t]*\1){2,}[ \t]*$")
#: What stands at the end of a section and belongs to what follows it: definitions of links, labels,
#: anchors, remarks, rules.
_BEHIND: Final = re.compile(r"^(\[[^\]]+\]:.*|\.\. .*|<a [^>]*></a>|<!--.*-->)\s*$")
#: A reference at the end of an entry: ``(#12)``, ``[#12](https://...)``.
_REFERENCE: Final = re.compile(r"\s*[(\[][^()\[\]]*[)\]](\([^()]*\))?$")
#: Lines that nobody wraps any shorter or longer.
_NARROW, _WIDE = 60, 120
#: Stands for a line that is no prose.
_HIDDEN: Final = "\0"


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading, from its first line to its last."""

    first: int
    last: int
    #: 1 is the highest.
    level: int
    title: str
    #: What a line under it is made of; empty: it is written with hashes.
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """An entry of a list, from its first line up to the one behind its last."""

    first: int
    end: int
    #: With the blanks before and after the bullet.
    bullet: str


@dataclass(frozen=True)
class Page:
    """A text as lines; what stands in fences and remarks is neither heading nor list."""

    text: str
    is_rst: bool

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """Its lines, each with its end."""
        return tuple(re.findall(r"[^\n]*\n|[^\n]+", self.text))

    @cached_property
    def prose(self) -> tuple[str, ...]:
        """Its lines without their ends; what is no prose is hidden, with its indent kept."""
        bare = [line.rstrip("\r\n") for line in self.lines]
        return tuple(bare if self.is_rst else _prose(bare))

    @cached_property
    def headings(self) -> tuple[Heading, ...]:
        """Its headings, in their order."""
        return tuple(_adorned(self.prose) if self.is_rst else _of_markdown(self.prose))

    def end(self, heading: Heading) -> int:
        """Return the line behind a section: where the next of its level, or higher, begins."""
        later = (each for each in self.headings if each.first > heading.last)
        ends = (each.first for each in later if each.level <= heading.level)
        return next(ends, len(self.lines))

    def content_end(self, begin: int, end: int) -> int:
        """Return the line behind the last that says something between two lines."""
        while end > begin and self._says_nothing(end - 1):
            end -= 1
        return end

    def items(self, begin: int, end: int) -> list[Item]:
        """Return the entries between two lines, without those within others."""
        bullets = {at: found for at in range(begin, end) if (found := self._bullet(at))}
        indent = min((len(found[1]) for found in bullets.values()), default=0)
        firsts = [at for at, found in bullets.items() if len(found[1]) == indent]
        return [Item(at, self._item_end(at, end, indent), bullets[at][0]) for at in firsts]

    def with_lines(self, at: int, new: Sequence[str]) -> str:
        """Return the text with some lines before the one at ``at``; all others stay."""
        ends = "\r\n" if self.lines and self.lines[0].endswith("\r\n") else "\n"
        before, after = list(self.lines[:at]), self.lines[at:]
        if before and not before[-1].endswith("\n"):
            before[-1] += ends
        return "".join([*before, *(line + ends for line in new), *after])

    def words(self, begin: int, end: int) -> str:
        """Return what stands between two lines, on one line."""
        return " ".join(" ".join(self.prose[begin:end]).split())

    @cached_property
    def _begins(self) -> frozenset[int]:
        """Where headings begin."""
        return frozenset(each.first for each in self.headings)

    def _says_nothing(self, at: int) -> bool:
        line = self.prose[at]
        return not line.strip() or bool(_BEHIND.match(line) or _RULE.match(line))

    def _bullet(self, at: int) -> re.Match[str] | None:
        line = self.prose[at]
        return None if _RULE.match(line) else _BULLET.match(line)

    def _item_end(self, first: int, end: int, indent: int) -> int:
        at = first + 1
        while at < end and at not in self._begins:
            line = self.prose[at]
            is_behind_blank = not self.prose[at - 1].strip()
            is_deeper = len(line) - len(line.lstrip()) > indent
            bullet = self._bullet(at)
            if line.strip() and not is_deeper and (is_behind_blank or bullet):
                break
            at += 1
        return self.content_end(first + 1, at)


@dataclass(frozen=True, slots=True)
class Style:
    """How the entries of a list look."""

    bullet: str = "- "
    #: Whether a blank line stands between two.
    is_spaced: bool = False
    #: Whether they end in a full stop.
    has_stop: bool = True
    #: Where lines are broken; 0: they are not.
    width: int = 0

    @classmethod
    def of(cls, page: Page, items: Sequence[Item]) -> "Style":
        """Return how the entries of a list look; where there are none, those of the page."""
        every = page.items(0, len(page.lines))
        near = items or every
        if not near:
            return cls()
        gaps = [one.end < other.first for one, other in pairwise(near)]
        stops = [_has_stop(page.words(each.first, each.end)) for each in every]
        broken = [
            len(line)
            for each in every
            if each.end - each.first > 1
            for line in page.prose[each.first : each.end]
        ]
        return cls(
            near[-1].bullet,
            is_spaced=sum(gaps) * 2 > len(gaps),
            has_stop=sum(stops) * 2 >= len(stops),
            width=min(max(_NARROW, *broken), _WIDE) if broken else 0,
        )

    def entry(self, words: str) -> list[str]:
        """Return the lines of an entry."""
        said = f"{words}." if self.has_stop else words
        if not self.width:
            return [f"{self.bullet}{said}"]
        return textwrap.wrap(
            said,
            self.width,
            initial_indent=self.bullet,
            subsequent_indent=" " * len(self.bullet),
            break_long_words=False,
            break_on_hyphens=False,
        )


def _prose(lines: Sequence[str]) -> Iterator[str]:
    """Yield the lines of Markdown; of fenced blocks and long remarks their indent alone."""
    fence, is_remark = "", False
    for line in lines:
        found = _FENCE.match(line)
        is_hidden = bool(fence or is_remark or found)
        if fence:
            fence = "" if found and found[1].startswith(fence) else fence
        elif is_remark:
            is_remark = "-->" not in line
        elif found:
            fence = found[1]
        elif "<!--" in line:
            is_hidden = is_remark = "-->" not in line.rpartition("<!--")[2]
        yield line[: len(line) - len(line.lstrip())] + _HIDDEN if is_hidden else line


def _of_markdown(lines: Sequence[str]) -> Iterator[Heading]:
    for at, line in enumerate(lines):
        above = lines[at - 1] if at else ""
        if found := _HASHES.match(line):
            yield Heading(at, at, len(found[1]), found[2])
        elif (found := _SETEXT.match(line)) and _may_be_title(above):
            yield Heading(at - 1, at, 1 if found[1][0] == "=" else 2, above.strip(), found[1][0])


def _may_be_title(line: str) -> bool:
    is_else = _HASHES.match(line) or _BULLET.match(line) or _SETEXT.match(line)
    return bool(line.strip()) and _HIDDEN not in line and not is_else


def _adorned(lines: Sequence[str]) -> Iterator[Heading]:
    """Yield the headings of reStructuredText; each new adornment is a level below the others."""
    levels: dict[tuple[str, bool], int] = {}
    for at in range(1, len(lines)):
        title, line = lines[at - 1], lines[at]
        is_title = bool(title.strip()) and not _ADORNMENT.match(title)
        if not is_title or not _ADORNMENT.match(line) or len(line.rstrip()) < len(title.strip()):
            continue
        over = at > 1 and lines[at - 2].rstrip() == line.rstrip()
        if title[0] == " " and not over:
            continue
        level = levels.setdefault((line[0], over), len(levels) + 1)
        yield Heading(at - 1 - over, at, level, title.strip(), line[0])


def _has_stop(words: str) -> bool:
    return words.endswith(".") or _REFERENCE.sub("", words).endswith(".")
