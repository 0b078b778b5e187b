"""What a forge knows of one repository, and what it allows; the dialects only put it in words."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from honed.core.forge import CheckState


@dataclass(slots=True)
class FakeCheck:
    """A check that a commit has."""

    name: str
    state: CheckState
    #: What it says of itself: ``12 passed, 1 failed``.
    words: str = ""
    is_allowed_to_fail: bool = False


@dataclass(slots=True)
class FakeChange:
    """A change request."""

    number: int
    title: str
    body: str
    branch: str
    base: str
    author: str
    is_open: bool = True
    merge_commit: str = ""
    #: Its branch is in a copy of the repository that belongs to somebody else.
    is_from_fork: bool = False
    #: It does not merge.
    is_in_conflict: bool = False
    #: Its checks or approvals are not there.
    is_blocked: bool = False
    #: What its branch was when the repository lost it.
    last_head: str = ""
    version: int = 0
    labels: list[str] = field(default_factory=list)
    reviewers: list[str] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)

    @property
    def updated_at(self) -> str:
        """When it was changed last: a second later each time."""
        return f"2026-01-01T{self.version // 60:02d}:{self.version % 60:02d}:00Z"


@dataclass(slots=True)
class FakeRepository:
    """One repository with its history, its people and its change requests."""

    full_name: str = "shop/cart"
    owner: str = "honed-bot"
    people: list[str] = field(default_factory=lambda: ["ada", "grace", "honed-bot"])
    labels: list[str] = field(default_factory=lambda: ["bug"])
    #: Each commit's parent.
    parents: dict[str, str] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    files: dict[tuple[str, str], bytes] = field(default_factory=dict)
    changes: dict[int, FakeChange] = field(default_factory=dict)
    checks: dict[str, list[FakeCheck]] = field(default_factory=dict)
    #: Accounts of those who wrote a commit, as far as the forge knows them.
    authors: dict[str, str] = field(default_factory=dict)
    #: Answers about checks in which those of a commit are not there yet.
    late_answers: int = 0
    #: Whether a commit that was pushed a moment ago is unknown in those answers.
    is_commit_late: bool = False
    #: Counts of tests of the newest pipeline: success, failed, skipped, error.
    report: Mapping[str, int] = field(default_factory=dict)

    def commit(self, branch: str, files: Mapping[str, str] | None = None) -> str:
        """Push one commit to a branch, which begins at main where it is new; return its name."""
        parent = self.branches.get(branch, self.branches.get("main", ""))
        name = hashlib.sha1(  # noqa: S324 - as git names commits
            f"{branch} {parent} {sorted((files or {}).items())} {len(self.parents)}".encode()
        ).hexdigest()
        self.parents[name] = parent
        for path, text in (files or {}).items():
            self.files[name, path] = text.encode()
        self.branches[branch] = name
        self._touch(branch)
        return name

    def rewrite(self, branch: str) -> str:
        """Push another history to a branch by force; return its new head."""
        head = self.branches[branch]
        self.branches[branch] = self.parents[head]
        return self.commit(branch)

    def history(self, name: str) -> Iterator[str]:
        """Yield a commit and those before it; ``name`` may be a branch."""
        commit = self.branches.get(name, name)
        while commit in self.parents:
            yield commit
            commit = self.parents[commit]

    def file(self, path: str, ref: str) -> bytes | None:
        """Return a file as of a branch or commit."""
        found = (self.files.get((each, path)) for each in self.history(ref))
        return next((content for content in found if content is not None), None)

    def open(self, title: str, body: str, branch: str, base: str) -> FakeChange:
        """Open a change request; who asks has looked whether one is open already."""
        number = len(self.changes) + 1
        made = FakeChange(number, title, body, branch, base, self.owner)
        self.changes[number] = made
        return made

    def open_for(self, branch: str, base: str) -> FakeChange | None:
        """Return the change request that is open for two branches."""
        for each in self.changes.values():
            if each.is_open and (each.branch, each.base) == (branch, base):
                return each
        return None

    def head(self, change: FakeChange) -> str:
        """Return the newest commit of a change request, whatever became of its branch."""
        change.last_head = self.branches.get(change.branch, change.last_head)
        return change.last_head

    def merge(self, change: FakeChange) -> None:
        """Merge a change request."""
        head = self.head(change)
        change.merge_commit = self.commit(change.base)
        # What the branch brought is in the base's history from now on.
        self.parents[change.merge_commit] = head
        change.is_open = False
        change.version += 1

    def checks_of(self, commit: str) -> list[FakeCheck] | None:
        """Return the checks of a commit as far as the forge has heard; None: of no such commit."""
        if self.late_answers > 0:
            self.late_answers -= 1
            return None if self.is_commit_late else []
        return self.checks.get(commit, []) if commit in self.parents else None

    def _touch(self, branch: str) -> None:
        for each in self.changes.values():
            if each.branch == branch:
                each.version += 1


def small_repository() -> FakeRepository:
    """Return a repository with two commits on main and one on ``improvement/12``."""
    made = FakeRepository()
    made.commit("main", {"README.md": "A cart.\n"})
    made.commit("main", {"shop/cart.py": "total = 0\n"})
    made.commit("improvement/12", {"shop/cart.py": "total = 1\n"})
    return made
