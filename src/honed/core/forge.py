"""A forge: where a change of code waits for review, in words that every forge shares."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class ChangeState(StrEnum):
    """What became of a change request."""

    #: It waits for review, or for its checks.
    OPEN = "open"
    #: Its commits are in the base branch; nothing comes after this.
    MERGED = "merged"
    #: It was closed without being merged.
    CLOSED = "closed"


class CheckState(StrEnum):
    """What a check of a commit says, however the forge calls it."""

    #: It has not come to an end, or its word is one that honed does not know.
    PENDING = "pending"
    #: It succeeded, or had nothing to do.
    PASSED = "passed"
    #: It failed, was cancelled or ran out of time.
    FAILED = "failed"


class MergeMethod(StrEnum):
    """How the commits of a change get into its base branch."""

    #: By a merge commit; the commits stay as they were proven.
    MERGE = "merge"
    #: As one new commit.
    SQUASH = "squash"
    #: As copies on top of the base.
    REBASE = "rebase"


class NoticeEvent(StrEnum):
    """What a webhook is about."""

    #: A change request was opened, changed, closed or merged.
    CHANGE = "change"
    #: A check of a commit began or ended.
    CHECKS = "checks"
    #: A branch has moved.
    PUSH = "push"
    #: Anything else, a test of the webhook too.
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Tally:
    """What the tests of one check came to. Errors count as failed."""

    passed: int
    failed: int
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class Check:
    """One check of one commit.

    Args:
        name: what the forge calls it; unique among those of a commit in most cases.

        state: what it says now.

        url: where a person reads more.

        tests: what its tests came to, where it tells.

        is_required: whether a failure of it stands in the way; jobs may be allowed to fail.
    """

    name: str
    state: CheckState
    url: str = ""
    tests: Tally | None = None
    is_required: bool = True


@dataclass(frozen=True, slots=True)
class Repository:
    """What a forge says of the repository."""

    #: ``owner/name``, or with the groups between.
    full_name: str
    default_branch: str
    url: str
    is_private: bool
    #: Nothing can be changed any more.
    is_archived: bool
    #: Whether the token may push; None: the forge does not tell.
    can_push: bool | None
    methods: AbstractSet[MergeMethod]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A change request that is to be opened; its branch is on the forge already."""

    branch: str
    #: The branch that it is to be merged into.
    base: str
    title: str
    #: In Markdown.
    body: str


@dataclass(frozen=True, slots=True)
class ChangeRequest:
    """A change request as the forge has it at one moment.

    Args:
        number: by which people call it; of its repository.

        base_commit: the newest of the base branch, as far as the forge tells; of a forge perhaps
            the newest when the request was changed last.

        is_mergeable: whether it would merge without a conflict; None: the forge does not know yet.

        merge_commit: what it became in the base branch; empty while it is not merged.

        updated_at: the forge's own time of the last change of it; None where it tells none.
    """

    number: int
    title: str
    body: str
    state: ChangeState
    branch: str
    base: str
    head_commit: str
    url: str
    base_commit: str = ""
    is_mergeable: bool | None = None
    merge_commit: str = ""
    labels: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Merge:
    """How a change is to be merged, and what must still be so.

    Args:
        head_commit: what was proven; another head is refused.

        base_commit: what it was proven on; a base branch that no longer contains it was rewritten,
            and is refused. Empty: not looked at.

        base_head: where the base branch is at that moment; another place is refused. A repository
            compares it as it moves the branch; a forge is asked just before, and could move it in
            between. Empty: not looked at.

        base: the branch that it was proposed to; on a forge others can choose another one, which is
            refused. Empty: not looked at.

        title: first line of a new commit.

        message: the rest of it.

        method: how.
    """

    head_commit: str
    base_commit: str = ""
    base_head: str = ""
    base: str = ""
    title: str = ""
    message: str = ""
    method: MergeMethod = MergeMethod.MERGE


@dataclass(frozen=True, slots=True)
class Notice:
    """A webhook that is proven to come from the forge.

    It only says where something happened. Webhooks come twice, late and in any order, so what
    happened is asked of the forge itself.

    Args:
        delivery: the forge's name of this delivery; the same where it is sent again.

        repository: the full name of the repository that it is about.

        number: the change request that it is about; None: of none, or of several.

        commit: the commit that it is about; empty: of none.
    """

    delivery: str
    event: NoticeEvent
    repository: str = ""
    number: int | None = None
    commit: str = ""


class Forge(Protocol):
    """What honed asks of every forge, about one repository.

    Every method may raise ``ForgeUnavailable`` (``RateLimited`` says when to come again) and
    ``ForgeRefused``. Each may be called again after an error: what is done already is done once,
    comments excepted.
    """

    @property
    def name(self) -> str:
        """``local``, ``github``, ``gitlab`` or ``gitea``."""

    def repository(self) -> Repository:
        """Return what the forge says of the repository."""

    def open(self, proposal: Proposal) -> ChangeRequest:
        """Open a change request, or return the one that is open for this branch and base."""

    def get(self, number: int) -> ChangeRequest:
        """Return a change request as it is now.

        Raises:
            UnknownChange: there is none with this number.
        """

    def update(self, number: int, *, title: str = "", body: str = "") -> ChangeRequest:
        """Write what is not empty, and return the change request as it is then."""

    def close(self, number: int, *, comment: str = "") -> ChangeRequest:
        """Close a change request, after a comment that says why; one that is closed stays so.

        Raises:
            WrongChangeState: it is merged.
        """

    def merge(self, number: int, how: Merge) -> ChangeRequest:
        """Merge exactly what was proven; one that is merged stays so.

        Raises:
            ChangeConflict: it does not merge, or head or base are no longer what was proven.
            WrongChangeState: it was closed.
        """

    def comment(self, number: int, body: str) -> None:
        """Add a comment, in Markdown."""

    def add_labels(self, number: int, labels: Sequence[str]) -> None:
        """Put labels on a change request; those that do not exist are made."""

    def request_reviewers(self, number: int, names: Sequence[str]) -> tuple[str, ...]:
        """Ask people for a review; return whom, without those that the forge does not let."""

    def author(self, commit: str) -> str:
        """Return the account of who wrote a commit; empty: the forge does not know it."""

    def own_open(self, prefix: str) -> Sequence[ChangeRequest]:
        """Return what is open for branches of this repository that begin with ``prefix``."""

    def checks(self, commit: str) -> Sequence[Check]:
        """Return the newest word of each check of a commit; right after a push there are none."""

    def head(self, branch: str) -> str:
        """Return the newest commit of a branch as it is now; empty: there is no such branch."""

    def contains(self, branch: str, commit: str) -> bool:
        """Return whether a commit is in the history of a branch."""

    def file(self, path: str, ref: str) -> bytes | None:
        """Return a file at a commit or branch; None where there is none."""

    def hear(self, headers: Mapping[str, str], body: bytes) -> Notice:
        """Return what a webhook is about, if it is the forge's.

        Raises:
            WebhookRefused: it is not, or cannot be read.
        """


def verdict(checks: Sequence[Check], *, expected: AbstractSet[str] = frozenset()) -> CheckState:
    """Return what all checks of a commit say together.

    One that failed is a failure, whatever others do. No check at all is pending: right after a
    push a forge has not heard of any.

    Args:
        checks: those of one commit.

        expected: names of checks that must be among them before anything has passed.
    """
    required = [check for check in checks if check.is_required]
    if any(check.state is CheckState.FAILED for check in required):
        return CheckState.FAILED
    are_all_there = bool(required) and expected <= {check.name for check in checks}
    if are_all_there and all(check.state is CheckState.PASSED for check in required):
        return CheckState.PASSED
    return CheckState.PENDING
