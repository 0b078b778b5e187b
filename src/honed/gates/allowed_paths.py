"""A change keeps to the sources; what judges it, builds it or ships it is changed by people.

## What it does

It refuses a change of tests that exist, of the configuration of continuous integration, of lock
files, of migrations, of what runs at installation or start-up by itself, and of anything outside
the repository. New files of tests are allowed: they come with a repair.

## Why it helps

Who may change the exam passes it. Agents that were free to do so have edited tests until these
passed.

## Risk and rollback

It only reads paths.

## How it is measured

By the paths that a change names.
"""

import re
from typing import ClassVar, Final

from honed.core.change import CodeChange, FileChange
from honed.core.gate import Gate, GateResult, Judge, Thresholds

#: Patterns of a path in lower case, and what such a file is.
_DANGEROUS: Final = (
    (re.compile(r"(^|/)\.(git|github|gitlab|forgejo|gitea|circleci|buildkite)(/|$)"), "automation"),
    (re.compile(r"(^|/)(\.gitlab-ci\.ya?ml|\.travis\.yml|jenkinsfile|\.ci/.*)$"), "automation"),
    (re.compile(r"(^|/)(makefile|dockerfile[^/]*|noxfile\.py|tox\.ini)$"), "automation"),
    (re.compile(r"(^|/)(.*\.lock|.*-lock\.(json|ya?ml)|requirements[^/]*\.txt)$"), "lock file"),
    (re.compile(r"(^|/)(pyproject\.toml|setup\.(py|cfg)|.*\.pth)$"), "packaging"),
    (re.compile(r"(^|/)(migrations?|alembic)/"), "migration"),
    (re.compile(r"(^|/)(conftest\.py|pytest\.ini|sitecustomize\.py|usercustomize\.py)$"), "judge"),
)
_TEST: Final = re.compile(r"(^|/)(tests?/|test_[^/]*\.py$|[^/]*_test\.py$)")


class AllowedPaths(Gate):
    """See the module's docstring."""

    name: ClassVar[str] = "allowed_paths"
    order: ClassVar[int] = 10

    def check(self, change: CodeChange, judge: Judge, thresholds: Thresholds) -> GateResult:
        """Return whether every path is one that a change may touch."""
        del judge, thresholds
        refused = {each.path: why for each in change.files if (why := _refusal(each))}
        if not change.files:
            return self.fails("it changes nothing")
        if refused:
            words = ", ".join(f"{path} ({why})" for path, why in sorted(refused.items()))
            return self.fails(f"only a person changes {words}", refused=dict(refused))
        return self.passes("it keeps to sources", files=[each.path for each in change.files])


def _refusal(file: FileChange) -> str:
    """Return what a file is that no change may touch by itself; empty: it may."""
    parts = file.path.split("/")
    if file.path.startswith("/") or "\\" in file.path or {"", ".", ".."} & set(parts):
        return "outside of the repository"
    path = file.path.lower()
    for pattern, what in _DANGEROUS:
        if pattern.search(path):
            return what
    return "test" if _TEST.search(path) and file.before is not None else ""
