"""A change keeps to the sources; what judges it, builds it or ships it is changed by people.

## What it does

It allows changes of sources in Python and of documents, and new files of tests, which come with a
repair. A change that raises a dependency may change the version of one requirement, and nothing
else. What a change carries along to tell of it may be lines of documents and new fragments of news.
Everything else is refused: tests that exist, other new files, what a test runner, an
installation, a start-up or automation reads, migrations, and anything outside the repository.

## Why it helps

Who may change the exam passes it. Agents that were free to do so have edited tests until these
passed.

## Risk and rollback

It only reads paths.

## How it is measured

By the paths that a change names, and of a file of requirements by what it says before and after.
"""

import re
from typing import ClassVar, Final

from honed.core.change import CodeChange, FileChange, Purpose
from honed.core.gate import Gate, GateResult, Judge, Thresholds
from honed.targets.repository.publishing.papers.fragments import is_fragment
from honed.targets.repository.upgrade.requirements import why_no_upgrade

#: What tells people of the code, and what a change may touch at all, in lower case.
_DOCUMENT: Final = re.compile(
    r"(^|/)(docs?/.*|changelog[^/]*|changes|history|news|readme)\.(md|rst)$"
)
_SOURCE: Final = re.compile(rf"\.py$|{_DOCUMENT.pattern}")
#: Patterns of sources that are more than sources, and what they are.
_DANGEROUS: Final = (
    (re.compile(r"(^|/)\.[^/]"), "hidden"),
    (re.compile(r"(^|/)(migrations?|alembic)/"), "migration"),
    (re.compile(r"(^|/)(setup|hatch_build|build|noxfile|fabfile|tasks|dodo)\.py$"), "automation"),
    (re.compile(r"(^|/)(conftest|sitecustomize|usercustomize)\.py$"), "judge"),
)
_TEST: Final = re.compile(r"(^|/)(tests?/([^/]+/)*)?(test_[^/]*|[^/]*_test)\.py$")
_OF_TESTS: Final = re.compile(r"(^|/)tests?/")


class AllowedPaths(Gate):
    """See the module's docstring."""

    name: ClassVar[str] = "allowed_paths"
    order: ClassVar[int] = 10

    def check(self, change: CodeChange, judge: Judge, thresholds: Thresholds) -> GateResult:
        """Return whether every path is one that a change may touch."""
        del judge, thresholds
        upgrade = change.purpose is Purpose.UPGRADE
        refusal = _refusal_of_upgrade if upgrade else _refusal
        refused = {each.path: why for each in change.files if (why := refusal(each))}
        refused |= {each.path: why for each in change.papers if (why := _refusal_of_paper(each))}
        if not change.files:
            return self.fails("it changes nothing")
        if upgrade and len(change.files) > 1:
            return self.fails("it raises more than one requirement")
        if refused:
            words = ", ".join(f"{path} ({why})" for path, why in sorted(refused.items()))
            return self.fails(f"only a person changes {words}", refused=dict(refused))
        kept = "one requirement" if upgrade else "sources"
        return self.passes(f"it keeps to {kept}", files=[each.path for each in change.every_file])


def _refusal_of_upgrade(file: FileChange) -> str:
    """Return why a file's change is more than another version of a requirement; empty: it is."""
    if file.before is None or file.after is None:
        return "new or gone"
    return why_no_upgrade(file.path, file.before, file.after)


def _refusal_of_paper(file: FileChange) -> str:
    """Return why a file is more than a document that tells of a change; empty: it is not."""
    path = file.path.lower()
    if _is_outside(file.path):
        return "outside of the repository"
    if path.startswith(".") or "/." in path:
        return "hidden"
    if file.after is None:
        return "gone"
    if file.before is None:
        return "" if is_fragment(file.path) else "new, and no news"
    return "" if _DOCUMENT.search(path) and not _OF_TESTS.search(path) else "no document"


def _is_outside(path: str) -> bool:
    return path.startswith("/") or "\\" in path or not {"", ".", ".."}.isdisjoint(path.split("/"))


def _refusal(file: FileChange) -> str:
    """Return what a file is that no change may touch by itself; empty: it may."""
    if _is_outside(file.path):
        return "outside of the repository"
    path = file.path.lower()
    for pattern, what in _DANGEROUS:
        if pattern.search(path):
            return what
    if not _SOURCE.search(path):
        return "no source"
    is_test = _TEST.search(path) is not None
    if file.before is None:
        return "" if is_test else "new, and no test"
    return "test" if is_test or _OF_TESTS.search(path) else ""
