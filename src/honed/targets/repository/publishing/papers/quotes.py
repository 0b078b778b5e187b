"""Documents that spell a requirement as it is declared: they say what is declared now."""

import re
from collections.abc import Iterator
from typing import Final

_DOCUMENT: Final = re.compile(r"(?i)^(readme|docs?/.*)\.(md|rst)$")
#: What tells of releases stays as it was; and what is hidden is for programs.
_ELSE: Final = re.compile(r"(?i)change|history|news|release|migrat|upgrad|archive|decision|/\.")
_FENCE: Final = re.compile(r"^ {0,3}(`{3,}|~{3,})")


def is_document(path: str) -> bool:
    """Return whether a file tells how the code is today."""
    return _DOCUMENT.match(path) is not None and _ELSE.search(path) is None


def with_requirement(path: str, text: str, old: str, new: str) -> str:
    """Return a document whose blocks of code spell one requirement otherwise; else nothing changes.

    Args:
        path: of the file; its ending says how it is written.

        text: of the file.

        old: the requirement as it was declared, with its version: ``httpx>=0.27``.

        new: as it is declared now.
    """
    spelled = re.compile(rf"(?<![\w.\[\]-]){re.escape(old)}(?![\w.,;<>=!~*+\[-])")
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)
    blocks = _in_literals(lines) if path.lower().endswith(".rst") else _in_fences(lines)
    return "".join(
        spelled.sub(lambda _: new, line) if is_code else line
        for line, is_code in zip(lines, blocks, strict=True)
    )


def _in_fences(lines: list[str]) -> Iterator[bool]:
    """Yield for each line of Markdown whether it is in a block of code."""
    fence = ""
    for line in lines:
        found = _FENCE.match(line)
        yield bool(fence) and not found
        if not fence:
            fence = found[1] if found else ""
        elif found and found[1].startswith(fence):
            fence = ""


def _in_literals(lines: list[str]) -> Iterator[bool]:
    """Yield for each line of reStructuredText whether it is below ``::``, and deeper."""
    indent = -1
    for line in lines:
        depth = len(line) - len(line.lstrip())
        is_blank = not line.strip()
        if indent >= 0 and not is_blank and depth <= indent:
            indent = -1
        yield indent >= 0 and not is_blank
        is_opening = line.rstrip().endswith("::") or line.lstrip().startswith(".. code")
        if indent < 0 and is_opening:
            indent = depth
