"""Changes on their way between the store and a forge; the store says first what shall be.

Every step may be taken again after a crash. The row is opened before the request, so that a quota
holds whatever happens; it is withdrawn before the request is closed, so that what is found closed
was closed by a person. No transaction is open while a forge is asked.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass

from honed.core.forge import ChangeRequest, ChangeState, CheckState, Forge, Merge, MergeMethod
from honed.errors import (
    ChangeConflict,
    ForgeError,
    ForgeRefused,
    RateLimited,
    WrongChangeState,
)
from honed.storage.db import Database
from honed.targets.repository import changes
from honed.targets.repository.change import Change, Limits, NewChange, Wanted

#: What honed's branches begin with.
BRANCHES = "improvement/"


@dataclass(frozen=True, slots=True)
class Attention:
    """Whom and what a new request shows itself to: people by their names on the forge."""

    reviewers: Sequence[str] = ()
    labels: Sequence[str] = ("honed",)


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms changes of a repository are merged.

    Args:
        method: how their commits get into the base branch.

        expected: names of checks that must have passed; empty: whatever checks there are, at least
            one. A forge that starts some late would have a change merged by its quickest check.
    """

    method: MergeMethod = MergeMethod.MERGE
    expected: AbstractSet[str] = frozenset()


_USUAL = Terms()


def publish(
    store: Database, forge: Forge, new: NewChange, limits: Limits, attention: Attention
) -> Change:
    """Open a change request, or find the one that was opened before a crash.

    Args:
        store: as the daemon.

        forge: where it is opened.

        new: what is proposed; its branch is pushed.

        limits: of the repository.

        attention: whom it is shown to.

    Raises:
        ChangeWithheld: it is not opened now.
        ForgeError: the forge did not take it; the row stays, and this may be called again.
    """
    with store.transaction() as conn:
        opened = changes.open_change(conn, new, limits)
    request = forge.open(new.proposal)
    with store.transaction() as conn:
        changes.record(conn, opened.change_id, request)
    # A token that may open requests and not label them opens them all the same.
    with suppress(ForgeRefused):
        forge.add_labels(request.number, attention.labels)
    with suppress(ForgeRefused):
        if attention.reviewers:
            forge.request_reviewers(request.number, attention.reviewers)
    return _read(store, opened.change_id)


def refresh(store: Database, forge: Forge, change_id: int, terms: Terms = _USUAL) -> Change:
    """Ask a forge how a change and its checks are, record it, and return it as it is then.

    Of one that is closed it is only recorded that it was merged all the same: on the forge it is
    open until ``settle`` has closed it there. A webhook says only that this is worth doing; twice,
    late or in another order it is the same.
    """
    known = _read(store, change_id)
    if known.number is None or known.state is ChangeState.MERGED:
        return known
    request = forge.get(known.number)
    if known.state is ChangeState.CLOSED and request.state is not ChangeState.MERGED:
        return known
    with store.transaction() as conn:
        changes.record(conn, change_id, request)
    if request.state is ChangeState.OPEN:
        head = request.head_commit
        checks = forge.checks(head)
        with store.transaction() as conn:
            changes.record_checks(conn, change_id, head, checks, expected=terms.expected)
    return _read(store, change_id)


def merge(store: Database, forge: Forge, change_id: int, terms: Terms = _USUAL) -> Change:
    """Merge a change as it was proven, once its checks have passed.

    Raises:
        ChangeConflict: head or base are another, it does not merge, or its checks did not pass.
        WrongChangeState: it was closed.
    """
    known = refresh(store, forge, change_id, terms)
    if known.state is ChangeState.MERGED:
        return known
    if known.state is ChangeState.CLOSED:
        msg = f"change {change_id} was closed, and is not merged"
        raise WrongChangeState(msg)
    if known.checks_state is not CheckState.PASSED:
        msg = f"the checks of change {change_id} say {known.checks_state}"
        raise ChangeConflict(msg, reason="not_ready")
    how = Merge(
        head_commit=known.head_commit,
        base_commit=known.base_commit,
        title=known.title,
        message=f"Honed-Ledger: {known.ledger_index}" if known.ledger_index is not None else "",
        method=terms.method,
    )
    request = forge.merge(_number(known), how)
    with store.transaction() as conn:
        changes.record(conn, change_id, request)
    return _read(store, change_id)


def withdraw(store: Database, forge: Forge, change_id: int, reason: str) -> Change:
    """Close a change that honed itself no longer wants: another settled it, its base is gone."""
    with store.transaction() as conn:
        changes.withdraw(conn, change_id, reason)
    known = _read(store, change_id)
    if known.number is not None:
        _close(store, forge, known)
    return _read(store, change_id)


def settle(store: Database, forge: Forge, target: str) -> list[ChangeRequest]:
    """Close on a forge what is closed in the store, and return what was.

    A person may have closed it here, or honed died between the two. What was closed there before
    and is open, a person has opened again: then it is open here as well.
    """
    with store.transaction() as conn:
        # A number is that of one forge; on another it is somebody else's.
        closed, waiting = (
            {
                (each.number, each.branch): each
                for each in reversed(changes.changes(conn, Wanted(target, (state,)), limit=1000))
                if each.forge == forge.name
            }
            for state in (ChangeState.CLOSED, ChangeState.OPEN)
        )
    settled = []
    for request in forge.own_open(BRANCHES):
        named = (request.number, request.branch)
        if named not in closed or named in waiting:
            continue
        known = closed[named]
        with store.transaction() as conn:
            changes.record(conn, known.change_id, request)
            known = changes.get(conn, known.change_id)
        if known.state is ChangeState.CLOSED:
            settled.append(_close(store, forge, known))
    return settled


def carry_out(store: Database, forge: Forge, target: str, terms: Terms = _USUAL) -> dict[int, str]:
    """Do what people decided of the changes of a repository, and see what became of the others.

    For the daemon's timer, and for whoever hears a webhook. What cannot be done now is tried again
    the next time.

    Returns:
        By the id of a change: why it was not done; empty where it was.
    """
    settle(store, forge, target)
    with store.transaction() as conn:
        waiting = changes.changes(conn, Wanted(target), limit=1000)
    became: dict[int, str] = {}
    for each in waiting:
        if each.forge != forge.name:
            continue
        try:
            if each.merge_asked_at is None:
                refresh(store, forge, each.change_id, terms)
                continue
            merge(store, forge, each.change_id, terms)
            became[each.change_id] = ""
        except RateLimited:
            raise
        except ForgeError as error:
            became[each.change_id] = str(error)
    return became


def _close(store: Database, forge: Forge, change: Change) -> ChangeRequest:
    """Close on a forge what is closed here, and remember that it was seen closed there."""
    closed = forge.close(_number(change), comment=change.end_reason)
    with store.transaction() as conn:
        changes.record(conn, change.change_id, closed)
    return closed


def _number(change: Change) -> int:
    if change.number is None:
        msg = f"change {change.change_id} is not on its forge yet"
        raise ChangeConflict(msg, reason="not_ready")
    return change.number


def _read(store: Database, change_id: int) -> Change:
    with store.transaction() as conn:
        return changes.get(conn, change_id)
