"""Changes on their way between the store and a forge; the store says first what shall be.

Every step may be taken again after a crash. The row is opened before the request, so that a quota
holds whatever happens; it is withdrawn before the request is closed, so that what is found closed
was closed by a person. No transaction is open while a forge is asked.
"""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass

from honed.core.forge import (
    ChangeRequest,
    ChangeState,
    Check,
    CheckState,
    Forge,
    Merge,
    MergeMethod,
)
from honed.errors import (
    ChangeConflict,
    ForgeError,
    ForgeRefused,
    RateLimited,
    WrongChangeState,
)
from honed.forge.description import LEDGER_TRAILER
from honed.ledger.keys import Signer
from honed.storage.db import Database
from honed.targets.repository.requests import changes
from honed.targets.repository.requests.change import Change, Lane, Limits, NewChange, Wanted
from honed.targets.repository.requests.sealing import seal, seal_all

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

        risk_limit: only what has a lower risk is merged without a person, if the policy allows it;
            None: whatever the policy allows.
    """

    method: MergeMethod = MergeMethod.MERGE
    expected: AbstractSet[str] = frozenset()
    risk_limit: int | None = None


@dataclass(frozen=True, slots=True)
class Desk:
    """Where changes of one repository are followed.

    Args:
        store: as the daemon.

        forge: where they are reviewed.

        signer: the key of the ledger; None: somebody else writes there what became of them.

        terms: on which they are merged.
    """

    store: Database
    forge: Forge
    signer: Signer | None = None
    terms: Terms = Terms()

    def read(self, change_id: int) -> Change:
        """Return a change as it is stored."""
        with self.store.transaction() as conn:
            return changes.get(conn, change_id)

    def record(self, change_id: int, seen: ChangeRequest) -> Change:
        """Record what the forge says of a change, and in the ledger what became of it."""
        with self.store.transaction() as conn:
            changes.record(conn, change_id, seen)
            found = changes.get(conn, change_id)
            seal(conn, self.signer, change_id)
        return found

    @property
    def names_checks(self) -> bool:
        """Whether it is known which checks must have passed: without a person there is no guess."""
        return self.forge.name == "local" or bool(self.terms.expected)


def lane_at(desk: Desk, improvement_id: int | None) -> Lane:
    """Return who lets the change of an improvement in: the policy, or a person."""
    with desk.store.transaction() as conn:
        lane, _ = changes.lane_of(conn, improvement_id, risk_limit=desk.terms.risk_limit)
    return lane if desk.names_checks else Lane.REVIEW


def publish(
    desk: Desk,
    new: NewChange,
    limits: Limits,
    attention: Attention,
    checks: Sequence[Check] = (),
) -> Change:
    """Open a change request, or find the one that was opened before a crash.

    Args:
        desk: of its repository.

        new: what is proposed; its branch is pushed.

        limits: of the repository.

        attention: whom it is shown to.

        checks: what is known of its head already, where nobody else runs its tests.

    Raises:
        ChangeWithheld: it is not opened now.
        ForgeError: the forge did not take it; the row stays, and this may be called again.
    """
    # The outer block is the driver's: without it the savepoint of opening would commit by itself.
    with desk.store.transaction() as conn, conn.transaction():
        opened = changes.open_change(conn, new, limits)
        if checks:
            changes.record_checks(conn, opened.change_id, new.head_commit, checks)
    request = desk.forge.open(new.proposal)
    desk.record(opened.change_id, request)
    # A token that may open requests and not label them opens them all the same.
    with suppress(ForgeRefused):
        desk.forge.add_labels(request.number, attention.labels)
    with suppress(ForgeRefused):
        if attention.reviewers:
            desk.forge.request_reviewers(request.number, attention.reviewers)
    return desk.read(opened.change_id)


def refresh(desk: Desk, change_id: int) -> Change:
    """Ask a forge how a change and its checks are, record it, and return it as it is then.

    Of one that is closed it is only recorded that it was merged all the same: on the forge it is
    open until ``settle`` has closed it there. A webhook says only that this is worth doing; twice,
    late or in another order it is the same.
    """
    known = desk.read(change_id)
    if known.number is None and known.state is ChangeState.OPEN:
        known = _found(desk, known)
    if known.number is None or known.state is ChangeState.MERGED:
        return known
    request = desk.forge.get(known.number)
    if known.state is ChangeState.CLOSED and request.state is not ChangeState.MERGED:
        return known
    desk.record(change_id, request)
    if request.state is ChangeState.OPEN:
        head = request.head_commit
        checks = desk.forge.checks(head)
        with desk.store.transaction() as conn:
            changes.record_checks(conn, change_id, head, checks, expected=desk.terms.expected)
    return desk.read(change_id)


def merge(desk: Desk, change_id: int) -> Change:
    """Merge a change as it was proven, once its checks have passed.

    In honed itself no check comes later: of what has none, a person's word is enough. What a person
    asked for goes into the base as it is by now; what the policy asked for only into
    the one that it was proven on.

    Raises:
        ChangeConflict: head or base are another, it does not merge, or its checks did not pass.
        WrongChangeState: it was closed.
    """
    known = refresh(desk, change_id)
    if known.state is ChangeState.MERGED:
        return known
    if known.state is ChangeState.CLOSED:
        msg = f"change {change_id} was closed, and is not merged"
        raise WrongChangeState(msg)
    is_unchecked = desk.forge.name == "local" and not known.checks
    if known.checks_state is not CheckState.PASSED and not (
        is_unchecked and known.is_asked_by_person
    ):
        msg = f"the checks of change {change_id} say {known.checks_state}"
        raise ChangeConflict(msg, reason="not_ready")
    how = Merge(
        head_commit=known.head_commit,
        base_commit=known.base_commit,
        base_head=known.base_commit if known.is_asked_by_policy else "",
        base=known.base_branch,
        title=known.title,
        message=f"{LEDGER_TRAILER}: {known.ledger_index}" if known.ledger_index is not None else "",
        method=desk.terms.method,
    )
    return desk.record(change_id, desk.forge.merge(_number(known), how))


def withdraw(desk: Desk, change_id: int, reason: str) -> Change:
    """Close a change that honed itself no longer wants: another settled it, its base is gone."""
    with desk.store.transaction() as conn:
        changes.withdraw(conn, change_id, reason)
        known = changes.get(conn, change_id)
        seal(conn, desk.signer, change_id)
    if known.number is not None:
        _close(desk, known)
    return desk.read(change_id)


def settle(desk: Desk, target: str) -> list[ChangeRequest]:
    """Close on a forge what is closed in the store, and return what was.

    A person may have closed it here, or honed died between the two. What was closed there before
    and is open, a person has opened again: then it is open here as well.
    """
    with desk.store.transaction() as conn:
        # A number is that of one forge; on another it is somebody else's.
        closed, waiting = (
            {
                (each.number, each.branch): each
                for each in reversed(changes.changes(conn, Wanted(target, (state,)), limit=1000))
                if each.forge == desk.forge.name
            }
            for state in (ChangeState.CLOSED, ChangeState.OPEN)
        )
    settled = []
    for request in desk.forge.own_open(BRANCHES):
        named = (request.number, request.branch)
        if named not in closed or named in waiting:
            continue
        known = desk.record(closed[named].change_id, request)
        if known.state is ChangeState.CLOSED:
            settled.append(_close(desk, known))
    return settled


def carry_out(
    desk: Desk, target: str, *, why_not: Callable[[], str] = lambda: ""
) -> dict[int, str]:
    """Do what people and the policy decided of the changes of a repository, and see the others.

    For the daemon's timer, and for whoever hears a webhook. What cannot be done now is tried again
    the next time.

    Args:
        desk: of the repository.

        target: its name.

        why_not: why this process may merge nothing, asked before each merge; empty: it may.

    Returns:
        By the id of a change: why it was not done; empty where it was.
    """
    settle(desk, target)
    seal_all(desk.store, desk.signer, target)
    with desk.store.transaction() as conn:
        waiting = changes.changes(conn, Wanted(target), limit=1000)
    became: dict[int, str] = {}
    for each in waiting:
        if each.forge != desk.forge.name:
            continue
        try:
            if not _is_to_be_merged(desk, each):
                continue
            if not (reason := why_not()):
                merge(desk, each.change_id)
            became[each.change_id] = reason
        except RateLimited:
            raise
        except ForgeError as error:
            became[each.change_id] = str(error)
    return became


def _is_to_be_merged(desk: Desk, change: Change) -> bool:
    """Return whether somebody has asked for the merge of an open change: a person, or the policy.

    Of what nobody has asked for it is seen what became of it. A person's word holds; what the
    policy asked for is asked of it each time, once everything is as it has to be.
    """
    if change.is_asked_by_person and change.lane is Lane.REVIEW:
        return True
    found = refresh(desk, change.change_id)
    is_ready = found.state is ChangeState.OPEN and found.checks_state is CheckState.PASSED
    if found.lane is not Lane.AUTOMERGE or not is_ready or not desk.names_checks:
        return found.is_asked_by_person
    # A head contains the commit that it was proven on and no later one: so do checks of it.
    base_head = desk.forge.head(found.base_branch)
    with desk.store.transaction() as conn:
        is_asked, _ = changes.merge_by_policy(
            conn, change.change_id, base_head=base_head, risk_limit=desk.terms.risk_limit
        )
        seal(conn, desk.signer, change.change_id)
    return is_asked


def _found(desk: Desk, change: Change) -> Change:
    """Return a change with its number, if its request was opened and the answer got lost."""
    for request in desk.forge.own_open(change.branch):
        if (request.branch, request.base) == (change.branch, change.base_branch):
            return desk.record(change.change_id, request)
    return change


def _close(desk: Desk, change: Change) -> ChangeRequest:
    """Close on a forge what is closed here, and remember that it was seen closed there."""
    closed = desk.forge.close(_number(change), comment=change.end_reason)
    desk.record(change.change_id, closed)
    return closed


def _number(change: Change) -> int:
    if change.number is None:
        msg = f"change {change.change_id} is not on its forge yet"
        raise ChangeConflict(msg, reason="not_ready")
    return change.number
