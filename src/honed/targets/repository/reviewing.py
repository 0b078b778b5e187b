"""Changes on their way between the store and a forge; the store says first what shall be.

Every step may be taken again after a crash. The row is opened before the request, so that a quota
holds whatever happens; it is withdrawn before the request is closed, so that what is found closed
was closed by a person. No transaction is open while a forge is asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from honed.core.forge import ChangeRequest, ChangeState, CheckState, Forge, Merge, MergeMethod
from honed.errors import ChangeConflict, ForgeError, RateLimited
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
    forge.add_labels(request.number, attention.labels)
    if attention.reviewers:
        forge.request_reviewers(request.number, attention.reviewers)
    return _read(store, opened.change_id)


def refresh(store: Database, forge: Forge, change_id: int) -> Change:
    """Ask a forge how a change and its checks are, record it, and return it as it is then.

    A webhook says only that this is worth doing; twice, late or in another order it is the same.
    """
    known = _read(store, change_id)
    if known.number is None:
        return known
    request = forge.get(known.number)
    with store.transaction() as conn:
        changes.record(conn, change_id, request)
    if request.state is ChangeState.OPEN:
        checks = forge.checks(request.head_commit)
        with store.transaction() as conn:
            changes.record_checks(conn, change_id, request.head_commit, checks)
    return _read(store, change_id)


def merge(
    store: Database, forge: Forge, change_id: int, *, method: MergeMethod = MergeMethod.MERGE
) -> Change:
    """Merge a change as it was proven, once its checks have passed.

    Raises:
        ChangeConflict: head or base are another, it does not merge, or its checks did not pass.
        WrongChangeState: it was closed.
    """
    known = refresh(store, forge, change_id)
    if known.state is ChangeState.OPEN and known.checks_state is not CheckState.PASSED:
        msg = f"the checks of change {change_id} say {known.checks_state}"
        raise ChangeConflict(msg, reason="not_ready")
    how = Merge(
        head_commit=known.head_commit,
        base_commit=known.base_commit,
        title=known.title,
        message=f"Honed-Ledger: {known.ledger_index}" if known.ledger_index is not None else "",
        method=method,
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
        forge.close(known.number, comment=reason)
    return known


def settle(store: Database, forge: Forge, target: str) -> list[ChangeRequest]:
    """Close on a forge what is closed in the store, and return what was.

    A person may have closed it here, or honed died between the two.
    """
    with store.transaction() as conn:
        open_here = {each.number for each in changes.changes(conn, Wanted(target), limit=1000)}
        closed = Wanted(target, states=(ChangeState.CLOSED,))
        ended = {
            each.number: each for each in changes.changes(conn, closed, limit=1000) if each.number
        }
    left = [
        each
        for each in forge.own_open(BRANCHES)
        if each.number in ended and each.number not in open_here
    ]
    return [forge.close(each.number, comment=ended[each.number].end_reason) for each in left]


def carry_out(
    store: Database, forge: Forge, target: str, *, method: MergeMethod = MergeMethod.MERGE
) -> dict[int, str]:
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
                refresh(store, forge, each.change_id)
                continue
            merge(store, forge, each.change_id, method=method)
            became[each.change_id] = ""
        except RateLimited:
            raise
        except ForgeError as error:
            became[each.change_id] = str(error)
    return became


def _number(change: Change) -> int:
    if change.number is None:
        msg = f"change {change.change_id} is not on its forge yet"
        raise ChangeConflict(msg, reason="not_ready")
    return change.number


def _read(store: Database, change_id: int) -> Change:
    with store.transaction() as conn:
        return changes.get(conn, change_id)
