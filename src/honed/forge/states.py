"""What the state of a change request allows, whatever forge it is on."""

from typing import Protocol

from honed.core.forge import ChangeRequest, ChangeState, Merge
from honed.errors import ChangeConflict, WrongChangeState


class Branches(Protocol):
    """What a forge tells of branches."""

    def head(self, branch: str) -> str:
        """Return the newest commit of a branch; empty: there is no such branch."""

    def contains(self, branch: str, commit: str) -> bool:
        """Return whether a commit is in the history of a branch."""


def is_closed(change: ChangeRequest) -> bool:
    """Return whether nothing is left to do to close a change.

    Raises:
        WrongChangeState: it is merged.
    """
    if change.state is ChangeState.MERGED:
        msg = f"change {change.number} is merged, and cannot be closed"
        raise WrongChangeState(msg)
    return change.state is ChangeState.CLOSED


def is_merged(change: ChangeRequest) -> bool:
    """Return whether nothing is left to do to merge a change.

    Raises:
        WrongChangeState: it was closed: nothing that was closed is opened again.
    """
    if change.state is ChangeState.CLOSED:
        msg = f"change {change.number} was closed, and is not merged"
        raise WrongChangeState(msg)
    return change.state is ChangeState.MERGED


def check_base(forge: Branches, change: ChangeRequest, how: Merge) -> None:
    """Return if it goes where it was proposed to, which still contains what it was proven on.

    A base that was rewritten (pushed by force) may have lost commits on purpose; merging would
    bring them back. Not guaranteed: that all is still so when a forge merges it, a moment later;
    forges ask for the head alone.

    Raises:
        ChangeConflict: it does not, or the head is another already.
    """
    if change.head_commit != how.head_commit:
        raise head_moved(change.number)
    if how.base and change.base != how.base:
        msg = f"change {change.number} was proposed to {how.base}, and goes into {change.base} now"
        raise ChangeConflict(msg, reason="base_changed")
    if how.base_commit and not forge.contains(change.base, how.base_commit):
        msg = (
            f"{change.base} was rewritten: it no longer contains what change {change.number} is on"
        )
        raise ChangeConflict(msg, reason="base_rewritten")
    if how.base_head and forge.head(change.base) != how.base_head:
        raise base_moved(change.base)


def base_moved(base: str) -> ChangeConflict:
    """Return the error that a base branch is elsewhere than a merge without a person wants it."""
    msg = f"{base} has moved since the change was proven"
    return ChangeConflict(msg, reason="base_moved")


def head_moved(number: int) -> ChangeConflict:
    """Return the error that a change's head is another than the one that was proven."""
    msg = f"the head of change {number} is not the one that was proven"
    return ChangeConflict(msg, reason="head_moved")
