"""A line of what is not released finds its place, looks like the others, and goes again."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from honed.targets.repository.publishing.papers.changelog import (
    is_changelog,
    is_kept,
    with_entry,
    without_entry,
)

SAID = "Repair `total` in `shop/prices.py`"


def added(path: str, text: str, heading: str = "Fixed") -> str:
    """Return the changelog with one more entry; it is the same when it is asked for again."""
    after = with_entry(path, text, heading, SAID)
    assert with_entry(path, after, heading, SAID) == after
    return after


def test_a_changelog_is_known_by_its_name() -> None:
    for path in ("CHANGELOG.md", "Changes.rst", "HISTORY.md", "docs/changelog.md", "NEWS.rst"):
        assert is_changelog(path)
    for path in ("docs/howto/changes.md", "shop/changes.py", "CHANGELOG", "CHANGELOG.md.py"):
        assert not is_changelog(path)


KEPT = """# Changelog

## [Unreleased]

### Added

- A basket.

### Fixed

- The sum of nothing
  is nothing.

### Security

- Tokens.

## [1.0.0] - 2026-01-01

### Fixed

- Old.

[unreleased]: https://example.org
"""


def test_it_is_the_last_of_its_subsection() -> None:
    expected = KEPT.replace("  is nothing.\n", f"  is nothing.\n- {SAID}.\n", 1)
    assert added("CHANGELOG.md", KEPT) == expected
    assert without_entry("CHANGELOG.md", KEPT, expected, expected) == KEPT


def test_a_missing_subsection_is_made_in_the_order_of_keep_a_changelog() -> None:
    new = f"### Changed\n\n- {SAID}.\n\n### Fixed\n"
    expected = KEPT.replace("### Fixed\n", new, 1)
    assert added("CHANGELOG.md", KEPT, "Changed") == expected
    assert without_entry("CHANGELOG.md", KEPT, expected, expected) == KEPT
    without = KEPT.replace("### Security\n\n- Tokens.\n\n", "").replace(
        "### Fixed\n\n- The sum of nothing\n  is nothing.\n\n", ""
    )
    behind = without.replace("- A basket.\n", f"- A basket.\n\n### Fixed\n\n- {SAID}.\n", 1)
    assert added("CHANGELOG.md", without) == behind


def test_an_empty_section_is_filled_as_the_others_are() -> None:
    tight = "## Unreleased\n\n## 1.0\n### Bug fixes\n* One\n* Two\n"
    assert added("CHANGELOG.md", tight) == tight.replace(
        "## Unreleased\n", f"## Unreleased\n\n### Bug fixes\n* {SAID}\n"
    )
    flat = "# Changes\n\n## Unreleased\n\n## 1.0\n\n- One\n\n- Two\n"
    assert added("CHANGES.md", flat) == flat.replace(
        "## Unreleased\n", f"## Unreleased\n\n- {SAID}\n"
    )
    alone = "# Changelog\n\n## [Unreleased]\n"
    assert added("CHANGELOG.md", alone) == f"{alone}\n### Fixed\n\n- {SAID}.\n"


def test_a_list_without_subsections_is_gone_on_with() -> None:
    text = "Unreleased\n----------\n\n- One\n\n- Two, which is\n  long\n\n1.0\n---\n\n- Zero\n"
    expected = text.replace("  long\n", f"  long\n\n- {SAID}\n")
    assert added("CHANGES.md", text) == expected
    assert added("CHANGES.rst", text) == expected.replace("`", "``")


def test_subsections_of_restructured_text_are_made_like_the_others() -> None:
    text = """=======
Changes
=======

1.1 (unreleased)
================

Added
^^^^^

* A basket.

.. _v1.0:

1.0
===

Fixed
^^^^^

* Old.
"""
    new = f"* A basket.\n\nFixed\n^^^^^\n\n* {SAID}.\n".replace("`", "``")
    assert added("CHANGES.rst", text) == text.replace("* A basket.\n", new)


def test_pallets_say_below_the_version_that_it_is_unreleased() -> None:
    text = "Version 3.2\n-----------\n\nUnreleased\n\n-   One.\n\n\nVersion 3.1\n-----------\n"
    new = f"-   One.\n-   {SAID}.\n".replace("`", "``")
    assert added("CHANGES.rst", text) == text.replace("-   One.\n", new)


def test_a_long_line_is_broken_where_the_others_are() -> None:
    long = "- " + "word " * 9 + "word,\n  " + "word " * 8 + "word.\n"
    text = f"## Unreleased\n\n{long}"
    after = with_entry("CHANGELOG.md", text, "Fixed", f"{SAID} " + "and so on " * 9 + "at last")
    lines = after.removeprefix(text).splitlines()
    assert len(lines) > 1
    assert all(len(line) <= 60 for line in lines)
    assert [line[:2] for line in lines] == ["- ", *["  "] * (len(lines) - 1)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# Changelog\n\n## 1.0\n\n- One.\n",
        "# Changelog\n\n```\n## [Unreleased]\n\n- One.\n```\n\n## 1.0\n",
        "# Changelog\n\n<!--\n## [Unreleased]\n\n- One.\n-->\n\n## 1.0\n\n- One.\n",
        "## Unreleased\n\n### The basket\n\n- One.\n\n### The shelf\n\n- Two.\n",
        "Everything here is unreleased.\n",
    ],
)
def test_where_nobody_keeps_such_lines_nothing_is_invented(text: str) -> None:
    assert added("CHANGELOG.md", text) == text


def test_ends_of_lines_stay_what_they_are() -> None:
    after = added("CHANGELOG.md", KEPT.replace("\n", "\r\n"))
    assert after == added("CHANGELOG.md", KEPT).replace("\n", "\r\n")


TITLES = st.sampled_from(["Added", "Changed", "Fixed", "Bug fixes", "Security", "The basket"])
SAMPLES = ["One.", "Two", "`three` is more (#3)", "Of - and * and #", "long " * 30 + "."]
ENTRIES = st.lists(st.sampled_from(SAMPLES), max_size=4)


@st.composite
def changelogs(draw: st.DrawFn) -> str:
    """Draw a changelog of Markdown as people write them."""
    bullet, gap = draw(st.sampled_from(["-", "*", "+"])), draw(st.sampled_from(["\n", "\n\n"]))
    blank = draw(st.sampled_from(["", "\n"]))
    parts = ["# Changelog\n\n", draw(st.sampled_from(["", "All of it.\n\n"]))]
    names = ["[Unreleased]", *draw(st.lists(st.sampled_from(["1.0", "[0.9] - 2026"]), max_size=2))]
    for name in names:
        parts.append(f"## {name}\n\n")
        for title in ["", *draw(st.lists(TITLES, max_size=3, unique=True))]:
            parts.append(f"### {title}\n{blank}" if title else "")
            said = gap.join(f"{bullet} {entry}" for entry in draw(ENTRIES))
            parts.append(f"{said}\n\n" if said else "")
    parts.append(draw(st.sampled_from(["", "[1.0]: https://example.org\n"])))
    text = "".join(parts)
    return text.replace("\n", "\r\n") if draw(st.booleans()) else text


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(changelogs(), st.sampled_from(["Fixed", "Changed"]))
def test_every_other_line_stays_and_the_undo_gives_the_text_back(text: str, heading: str) -> None:
    after = added("CHANGELOG.md", text, heading)
    if after == text:
        return
    lines = after.splitlines(keepends=True)
    kept = iter(lines)
    assert all(line in kept for line in text.splitlines(keepends=True)), "in their order"
    assert sum(SAID in line for line in lines) == 1
    new = len(lines) - len(text.splitlines())
    assert new <= 5, "a heading, blank lines around it, and the entry"
    assert {re.sub(r"[^\r\n]", "", line) for line in lines} == {"\r\n" if "\r\n" in text else "\n"}
    before, _, _ = after.partition(SAID)
    assert before.rfind("[Unreleased]") == before.rfind("\n## ") + len("\n## ")
    back = without_entry("CHANGELOG.md", text, after, after)
    assert back.split() == text.split(), "blank lines may be other where they were odd"


def test_an_entry_goes_though_others_came_beside_it() -> None:
    after = added("CHANGELOG.md", KEPT)
    today = after.replace(f"- {SAID}.\n", f"- Before.\n- {SAID}.\n- Behind.\n- More.\n")
    assert without_entry("CHANGELOG.md", KEPT, after, today) == today.replace(f"- {SAID}.\n", "")
    made = added("CHANGELOG.md", KEPT, "Changed")
    today = made.replace(f"- {SAID}.\n", f"- {SAID}.\n- Behind.\n")
    assert without_entry("CHANGELOG.md", KEPT, made, today) == today.replace(f"- {SAID}.\n", "")


def test_what_was_released_or_written_anew_stays() -> None:
    after = added("CHANGELOG.md", KEPT)
    released = after.replace("## [Unreleased]\n", "## [Unreleased]\n\n## [1.1.0] - 2026-02-01\n")
    assert without_entry("CHANGELOG.md", KEPT, after, released) == released
    anew = after.replace(SAID, "A better sum")
    assert without_entry("CHANGELOG.md", KEPT, after, anew) == anew
    gone = after.replace("## [Unreleased]", "## [1.1.0]")
    assert not is_kept("CHANGELOG.md", gone)
    assert without_entry("CHANGELOG.md", KEPT, after, gone) == gone
